package decode

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
)

// Ref is the place of a block in its chain.
type Ref struct {
	Number       uint64
	Hash, Parent common.Hash
	Time         time.Time
	Quiet        bool // its bloom says that it has no logs, or the node left it out
}

// Ref decodes as much of a block or header as links it to its parent.
func (d *Decoder) Ref(raw []byte) (Ref, error) {
	ref, _, err := d.stub(raw, false)
	return ref, err
}

// Stub decodes a Ref and the bloom of the block's logs, which is nil where the node left it out.
func (d *Decoder) Stub(raw []byte) (Ref, []byte, error) { return d.stub(raw, true) }

func (d *Decoder) stub(raw []byte, bloomed bool) (ref Ref, bloom []byte, err error) {
	if err := d.start(raw); err != nil {
		return Ref{}, nil, err
	}
	ref.Quiet = true
	var number, hash, parent bool
	for d.begin('{'); d.member(); {
		switch string(d.key) {
		case "number":
			number = d.quantity(&ref.Number)
		case "hash":
			hash = d.hash(&ref.Hash)
		case "parentHash":
			parent = d.hash(&ref.Parent)
		case "timestamp":
			d.time(&ref.Time)
		case "logsBloom":
			if bloomed {
				bloom = d.data()
				ref.Quiet = empty(bloom, 0)
			} else {
				digits, _ := hexDigits(d.text())
				ref.Quiet = empty(digits, '0')
			}
		default:
			d.skip()
		}
	}
	d.require("number", number)
	d.require("hash", hash)
	d.require("parentHash", parent)
	return ref, bloom, d.finish()
}

// empty reports whether there is nothing but zeros.
func empty(bloom []byte, zero byte) bool {
	for _, b := range bloom {
		if b != zero {
			return false
		}
	}
	return true
}

// require fails where a field is not there.
func (d *Decoder) require(field string, there bool) {
	if !there {
		d.missing(field)
	}
}

// Header decodes a block that lists the hashes of its transactions.
func (d *Decoder) Header(raw []byte) (h eth.Header, hashes []common.Hash, err error) {
	if err := d.start(raw); err != nil {
		return eth.Header{}, nil, err
	}
	d.block(&h, func(field string) bool {
		if field != "transactions" {
			return false
		}
		hashes = d.hashList()
		return true
	})
	h.TransactionCount = uint64(len(hashes))
	return h, hashes, d.finish()
}

// Block decodes a block with its transactions in full. Every transaction must say that it belongs to the block.
func (d *Decoder) Block(raw []byte) (b eth.Block, err error) {
	if err := d.start(raw); err != nil {
		return eth.Block{}, err
	}
	d.block(&b.Header, func(field string) bool {
		switch field {
		case "transactions":
			d.readTransactions()
			b.Transactions = rows(d.transactions)
		case "uncles":
			b.Uncles = d.hashList()
		case "withdrawals":
			d.readWithdrawals()
			b.Withdrawals = rows(d.withdrawals)
		default:
			return false
		}
		return true
	})
	for i := range b.Transactions {
		tx := &b.Transactions[i]
		if tx.BlockHash != b.BlockHash || tx.TransactionIndex != uint64(i) {
			d.misplaced("transaction", i, tx.TransactionIndex, tx.BlockHash, b.BlockHash)
		}
		tx.BlockNumber, tx.Timestamp = b.BlockNumber, b.Timestamp
	}
	b.TransactionCount = uint64(len(b.Transactions))
	return b, d.finish()
}

// Extra names the fields of the last header or block that Ethereum's blocks do not have. They say that it is a block of a chain that has
// its own kind of header, whose hash may not be what Ethereum makes of the fields it knows.
func (d *Decoder) Extra() []string { return d.extra }

// most is how many fields Extra names.
const most = 16

// other steps over a field that no row has.
func (d *Decoder) other() {
	if len(d.extra) < most {
		d.extra = append(d.extra, excerpt(d.key))
	}
	d.skip()
}

