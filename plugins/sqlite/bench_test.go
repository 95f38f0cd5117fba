package main

import (
	"encoding/binary"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// transfer is a row with what a loader has most to do with: addresses, hashes and large numbers.
type transfer struct {
	BlockNumber uint64
	BlockHash   common.Hash
	TxHash      common.Hash
	LogIndex    uint64
	Token       common.Address
	Sender      common.Address
	Recipient   common.Address
	Amount0In   uint256.Int
	Amount1In   uint256.Int
	Amount0Out  uint256.Int
	Amount1Out  uint256.Int
}

func (transfer) TransitType() string { return "test.transfer" }

const (
	batchRows   = 1024
	batchBlocks = 8
)

func BenchmarkLoadNarrowRows(b *testing.B) {
	benchmark(b, newLoader(newFile(b)), narrow, bare(b, narrowCells, newLoader(newFile(b)), narrow))
}

func BenchmarkLoadWideRows(b *testing.B) {
	benchmark(b, newLoader(newFile(b)), wide, bare(b, wideCells, newLoader(newFile(b)), wide))
}

// BenchmarkReplaceRows loads rows of which each replaces another.
func BenchmarkReplaceRows(b *testing.B) {
	keyed := newLoader(newFile(b)).with(func(l *loader) { l.Key = []string{"log_index"} })
	benchmark(b, keyed, narrow, bare(b, narrowCells, newLoader(newFile(b)), narrow))
}

func narrow(n int) event {
	return event{BlockNumber: uint64(n / batchRows * batchBlocks), LogIndex: uint64(n % batchRows), Name: "Transfer"}
}

func wide(n int) transfer {
	r := transfer{BlockNumber: uint64(n / batchRows * batchBlocks), LogIndex: uint64(n % batchRows)}
	binary.BigEndian.PutUint64(r.BlockHash[:], r.BlockNumber)
	binary.BigEndian.PutUint64(r.TxHash[:], uint64(n/4))
	binary.BigEndian.PutUint16(r.Token[:], uint16(n%100))
	binary.BigEndian.PutUint16(r.Sender[:], uint16(n%5))
	binary.BigEndian.PutUint32(r.Recipient[:], uint32(n%3000))
	r.Amount0In.SetUint64(uint64(n) * 1_000_000_007)
	r.Amount1Out.Mul(&r.Amount0In, uint256.NewInt(998_244_353_998_244_353))
	return r
}

// benchmark loads batches as they come from history: a commit after many. What it reports is the speed, and its ratio to a bare one.
func benchmark[T transit.Row](b *testing.B, l *loader, row func(n int) T, bare float64) {
	b.Helper()
	l = started(b, l.with(func(l *loader) { l.Limits = gather.Default() }), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[T](b, "rows", "input")}})
	const many = 50
	batches := make([]transit.Batch, many)
	for i := range batches {
		rows := make([]T, batchRows)
		for k := range rows {
			rows[k] = row(i*batchRows + k)
		}
		batches[i] = plugintest.Batch(b, rows...)
	}
	n := 0
	for b.Loop() {
		if err := l.Load(b.Context(), 0, batches[n%many]); err != nil {
			b.Fatal(err)
		}
		if n++; n%many == 0 {
			commit(b, l)
		}
	}
	commit(b, l)
	speed := float64(n*batchRows) / b.Elapsed().Seconds()
	b.ReportMetric(speed, "rows/s")
	b.ReportMetric(speed/bare, "x-bare")
	b.ReportMetric(0, "ns/op")
}
