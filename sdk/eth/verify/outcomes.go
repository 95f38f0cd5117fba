package verify

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/internal/rlp"
)

// blobGas is what a blob costs.
const blobGas = 1 << 17

// Outcomes checks what receipts say that the chain does not commit to but that follows from their transactions, of which each has one: who
// sent it and to whom, which contract it created, and what it paid for gas. What a receipt leaves out is not checked.
func (v *Verifier) Outcomes(h *eth.Header, transactions []eth.Transaction, receipts []eth.Receipt) error {
	if len(transactions) != len(receipts) {
		return differs(h, "receipts", fmt.Sprintf("%d of them", len(receipts)), fmt.Sprintf("%d transactions", len(transactions)))
	}
	for i := range transactions {
		if kind := transactions[i].TransactionType; kind > rlp.SetCode {
			return unverifiable(h, fmt.Sprintf("receipts[%d]", i), noSuchType(kind)) // another chain's, which may have other rules for the rest
		}
	}
	for i := range receipts {
		tx, r := &transactions[i], &receipts[i]
		field, want, got := v.outcome(h, tx, r)
		if field != "" {
			return differs(h, fmt.Sprintf("receipts[%d].%s", i, field), want, got)
		}
	}
	return nil
}

// outcome names the first field of a receipt that does not go with its transaction.
func (v *Verifier) outcome(h *eth.Header, tx *eth.Transaction, r *eth.Receipt) (field string, want, got any) {
	switch {
	case r.TransactionHash != tx.TransactionHash:
		return "transactionHash", r.TransactionHash, tx.TransactionHash
	case r.TransactionType != tx.TransactionType:
		return "type", r.TransactionType, tx.TransactionType
	case r.From != tx.From:
		return "from", r.From, tx.From
	case !same(r.To, tx.To):
		return "to", shown(r.To), shown(tx.To)
	}
	if a := r.ContractAddress; a != nil && *a != (common.Address{}) {
		if !v.creates(tx, a) {
			return "contractAddress", a, v.shownCreated(tx)
		}
	}
	if paid, known := price(h, tx); known && r.EffectiveGasPrice != nil && !r.EffectiveGasPrice.Eq(&paid) {
		return "effectiveGasPrice", r.EffectiveGasPrice.Dec(), paid.Dec()
	}
	if blobs := uint64(len(tx.BlobVersionedHashes)) * blobGas; r.BlobGasUsed != nil && *r.BlobGasUsed != blobs {
		return "blobGasUsed", *r.BlobGasUsed, blobs
	}
	return "", nil, nil
}

func noSuchType(kind uint8) string {
	return fmt.Sprintf("Ethereum has no transactions of type %d", kind)
}

func same(a, b *common.Address) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func shown(a *common.Address) string {
	if a == nil {
		return "null"
	}
	return a.Hex()
}

// creates is whether a transaction creates a contract at an address.
func (v *Verifier) creates(tx *eth.Transaction, at *common.Address) bool {
	return tx.To == nil && v.created(tx) == *at
}

// created is the contract that a transaction creates if it calls none.
func (v *Verifier) created(tx *eth.Transaction) common.Address {
	v.buf = rlp.AppendCreation(v.buf[:0], &tx.From, tx.Nonce)
	sum := v.keccak.Sum(v.buf)
	return common.Address(sum[12:])
}

// shownCreated is what a message says that a transaction creates.
func (v *Verifier) shownCreated(tx *eth.Transaction) string {
	if tx.To != nil {
		return shown(nil)
	}
	created := v.created(tx)
	return shown(&created)
}

// price is what a transaction paid for a unit of gas, where that can be told.
func price(h *eth.Header, tx *eth.Transaction) (paid uint256.Int, known bool) {
	switch {
	case tx.TransactionType <= rlp.AccessList:
		return tx.GasPrice, true
	case tx.TransactionType > rlp.SetCode || h.BaseFeePerGas == nil || tx.MaxFeePerGas == nil || tx.MaxPriorityFeePerGas == nil:
		return paid, false
	}
	if _, overflow := paid.AddOverflow(h.BaseFeePerGas, tx.MaxPriorityFeePerGas); overflow || paid.Gt(tx.MaxFeePerGas) {
		return *tx.MaxFeePerGas, true
	}
	return paid, true
}
