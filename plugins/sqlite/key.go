package main

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
)

// replacedBy is the column that says which row took the place of one that was replaced.
const replacedBy = "penstock_replaced_by"

// Where rows have a key, a row takes the place and gets the number of its own, and the one before it goes into a second table together
// with the number of its successor. So the rows with numbers up to n, and those in the second table with numbers up to n whose
// successor's is greater, are exactly the rows that stood there when n was the last: going back is a matter of two statements. What
// cannot be gone back to any more is forgotten.

// replaced is the table of the rows that were replaced.
func (s *shelf) replaced() string { return "penstock_replaced_" + s.name }

// keyIndex is the index that holds the key.
func (s *shelf) keyIndex() string { return "penstock_key_" + s.name }

// replacer moves the row that has the key of another out of its way.
type replacer struct {
	save, remove statement
	columns      []int // of the key, among those of the table
	values       []driver.NamedValue
}

// statement is compiled.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
}

// newReplacer compiles the statements; nil: the table has no key.
func (t *table) newReplacer(ctx context.Context, conn driver.ConnPrepareContext) (*replacer, error) {
	if len(t.key) == 0 {
		return nil, nil
	}
	r := &replacer{}
	var tests []string
	for i, name := range t.key {
		r.columns = append(r.columns, slices.IndexFunc(t.columns, func(c column) bool { return strings.EqualFold(c.Name, name) }))
		tests = append(tests, fmt.Sprintf("%s = ?%d", quote(name), i+1))
	}
	for i := range len(t.key) + 1 {
		r.values = append(r.values, driver.NamedValue{Ordinal: i + 1})
	}
	names, where := quoteAll(append([]string{rowNumber}, t.columnNames()...)), strings.Join(tests, " AND ")
	for text, into := range map[string]*statement{
		fmt.Sprintf("INSERT INTO %s (%s, %s) SELECT %s, ?%d FROM %s WHERE %s",
			quote(t.replaced()), names, quote(replacedBy), names, len(t.key)+1, quote(t.name), where): &r.save,
		fmt.Sprintf("DELETE FROM %s WHERE %s", quote(t.name), where): &r.remove,
	} {
		s, err := conn.PrepareContext(ctx, text)
		if err != nil {
			return nil, err
		}
		*into = s.(statement)
	}
	return r, nil
}

// replace makes way for a row: its values are those that an insertion has.
func (r *replacer) replace(ctx context.Context, values []driver.NamedValue) error {
	if r == nil {
		return nil
	}
	n := len(r.columns)
	for i, column := range r.columns {
		r.values[i].Value = values[column+1].Value
	}
	r.values[n].Value = values[0].Value
	saved, err := r.save.ExecContext(ctx, r.values)
	if err != nil {
		return err
	}
	if rows, err := saved.RowsAffected(); err != nil || rows == 0 {
		return err
	}
	_, err = r.remove.ExecContext(ctx, r.values[:n])
	return err
}

// release lets go of the statements.
func (r *replacer) release() {
	if r != nil {
		_, _ = r.save.Close(), r.remove.Close() // they have reported their errors when they ran
	}
}

// keyed makes the tables of the step such that rows replace each other, or do not, as the settings have it. It is called when the rows
// that come again have gone.
func (l *loader) keyed(ctx context.Context) error {
	for _, t := range l.tables {
		if err := l.db.keyed(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (d *database) keyed(ctx context.Context, t *table) error {
	drop := "DROP INDEX IF EXISTS " + quote(t.keyIndex())
	if len(t.key) == 0 {
		if err := d.exec(ctx, drop); err != nil {
			return d.explain("let go of the key of table "+t.name, err)
		}
		return nil
	}
	if err := d.makeReplaced(ctx, t); err != nil {
		return err
	}
	var had string
	err := d.conn.QueryRowContext(ctx, "SELECT coalesce(group_concat(name, char(0)), '') FROM (SELECT name FROM pragma_index_info(?) ORDER BY seqno)", t.keyIndex()).Scan(&had)
	if err != nil {
		return d.explain("look at the key of table "+t.name, err)
	}
	statements := []string{}
	if !slices.EqualFunc(strings.Split(had, "\x00"), t.key, strings.EqualFold) {
		statements = append(statements, drop, fmt.Sprintf("CREATE UNIQUE INDEX %s ON %s (%s)", quote(t.keyIndex()), quote(t.name), quoteAll(t.key)))
	}
	for _, statement := range statements {
		if err := d.exec(ctx, statement); err != nil {
			return d.duplicates(t, err)
		}
	}
	return nil
}

func (t *table) columnNames() []string {
	var names []string
	for _, c := range t.columns {
		names = append(names, c.Name)
	}
	return names
}

// makeReplaced makes the table of replaced rows, unless it is there.
func (d *database) makeReplaced(ctx context.Context, t *table) error {
	there, err := d.columns(ctx, t.replaced())
	if err != nil || there.there() {
		return err
	}
	declared := []string{quote(rowNumber) + " INTEGER", quote(replacedBy) + " INTEGER"}
	for i := range t.columns {
		declared = append(declared, t.columns[i].declaration(false))
	}
	for _, statement := range []string{
		fmt.Sprintf("CREATE TABLE %s (\n  %s\n)", quote(t.replaced()), strings.Join(declared, ",\n  ")),
		fmt.Sprintf("CREATE INDEX %s ON %s (%s)", quote(t.replaced()+"_by"), quote(t.replaced()), quote(replacedBy)),
	} {
		if err := d.exec(ctx, statement); err != nil {
			return d.explain("make table "+t.replaced(), err)
		}
	}
	return nil
}

// putBack puts rows back that stood in a table when its last row came, and were replaced since. Those that replaced them have gone.
func (d *database) putBack(ctx context.Context, s *shelf) error {
	kept, err := d.columns(ctx, s.replaced())
	if err != nil || !kept.there() {
		return err
	}
	names := []string{rowNumber}
	for _, c := range kept.columns {
		if c.Name != replacedBy {
			names = append(names, c.Name)
		}
	}
	table := quote(s.replaced())
	for _, statement := range []string{
		fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s WHERE %s <= ?1 AND %s > ?1", quote(s.name), quoteAll(names), quoteAll(names), table, rowNumber, replacedBy),
		fmt.Sprintf("DELETE FROM %s WHERE %s > ?1", table, replacedBy),
	} {
		if _, err := d.conn.ExecContext(ctx, statement, s.last); err != nil {
			return d.explain("put back rows that were replaced in table "+s.name, err)
		}
	}
	return nil
}

// forgetReplaced forgets replaced rows that nobody goes back to: those whose successor came before the oldest checkpoint that is kept.
func (l *loader) forgetReplaced(ctx context.Context) error {
	for _, s := range l.shelves {
		if len(s.key) == 0 {
			continue
		}
		_, err := l.db.conn.ExecContext(ctx, fmt.Sprintf(
			"DELETE FROM %s WHERE %s <= (SELECT min(last_row) FROM penstock_checkpoints WHERE domain = ? AND step = ? AND name = ?)", quote(s.replaced()), replacedBy),
			l.ledger.domain, l.ledger.step, s.name)
		if err != nil {
			return l.db.explain("forget replaced rows of table "+s.name, err)
		}
	}
	return nil
}
