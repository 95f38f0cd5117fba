package decode_test

import (
	"bytes"
	"encoding/json"
	"syscall"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
	"github.com/penstock-io/penstock/sdk/eth/internal/made"
)

// answers are what the benchmarks decode: a block, its receipts and its logs.
type answers struct{ block, receipts, logs []byte }

// gethBlock is what go-ethereum's client makes of a block with its transactions.
func gethBlock(raw []byte) (h types.Header, transactions []*types.Transaction, err error) {
	var body struct {
		Hash         common.Hash          `json:"hash"`
		Transactions []*types.Transaction `json:"transactions"`
		Uncles       []common.Hash        `json:"uncles"`
		Withdrawals  []*types.Withdrawal  `json:"withdrawals"`
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		return h, nil, err
	}
	err = json.Unmarshal(raw, &body)
	return h, body.Transactions, err
}

// BenchmarkDecode compares with go-ethereum's own types and encoding/json on the same answers. The ratios are printed by the benchmarks
// named after them: how many times as long the yardstick takes.
func BenchmarkDecode(b *testing.B) {
	for name, a := range benchmarked(b) {
		b.Run(name, func(b *testing.B) {
			var light eth.Block
			light, err := new(decode.Decoder).Block(a.block)
			if err != nil {
				b.Fatal(err)
			}
			hashes := decode.HashesOf(nil, light.Transactions)
			dec := new(decode.Decoder)
			compare(b, "block", a.block,
				func() error { _, err := dec.Block(a.block); return err },
				func() error { _, _, err := gethBlock(a.block); return err })
			compare(b, "receipts", a.receipts,
				func() error { _, err := dec.Receipts(a.receipts, &light.Header, hashes); return err },
				func() error { var r []*types.Receipt; return json.Unmarshal(a.receipts, &r) })
			compare(b, "receipts-with-logs", a.receipts,
				func() error { _, _, err := dec.ReceiptsWithLogs(a.receipts, &light.Header, hashes, nil); return err },
				func() error { var r []*types.Receipt; return json.Unmarshal(a.receipts, &r) })
			compare(b, "logs", a.logs,
				func() error { _, err := dec.Logs(a.logs); return err },
				func() error { var l []types.Log; return json.Unmarshal(a.logs, &l) })
		})
	}
}

// compare measures both and prints their ratio with ours.
func compare(b *testing.B, name string, raw []byte, ours, geth func() error) {
	b.Helper()
	run := func(b *testing.B, f func() error) float64 {
		b.Helper()
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		begun := processor(b)
		for b.Loop() {
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
		ns := (processor(b) - begun) / float64(b.N)
		b.ReportMetric(ns, "cpu-ns/op")
		return ns
	}
	var yardstick float64
	b.Run(name+"/geth", func(b *testing.B) { yardstick = run(b, geth) })
	b.Run(name+"/ours", func(b *testing.B) {
		if own := run(b, ours); yardstick > 0 {
			b.ReportMetric(yardstick/own, "x-of-geth")
		}
	})
}

// processor is the time that this process has computed, in nanoseconds: what others do on the machine does not count.
func processor(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

// compact is how nodes write: without white space between.
func compact(tb testing.TB, raw []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, raw); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// logsOf is what eth_getLogs answers for the block of receipts.
func logsOf(tb testing.TB, receipts []byte) []byte {
	tb.Helper()
	var list []struct {
		Logs []json.RawMessage `json:"logs"`
	}
	if err := json.Unmarshal(receipts, &list); err != nil {
		tb.Fatal(err)
	}
	all := []json.RawMessage{}
	for _, r := range list {
		all = append(all, r.Logs...)
	}
	return encode(tb, all)
}

// benchmarked are the answers to decode: made up ones, and those of mainnet where there are recordings.
func benchmarked(tb testing.TB) map[string]answers {
	tb.Helper()
	b := made.Make(tb, made.Config{Number: 1000, Fork: made.Prague, Transactions: 157, Input: 300, Logs: 3})
	out := map[string]answers{"made-157": {block: b.Full, receipts: b.Receipts, logs: b.Logs}}
	if block, receipts := recordedBlock(tb); block != nil {
		block, receipts = compact(tb, block), compact(tb, receipts)
		out["mainnet-18000000"] = answers{block: block, receipts: receipts, logs: logsOf(tb, receipts)}
	}
	return out
}
