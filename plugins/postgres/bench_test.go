package main

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/penstock-io/penstock/sdk"
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
	At          time.Time
}

func (transfer) TransitType() string { return "test.transfer" }

const (
	batchRows   = 1024
	batchBlocks = 8
	manyBatches = 60
)

func transferOf(n int) transfer {
	r := transfer{BlockNumber: uint64(n / batchRows * batchBlocks), LogIndex: uint64(n % batchRows)}
	binary.BigEndian.PutUint64(r.BlockHash[:], r.BlockNumber)
	binary.BigEndian.PutUint64(r.TxHash[:], uint64(n/4))
	binary.BigEndian.PutUint16(r.Token[:], uint16(n%100))
	binary.BigEndian.PutUint16(r.Sender[:], uint16(n%5))
	binary.BigEndian.PutUint32(r.Recipient[:], uint32(n%3000))
	r.Amount0In.SetUint64(uint64(n) * 1_000_000_007)
	r.Amount1Out.Mul(&r.Amount0In, uint256.NewInt(998_244_353_998_244_353))
	r.At = time.Unix(1_700_000_000+int64(r.BlockNumber)*12, 0).UTC()
	return r
}

// BenchmarkLoader holds the loader against a bare COPY: pgx's CopyFrom of the same rows, which stand ready as it wants them, into the
// same table, in one statement and one transaction. Rounds of both take turns; the ratio is that of the medians. Where rows replace others
// it is held against what PostgreSQL does with the same rows besides: a bare COPY into a temporary table and one INSERT ... ON CONFLICT DO
// UPDATE from there (upsert_ratio).
func BenchmarkLoader(b *testing.B) {
	b.Run("narrow", func(b *testing.B) {
		compare(b, nil, func(n int) event {
			return event{BlockNumber: uint64(n / batchRows * batchBlocks), LogIndex: uint64(n % batchRows), Name: "Transfer"}
		}, false, func(r event) []any { return []any{int64(r.BlockNumber), int64(r.LogIndex), r.Name} })
	})
	b.Run("wide", func(b *testing.B) { compare(b, nil, transferOf, false, bareTransfer) })
	b.Run("keyed", func(b *testing.B) {
		compare(b, []string{"block_number", "log_index"}, transferOf, false, bareTransfer)
	})
	b.Run("replacing", func(b *testing.B) { // every row, with an image of what was there at the checkpoint
		compare(b, []string{"block_number", "log_index"}, transferOf, true, bareTransfer)
	})
	b.Run("replacing, with room", func(b *testing.B) {
		compareWith(b, func(s *settings) { s.Key, s.Fill = []string{"block_number", "log_index"}, 50 }, transferOf, true, bareTransfer)
	})
}

func bareTransfer(r transfer) []any {
	number := func(v uint256.Int) pgtype.Numeric { return pgtype.Numeric{Int: v.ToBig(), Valid: true} }
	return []any{
		int64(r.BlockNumber), r.BlockHash[:], r.TxHash[:], int64(r.LogIndex), r.Token[:], r.Sender[:], r.Recipient[:],
		number(r.Amount0In), number(r.Amount1In), number(r.Amount0Out), number(r.Amount1Out), r.At,
	}
}

func compare[T transit.Row](b *testing.B, key []string, row func(n int) T, replacing bool, bare func(T) []any) {
	b.Helper()
	compareWith(b, func(s *settings) { s.Key = key }, row, replacing, bare)
}

