package decode

import (
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
)

// Ref is the place of a block in its chain.
type Ref struct {
	Number       uint64
	Hash, Parent common.Hash
	Time         time.Time
	Quiet        bool // its bloom says that it has no logs
}

// Ref decodes as much of a block or header as links it to its parent.
func (d *Decoder) Ref(raw []byte) (Ref, error) {
	var j struct {
		Number     string `json:"number"`
		Hash       string `json:"hash"`
		ParentHash string `json:"parentHash"`
		Timestamp  string `json:"timestamp"`
		LogsBloom  string `json:"logsBloom"`
	}
	if err := unmarshal(raw, &j); err != nil {
		return Ref{}, err
	}
	ref := Ref{
		Number: d.needQuantity("number", j.Number), Hash: d.needHash("hash", j.Hash),
		Parent: d.needHash("parentHash", j.ParentHash), Time: d.time("timestamp", j.Timestamp),
		Quiet: strings.Trim(j.LogsBloom, "0x") == "",
	}
	return ref, d.finish()
}

// blockJSON is a block whose transactions are hashes or full.
type blockJSON[T any] struct {
	Number              string           `json:"number"`
	Hash                string           `json:"hash"`
	ParentHash          string           `json:"parentHash"`
	Timestamp           string           `json:"timestamp"`
	Miner               string           `json:"miner"`
	GasLimit            string           `json:"gasLimit"`
	GasUsed             string           `json:"gasUsed"`
	BaseFeePerGas       string           `json:"baseFeePerGas"`
	Size                string           `json:"size"`
	StateRoot           string           `json:"stateRoot"`
	TransactionsRoot    string           `json:"transactionsRoot"`
	ReceiptsRoot        string           `json:"receiptsRoot"`
	Sha3Uncles          string           `json:"sha3Uncles"`
	LogsBloom           string           `json:"logsBloom"`
	ExtraData           string           `json:"extraData"`
	Difficulty          string           `json:"difficulty"`
	TotalDifficulty     string           `json:"totalDifficulty"`
	MixHash             string           `json:"mixHash"`
	Nonce               string           `json:"nonce"`
	WithdrawalsRoot     string           `json:"withdrawalsRoot"`
	BlobGasUsed         string           `json:"blobGasUsed"`
	ExcessBlobGas       string           `json:"excessBlobGas"`
	ParentBeaconRoot    string           `json:"parentBeaconBlockRoot"`
	RequestsHash        string           `json:"requestsHash"`
	BlockAccessListHash string           `json:"blockAccessListHash"`
	SlotNumber          string           `json:"slotNumber"`
	Uncles              []string         `json:"uncles"`
	Withdrawals         []withdrawalJSON `json:"withdrawals"`
	Transactions        []T              `json:"transactions"`
}

type withdrawalJSON struct {
	Index          string `json:"index"`
	ValidatorIndex string `json:"validatorIndex"`
	Address        string `json:"address"`
	Amount         string `json:"amount"`
}

// Header decodes a block that lists the hashes of its transactions.
func (d *Decoder) Header(raw []byte) (eth.Header, []common.Hash, error) {
	var j blockJSON[string]
	if err := unmarshal(raw, &j); err != nil {
		return eth.Header{}, nil, err
	}
	h := toHeader(d, &j)
	hashes := d.hashList("transactions", j.Transactions)
	return h, hashes, d.finish()
}

// Block decodes a block with its transactions in full. Every transaction must say that it belongs to the block.
func (d *Decoder) Block(raw []byte) (eth.Block, error) {
	var j blockJSON[transactionJSON]
	if err := unmarshal(raw, &j); err != nil {
		return eth.Block{}, err
	}
	b := eth.Block{Header: toHeader(d, &j), Uncles: d.hashList("uncles", j.Uncles)}
	for _, w := range j.Withdrawals {
		b.Withdrawals = append(b.Withdrawals, eth.Withdrawal{
			Index: d.quantity("index", w.Index), ValidatorIndex: d.quantity("validatorIndex", w.ValidatorIndex),
			Address: d.address("address", w.Address), Amount: d.quantity("amount", w.Amount),
		})
	}
	b.Transactions = make([]eth.Transaction, len(j.Transactions))
	for i := range j.Transactions {
		tx := &b.Transactions[i]
		d.transaction(&j.Transactions[i], tx)
		if tx.BlockHash != b.BlockHash || tx.TransactionIndex != uint64(i) {
			d.misplaced("transaction", i, tx.TransactionIndex, tx.BlockHash, b.BlockHash)
		}
		tx.BlockNumber, tx.Timestamp = b.BlockNumber, b.Timestamp
	}
	return b, d.finish()
}

// misplaced notes that part of an answer belongs elsewhere.
func (d *Decoder) misplaced(what string, at int, index uint64, hash, want common.Hash) {
	switch {
	case d.err != nil:
	case hash != want:
		d.err = fmt.Errorf("%s %d: %w, %s and not %s", what, at, ErrElsewhere, hash, want)
	default:
		d.err = fmt.Errorf("%s %d of block %s says that it is number %d", what, at, want, index)
	}
}

func toHeader[T any](d *Decoder, j *blockJSON[T]) eth.Header {
	h := eth.Header{
		BlockNumber: d.needQuantity("number", j.Number),
		BlockHash:   d.needHash("hash", j.Hash),
		ParentHash:  d.needHash("parentHash", j.ParentHash),
		Miner:       d.address("miner", j.Miner),

		GasLimit:         d.quantity("gasLimit", j.GasLimit),
		GasUsed:          d.quantity("gasUsed", j.GasUsed),
		BaseFeePerGas:    d.optWord("baseFeePerGas", j.BaseFeePerGas),
		Size:             d.quantity("size", j.Size),
		TransactionCount: uint64(len(j.Transactions)),

		StateRoot:        d.hash("stateRoot", j.StateRoot),
		TransactionsRoot: d.hash("transactionsRoot", j.TransactionsRoot),
		ReceiptsRoot:     d.hash("receiptsRoot", j.ReceiptsRoot),
		Sha3Uncles:       d.hash("sha3Uncles", j.Sha3Uncles),
		LogsBloom:        d.data("logsBloom", j.LogsBloom),
		ExtraData:        d.data("extraData", j.ExtraData),

		Difficulty:      d.word("difficulty", j.Difficulty),
		TotalDifficulty: d.optWord("totalDifficulty", j.TotalDifficulty),
		MixHash:         d.hash("mixHash", j.MixHash),

		WithdrawalsRoot:     d.optHash("withdrawalsRoot", j.WithdrawalsRoot),
		BlobGasUsed:         d.optQuantity("blobGasUsed", j.BlobGasUsed),
		ExcessBlobGas:       d.optQuantity("excessBlobGas", j.ExcessBlobGas),
		ParentBeaconRoot:    d.optHash("parentBeaconBlockRoot", j.ParentBeaconRoot),
		RequestsHash:        d.optHash("requestsHash", j.RequestsHash),
		BlockAccessListHash: d.optHash("blockAccessListHash", j.BlockAccessListHash),
		SlotNumber:          d.optQuantity("slotNumber", j.SlotNumber),

		ChainID: d.ChainID,
	}
	if j.Timestamp == "" {
		d.fail("timestamp", "", "missing")
	}
	h.Timestamp = d.time("timestamp", j.Timestamp)
	if j.Nonce != "" && !parseFixed(h.Nonce[:], j.Nonce) {
		d.fail("nonce", j.Nonce, "not 8 bytes in hex")
	}
	return h
}
