package main

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/penstock-io/penstock/sdk"
	schema "github.com/penstock-io/penstock/sdk/table"
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
	indexes []index

	statement driver.StmtExecContext // nil: not compiled yet
	replacer  *replacer              // nil: the table has no key
	values    []driver.NamedValue    // used for each row: its number, then its columns
}

// shelf is a table of the file, and how far it is filled. Inputs whose tables have the same name have one.
type shelf struct {
	name string
	key  []string // columns; none: all rows are kept
	last int64    // number of the last row
}

func newTable(s *shelf, in sdk.Input, set *settings) (*table, error) {
	columns, err := columnsOf(in.Type, set)
	if err != nil {
		return nil, err
	}
	t := &table{shelf: s, columns: columns, indexes: set.indexesOf(in.Name)}
	for i := range len(t.columns) + 1 {
		t.values = append(t.values, driver.NamedValue{Ordinal: i + 1})
	}
	if err := t.checkNames(in, set); err != nil {
		return nil, err
	}
	t.key = set.Key
	return t, nil
}

// checkNames refuses keys and indexes on columns that there are not.
func (t *table) checkNames(in sdk.Input, set *settings) error {
	for _, name := range set.Key {
		c := t.column(name)
		if c == nil {
			return fmt.Errorf("key: the rows of step %q (%s) have no column %s: they have %s", in.Name, in.Type.Name, name, t.names())
		}
		if c.Nullable || c.form == asReal {
			return fmt.Errorf("key: column %s of the rows of step %q (%s) may be NULL, which is equal to nothing: take other columns", name, in.Name, in.Type.Name)
		}
	}
	for _, ix := range t.indexes {
		for _, name := range ix.Columns {
			if t.column(name) == nil {
				return fmt.Errorf("index: the rows of step %q (%s) have no column %s: they have %s", in.Name, in.Type.Name, name, t.names())
			}
		}
	}
	return nil
}

// column is the column of that name; nil: there is none.
func (t *table) column(name string) *column {
	for i := range t.columns {
		if strings.EqualFold(t.columns[i].Name, name) {
			return &t.columns[i]
		}
	}
	return nil
}

