package main

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// maxVariables is how many values one statement may bind, well below SQLite's
// limit: longer statements are no faster.
const maxVariables = 2048

// blockNumber is the column that says which block a row belongs to.
const blockNumber = "block_number"

// table is one input's table.
type table struct {
	name    string
	columns []column
	blocks  bool // it has block_number

	insertMany *sql.Stmt // of the open transaction
	rows       int       // a statement's worth
	values     []any     // reused
}

// column says how a transit column is kept.
type column struct {
	name   string
	sql    string // its declared type
	number bool   // kept as it is; everything else as text or blob
	blob   bool
	null   bool
}

// newTable maps a type's columns. Integers, booleans and floats stay what they
// are; integers beyond 64 bits are exact decimal text; times are RFC 3339 text;
// lists and structs are JSON text; addresses, hashes and bytes are 0x text or
// blobs.
func newTable(name string, typ transit.Type, hex bool) *table {
	t := &table{name: name}
	for _, f := range typ.Schema.Fields() {
		c := column{name: f.Name, sql: "TEXT", null: f.Nullable}
		switch {
		case arrow.IsInteger(f.Type.ID()), f.Type.ID() == arrow.BOOL:
			c.sql, c.number = "INTEGER", true
		case arrow.IsFloating(f.Type.ID()):
			c.sql, c.number = "REAL", true
		case isBytes(f.Type.ID()) && !hex && !isNumberKind(f):
			c.sql, c.blob = "BLOB", true
		}
		if f.Name == blockNumber && c.number {
			t.blocks = true
		}
		t.columns = append(t.columns, c)
	}
	t.rows = max(1, maxVariables/max(1, len(t.columns)))
	return t
}

func isBytes(id arrow.Type) bool { return id == arrow.BINARY || id == arrow.FIXED_SIZE_BINARY }

// isNumberKind tells bytes that are a number to people.
func isNumberKind(f arrow.Field) bool {
	kind, _ := f.Metadata.GetValue("penstock.kind")
	return kind == "uint256" || kind == "bigint"
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// prepare makes the table, or checks that the one that is there fits.
func (t *table) prepare(ctx context.Context, conn *sql.Conn) error {
	there, err := t.existing(ctx, conn)
	if err != nil {
		return err
	}
	want := t.declared()
	if len(there) > 0 {
		if !slices.Equal(there, want) {
			return sdk.Stop(fmt.Errorf("the table is there with other columns; rename or remove it, or choose another file or table name\n  there: %s\n  here:  %s",
				strings.Join(there, ", "), strings.Join(want, ", ")))
		}
		return nil
	}
	statement := fmt.Sprintf("CREATE TABLE %s (%s)", quote(t.name), strings.Join(t.declared(), ", "))
	if _, err := conn.ExecContext(ctx, statement); err != nil {
		return err
	}
	if !t.blocks {
		return nil
	}
	_, err = conn.ExecContext(ctx, fmt.Sprintf("CREATE INDEX %s ON %s (%s)", quote(t.name+"_"+blockNumber), quote(t.name), blockNumber))
	return err
}

// declared is the columns as CREATE TABLE has them.
func (t *table) declared() []string {
	out := make([]string, len(t.columns))
	for i, c := range t.columns {
		out[i] = quote(c.name) + " " + c.sql
		if !c.null {
			out[i] += " NOT NULL"
		}
	}
	return out
}

// existing is the columns of the table that is there, in the same form.
func (t *table) existing(ctx context.Context, conn *sql.Conn) ([]string, error) {
	rows, err := conn.QueryContext(ctx, `SELECT name, type, "notnull" FROM pragma_table_info(?)`, t.name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name, typ string
		var notNull bool
		if err := rows.Scan(&name, &typ, &notNull); err != nil {
			return nil, err
		}
		column := quote(name) + " " + typ
		if notNull {
			column += " NOT NULL"
		}
		out = append(out, column)
	}
	return out, rows.Err()
}

// insert adds the rows of a batch, many to a statement.
func (t *table) insert(ctx context.Context, tx *sql.Tx, batch transit.Batch) error {
	n := int(batch.Record.NumRows())
	for from := 0; from < n; from += t.rows {
		if err := t.insertSome(ctx, tx, batch, from, min(t.rows, n-from)); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) insertSome(ctx context.Context, tx *sql.Tx, batch transit.Batch, from, n int) error {
	t.values = t.values[:0]
	for row := from; row < from+n; row++ {
		for i := range t.columns {
			v, err := t.columns[i].value(batch, i, row)
			if err != nil {
				return sdk.Stop(err)
			}
			t.values = append(t.values, v)
		}
	}
	if n < t.rows {
		_, err := tx.ExecContext(ctx, t.statement(n), t.values...)
		return err
	}
	if t.insertMany == nil {
		var err error
		if t.insertMany, err = tx.PrepareContext(ctx, t.statement(n)); err != nil {
			return err
		}
	}
	_, err := t.insertMany.ExecContext(ctx, t.values...)
	return err
}

// statement inserts n rows.
func (t *table) statement(n int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", len(t.columns)), ",") + ")"
	return "INSERT INTO " + quote(t.name) + " VALUES " + strings.TrimSuffix(strings.Repeat(row+",", n), ",")
}

// forgetStatements lets go of what the transaction closed.
func (t *table) forgetStatements() { t.insertMany = nil }

// value is what SQLite gets for one cell.
func (c column) value(batch transit.Batch, col, row int) (any, error) {
	if batch.Record.Column(col).IsNull(row) {
		return nil, nil
	}
	if !c.number && !c.blob {
		return batch.Text(col, row), nil
	}
	v := batch.Value(col, row)
	switch v := v.(type) {
	case uint64:
		if v > math.MaxInt64 {
			return nil, fmt.Errorf("column %s: %d is beyond SQLite's integers, the largest is %d", c.name, v, math.MaxInt64)
		}
		return int64(v), nil
	case fmt.Stringer: // a kind with a Go type of its own
		if b, ok := v.(interface{ Bytes() []byte }); ok && c.blob {
			return b.Bytes(), nil
		}
		return v.String(), nil
	}
	return v, nil
}
