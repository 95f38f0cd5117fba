package main

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// blockNumber is the column that says which block a row belongs to.
const blockNumber = "block_number"

// table is where the rows of an input go. Inputs whose tables have the same name write to the same one.
type table struct {
	name    string
	columns []column
	block   int     // index of the column block_number; -1: there is none
	again   *blocks // those whose rows come again; inputs that share the table share them

	statement driver.StmtExecContext // nil: not compiled yet
	values    []driver.NamedValue    // used for each row
}

// blocks is a range of blocks, both ends inclusive.
type blocks struct {
	first  uint64
	last   *uint64 // nil: all that follow
	unsure bool    // the first row that comes will tell where the range begins
}

func newTable(name string, typ transit.Type, hex bool) *table {
	t := &table{name: name, block: -1, columns: columnsOf(typ, hex), again: &blocks{}}
	for i, c := range t.columns {
		if c.name == blockNumber && c.form == asInteger {
			t.block = i
		}
		t.values = append(t.values, driver.NamedValue{Ordinal: i + 1})
	}
	return t
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// prepare makes the table of an input, or checks that the one that is there fits.
func (d *database) prepare(ctx context.Context, t *table, in sdk.Input) error {
	there, err := d.columns(ctx, t.name)
	if err != nil {
		return d.explain("look at table "+t.name, err)
	}
	if len(there) > 0 {
		return d.compare(t, in, there)
	}
	for _, statement := range t.definition() {
		if err := d.exec(ctx, statement); err != nil {
			return d.explain("make table "+t.name, err)
		}
	}
	return nil
}

// compare refuses a table whose columns are not those of the input. Their order does not matter.
func (d *database) compare(t *table, in sdk.Input, there []string) error {
	want := make([]string, len(t.columns))
	for i, c := range t.columns {
		want[i] = c.declaration()
	}
	if slices.Equal(slices.Sorted(slices.Values(there)), slices.Sorted(slices.Values(want))) {
		return nil
	}
	only := func(a, b []string) string {
		rest := slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
		if len(rest) == 0 {
			return "nothing"
		}
		return strings.Join(rest, ", ")
	}
	return sdk.Stop(fmt.Errorf("%s: table %s does not fit the rows of step %s (%s): rename or drop it, or name another: tables = { %q = \"another\" }\n"+
		"  the table has: %s\n  the rows have: %s\n  only in the table: %s\n  only in the rows:  %s",
		d.path, t.name, in.Name, in.Type.Name, in.Name,
		strings.Join(there, ", "), strings.Join(want, ", "), only(there, want), only(want, there)))
}

// columns are the declarations of the columns of a table that is there, none if it is not.
func (d *database) columns(ctx context.Context, table string) ([]string, error) {
	rows, err := d.conn.QueryContext(ctx, `SELECT name, type, "notnull" FROM pragma_table_info(?)`, table)
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
		out = append(out, declare(name, typ, notNull))
	}
	return out, rows.Err()
}

// definition makes the table.
func (t *table) definition() []string {
	columns := make([]string, len(t.columns))
	for i, c := range t.columns {
		columns[i] = c.declaration()
		if c.form == asAddress {
			columns[i] += " COLLATE NOCASE"
		}
	}
	statements := []string{fmt.Sprintf("CREATE TABLE %s (\n  %s\n)", quote(t.name), strings.Join(columns, ",\n  "))}
	if t.block >= 0 { // rows are removed and looked for by block
		statements = append(statements, fmt.Sprintf("CREATE INDEX %s ON %s (%s)", quote(t.name+"_"+blockNumber), quote(t.name), blockNumber))
	}
	return statements
}

// removal removes the rows that come again; ok is false if there can be none.
func (t *table) removal() (statement string, args []any, ok bool) {
	if t.again.first > math.MaxInt64 {
		return "", nil, false
	}
	statement = fmt.Sprintf("DELETE FROM %s WHERE %s >= ?", quote(t.name), blockNumber)
	args = []any{int64(t.again.first)}
	if last := t.again.last; last != nil && *last <= math.MaxInt64 {
		statement += fmt.Sprintf(" AND %s <= ?", blockNumber)
		args = append(args, int64(*last))
	}
	return statement, args, true
}

// compile compiles the statement that adds a row, unless it is.
func (t *table) compile(ctx context.Context, conn driver.ConnPrepareContext) error {
	if t.statement != nil {
		return nil
	}
	names, marks := make([]string, len(t.columns)), make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i], marks[i] = quote(c.name), "?"
	}
	s, err := conn.PrepareContext(ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)",
		quote(t.name), strings.Join(names, ", "), strings.Join(marks, ", ")))
	if err != nil {
		return err
	}
	t.statement = s.(driver.StmtExecContext)
	return nil
}

// release lets go of the statement.
func (t *table) release() {
	if s, ok := t.statement.(driver.Stmt); ok {
		_ = s.Close() // it has reported its errors when it ran
	}
	t.statement = nil
}

// cells are readers for the columns of a batch.
func (t *table) cells(batch transit.Batch) []cell {
	cells := make([]cell, len(t.columns))
	for i := range t.columns {
		cells[i] = t.columns[i].cell(batch, i)
	}
	return cells
}
