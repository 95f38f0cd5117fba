package decode

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
)

// Traces decodes what trace_block, trace_filter and trace_transaction answer. Traces say which block they belong to, but not its time: that
// is the zero time. They must be in the order of the chain, as nodes write them; those of a transaction must be all that it has, or their
// status does not tell whether a call above them failed.
func (d *Decoder) Traces(raw []byte) ([]eth.Trace, error) {
	if err := d.start(raw); err != nil {
		return nil, err
	}
	d.traces = d.traces[:0]
	for d.begin('['); d.element(); {
		d.part, d.index = "trace", len(d.traces)
		var t eth.Trace
		d.trace(&t)
		d.traces = append(d.traces, t)
	}
	if d.end(); d.err == nil {
		finishTraces(d.traces)
	}
	out := rows(d.traces)
	return out, d.finish()
}

// traceFields are those that must be there, and whether they are.
type traceFields struct{ kind, number, hash bool }

func (d *Decoder) trace(t *eth.Trace) {
	var seen traceFields
	t.ChainID = d.ChainID
	for d.begin('{'); d.member(); {
		switch string(d.key) {
		case "type":
			t.TraceType = d.kind()
			seen.kind = t.TraceType != ""
		case "action":
			d.action(t)
		case "result":
			d.result(t)
		case "error":
			t.Error = string(d.text())
		case "blockHash":
			seen.hash = d.hash(&t.BlockHash)
		case "blockNumber":
			seen.number = d.integer(&t.BlockNumber)
		case "transactionHash":
			t.TransactionHash = d.optHash()
		case "transactionPosition":
			t.TransactionIndex = d.optInteger()
		case "subtraces":
			d.integer(&t.Subtraces)
		case "traceAddress":
			t.TraceAddress = d.integers()
		default:
			d.skip()
		}
	}
	d.require("type", seen.kind)
	d.require("blockNumber", seen.number)
	d.require("blockHash", seen.hash)
}

// action reads what was done. What it says depends on the type of the trace, but no two types mean different things by one name.
func (d *Decoder) action(t *eth.Trace) {
	d.list = "action."
	for d.begin('{'); d.member(); {
		switch string(d.key) {
		case "from", "address": // a contract that destructs itself
			t.From = d.optAddress()
		case "to", "refundAddress":
			t.To = d.optAddress()
		case "value", "balance":
			d.word(&t.Value)
		case "gas":
			t.Gas = d.optQuantity()
		case "input":
			t.Input = d.data()
		case "init":
			t.Init = d.data()
		case "callType":
			t.CallType = d.kind()
		case "author":
			t.Author = d.optAddress()
			t.To = t.Author
		case "rewardType":
			t.RewardType = d.kind()
		default:
			d.skip()
		}
	}
	d.list = ""
}

// result reads what came of it.
func (d *Decoder) result(t *eth.Trace) {
	d.list = "result."
	for d.begin('{'); d.member(); {
		switch string(d.key) {
		case "gasUsed":
			t.GasUsed = d.optQuantity()
		case "output":
			t.Output = d.data()
		case "code":
			t.Code = d.data()
		case "address":
			t.To = d.optAddress()
		default:
			d.skip()
		}
	}
	d.list = ""
}

// kind reads one of the few words that types have, in lower case. The same word is always the same piece of memory.
func (d *Decoder) kind() string {
	text := d.text()
	for _, word := range words {
		if strings.EqualFold(word, string(text)) {
			return word
		}
	}
	return strings.ToLower(string(text))
}

var words = [...]string{
	"call", "create", "suicide", "reward", "callcode", "delegatecall", "staticcall", "create2", "selfdestruct", "block", "uncle", "emptystep", "external",
}

// optInteger is nil where the node left the number out.
func (d *Decoder) optInteger() *uint64 {
	var n uint64
	if !d.integer(&n) {
		return nil
	}
	p := &cut(&d.nums, 1, 64)[0]
	*p = n
	return p
}

// integers is a list of numbers; nil if it is empty.
func (d *Decoder) integers() []uint64 {
	d.path = d.path[:0]
	for d.begin('['); d.element(); {
		var n uint64
		if !d.integer(&n) {
			d.fail(nil, "not a whole number of 64 bits")
		}
		d.path = append(d.path, n)
	}
	return d.keptPath()
}

// keptPath copies the path at hand; nil if it is empty.
func (d *Decoder) keptPath() []uint64 {
	if len(d.path) == 0 {
		return nil
	}
	out := cut(&d.nums, len(d.path), 256)
	copy(out, d.path)
	return out
}

// finishTraces fills what follows from several traces: the status and the id of each.
func finishTraces(traces []eth.Trace) {
	failed := -1 // how deep the call is that failed and whose calls are at hand
	for i := range traces {
		t := &traces[i]
		depth := len(t.TraceAddress)
		if failed >= 0 && (depth <= failed || t.TransactionHash == nil) {
			failed = -1
		}
		t.Status = 1
		switch {
		case failed >= 0:
			t.Status = 0
		case t.Error != "":
			t.Status = 0
			failed = depth
		}
	}
	identify(traces)
}

// identify gives every trace an id: that of a transaction by its transaction and its address there, others by their block and how many of
// their type come before them in it, counted as ethereum-etl does.
func identify(traces []eth.Trace) {
	var (
		all  []byte
		ends = make([]int, len(traces))
		rank = ranks(traces)
	)
	for i := range traces {
		t := &traces[i]
		all = append(append(all, t.TraceType...), '_')
		if t.TransactionHash == nil {
			all = append(strconv.AppendUint(all, t.BlockNumber, 10), '_')
			all = strconv.AppendInt(all, int64(rank[i]), 10)
		} else {
			all = append(appendHex(all, t.TransactionHash[:]), '_')
			for k, n := range t.TraceAddress {
				if k > 0 {
					all = append(all, '_')
				}
				all = strconv.AppendUint(all, n, 10)
			}
		}
		ends[i] = len(all)
	}
	text, begin := string(all), 0
	for i, end := range ends {
		traces[i].TraceID = text[begin:end]
		begin = end
	}
}

func appendHex(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, "0x"...)
	for _, c := range b {
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst
}

// ranks numbers the traces that no transaction did, from 0 for each type in each block, by their reward type, from whom and to whom they
// went, and how much.
func ranks(traces []eth.Trace) []int {
	var (
		order []int
		rank  = make([]int, len(traces))
	)
	for i := range traces {
		if traces[i].TransactionHash == nil {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return compareRewards(&traces[a], &traces[b]) })
	for k := 1; k < len(order); k++ {
		a, b := &traces[order[k-1]], &traces[order[k]]
		if a.BlockNumber == b.BlockNumber && a.TraceType == b.TraceType {
			rank[order[k]] = rank[order[k-1]] + 1
		}
	}
	return rank
}

func compareRewards(a, b *eth.Trace) int {
	return cmp.Or(
		cmp.Compare(a.BlockNumber, b.BlockNumber),
		cmp.Compare(a.TraceType, b.TraceType),
		cmp.Compare(a.RewardType, b.RewardType),
		compareAddresses(a.From, b.From),
		compareAddresses(a.To, b.To),
		a.Value.Cmp(&b.Value),
	)
}

func compareAddresses(a, b *common.Address) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return a.Cmp(*b)
}
