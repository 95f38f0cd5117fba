package verify

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/internal/rlp"
)

// blobGas is what a blob costs.
const blobGas = 1 << 17

// Outcomes checks what receipts say that the chain does not commit to but that follows from their transactions, of which each has one: who
// sent it and to whom, which contract it created, and what it paid for gas. What a receipt leaves out is not checked.
func (*Verifier) Outcomes(h *eth.Header, transactions []eth.Transaction, receipts []eth.Receipt) error {
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
		field, want, got := outcome(h, tx, r)
		if field != "" {
			return differs(h, fmt.Sprintf("receipts[%d].%s", i, field), want, got)
		}
	}
	return nil
}

// outcome names the first field of a receipt that does not go with its transaction.
func outcome(h *eth.Header, tx *eth.Transaction, r *eth.Receipt) (field string, want, got any) {
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
		if created := created(tx); !same(a, created) {
			return "contractAddress", a, shown(created)
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

// created is the contract that a transaction creates; nil if it calls one.
func created(tx *eth.Transaction) *common.Address {
	if tx.To != nil {
		return nil
	}
	a := crypto.CreateAddress(tx.From, tx.Nonce)
	return &a
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
