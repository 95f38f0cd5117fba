package decode

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
)

// Logs decodes logs. Where the node does not tell their time it is the zero time. Some nodes write null where there are none.
func (d *Decoder) Logs(raw []byte) ([]eth.Log, error) {
	if err := d.start(raw); err != nil {
		if errors.Is(err, ErrNull) {
			return nil, nil
		}
		return nil, err
	}
	d.logs = d.logs[:0]
	for d.begin('['); d.element(); {
		d.part, d.index = "log", len(d.logs)
		d.logs = append(d.logs, eth.Log{})
		d.log(&d.logs[d.index])
	}
	out := rows(d.logs)
	return out, d.finish()
}

// errRemoved is for a log that belongs to no chain.
var errRemoved = errors.New("the node answered with a log that a reorg removed")

// logFields are those that must be there, and whether they are.
type logFields struct{ block, hash, index, address bool }

func (d *Decoder) log(l *eth.Log) {
	var seen logFields
	removed := false
	for d.begin('{'); d.member(); {
		switch string(d.key) {
		case "blockNumber":
			seen.block = d.quantity(&l.BlockNumber)
		case "blockHash":
			seen.hash = d.hash(&l.BlockHash)
		case "blockTimestamp":
			d.time(&l.Timestamp)
		case "transactionHash":
			d.hash(&l.TransactionHash)
		case "transactionIndex":
			d.quantity(&l.TransactionIndex)
		case "logIndex":
			seen.index = d.quantity(&l.LogIndex)
		case "address":
			seen.address = d.address(&l.Address)
		case "topics":
			l.Topics = d.hashList()
		case "data":
			l.Data = d.data()
		case "removed":
			removed = d.boolean()
		default:
			d.skip()
		}
	}
	d.require("blockNumber", seen.block)
	d.require("blockHash", seen.hash)
	d.require("logIndex", seen.index)
	d.require("address", seen.address)
	if removed {
		d.stop(errRemoved)
	}
	LogColumns(l)
	l.ChainID = d.ChainID
}

// LogColumns fills those columns of a log that repeat others: a topic each, and the length of the data. Decoders do it themselves.
func LogColumns(l *eth.Log) {
	l.DataBytes = uint64(len(l.Data))
	for i, column := range [...]**common.Hash{&l.Topic0, &l.Topic1, &l.Topic2, &l.Topic3} {
		*column = nil
		if i < len(l.Topics) {
			*column = &l.Topics[i]
		}
	}
}

// InOrder sorts logs as the chain has them, if they are not yet, and checks that they can be what a chain has from one block to another:
// none is there twice, none lies outside, and logs of one block agree on its hash.
func InOrder(logs []eth.Log, from, to uint64) error {
	order := func(a, b eth.Log) int {
		return cmp.Or(cmp.Compare(a.BlockNumber, b.BlockNumber), cmp.Compare(a.LogIndex, b.LogIndex))
	}
	if !inOrder(logs) {
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

// inOrder looks at the rows where they are: they are large, and nearly always in order.
func inOrder(logs []eth.Log) bool {
	for i := 1; i < len(logs); i++ {
		a, b := &logs[i-1], &logs[i]
		if a.BlockNumber > b.BlockNumber || a.BlockNumber == b.BlockNumber && a.LogIndex > b.LogIndex {
			return false
		}
	}
	return true
}
