package main

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/gather"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// swap is a row as most are: numbers, hashes and addresses.
type swap struct {
	BlockNumber uint64
	TxHash      common.Hash
	Pair        common.Address
	Sender      common.Address
	Amount0In   uint256.Int
	Amount1Out  uint256.Int
}

func (swap) TransitType() string { return "test.swap" }

const batchRows = 1024

func swaps() []swap {
	rows := make([]swap, batchRows)
	for i := range rows {
		rows[i] = swap{BlockNumber: uint64(i / 100), TxHash: common.Hash{byte(i >> 8), byte(i)}, Pair: common.Address{byte(i)}, Sender: common.Address{1, byte(i)}}
		rows[i].Amount0In.SetUint64(uint64(i) * 1_000_000_007)
		rows[i].Amount1Out.Mul(&rows[i].Amount0In, uint256.NewInt(998_244_353_998_244_353))
	}
	return rows
}

// What the loaders reach, and the ratio of that to the encoders of the standard
// library in the same run. Checkpoints are as often as they come: one in 100
// batches, some a second.
func BenchmarkLoad(b *testing.B) {
	for _, bb := range []struct {
		name, ending string
		layout       func(transit.Type) layout
		bare         func(w io.Writer, rows []swap) error
	}{
		{"jsonl", "", newLines, bareJSON},
		{"csv", "", newTable, bareCSV},
		{"jsonl.zst", ".zst", newLines, bareJSON},
		{"csv.gz", ".gz", newTable, bareCSV},
	} {
		b.Run(bb.name, func(b *testing.B) {
			bare := measure(b, bb.bare)
			start := startOf(b, 1, 0)
			start.Inputs[0] = plugintest.WireFrom[swap](b, "events", "input")
			l := started(b, &loader{Path: filepath.Join(b.TempDir(), "rows"+bb.ending), layout: bb.layout, Limits: gather.Default()}, start)
			batch := plugintest.Batch(b, swaps()...)
			n := 0
			for b.Loop() {
				if err := l.Load(b.Context(), 0, batch); err != nil {
					b.Fatal(err)
				}
				if n++; n%100 == 0 {
					commit(b, l, uint64(n))
					final(b, l, uint64(n))
				}
			}
			commit(b, l, uint64(n+1))
			speed := float64(n*batchRows) / b.Elapsed().Seconds()
			b.ReportMetric(speed, "rows/s")
			b.ReportMetric(speed/bare, "x-bare")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// measure is how many rows a second are written into a file without a promise.
func measure(b *testing.B, write func(w io.Writer, rows []swap) error) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "rows"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	rows := swaps()
	const times = 200
	began := time.Now()
	for range times {
		if err := write(f, rows); err != nil {
			b.Fatal(err)
		}
	}
	return times * batchRows / time.Since(began).Seconds()
}

func bareJSON(w io.Writer, rows []swap) error {
	for i := range rows {
		line, err := json.Marshal(&rows[i])
		if err != nil {
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func bareCSV(w io.Writer, rows []swap) error {
	table := csv.NewWriter(w)
	for i := range rows {
		r := &rows[i]
		if err := table.Write([]string{
			strconv.FormatUint(r.BlockNumber, 10), r.TxHash.Hex(), r.Pair.Hex(), r.Sender.Hex(), r.Amount0In.Dec(), r.Amount1Out.Dec(),
		}); err != nil {
			return err
		}
	}
	table.Flush()
	return table.Error()
}
