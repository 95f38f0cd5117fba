package verify

import (
	"fmt"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/internal/rlp"
)

// Whole checks all there is of a block: what Block, Receipts and Outcomes do. It takes two processors where there are two, so that the head
// of the chain is checked sooner.
func (v *Verifier) Whole(b *eth.Block, receipts []eth.Receipt, logs []eth.Log, extra ...string) error {
	if v.second == nil {
		v.second = new(Verifier)
	}
	var (
		outcome error
		wait    sync.WaitGroup
	)
	wait.Go(func() {
		outcome = worst(v.second.Receipts(&b.Header, receipts, logs), v.second.Outcomes(&b.Header, b.Transactions, receipts))
	})
	err := v.Block(b, extra...)
	wait.Wait()
	return worst(err, outcome)
}

// Block checks the hash of a block, its transactions, its withdrawals, and whether it has uncles. Extra are the fields of its header that
// Ethereum does not know, as decode.Decoder.Extra has them: where there are some, a hash that does not come out is no mismatch.
func (v *Verifier) Block(b *eth.Block, extra ...string) error {
	withdrawals := v.Withdrawals(&b.Header, b.Withdrawals)
	if withdrawals != nil && foreign(b.Transactions) {
		withdrawals = unverifiable(&b.Header, "withdrawalsRoot", "it is another chain's, which may keep something else there")
	}
	return worst(
		v.Header(&b.Header, extra...),
		v.Transactions(&b.Header, b.Transactions),
		withdrawals,
		hasUncles(&b.Header, len(b.Uncles)),
	)
}

// foreign is whether there are transactions that Ethereum does not have.
func foreign(transactions []eth.Transaction) bool {
	for i := range transactions {
		if transactions[i].TransactionType > rlp.SetCode {
			return true
		}
	}
	return false
}

// Header checks the hash of a header. Extra is as for Block.
func (v *Verifier) Header(h *eth.Header, extra ...string) error {
	if len(h.LogsBloom) != rlp.BloomSize {
		return badBloom(h, "logsBloom", h.LogsBloom)
	}
	v.buf = rlp.AppendHeader(v.buf[:0], h)
	got := v.keccak.Sum(v.buf)
	if got == h.BlockHash {
		return nil
	}
	if len(extra) > 0 {
		return unverifiable(h, "hash", fmt.Sprintf("its header has fields that Ethereum's do not have: %v", extra))
	}
	if field := leftOut(h); field != "" {
		return unverifiable(h, "hash", "the node left out "+field)
	}
	return mismatch(h, "hash", h.BlockHash, got)
}

// badBloom is for a bloom that is not as long as blooms are.
func badBloom(h *eth.Header, field string, bloom []byte) error {
	if len(bloom) == 0 {
		return unverifiable(h, field, leftItOut)
	}
	return differs(h, field, fmt.Sprintf("%d bytes long", len(bloom)), "256 bytes")
}

// leftOut names a field of a header that is not there although every header has it. No hash in it can be zero, but that of the state of
// a chain's first block has none to mix in.
func leftOut(h *eth.Header) string {
	none := common.Hash{}
	switch {
	case h.StateRoot == none:
		return "stateRoot"
	case h.TransactionsRoot == none:
		return "transactionsRoot"
	case h.ReceiptsRoot == none:
		return "receiptsRoot"
	case h.Sha3Uncles == none:
		return "sha3Uncles"
	case h.MixHash == none && h.BlockNumber > 0:
		return "mixHash"
	}
	return ""
}

// Transactions checks the hash of each transaction and that the header commits to them all.
func (v *Verifier) Transactions(h *eth.Header, transactions []eth.Transaction) error {
	v.list.begin(&v.keccak)
	for i := range transactions {
		tx, next := &transactions[i], v.list.next()
		if tx.TransactionType <= rlp.SetCode { // else it is nothing, and not looked at
			next = rlp.AppendTransaction(next, tx)
		}
		v.list.add(next)
	}
	v.list.hashElements()
	var root common.Hash
	committed := h.TransactionsRoot != common.Hash{} && !foreign(transactions)
	if committed {
		root = v.list.root()
	} else {
		v.list.flush(v.list.buf)
	}
	if err := v.transactionHashes(h, transactions); err != nil {
		return err
	}
	err := unverifiable(h, "transactionsRoot", leftItOut)
	if committed {
		err = mismatch(h, "transactionsRoot", h.TransactionsRoot, root)
	}
	return worst(err, gasPrices(h, transactions))
}

