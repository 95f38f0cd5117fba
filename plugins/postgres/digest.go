package main

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/penstock-io/penstock/plugins/postgres/internal/binary"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/digest"
)

var _ sdk.Digester = (*loader)(nil)

// Digest tells which rows of an input the database holds, as of one moment. It reads them all: PostgreSQL sends them, and the sums are
// made here, because its types and functions write values otherwise than those of other stores.
func (l *loader) Digest(ctx context.Context, start sdk.Start, q digest.Query) ([]digest.Range, error) {
	if err := l.plan(start); err != nil {
		return nil, sdk.Stop(err)
	}
	db, err := open(l.DSN, "penstock reconcile "+start.Pipeline+"/"+start.Step, min(l.Patience, startPatience))
	if err != nil {
		return nil, sdk.Stop(err)
	}
	l.db = db
	defer db.drop(ctx)
	if q.Input < 0 || q.Input >= len(l.targets) {
		return nil, sdk.Stop(fmt.Errorf("compare rows: there is no input %d: the loader has %d", q.Input, len(l.targets)))
	}
	t := l.targets[q.Input]
	column := slices.IndexFunc(t.columns, func(c binary.Column) bool { return c.Name == q.Column })
	if column < 0 {
		return nil, sdk.Stop(fmt.Errorf("compare rows: those of step %q (%s) have no column %s", t.step, t.typ, q.Column))
	}
	var ranges []digest.Range
	err = db.insist(ctx, "read table "+t.full, nil, func() (err error) {
		ranges, err = l.digests(ctx, t, start.Inputs[q.Input], q)
		return err
	})
	return ranges, err
}

// digests reads all ranges in one transaction.
func (l *loader) digests(ctx context.Context, t *target, in sdk.Input, q digest.Query) ([]digest.Range, error) {
	if err := l.db.connect(ctx); err != nil {
		return nil, err
	}
	f, err := l.db.look(ctx, t.full)
	if err != nil {
		return nil, err
	}
	for _, d := range t.definitions() {
		if !f.has(d.Name) {
			return nil, mistakef("table %s is not there, or lacks the column %s: run the pipeline first", t.full, d.Name)
		}
	}
	if err := l.db.exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; SET LOCAL extra_float_digits = 1"); err != nil {
		return nil, err
	}
	out := make([]digest.Range, 0, len(q.Ranges))
	for _, r := range q.Ranges {
		filled, err := l.digest(ctx, t, in, q.Column, r)
		if err != nil {
			return nil, err
		}
		out = append(out, filled)
	}
	return out, nil
}

// digest reads one range.
func (l *loader) digest(ctx context.Context, t *target, in sdk.Input, column string, r digest.Range) (digest.Range, error) {
	r.Rows, r.Sum = 0, digest.Sum{}
	if r.From > math.MaxInt64 {
		return r, nil
	}
	var row digest.Row
	reader := &binary.Reader{Row: func(cells [][]byte) error {
		for i, cell := range cells {
			if cell == nil {
				row.Null()
				continue
			}
			v, err := t.columns[i].Value(cell, in.Type.Schema.Field(i))
			if err != nil {
				return mistakef("table %s: %w", t.full, err)
			}
			row.Value(v)
		}
		r.Rows++
		r.Sum.Add(row.Digest())
		return nil
	}}
	// A number that no bigint has would keep the index from being used.
	_, err := l.db.conn.PgConn().CopyTo(ctx, reader, fmt.Sprintf("COPY (SELECT %s FROM %s WHERE %s BETWEEN %d AND %d) TO STDOUT (FORMAT binary)",
		quoteAll(columnNames(t.columns)), t.full, quote(column), r.From, min(r.To, math.MaxInt64)))
	return r, err
}