func compareWith[T transit.Row](b *testing.B, change func(s *settings), row func(n int) T, replacing bool, bare func(T) []any) {
	b.Helper()
	dsn := newDatabase(b)
	l := started(b, with(dsn, change), sdk.Start{Domain: "bench", Inputs: []sdk.Input{plugintest.WireFrom[T](b, "rows", "input")}})
	batches := make([]transit.Batch, manyBatches)
	var plain [][]any
	for i := range batches {
		rows := make([]T, batchRows)
		for k := range rows {
			rows[k] = row(i*batchRows + k)
			plain = append(plain, append([]any{int64(i*batchRows + k + 1)}, bare(rows[k])...))
		}
		batches[i] = plugintest.Batch(b, rows...)
	}
	conn := connected(b, dsn)
	names := append([]string{rowNumber}, columnNames(l.targets[0].columns)...)
	var ours, theirs, upserts []float64
	checkpoint := uint64(0)
	const all = manyBatches * batchRows
	rounds := 11
	if replacing {
		rounds = 3 // which take long
	}
	for b.Loop() {
		for range rounds {
			execute(b, dsn, "TRUNCATE rows; CHECKPOINT")
			theirs = append(theirs, rate(all, func() { copyBare(b, conn, "rows", names, plain) }))
			if replacing {
				execute(b, dsn, "CHECKPOINT")
				upserts = append(upserts, rate(all, func() { upsertBare(b, conn, names, l.Key, plain) }))
				execute(b, dsn, "TRUNCATE rows")
				copyBare(b, conn, "rows", names, plain) // as it was
			} else {
				execute(b, dsn, "TRUNCATE rows")
			}
			execute(b, dsn, "CHECKPOINT")
			checkpoint++
			ours = append(ours, rate(all, func() {
				for i, batch := range batches {
					if err := l.Load(b.Context(), 0, batch); err != nil {
						b.Fatal(err)
					}
					if i == manyBatches/2 {
						mark(b, l, 0)
					}
				}
				mark(b, l, checkpoint)
				if err := l.Final(b.Context(), checkpoint); err != nil { // as hosts say it; images before it go with the next one
					b.Fatal(err)
				}
			}))
		}
	}
	if got := query(b, dsn, "SELECT count(*) FROM rows"); got != fmt.Sprint(all) {
		b.Fatalf("%s rows are there, want %d", got, all)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ours), "rows/s")
	b.ReportMetric(median(theirs), "bare_rows/s")
	b.ReportMetric(median(ours)/median(theirs), "ratio")
	if replacing {
		b.ReportMetric(median(upserts), "upsert_rows/s")
		b.ReportMetric(median(ours)/median(upserts), "upsert_ratio")
	}
}

// upsertBare replaces rows as PostgreSQL does it by itself, without a way back.
func upsertBare(b *testing.B, conn *pgx.Conn, names, key []string, rows [][]any) {
	b.Helper()
	if _, err := conn.Exec(b.Context(), "CREATE TEMPORARY TABLE IF NOT EXISTS bare (LIKE rows)"); err != nil {
		b.Fatal(err)
	}
	var set []string
	for _, name := range names {
		if !slices.Contains(key, name) && name != rowNumber {
			set = append(set, name+" = EXCLUDED."+name)
		}
	}
	copyBare(b, conn, "bare", names, rows)
	statement := "INSERT INTO rows SELECT * FROM bare ON CONFLICT (" + strings.Join(key, ", ") + ") DO UPDATE SET " + strings.Join(set, ", ")
	if _, err := conn.PgConn().Exec(b.Context(), statement+"; TRUNCATE bare").ReadAll(); err != nil {
		b.Fatal(err)
	}
}

func copyBare(b *testing.B, conn *pgx.Conn, into string, names []string, rows [][]any) {
	b.Helper()
	tx, err := conn.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := tx.CopyFrom(b.Context(), pgx.Identifier{into}, names, pgx.CopyFromRows(rows)); err != nil {
		b.Fatal(err)
	}
	if err := tx.Commit(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func rate(rows int, do func()) float64 {
	began := time.Now()
	do()
	return float64(rows) / time.Since(began).Seconds()
}

func median(rates []float64) float64 {
	slices.Sort(rates)
	return rates[len(rates)/2]
}

// BenchmarkEncode is what turning columns into COPY's rows costs, without a server.
func BenchmarkEncode(b *testing.B) {
	rows := make([]transfer, batchRows)
	for n := range rows {
		rows[n] = transferOf(n)
	}
	batch := plugintest.Batch(b, rows...)
	l := &loader{settings: defaults()}
	if err := l.plan(sdk.Start{Inputs: []sdk.Input{{Name: "rows", Type: batch.Type}}}); err != nil {
		b.Fatal(err)
	}
	var data []byte
	for b.Loop() {
		data, _, _ = l.targets[0].layout.Append(data[:0], batch, 0)
	}
	b.SetBytes(int64(len(data)))
	b.ReportMetric(float64(b.N*batchRows)/b.Elapsed().Seconds(), "rows/s")
}