func (t *table) names() string {
	var names []string
	for _, c := range t.columns {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

const declareRowNumber = `"` + rowNumber + `" INTEGER PRIMARY KEY`

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// quoteAll are names with commas between them.
func quoteAll(names []string) string {
	var quoted []string
	for _, name := range names {
		quoted = append(quoted, quote(name))
	}
	return strings.Join(quoted, ", ")
}

// found is what the file says about the columns of a table.
type found struct {
	columns  []schema.Found // but for the number of the row
	numbered bool           // it has one
}

func (f found) there() bool { return f.numbered || len(f.columns) > 0 }

// fit adds to a table what the rows have and it has not, and refuses one that they cannot go into.
func (d *database) fit(ctx context.Context, t *table, in sdk.Input, have found, migrate bool) error {
	remedy := fmt.Sprintf("tables = { %q = \"another\" }", in.Name)
	if !have.numbered {
		return sdk.Stop(fmt.Errorf("%s: table %s does not fit the rows of step %s (%s): it was made without %s, by another program or a version of this plugin that did not number rows: "+
			"rename or drop it, or name another: %s", d.path, t.name, in.Name, in.Type.Name, rowNumber, remedy))
	}
	var want []schema.Definition
	for i := range t.columns {
		want = append(want, t.columns[i].definition())
	}
	add, err := schema.Compare(t.name, want, have.columns, sameType)
	if err != nil {
		return sdk.Stop(fmt.Errorf("%s: the rows of step %s (%s) cannot go where they are to go; another table is named with %s: %w", d.path, in.Name, in.Type.Name, remedy, err))
	}
	if len(add) > 0 && !migrate {
		var names []string
		for _, a := range add {
			names = append(names, a.Name)
		}
		return sdk.Stop(fmt.Errorf("%s: table %s lacks columns of the rows of step %s (%s): %s: add them, set migrate = true, or name another table: %s",
			d.path, t.name, in.Name, in.Type.Name, strings.Join(names, ", "), remedy))
	}
	for _, a := range add {
		if err := d.addColumn(ctx, t, t.column(a.Name)); err != nil {
			return err
		}
	}
	return nil
}

// addColumn adds a column to a table, and to what is kept of its rows that were replaced.
func (d *database) addColumn(ctx context.Context, t *table, c *column) error {
	tables := []string{t.name}
	kept, err := d.columns(ctx, t.replaced())
	if err != nil {
		return err
	}
	if kept.there() {
		tables = append(tables, t.replaced())
	}
	for _, name := range tables {
		if err := d.exec(ctx, "ALTER TABLE "+quote(name)+" ADD COLUMN "+c.declaration(false)); err != nil {
			return d.explain("add column "+c.Name+" to table "+name, err)
		}
	}
	sdk.Logger(ctx).Info("added a column, which is NULL in the rows that are there", "table", t.name, "column", c.Name)
	return nil
}

// sameType tells whether values of a wanted column can stand in one that is there.
func sameType(want, have string) bool {
	bareWant, musts := strings.CutSuffix(want, required)
	bareHave, must := strings.CutSuffix(have, required)
	return strings.EqualFold(bareWant, bareHave) && (musts || !must)
}

// columns are what the file says of a table, nothing if it is not there.
func (d *database) columns(ctx context.Context, table string) (f found, err error) {
	rows, err := d.conn.QueryContext(ctx, `SELECT name, type, "notnull", dflt_value IS NOT NULL, pk FROM pragma_table_info(?)`, table)
	if err != nil {
		return f, d.explain("look at table "+table, err)
	}
	defer rows.Close()
	for rows.Next() {
		var c schema.Found
		var notNull, filled, key bool
		if err := rows.Scan(&c.Name, &c.Type, &notNull, &filled, &key); err != nil {
			return f, d.explain("look at table "+table, err)
		}
		if c.Name == rowNumber {
			f.numbered = key && strings.EqualFold(c.Type, "INTEGER")
			continue
		}
		if c.Required = notNull && !filled; notNull {
			c.Type += required
		}
		f.columns = append(f.columns, c)
	}
	if err := rows.Err(); err != nil {
		return f, d.explain("look at table "+table, err)
	}
	return f, nil
}

// make makes a table.
func (d *database) make(ctx context.Context, t *table) error {
	declared := []string{declareRowNumber}
	for i := range t.columns {
		declared = append(declared, t.columns[i].declaration(true))
	}
	if err := d.exec(ctx, fmt.Sprintf("CREATE TABLE %s (\n  %s\n)", quote(t.name), strings.Join(declared, ",\n  "))); err != nil {
		return d.explain("make table "+t.name, err)
	}
	if c := t.column(blockNumber); c == nil || c.form != asInteger {
		return nil
	}
	return d.makeIndex(ctx, t, index{Columns: []string{blockNumber}}) // rows are looked for by block
}

// makeIndex makes an index, unless it is there.
func (d *database) makeIndex(ctx context.Context, t *table, ix index) error {
	unique := ""
	if ix.Unique {
		unique = "UNIQUE "
	}
	name := t.name + "_" + strings.Join(ix.Columns, "_")
	err := d.exec(ctx, fmt.Sprintf("CREATE %sINDEX IF NOT EXISTS %s ON %s (%s)", unique, quote(name), quote(t.name), quoteAll(ix.Columns)))
	if err != nil {
		return d.explain("make index "+name, err)
	}
	return nil
}

// compile compiles the statement that adds a row, unless it is.
func (t *table) compile(ctx context.Context, conn driver.ConnPrepareContext) error {
	if t.statement != nil {
		return nil
	}
	names, marks := []string{rowNumber}, []string{"?"}
	for _, c := range t.columns {
		names, marks = append(names, c.Name), append(marks, "?")
	}
	s, err := conn.PrepareContext(ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)",
		quote(t.name), quoteAll(names), strings.Join(marks, ", ")))
	if err != nil {
		return err
	}
	if t.replacer, err = t.newReplacer(ctx, conn); err != nil {
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
	t.replacer.release()
	t.statement, t.replacer = nil, nil
}

// cells are readers for the columns of a batch.
func (t *table) cells(batch transit.Batch) []cell {
	cells := make([]cell, len(t.columns))
	for i := range t.columns {
		cells[i] = t.columns[i].cell(batch, i)
	}
	return cells
}
