package main

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

const (
	// rowNumber is the column that numbers the rows of a table from 1, in the order they came. It is SQLite's own key of the row.
	rowNumber = "penstock_row"
	// blockNumber is the column that says which block a row belongs to.
	blockNumber = "block_number"
)

// table is where the rows of an input go.
type table struct {
	*shelf
	columns []column

	statement driver.StmtExecContext // nil: not compiled yet
	values    []driver.NamedValue    // used for each row: its number, then its columns
}

// shelf is a table of the file, and how far it is filled. Inputs whose tables have the same name have one.
type shelf struct {
	name string
	last int64 // number of the last row
}

func newTable(s *shelf, typ transit.Type, hex bool) *table {
	t := &table{shelf: s, columns: columnsOf(typ, hex)}
	for i := range len(t.columns) + 1 {
		t.values = append(t.values, driver.NamedValue{Ordinal: i + 1})
	}
	return t
}

const declareRowNumber = `"` + rowNumber + `" INTEGER PRIMARY KEY`

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// compare refuses a table whose columns are not those of the input. Their order does not matter.
func (d *database) compare(t *table, in sdk.Input, there []string) error {
	want := []string{declareRowNumber}
	for _, c := range t.columns {
		want = append(want, c.declaration())
	}
	if slices.Equal(slices.Sorted(slices.Values(there)), slices.Sorted(slices.Values(want))) {
		return nil
	}
	cause := ""
	if !slices.Contains(there, declareRowNumber) {
		cause = "; it was made without " + rowNumber + ", by another program or a version of this plugin that did not number rows"
	}
	return sdk.Stop(fmt.Errorf("%s: table %s does not fit the rows of step %s (%s)%s: rename or drop it, or name another: tables = { %q = \"another\" }\n"+
		"  the table has: %s\n  the rows have: %s\n  only in the table: %s\n  only in the rows:  %s",
		d.path, t.name, in.Name, in.Type.Name, cause, in.Name,
		strings.Join(there, ", "), strings.Join(want, ", "), only(there, want), only(want, there)))
}

// only are the members of a that b lacks.
func only(a, b []string) string {
	rest := slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
	if len(rest) == 0 {
		return "nothing"
	}
	return strings.Join(rest, ", ")
}

// columns are the declarations of the columns of a table that is there, none if it is not.
func (d *database) columns(ctx context.Context, table string) ([]string, error) {
	rows, err := d.conn.QueryContext(ctx, `SELECT name, type, "notnull", pk FROM pragma_table_info(?)`, table)
	if err != nil {
		return nil, d.explain("look at table "+table, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name, typ string
		var notNull, key bool
		if err := rows.Scan(&name, &typ, &notNull, &key); err != nil {
			return nil, d.explain("look at table "+table, err)
		}
		declared := declare(name, typ, notNull)
		if key {
			declared += " PRIMARY KEY"
		}
		out = append(out, declared)
	}
	if err := rows.Err(); err != nil {
		return nil, d.explain("look at table "+table, err)
	}
	return out, nil
}

// make makes a table.
func (d *database) make(ctx context.Context, t *table) error {
	for _, statement := range t.definition() {
		if err := d.exec(ctx, statement); err != nil {
			return d.explain("make table "+t.name, err)
		}
	}
	return nil
}

// definition makes the table.
func (t *table) definition() []string {
	columns, indexed := []string{declareRowNumber}, false
	for _, c := range t.columns {
		declared := c.declaration()
		if c.form == asAddress {
			declared += " COLLATE NOCASE"
		}
		columns = append(columns, declared)
		indexed = indexed || c.name == blockNumber && c.form == asInteger
	}
	statements := []string{fmt.Sprintf("CREATE TABLE %s (\n  %s\n)", quote(t.name), strings.Join(columns, ",\n  "))}
	if indexed { // rows are looked for by block
		statements = append(statements, fmt.Sprintf("CREATE INDEX %s ON %s (%s)", quote(t.name+"_"+blockNumber), quote(t.name), blockNumber))
	}
	return statements
}

// compile compiles the statement that adds a row, unless it is.
func (t *table) compile(ctx context.Context, conn driver.ConnPrepareContext) error {
	if t.statement != nil {
		return nil
	}
	names, marks := []string{rowNumber}, []string{"?"}
	for _, c := range t.columns {
		names, marks = append(names, quote(c.name)), append(marks, "?")
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
