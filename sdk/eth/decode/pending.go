package decode

import (
	"github.com/penstock-io/penstock/sdk/eth"
)

// Pending decodes a transaction that is in no block yet, as a subscription to new pending transactions sends it or
// eth_getTransactionByHash answers it. When it was first seen, and at which head, is for the caller to say. Mined is true if it says that
// it is in a block after all.
func (d *Decoder) Pending(raw []byte) (tx eth.PendingTransaction, mined bool, err error) {
	if err := d.start(raw); err != nil {
		return eth.PendingTransaction{}, false, err
	}
	mined = d.pending(&tx)
	if err := d.finish(); err != nil {
		return eth.PendingTransaction{}, false, err
	}
	return tx, mined, nil
}

// PendingList decodes a list of transactions that are in no block yet, as eth_pendingTransactions answers it. Those that are
// in a block after all are left out.
func (d *Decoder) PendingList(raw []byte) ([]eth.PendingTransaction, error) {
	if err := d.start(raw); err != nil {
		return nil, err
	}
	var out []eth.PendingTransaction
	for d.begin('['); d.element(); {
		d.part, d.index = "transaction", len(out)
		out = d.appendPending(out)
	}
	return out, d.finish()
}

// Pool decodes what txpool_content answers: the transactions that are ready to be put into a block. Those that wait for another one of
// the same sender are left out.
func (d *Decoder) Pool(raw []byte) ([]eth.PendingTransaction, error) {
	if err := d.start(raw); err != nil {
		return nil, err
	}
	var out []eth.PendingTransaction
	for d.begin('{'); d.member(); {
		if string(d.key) != "pending" {
			d.skip()
			continue
		}
		for d.begin('{'); d.member(); { // by sender
			for d.begin('{'); d.member(); { // by nonce
				d.part, d.index = "transaction", len(out)
				out = d.appendPending(out)
			}
		}
	}
	return out, d.finish()
}

func (d *Decoder) appendPending(list []eth.PendingTransaction) []eth.PendingTransaction {
	var tx eth.PendingTransaction
	if d.pending(&tx) {
		return list
	}
	return append(list, tx)
}

// pending reads a transaction and reports whether it is in a block.
func (d *Decoder) pending(into *eth.PendingTransaction) (mined bool) {
	var tx eth.Transaction
	mined, _ = d.transaction(&tx)
	*into = eth.PendingTransaction{
		TransactionHash: tx.TransactionHash, TransactionType: tx.TransactionType, From: tx.From, To: tx.To, Nonce: tx.Nonce, Value: tx.Value, Input: tx.Input,
		GasLimit: tx.GasLimit, GasPrice: tx.GasPrice, MaxFeePerGas: tx.MaxFeePerGas, MaxPriorityFeePerGas: tx.MaxPriorityFeePerGas,
		MaxFeePerBlobGas: tx.MaxFeePerBlobGas, BlobVersionedHashes: tx.BlobVersionedHashes, AccessList: tx.AccessList, AuthorizationList: tx.AuthorizationList,
		ChainID: tx.ChainID, V: tx.V, R: tx.R, S: tx.S,
		InputBytes: tx.InputBytes, InputZeroBytes: tx.InputZeroBytes, InputNonzeroBytes: tx.InputNonzeroBytes, RLPBytes: tx.RLPBytes,
	}
	return mined
}
