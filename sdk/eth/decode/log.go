package decode

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
)

type logJSON struct {
	BlockNumber      string   `json:"blockNumber"`
	BlockHash        string   `json:"blockHash"`
	BlockTimestamp   string   `json:"blockTimestamp"`
	TransactionHash  string   `json:"transactionHash"`
	TransactionIndex string   `json:"transactionIndex"`
	LogIndex         string   `json:"logIndex"`
	Address          string   `json:"address"`
	Topics           []string `json:"topics"`
	Data             string   `json:"data"`
	Removed          bool     `json:"removed"`
}

// Logs decodes logs. Where the node does not tell their time it is the zero time. Some nodes write null where there are none.
func (d *Decoder) Logs(raw []byte) ([]eth.Log, error) {
	var j []logJSON
	if err := unmarshal(raw, &j); err != nil && !errors.Is(err, ErrNull) {
		return nil, err
	}
	out := make([]eth.Log, len(j))
	for i := range j {
		d.log(&j[i], &out[i])
	}
	return out, d.finish()
}

func (d *Decoder) log(j *logJSON, l *eth.Log) {
	l.BlockNumber = d.needQuantity("blockNumber", j.BlockNumber)
	l.BlockHash = d.needHash("blockHash", j.BlockHash)
	l.Timestamp = d.time("blockTimestamp", j.BlockTimestamp)
	l.TransactionHash = d.needHash("transactionHash", j.TransactionHash)
	l.TransactionIndex = d.quantity("transactionIndex", j.TransactionIndex)
	l.LogIndex = d.needQuantity("logIndex", j.LogIndex)
	l.Address = d.address("address", j.Address)
	l.Topics = d.hashList("topics", j.Topics)
	l.Data = d.data("data", j.Data)
	l.DataBytes, l.ChainID = uint64(len(l.Data)), d.ChainID
	for i, column := range []**common.Hash{&l.Topic0, &l.Topic1, &l.Topic2, &l.Topic3} {
		if i < len(l.Topics) {
			*column = &l.Topics[i]
		}
	}
	if j.Address == "" {
		d.fail("address", "", "missing")
	}
	if j.Removed && d.err == nil {
		d.err = errors.New("the node answered with a log that a reorg removed")
	}
}

// InOrder sorts logs as the chain has them, if they are not yet, and checks that they can be what a chain has from one block to another:
// none is there twice, none lies outside, and logs of one block agree on its hash.
func InOrder(logs []eth.Log, from, to uint64) error {
	order := func(a, b eth.Log) int {
		return cmp.Or(cmp.Compare(a.BlockNumber, b.BlockNumber), cmp.Compare(a.LogIndex, b.LogIndex))
	}
	if !slices.IsSortedFunc(logs, order) {
		slices.SortFunc(logs, order)
	}
	for i := range logs {
		l := &logs[i]
		if l.BlockNumber < from || l.BlockNumber > to {
			return fmt.Errorf("asked for logs of blocks %d to %d, the node answered with one of block %d", from, to, l.BlockNumber)
		}
		if i == 0 || logs[i-1].BlockNumber != l.BlockNumber {
			continue
		}
		last := &logs[i-1]
		if last.LogIndex == l.LogIndex {
			return fmt.Errorf("block %d has log %d twice", l.BlockNumber, l.LogIndex)
		}
		if last.BlockHash != l.BlockHash {
			return fmt.Errorf("a log of block %d: %w, %s and not %s", l.BlockNumber, ErrElsewhere, l.BlockHash, last.BlockHash)
		}
	}
	return nil
}
