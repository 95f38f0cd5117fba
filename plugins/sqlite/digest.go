package main

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/digest"
	schema "github.com/penstock-io/penstock/sdk/table"
)

var _ sdk.Digester = (*loader)(nil)

// Digest tells which rows of an input the file holds, as of one moment.
func (l *loader) Digest(ctx context.Context, start sdk.Start, q digest.Query) ([]digest.Range, error) {
	path, err := filepath.Abs(l.Path)
	if err != nil {
		return nil, sdk.Stop(fmt.Errorf("find the database %s: %w", l.Path, err))
	}
	if err := l.plan(start.Inputs); err != nil {
		return nil, sdk.Stop(err)
	}
	if q.Input < 0 || q.Input >= len(l.tables) {
		return nil, sdk.Stop(fmt.Errorf("compare rows: there is no input %d: the loader has %d", q.Input, len(l.tables)))
	}
	t := l.tables[q.Input]
	if c := t.column(q.Column); c == nil || c.form != asInteger {
		return nil, sdk.Stop(fmt.Errorf("compare rows: those of step %q (%s) have no column of whole numbers %s", start.Inputs[q.Input].Name, start.Inputs[q.Input].Type.Name, q.Column))
	}
	if _, err := os.Stat(path); err != nil {
		return nil, sdk.Stop(fmt.Errorf("compare rows: %w: run the pipeline first", err))
	}
	d := &database{path: path, patience: l.patience}
	err = d.open(ctx)
	if err == nil {
		err = d.exec(ctx, "BEGIN")
	}
	if err == nil {
		err = d.complete(ctx, t)
	}
	var out []digest.Range
	for _, r := range q.Ranges {
		if err == nil {
			r, err = d.digest(ctx, t, q.Column, r)
			out = append(out, r)
		}
	}
	return out, errors.Join(err, d.close(nil))
}

// complete refuses a table that lacks what is to be compared.
func (d *database) complete(ctx context.Context, t *table) error {
	have, err := d.columns(ctx, t.name)
	if err != nil {
		return err
	}
	for _, name := range t.columnNames() {
		if !slices.ContainsFunc(have.columns, func(f schema.Found) bool { return strings.EqualFold(f.Name, name) }) {
			return sdk.Stop(fmt.Errorf("%s: compare rows: table %s is not there, or lacks the column %s: run the pipeline first", d.path, t.name, name))
		}
	}
	return nil
}

// digest reads one range.
func (d *database) digest(ctx context.Context, t *table, column string, r digest.Range) (digest.Range, error) {
	r.Rows, r.Sum = 0, digest.Sum{}
	if r.From > math.MaxInt64 {
		return r, nil
	}
	statement := fmt.Sprintf("SELECT %s FROM %s WHERE %s BETWEEN %d AND %d", quoteAll(t.columnNames()), quote(t.name), quote(column), r.From, min(r.To, math.MaxInt64))
	err := d.conn.Raw(func(conn any) error {
		rows, err := conn.(driver.QueryerContext).QueryContext(ctx, statement, nil)
		if err != nil {
			return err
		}
		defer rows.Close()
		return t.digest(rows, &r)
	})
	if err != nil {
		return r, d.explain("read table "+t.name, err)
	}
	return r, nil
}

// digest adds rows to a range.
func (t *table) digest(rows driver.Rows, r *digest.Range) error {
	var row digest.Row
	cells := make([]driver.Value, len(t.columns))
	for {
		if err := rows.Next(cells); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for i := range t.columns {
			if err := t.columns[i].digest(&row, cells[i]); err != nil {
				return fmt.Errorf("column %s: %w", t.columns[i].Name, err)
			}
		}
		r.Rows++
		r.Sum.Add(row.Digest())
	}
}

// digest adds a cell as SQLite has it.
func (c *column) digest(row *digest.Row, cell driver.Value) error {
	if cell == nil {
		if c.form == asReal && !c.Nullable {
			row.Value(math.NaN())
			return nil
		}
		row.Null()
		return nil
	}
	switch v := cell.(type) {
	case []byte:
		return c.digestBytes(row, v)
	case string:
		return c.digestText(row, v)
	case int64:
		switch {
		case c.form == asReal:
			row.Value(float64(v))
		case c.Kind == schema.Bool:
			row.Value(v != 0)
		default:
			row.Value(v)
		}
	case float64, bool:
		row.Value(v)
	default:
		return fmt.Errorf("a value is a %T, which no row has: somebody else has written it", v)
	}
	return nil
}

func (c *column) digestBytes(row *digest.Row, v []byte) error {
	switch {
	case c.form == asBlob && c.Kind == schema.Uint256:
		row.Value(new(big.Int).SetBytes(v))
	case c.form == asBlob:
		row.Value(v)
	case c.form == asInteger && len(v) == 8:
		row.Value(binary.BigEndian.Uint64(v))
	default:
		return errors.New("a value is a BLOB, which no row has: somebody else has written it")
	}
	return nil
}

func (c *column) digestText(row *digest.Row, v string) error {
	switch {
	case c.List || c.Kind == schema.JSON:
		return row.Nested([]byte(v))
	case c.form == asAddress:
		row.Text([]byte(strings.ToLower(v)))
	default:
		row.Text([]byte(v))
	}
	return nil
}
