package decode

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
)

// Receipts decodes the receipts of a block. There must be one for each of its transactions, in their order. Another number of them means
// another block at the same height as much as receipts that say so.
func (d *Decoder) Receipts(raw []byte, block *eth.Header, transactions []common.Hash) ([]eth.Receipt, error) {
	receipts, _, err := d.receipts(raw, block, transactions, nil, false)
	return receipts, err
}

// ReceiptsWithLogs is Receipts that appends the logs in the receipts to logs as well, in the order of the block. Every log must say that
// it belongs to its receipt. After an error logs is returned as it was.
func (d *Decoder) ReceiptsWithLogs(raw []byte, block *eth.Header, transactions []common.Hash, logs []eth.Log) ([]eth.Receipt, []eth.Log, error) {
	return d.receipts(raw, block, transactions, logs, true)
}

func (d *Decoder) receipts(raw []byte, block *eth.Header, transactions []common.Hash, logs []eth.Log, logged bool) ([]eth.Receipt, []eth.Log, error) {
	if err := d.start(raw); err != nil {
		return nil, logs, err
	}
	var (
		out   = make([]eth.Receipt, 0, min(len(transactions), len(raw)/64)) // a receipt takes more text than that
		count int
	)
	d.logs = d.logs[:0]
	for d.begin('['); d.element(); count++ {
		if count >= len(transactions) {
			d.skip() // only how many there are matters now
			continue
		}
		d.part, d.index = "receipt", count
		out = append(out, eth.Receipt{})
		r := &out[count]
		first := len(d.logs)
		d.receipt(r, logged)
		d.place(r, count, block, transactions[count])
		d.placeLogs(d.logs[first:], r)
	}
	if d.end(); d.err == nil && count != len(transactions) {
		d.stop(fmt.Errorf("block %d (%s) has %d transactions but %d receipts: %w",
			block.BlockNumber, block.BlockHash, len(transactions), count, ErrElsewhere))
	}
	if err := d.finish(); err != nil {
		return nil, logs, err
	}
	return out, d.takeLogs(logs), nil
}

// Receipt decodes the receipt of the transaction at an index of a block.
func (d *Decoder) Receipt(raw []byte, block *eth.Header, index int, transaction common.Hash) (eth.Receipt, error) {
	r, _, err := d.oneReceipt(raw, block, index, transaction, nil, false)
	return r, err
}

// ReceiptWithLogs is Receipt that appends the logs in the receipt to logs as well. After an error logs is returned as it was.
func (d *Decoder) ReceiptWithLogs(raw []byte, block *eth.Header, index int, transaction common.Hash, logs []eth.Log) (eth.Receipt, []eth.Log, error) {
	return d.oneReceipt(raw, block, index, transaction, logs, true)
}

func (d *Decoder) oneReceipt(raw []byte, block *eth.Header, index int, transaction common.Hash, logs []eth.Log, logged bool) (r eth.Receipt, _ []eth.Log, _ error) {
	if err := d.start(raw); err != nil {
		return r, logs, err
	}
	d.logs = d.logs[:0]
	d.receipt(&r, logged)
	d.place(&r, index, block, transaction)
	d.placeLogs(d.logs, &r)
	if err := d.finish(); err != nil {
		return eth.Receipt{}, logs, err
	}
	return r, d.takeLogs(logs), nil
}

// takeLogs appends the logs that were read.
func (d *Decoder) takeLogs(dst []eth.Log) []eth.Log {
	dst = append(dst, d.logs...)
	clear(d.logs)
	return dst
}

// place checks that a receipt belongs to where it was found.
func (d *Decoder) place(r *eth.Receipt, index int, block *eth.Header, transaction common.Hash) {
	if r.BlockHash != block.BlockHash || r.TransactionIndex != uint64(index) {
		d.misplaced("receipt", index, r.TransactionIndex, r.BlockHash, block.BlockHash)
	}
	if r.TransactionHash != transaction {
		d.stop(fmt.Errorf("receipt %d of block %d is for transaction %s, not %s", index, block.BlockNumber, r.TransactionHash, transaction))
	}
	r.BlockNumber, r.Timestamp = block.BlockNumber, block.Timestamp
}

