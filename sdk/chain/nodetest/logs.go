package nodetest

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// Query is the parameter of eth_getLogs.
type Query struct {
	FromBlock string           `json:"fromBlock"`
	ToBlock   string           `json:"toBlock"`
	BlockHash *common.Hash     `json:"blockHash"`
	Address   []common.Address `json:"address"`
	Topics    [][]common.Hash  `json:"topics"`
}

// UnmarshalJSON takes one address or topic in the place of a list too.
func (q *Query) UnmarshalJSON(raw []byte) error {
	var loose struct {
		FromBlock string            `json:"fromBlock"`
		ToBlock   string            `json:"toBlock"`
		BlockHash *common.Hash      `json:"blockHash"`
		Address   json.RawMessage   `json:"address"`
		Topics    []json.RawMessage `json:"topics"`
	}
	if err := json.Unmarshal(raw, &loose); err != nil {
		return err
	}
	*q = Query{FromBlock: loose.FromBlock, ToBlock: loose.ToBlock, BlockHash: loose.BlockHash}
	var err error
	if q.Address, err = oneOrMore[common.Address](loose.Address); err != nil {
		return err
	}
	for _, one := range loose.Topics {
		position, err := oneOrMore[common.Hash](one)
		if err != nil {
			return err
		}
		q.Topics = append(q.Topics, position)
	}
	return nil
}

func oneOrMore[T any](raw json.RawMessage) ([]T, error) {
	if len(raw) == 0 || string(raw) == null {
		return nil, nil
	}
	if raw[0] == '[' {
		var list []T
		err := json.Unmarshal(raw, &list)
		return list, err
	}
	list := make([]T, 1)
	err := json.Unmarshal(raw, &list[0])
	return list, err
}

// Blocks is the range that is asked for.
func (q Query) Blocks() (from, to uint64) {
	from, _ = strconv.ParseUint(q.FromBlock, 0, 64) // 0 if there is none
	to, _ = strconv.ParseUint(q.ToBlock, 0, 64)     // 0 if there is none
	return from, to
}

// Takes reports whether a log is one of those asked for.
func (q Query) Takes(l Log) bool {
	if len(q.Address) > 0 && !slices.Contains(q.Address, l.Address) {
		return false
	}
	for i, any := range q.Topics {
		if len(any) > 0 && (i >= len(l.Topics) || !slices.Contains(any, l.Topics[i])) {
			return false
		}
	}
	return true
}

func (n *Node) getLogs(raw json.RawMessage) (json.RawMessage, error) {
	var q Query
	if err := json.Unmarshal(raw, &q); err != nil {
		return nil, &Error{-32602, "invalid argument 0: " + err.Error()}
	}
	height := n.height()
	if err := n.before("eth_getLogs", q); err != nil {
		return nil, err
	}
	out, err := n.logs(q, height)
	if err != nil {
		if n.Denied != nil {
			n.Denied()
		}
		return nil, err
	}
	return n.after("eth_getLogs", out)
}

func (n *Node) logs(q Query, height uint64) ([]byte, error) {
	if n.Hide != nil && n.Hide() {
		return []byte("[]"), nil
	}
	blocks, err := n.chosen(q, height)
	if err != nil {
		return nil, err
	}
	lists, err := n.matches(q, blocks)
	if err != nil {
		return nil, err
	}
	size := 2
	for i, list := range lists {
		for _, k := range list {
			size += len(blocks[i].body.logsText[k].text) + 128
		}
	}
	out := append(make([]byte, 0, size), '[')
	for i, list := range lists {
		for _, k := range list {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = blocks[i].body.logsText[k].render(out, &blocks[i].words, !n.NoTimes)
		}
	}
	return append(out, ']'), nil
}

// matches is which logs of each block a query takes.
func (n *Node) matches(q Query, blocks []*Block) ([][]int, error) {
	var (
		bits  = newBits(q)
		taken = map[*body][]int{}
		lists = make([][]int, len(blocks))
		found uint64
	)
	for i, b := range blocks {
		if !bits.mayTake(&b.Header.Bloom) {
			continue
		}
		lists[i] = chosenLogs(taken, b.body, q, len(blocks))
		if found += uint64(len(lists[i])); n.MostLogs > 0 && found > n.MostLogs {
			return nil, &Error{-32005, "query returned more than " + strconv.FormatUint(n.MostLogs, 10) + " results"}
		}
	}
	return lists, nil
}

// chosenLogs is which logs of a body a query takes. Bodies that many blocks share are looked at once.
func chosenLogs(taken map[*body][]int, made *body, q Query, blocks int) []int {
	if already, ok := taken[made]; ok {
		return already
	}
	made.prepare()
	var list []int
	for i := range made.logs {
		if q.Takes(made.logs[i]) {
			list = append(list, i)
		}
	}
	if blocks > 1 {
		taken[made] = list
	}
	return list
}

// chosen is the blocks that a query is about.
func (n *Node) chosen(q Query, height uint64) ([]*Block, error) {
	if n.MostAddresses > 0 && len(q.Address) > n.MostAddresses {
		return nil, &Error{-32602, "exceed max addresses or topics per search position"}
	}
	if q.BlockHash != nil {
		if b := n.Chain.By(*q.BlockHash); b != nil {
			return []*Block{b}, nil
		}
		return nil, &Error{-32000, "unknown block"}
	}
	from, to := q.Blocks()
	if n.Partial {
		to = min(to, height)
	}
	if to > n.height() {
		return nil, &Error{-32602, "block range extends beyond current head block"}
	}
	if n.MostBlocks > 0 && to-from+1 > n.MostBlocks {
		return nil, &Error{-32602, "exceed maximum block range " + strconv.FormatUint(n.MostBlocks, 10)}
	}
	return n.Chain.Range(from, to), nil
}

// bits are where the bloom of a block has to be set for each position of a query: all three of any value.
type bits [][][3]uint

func newBits(q Query) bits {
	var all bits
	if len(q.Address) > 0 {
		var position [][3]uint
		for _, a := range q.Address {
			position = append(position, bitsOf(a[:]))
		}
		all = append(all, position)
	}
	for _, topics := range q.Topics {
		if len(topics) == 0 {
			continue
		}
		var position [][3]uint
		for _, t := range topics {
			position = append(position, bitsOf(t[:]))
		}
		all = append(all, position)
	}
	return all
}

func bitsOf(value []byte) (at [3]uint) {
	hash := crypto.Keccak256(value)
	for i := range at {
		at[i] = (uint(hash[2*i])<<8 | uint(hash[2*i+1])) & 2047
	}
	return at
}

func (b bits) mayTake(bloom *types.Bloom) bool {
	for _, position := range b {
		if !slices.ContainsFunc(position, func(at [3]uint) bool {
			for _, bit := range at {
				if bloom[types.BloomByteLength-1-bit/8]&(1<<(bit%8)) == 0 {
					return false
				}
			}
			return true
		}) {
			return false
		}
	}
	return true
}
