package verify_test

import (
	"encoding/json"
	"syscall"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/penstock-io/penstock/sdk/eth/internal/made"
	"github.com/penstock-io/penstock/sdk/eth/verify"
)

// BenchmarkVerify compares with what go-ethereum needs for the same: its types are decoded beforehand, as the rows are.
func BenchmarkVerify(b *testing.B) {
	for name, a := range benchmarked(b) {
		b.Run(name, func(b *testing.B) { compare(b, a.chain, a.block, a.receipts) })
	}
}

func compare(b *testing.B, chain uint64, block, receipts []byte) {
	b.Helper()
	var (
		r    = read(b, chain, block, receipts)
		v    verify.Verifier
		list types.Receipts
		body struct {
			Transactions types.Transactions `json:"transactions"`
		}
	)
	if err := json.Unmarshal(receipts, &list); err != nil {
		b.Fatal(err)
	}
	if err := json.Unmarshal(block, &body); err != nil {
		b.Fatal(err)
	}
	run := func(name string, f func()) (ns float64) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			begun := processor(b)
			for b.Loop() {
				f()
			}
			ns = (processor(b) - begun) / float64(b.N)
			b.ReportMetric(ns, "cpu-ns/op")
		})
		return ns
	}
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	ratio := func(name string, ours, geth float64) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
			}
			b.ReportMetric(geth/ours, "x-of-geth")
			b.ReportMetric(0, "ns/op")
		})
	}
	rootGeth := run("receipts/geth-derivesha", func() { types.DeriveSha(list, trie.NewStackTrie(nil)) })
	root := run("receipts/ours", func() { check(v.Receipts(&r.Header, r.receipts, r.logs)) })
	ratio("receipts/ratio", root, rootGeth)
	transactionsGeth := run("transactions/geth-derivesha-and-hashes", func() {
		types.DeriveSha(body.Transactions, trie.NewStackTrie(nil))
		for _, tx := range body.Transactions {
			raw, err := tx.MarshalBinary() // Hash remembers what it was
			check(err)
			crypto.Keccak256Hash(raw)
		}
	})
	transactions := run("transactions/ours", func() { check(v.Transactions(&r.Header, r.Transactions)) })
	ratio("transactions/ratio", transactions, transactionsGeth)
	run("header/ours", func() { check(v.Header(&r.Header)) })
	run("all-logs/ours", func() { check(v.AllLogs(&r.Header, r.logs)) })
	run("outcomes/ours", func() { check(v.Outcomes(&r.Header, r.Transactions, r.receipts)) })
	run("all/ours-in-a-row", func() {
		check(v.Block(&r.Block))
		check(v.Receipts(&r.Header, r.receipts, r.logs))
		check(v.Outcomes(&r.Header, r.Transactions, r.receipts))
	})
	run("all/ours-whole", func() { check(v.Whole(&r.Block, r.receipts, r.logs)) })
	run("senders/ours", func() { check(v.Senders(&r.Header, r.Transactions)) })
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

// answers are those of a node about a block.
type answers struct {
	chain           uint64
	block, receipts []byte
}

// benchmarked are blocks with their receipts: a made one like those of mainnet, and where there are recordings one of mainnet.
func benchmarked(tb testing.TB) map[string]answers {
	tb.Helper()
	b := made.Make(tb, made.Config{Number: 1000, Fork: made.Prague, Transactions: 157, Input: 300, Logs: 3})
	out := map[string]answers{"made-157": {made.ChainID, b.Full, b.Receipts}}
	if block, receipts := recordedBlock(tb); block != nil {
		out["mainnet-18000000"] = answers{1, block, receipts}
	}
	return out
}
