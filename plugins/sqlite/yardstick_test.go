package main

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk"
)

// BenchmarkBareInserts is what the loader is measured by: a prepared statement
// in a loop, as anybody would write it, into the tables that the loader makes,
// of values that stand ready, with a commit as often.
func BenchmarkBareInserts(b *testing.B) {
	b.Run("narrow", func(b *testing.B) {
		bare(b, started(b, &loader{Path: newFile(b), Hex: true}, sdk.Start{Inputs: []sdk.Input{input[event](b, "rows")}}),
			func(n int) []any { return []any{int64(n / batchRows * batchBlocks), int64(n % batchRows), "Transfer"} })
	})
	b.Run("wide", func(b *testing.B) {
		const hash, address = "0x5c504ed432cb51138bcf09aa5e8a410dd4a1e204ef84bfed1be16dfba1b22060", "0xB4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc"
		const amount = "998244353998244353998244"
		bare(b, started(b, &loader{Path: newFile(b), Hex: true}, sdk.Start{Inputs: []sdk.Input{input[transfer](b, "rows")}}),
			func(n int) []any {
				return []any{
					int64(n / batchRows * batchBlocks), hash, hash, int64(n % batchRows), address, address, address,
					amount[:10], "0", "0", amount,
				}
			})
	})
}

func bare(b *testing.B, l *loader, row func(n int) []any) {
	b.Helper()
	path := l.db.path
	closed(b, l)
	db := opened(b, path)
	execute(b, db, "PRAGMA synchronous = FULL")
	const many = 50 * batchRows
	rows := make([][]any, many)
	for n := range rows {
		rows[n] = row(n)
	}
	insert, err := db.PrepareContext(b.Context(), "INSERT INTO rows VALUES (NULL, "+strings.Repeat("?,", len(rows[0])-1)+"?)")
	if err != nil {
		b.Fatal(err)
	}
	defer insert.Close()
	n := 0
	for b.Loop() {
		if n%many == 0 {
			execute(b, db, "BEGIN IMMEDIATE")
		}
		if _, err := insert.Exec(rows[n%many]...); err != nil {
			b.Fatal(err)
		}
		if n++; n%many == 0 {
			execute(b, db, "COMMIT")
		}
	}
	if n%many != 0 {
		execute(b, db, "COMMIT")
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(0, "ns/op")
}