// placeLogs checks that logs belong to the receipt that they were found in.
func (d *Decoder) placeLogs(logs []eth.Log, r *eth.Receipt) {
	for i := range logs {
		l := &logs[i]
		switch {
		case l.BlockHash != r.BlockHash || l.BlockNumber != r.BlockNumber:
			d.stop(fmt.Errorf("log %d of receipt %d: %w, %s and not %s", i, r.TransactionIndex, ErrElsewhere, l.BlockHash, r.BlockHash))
		case l.TransactionHash != r.TransactionHash || l.TransactionIndex != r.TransactionIndex:
			d.stop(fmt.Errorf("log %d of receipt %d of block %d is of transaction %s", i, r.TransactionIndex, r.BlockNumber, l.TransactionHash))
		}
		l.Timestamp = r.Timestamp
	}
}

// receiptFields are those that must be there, and whether they are.
type receiptFields struct{ block, transaction, index bool }

// receipt reads a receipt and, if they are wanted, appends its logs to those that were read.
func (d *Decoder) receipt(r *eth.Receipt, logged bool) {
	var seen receiptFields
	r.ChainID = d.ChainID
	first := len(d.logs)
	for d.begin('{'); d.member(); {
		switch string(d.key) {
		case "blockHash":
			seen.block = d.hash(&r.BlockHash)
		case "transactionHash":
			seen.transaction = d.hash(&r.TransactionHash)
		case "transactionIndex":
			seen.index = d.quantity(&r.TransactionIndex)
		case "logs":
			d.logs = d.logs[:first]
			r.LogCount = d.receiptLogs(logged)
		default:
			d.outcome(r)
		}
	}
	d.require("blockHash", seen.block)
	d.require("transactionHash", seen.transaction)
	d.require("transactionIndex", seen.index)
}

// receiptLogs counts the logs of a receipt, and reads them if they are wanted.
func (d *Decoder) receiptLogs(wanted bool) (count uint64) {
	d.list = "logs."
	for d.begin('['); d.element(); count++ {
		if !wanted {
			d.skip()
			continue
		}
		d.logs = append(d.logs, eth.Log{})
		d.log(&d.logs[len(d.logs)-1])
	}
	d.list = ""
	return count
}

// outcome reads a field that says what became of a transaction, and leaves others to rollup.
func (d *Decoder) outcome(r *eth.Receipt) {
	switch string(d.key) {
	case "type":
		d.octet(&r.TransactionType)
	case "from":
		d.address(&r.From)
	case "to":
		r.To = d.optAddress()
	case "contractAddress":
		r.ContractAddress = d.optAddress()
	case "status":
		r.Status = d.optQuantity()
	case "root":
		r.Root = d.optHash()
	case "gasUsed":
		d.quantity(&r.GasUsed)
	case "cumulativeGasUsed":
		d.quantity(&r.CumulativeGasUsed)
	case "effectiveGasPrice":
		r.EffectiveGasPrice = d.optWord()
	case "blobGasUsed":
		r.BlobGasUsed = d.optQuantity()
	case "blobGasPrice":
		r.BlobGasPrice = d.optWord()
	case "logsBloom":
		r.LogsBloom = d.data()
	default:
		d.rollup(r)
	}
}

func (d *Decoder) rollup(r *eth.Receipt) {
	switch string(d.key) {
	case "l1Fee":
		r.L1Fee = d.optWord()
	case "l1GasUsed":
		r.L1GasUsed = d.optQuantity()
	case "l1GasPrice":
		r.L1GasPrice = d.optWord()
	case "l1FeeScalar":
		var f float64
		if d.float(&f) {
			r.L1FeeScalar = &f
		}
	default:
		d.skip()
	}
}

// Attach copies what receipts say to the transactions they are for. Both are in the order of the block. The transactions share memory with
// the receipts from then on.
func Attach(transactions []eth.Transaction, receipts []eth.Receipt) {
	success := make([]bool, len(receipts))
	for i := range receipts {
		tx, r := &transactions[i], &receipts[i]
		tx.Status, tx.ContractAddress = r.Status, r.ContractAddress
		tx.GasUsed, tx.CumulativeGasUsed, tx.LogCount = &r.GasUsed, &r.CumulativeGasUsed, &r.LogCount
		tx.EffectiveGasPrice, tx.BlobGasUsed, tx.BlobGasPrice = r.EffectiveGasPrice, r.BlobGasUsed, r.BlobGasPrice
		if r.Status != nil {
			success[i] = *r.Status == 1
			tx.Success = &success[i]
		}
	}
}

// HashesOf appends the hashes of transactions, in their order.
func HashesOf(dst []common.Hash, transactions []eth.Transaction) []common.Hash {
	dst = slices.Grow(dst, len(transactions))
	for i := range transactions {
		dst = append(dst, transactions[i].TransactionHash)
	}
	return dst
}
