package main

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

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

// With checkpoints as often as they come: one in 100 batches, some a second.
func BenchmarkLoad(b *testing.B) {
	for name, layout := range map[string]func(transit.Type) layout{"jsonl": newLines, "csv": newTable} {
		b.Run(name, func(b *testing.B) {
			start := startOf(b, 1, 0)
			start.Inputs[0] = input[swap](b, "events")
			l := started(b, &loader{Path: filepath.Join(b.TempDir(), "rows"), layout: layout}, start)
			batch := batchOf(b, swaps()...)
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
			b.ReportMetric(float64(n*batchRows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkStandardLibrary is what the loaders are measured by: the encoders of
// the standard library, of rows as Go has them, into a file without a promise.
func BenchmarkStandardLibrary(b *testing.B) {
	rows := swaps()
	measure := func(b *testing.B, write func(w io.Writer) error) {
		b.Helper()
		f, err := os.Create(filepath.Join(b.TempDir(), "rows"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		n := 0
		for b.Loop() {
			if err := write(f); err != nil {
				b.Fatal(err)
			}
			n += batchRows
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("json", func(b *testing.B) {
		measure(b, func(w io.Writer) error {
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
		})
	})
	b.Run("csv", func(b *testing.B) {
		measure(b, func(w io.Writer) error {
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
		})
	})
}
