package decode

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
)

type receiptJSON struct {
	BlockHash         string     `json:"blockHash"`
	TransactionHash   string     `json:"transactionHash"`
	TransactionIndex  string     `json:"transactionIndex"`
	Type              string     `json:"type"`
	From              string     `json:"from"`
	To                string     `json:"to"`
	ContractAddress   string     `json:"contractAddress"`
	Status            string     `json:"status"`
	Root              string     `json:"root"`
	GasUsed           string     `json:"gasUsed"`
	CumulativeGasUsed string     `json:"cumulativeGasUsed"`
	EffectiveGasPrice string     `json:"effectiveGasPrice"`
	BlobGasUsed       string     `json:"blobGasUsed"`
	BlobGasPrice      string     `json:"blobGasPrice"`
	LogsBloom         string     `json:"logsBloom"`
	Logs              []struct{} `json:"logs"` // only counted
}

// Receipts decodes the receipts of a block. There must be one for each of its transactions, in their order. Another number of them means
// another block at the same height as much as receipts that say so.
func (d *Decoder) Receipts(raw []byte, block *eth.Header, transactions []common.Hash) ([]eth.Receipt, error) {
	var j []receiptJSON
	if err := unmarshal(raw, &j); err != nil {
		return nil, err
	}
	if len(j) != len(transactions) {
		return nil, fmt.Errorf("block %d (%s) has %d transactions but %d receipts: %w",
			block.BlockNumber, block.BlockHash, len(transactions), len(j), ErrElsewhere)
	}
	out := make([]eth.Receipt, len(j))
	for i := range j {
		d.receipt(&j[i], &out[i])
		d.place(&out[i], i, block, transactions[i])
	}
	return out, d.finish()
}

// Receipt decodes the receipt of the transaction at an index of a block.
func (d *Decoder) Receipt(raw []byte, block *eth.Header, index int, transaction common.Hash) (eth.Receipt, error) {
	var j receiptJSON
	if err := unmarshal(raw, &j); err != nil {
		return eth.Receipt{}, err
	}
	var out eth.Receipt
	d.receipt(&j, &out)
	d.place(&out, index, block, transaction)
	return out, d.finish()
}

// place checks that a receipt belongs to where it was found.
func (d *Decoder) place(r *eth.Receipt, index int, block *eth.Header, transaction common.Hash) {
	if r.BlockHash != block.BlockHash || r.TransactionIndex != uint64(index) {
		d.misplaced("receipt", index, r.TransactionIndex, r.BlockHash, block.BlockHash)
	}
	if r.TransactionHash != transaction && d.err == nil {
		d.err = fmt.Errorf("receipt %d of block %d is for transaction %s, not %s", index, block.BlockNumber, r.TransactionHash, transaction)
	}
	r.BlockNumber, r.Timestamp = block.BlockNumber, block.Timestamp
}

func (d *Decoder) receipt(j *receiptJSON, r *eth.Receipt) {
	r.BlockHash = d.needHash("blockHash", j.BlockHash)
	r.TransactionHash = d.needHash("transactionHash", j.TransactionHash)
	r.TransactionIndex = d.needQuantity("transactionIndex", j.TransactionIndex)
	r.TransactionType = d.octet("type", j.Type)
	r.From = d.address("from", j.From)
	r.To = d.optAddress("to", j.To)
	r.ContractAddress = d.optAddress("contractAddress", j.ContractAddress)
	r.Status = d.optQuantity("status", j.Status)
	r.Root = d.optHash("root", j.Root)
	r.GasUsed = d.quantity("gasUsed", j.GasUsed)
	r.CumulativeGasUsed = d.quantity("cumulativeGasUsed", j.CumulativeGasUsed)
	r.EffectiveGasPrice = d.optWord("effectiveGasPrice", j.EffectiveGasPrice)
	r.BlobGasUsed = d.optQuantity("blobGasUsed", j.BlobGasUsed)
	r.BlobGasPrice = d.optWord("blobGasPrice", j.BlobGasPrice)
	r.LogsBloom = d.data("logsBloom", j.LogsBloom)
	r.LogCount = uint64(len(j.Logs))
	r.ChainID = d.ChainID
}

// Attach copies what receipts say to the transactions they are for. Both are in the order of the block.
func Attach(transactions []eth.Transaction, receipts []eth.Receipt) {
	for i := range receipts {
		tx, r := &transactions[i], &receipts[i]
		tx.Status, tx.ContractAddress = r.Status, r.ContractAddress
		tx.GasUsed, tx.CumulativeGasUsed, tx.LogCount = &r.GasUsed, &r.CumulativeGasUsed, &r.LogCount
		tx.EffectiveGasPrice, tx.BlobGasUsed, tx.BlobGasPrice = r.EffectiveGasPrice, r.BlobGasUsed, r.BlobGasPrice
	}
}
