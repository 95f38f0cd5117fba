package main

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

func narrowCells(n int) []any {
	return []any{int64(n / batchRows * batchBlocks), int64(n % batchRows), "Transfer"}
}

func wideCells(n int) []any {
	const hash, address = "0x5c504ed432cb51138bcf09aa5e8a410dd4a1e204ef84bfed1be16dfba1b22060", "0xB4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc"
	const amount = "998244353998244353998244"
	return []any{
		int64(n / batchRows * batchBlocks), hash, hash, int64(n % batchRows), address, address, address,
		amount[:10], "0", "0", amount,
	}
}

// bare is what the loader is measured by, in rows a second: a prepared statement in a loop, as anybody would write it, into the tables
// that the loader makes, of values that stand ready, with a commit as often.
func bare[T transit.Row](b *testing.B, cells func(n int) []any, l *loader, _ func(n int) T) float64 {
	b.Helper()
	started(b, l, sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[T](b, "rows", "input")}})
	path := l.db.path
	closed(b, l)
	db := opened(b, path)
	execute(b, db, "PRAGMA synchronous = FULL")
	const many, times = 50 * batchRows, 3
	rows := make([][]any, many)
	for n := range rows {
		rows[n] = cells(n)
	}
	insert, err := db.PrepareContext(b.Context(), "INSERT INTO rows VALUES (NULL, "+strings.Repeat("?,", len(rows[0])-1)+"?)")
	if err != nil {
		b.Fatal(err)
	}
	defer insert.Close()
	began := time.Now()
	for range times {
		execute(b, db, "BEGIN IMMEDIATE")
		for _, row := range rows {
			if _, err := insert.Exec(row...); err != nil {
				b.Fatal(err)
			}
		}
		execute(b, db, "COMMIT")
	}
	return times * many / time.Since(began).Seconds()
}