// transactionHashes compares the hashes of transactions with those that were made.
func (v *Verifier) transactionHashes(h *eth.Header, transactions []eth.Transaction) (err error) {
	for i := range transactions {
		tx := &transactions[i]
		if tx.TransactionType > rlp.SetCode {
			err = worst(err, unverifiable(h, fmt.Sprintf("transactions[%d].hash", i), noSuchType(tx.TransactionType)))
		} else if got := v.list.hashOf(i); got != tx.TransactionHash {
			err = worst(err, transactionMismatch(h, i, tx, got))
		}
	}
	return err
}

// leftItOut is why what is zero cannot be checked.
const leftItOut = "the node left it out"

// commits checks that a root in a header is that of the list at hand.
func (v *Verifier) commits(h *eth.Header, field string, root common.Hash) error {
	if root == (common.Hash{}) {
		return unverifiable(h, field, leftItOut)
	}
	return mismatch(h, field, root, v.list.root())
}

// gasPrices checks the price of gas, which is no part of a transaction that offers fees: it is what was paid, but some nodes write the
// most that was offered.
func gasPrices(h *eth.Header, transactions []eth.Transaction) error {
	for i := range transactions {
		tx := &transactions[i]
		paid, known := price(h, tx)
		if known && !tx.GasPrice.Eq(&paid) && !tx.GasPrice.IsZero() && !tx.GasPrice.Eq(tx.MaxFeePerGas) {
			return differs(h, fmt.Sprintf("transactions[%d].gasPrice", i), tx.GasPrice.Dec(), paid.Dec())
		}
	}
	return nil
}

// transactionMismatch is for a transaction whose hash does not come out, unless the node left out what it is made of.
func transactionMismatch(h *eth.Header, i int, tx *eth.Transaction, got common.Hash) error {
	field := fmt.Sprintf("transactions[%d].hash", i)
	missing := ""
	switch {
	case tx.TransactionType >= rlp.DynamicFee && tx.MaxFeePerGas == nil:
		missing = "maxFeePerGas"
	case tx.TransactionType >= rlp.DynamicFee && tx.MaxPriorityFeePerGas == nil:
		missing = "maxPriorityFeePerGas"
	case tx.TransactionType == rlp.Blob && tx.MaxFeePerBlobGas == nil:
		missing = "maxFeePerBlobGas"
	case tx.TransactionType >= rlp.AccessList && tx.ChainID == 0:
		missing = "chainId"
	case tx.R.IsZero() && tx.S.IsZero():
		missing = "r and s"
	default:
		return mismatch(h, field, tx.TransactionHash, got)
	}
	return unverifiable(h, field, "the node left out "+missing)
}

// Withdrawals checks that a header commits to withdrawals.
func (v *Verifier) Withdrawals(h *eth.Header, withdrawals []eth.Withdrawal) error {
	if h.WithdrawalsRoot == nil {
		if len(withdrawals) > 0 {
			return differs(h, "withdrawalsRoot", "not there", fmt.Sprintf("the root of %d withdrawals", len(withdrawals)))
		}
		return nil
	}
	v.list.begin(&v.keccak)
	for i := range withdrawals {
		v.list.add(rlp.AppendWithdrawal(v.list.next(), &withdrawals[i]))
	}
	return v.commits(h, "withdrawalsRoot", *h.WithdrawalsRoot)
}

func hasUncles(h *eth.Header, uncles int) error {
	if (h.Sha3Uncles == types.EmptyUncleHash) != (uncles == 0) && h.Sha3Uncles != (common.Hash{}) {
		return differs(h, "sha3Uncles", h.Sha3Uncles, fmt.Sprintf("the hash of %d uncles", uncles))
	}
	return nil
}

// Uncles checks that a header commits to the headers of its uncles, and that these are what their hashes say.
func (v *Verifier) Uncles(h *eth.Header, uncles []eth.Header) error {
	v.buf = v.buf[:0]
	for i := range uncles {
		start := len(v.buf)
		if len(uncles[i].LogsBloom) != rlp.BloomSize {
			return badBloom(h, fmt.Sprintf("uncles[%d].logsBloom", i), uncles[i].LogsBloom)
		}
		v.buf = rlp.AppendHeader(v.buf, &uncles[i])
		if got := v.keccak.Sum(v.buf[start:]); got != uncles[i].BlockHash {
			return mismatch(h, fmt.Sprintf("uncles[%d].hash", i), uncles[i].BlockHash, got)
		}
	}
	var header [9]byte
	v.buf = slices.Insert(v.buf, 0, rlp.AppendList(header[:0], len(v.buf))...)
	return mismatch(h, "sha3Uncles", h.Sha3Uncles, v.keccak.Sum(v.buf))
}