// block reads a header. Of the lists that are beside it, body reads those that are wanted.
func (d *Decoder) block(h *eth.Header, body func(field string) bool) {
	d.extra = nil
	h.ChainID = d.ChainID
	var seen headerFields
	for d.begin('{'); d.member(); {
		switch string(d.key) {
		case "transactions", "uncles", "withdrawals":
			if !body(string(d.key)) {
				d.skip()
			}
		default:
			d.header(h, &seen)
		}
	}
	d.require("number", seen.number)
	d.require("hash", seen.hash)
	d.require("parentHash", seen.parent)
	d.require("timestamp", seen.time)
}

// headerFields are those that must be there, and whether they are.
type headerFields struct{ number, hash, parent, time bool }

// header reads a field of a header that every block has, and leaves others to laterHeader.
func (d *Decoder) header(h *eth.Header, seen *headerFields) {
	switch string(d.key) {
	case "number":
		seen.number = d.quantity(&h.BlockNumber)
	case "hash":
		seen.hash = d.hash(&h.BlockHash)
	case "parentHash":
		seen.parent = d.hash(&h.ParentHash)
	case "timestamp":
		seen.time = d.time(&h.Timestamp)
	case "miner":
		d.address(&h.Miner)
	case "gasLimit":
		d.quantity(&h.GasLimit)
	case "gasUsed":
		d.quantity(&h.GasUsed)
	case "size":
		d.quantity(&h.Size)
	case "stateRoot":
		d.hash(&h.StateRoot)
	case "transactionsRoot":
		d.hash(&h.TransactionsRoot)
	case "receiptsRoot":
		d.hash(&h.ReceiptsRoot)
	case "sha3Uncles":
		d.hash(&h.Sha3Uncles)
	case "logsBloom":
		h.LogsBloom = d.data()
	case "extraData":
		h.ExtraData = d.data()
	case "difficulty":
		d.word(&h.Difficulty)
	case "totalDifficulty":
		h.TotalDifficulty = d.optWord()
	case "mixHash":
		d.hash(&h.MixHash)
	case "nonce":
		d.fixed(h.Nonce[:], "not 8 bytes in hex")
	default:
		d.laterHeader(h)
	}
}

// laterHeader reads a field that a fork brought.
func (d *Decoder) laterHeader(h *eth.Header) {
	switch string(d.key) {
	case "baseFeePerGas":
		h.BaseFeePerGas = d.optWord()
	case "withdrawalsRoot":
		h.WithdrawalsRoot = d.optHash()
	case "blobGasUsed":
		h.BlobGasUsed = d.optQuantity()
	case "excessBlobGas":
		h.ExcessBlobGas = d.optQuantity()
	case "parentBeaconBlockRoot":
		h.ParentBeaconRoot = d.optHash()
	case "requestsHash":
		h.RequestsHash = d.optHash()
	case "blockAccessListHash":
		h.BlockAccessListHash = d.optHash()
	case "slotNumber":
		h.SlotNumber = d.optQuantity()
	case "author": // the miner once more
		d.skip()
	default:
		d.other()
	}
}

func (d *Decoder) readWithdrawals() {
	d.withdrawals = d.withdrawals[:0]
	d.part = "withdrawal"
	for d.begin('['); d.element(); {
		d.index = len(d.withdrawals)
		var w eth.Withdrawal
		there := false
		for d.begin('{'); d.member(); {
			switch string(d.key) {
			case "index":
				d.quantity(&w.Index)
			case "validatorIndex":
				d.quantity(&w.ValidatorIndex)
			case "address":
				there = d.address(&w.Address)
			case "amount":
				d.quantity(&w.Amount)
			default:
				d.skip()
			}
		}
		d.require("address", there)
		d.withdrawals = append(d.withdrawals, w)
	}
	d.part = ""
}

// misplaced notes that part of an answer belongs elsewhere.
func (d *Decoder) misplaced(what string, at int, index uint64, hash, want common.Hash) {
	if hash != want {
		d.stop(fmt.Errorf("%s %d: %w, %s and not %s", what, at, ErrElsewhere, hash, want))
		return
	}
	d.stop(fmt.Errorf("%s %d of block %s says that it is number %d", what, at, want, index))
}
