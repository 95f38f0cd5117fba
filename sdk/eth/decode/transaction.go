package decode

import (
	"bytes"
	"fmt"

	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/internal/rlp"
)

// readTransactions reads the transactions of a block.
func (d *Decoder) readTransactions() {
	d.transactions = d.transactions[:0]
	d.part = "transaction"
	for d.begin('['); d.element(); {
		d.index = len(d.transactions)
		d.transactions = append(d.transactions, eth.Transaction{})
		tx := &d.transactions[d.index]
		block, index := d.transaction(tx)
		d.require("blockHash", block)
		d.require("transactionIndex", index)
	}
	d.part = ""
}

// transaction reads a transaction and reports whether it says its block and its place there.
func (d *Decoder) transaction(tx *eth.Transaction) (block, index bool) {
	var (
		hash   bool
		signed uint256.Int // the chain that it was signed for
	)
	for d.begin('{'); d.member(); {
		switch string(d.key) {
		case "blockHash":
			block = d.hash(&tx.BlockHash)
		case "transactionIndex":
			index = d.quantity(&tx.TransactionIndex)
		case "hash":
			hash = d.hash(&tx.TransactionHash)
		case "type":
			d.octet(&tx.TransactionType)
		case "from":
			d.address(&tx.From)
		case "to":
			tx.To = d.optAddress()
		case "nonce":
			d.quantity(&tx.Nonce)
		case "value":
			d.word(&tx.Value)
		case "input":
			tx.Input = d.data()
		case "chainId":
			d.word(&signed)
		default:
			d.price(tx)
		}
	}
	d.require("hash", hash)
	d.chain(tx, &signed)
	TransactionColumns(tx)
	return block, index
}

// chain says which chain a transaction is on. One that says itself what it was signed for must agree with the network; on what a legacy
// transaction is valid is said by its V.
func (d *Decoder) chain(tx *eth.Transaction, signed *uint256.Int) {
	tx.ChainID = d.ChainID
	if d.ChainID == 0 {
		tx.ChainID = signed.Uint64()
		return
	}
	if tx.TransactionType != 0 && !signed.IsZero() && !signed.Eq(uint256.NewInt(d.ChainID)) {
		d.failAt("chainId", []byte(signed.Hex()), fmt.Sprintf("the network's is %#x", d.ChainID))
	}
}

// TransactionColumns fills those columns of a transaction that are counted from others. Decoders do it themselves.
func TransactionColumns(tx *eth.Transaction) {
	tx.InputBytes = uint64(len(tx.Input))
	tx.InputZeroBytes = uint64(bytes.Count(tx.Input, zero))
	tx.InputNonzeroBytes = tx.InputBytes - tx.InputZeroBytes
	tx.RLPBytes = uint64(rlp.TransactionSize(tx))
}

var zero = []byte{0}

// price reads a field that says what a transaction may cost or who signed it, and leaves others to lists.
func (d *Decoder) price(tx *eth.Transaction) {
	switch string(d.key) {
	case "gas":
		d.quantity(&tx.GasLimit)
	case "gasPrice":
		d.word(&tx.GasPrice)
	case "maxFeePerGas":
		tx.MaxFeePerGas = d.optWord()
	case "maxPriorityFeePerGas":
		tx.MaxPriorityFeePerGas = d.optWord()
	case "maxFeePerBlobGas":
		tx.MaxFeePerBlobGas = d.optWord()
	case "v":
		d.word(&tx.V)
	case "yParity": // from type 1 on the same as v, which some nodes leave out
		var parity uint256.Int
		if d.word(&parity) && tx.V.IsZero() {
			tx.V = parity
		}
	case "r":
		d.word(&tx.R)
	case "s":
		d.word(&tx.S)
	default:
		d.lists(tx)
	}
}

func (d *Decoder) lists(tx *eth.Transaction) {
	switch string(d.key) {
	case "blobVersionedHashes":
		tx.BlobVersionedHashes = d.hashList()
	case "accessList":
		tx.AccessList = d.accessList()
	case "authorizationList":
		tx.AuthorizationList = d.authorizations()
	default:
		d.skip()
	}
}

// accessList reads the addresses and storage keys that a transaction lists. Like any list it is nil if it is empty.
func (d *Decoder) accessList() []eth.AccessTuple {
	list := d.tuples[:0]
	d.list = "accessList."
	for d.begin('['); d.element(); {
		var (
			t     eth.AccessTuple
			there bool
		)
		for d.begin('{'); d.member(); {
			switch string(d.key) {
			case "address":
				there = d.address(&t.Address)
			case "storageKeys":
				t.StorageKeys = d.hashList()
			default:
				d.skip()
			}
		}
		d.require("address", there)
		list = append(list, t)
	}
	d.list = ""
	d.tuples = list
	return rows(list)
}

func (d *Decoder) authorizations() []eth.Authorization {
	list := d.signed[:0]
	d.list = "authorizationList."
	for d.begin('['); d.element(); {
		var (
			a     eth.Authorization
			there bool
		)
		for d.begin('{'); d.member(); {
			switch string(d.key) {
			case "chainId":
				d.word(&a.ChainID)
			case "address":
				there = d.address(&a.Address)
			case "nonce":
				d.quantity(&a.Nonce)
			case "yParity", "v": // as the draft of its time had it
				d.octet(&a.YParity)
			case "r":
				d.word(&a.R)
			case "s":
				d.word(&a.S)
			default:
				d.skip()
			}
		}
		d.require("address", there)
		list = append(list, a)
	}
	d.list = ""
	d.signed = list
	return rows(list)
}
