package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/penstock-io/penstock/plugins/postgres/internal/binary"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/table"
)

const (
	// rowNumber is the column that numbers the rows of a table from 1, in the order they came.
	rowNumber = "penstock_row"
	// blockNumber is the column that says which block a row belongs to.
	blockNumber = "block_number"
)

// target is where the rows of an input go.
type target struct {
	*shelf
	step    string // that the rows come from
	typ     string
	columns []binary.Column
	layout  *binary.Layout
	odds    odds
	stage   string // the temporary table in which rows gather that have a key
	ranged  int    // index of the column by which the table is parted; -1: it is not
}

// shelf is a table of the database, and how far it is filled. Inputs whose tables have the same name have one.
type shelf struct {
	name string
	full string // with the schema, in quotes

	last   int64 // number of the last row
	marked int64 // number of the last row at the newest checkpoint

	there []string       // the columns that the table has and that can be written to
	parts map[int64]bool // the partitions that are there, by the number of their range
	age   aging          // how old partitions may become
}

// found is what the database has under a name.
type found struct {
	kind     string // r: a table, p: a parted one; "": nothing
	columns  []table.Found
	writable []string // columns that are not computed
	notNull  []string
}

// look finds out about a table.
func (d *database) look(ctx context.Context, full string) (f found, err error) {
	err = d.conn.QueryRow(ctx, "SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1)", full).Scan(&f.kind)
	if errors.Is(err, pgx.ErrNoRows) {
		return found{}, nil
	}
	if err != nil {
		return found{}, err
	}
	rows, err := d.conn.Query(ctx, `SELECT attname::text, format_type(atttypid, atttypmod), attnotnull, atthasdef OR attidentity <> '', attgenerated <> '' OR attidentity = 'a'
FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`, full)
	if err != nil {
		return found{}, err
	}
	var name, typ string
	var notNull, hasDefault, computed bool
	_, err = pgx.ForEachRow(rows, []any{&name, &typ, &notNull, &hasDefault, &computed}, func() error {
		f.columns = append(f.columns, table.Found{Name: name, Type: typ, Required: notNull && !hasDefault && !computed})
		if !computed {
			f.writable = append(f.writable, name)
		}
		if notNull {
			f.notNull = append(f.notNull, name)
		}
		return nil
	})
	return f, err
}

func (f found) has(column string) bool {
	return slices.ContainsFunc(f.columns, func(c table.Found) bool { return c.Name == column })
}

// definitions are the columns that a table needs.
func (t *target) definitions() []table.Definition {
	all := []table.Definition{{Name: rowNumber, Type: "bigint"}}
	for _, c := range t.columns {
		all = append(all, table.Definition{Name: c.Name, Type: c.SQL})
	}
	return all
}

// create are the statements that make the table. It has a primary key where that can be: not in partitions, of which a key would have
// to name the column.
func (l *loader) create(t *target) []string {
	lines := []string{quote(rowNumber) + " bigint NOT NULL"}
	for _, c := range t.columns {
		line := quote(c.Name) + " " + c.SQL
		if !c.Nullable {
			line += " NOT NULL"
		}
		lines = append(lines, line)
	}
	parted := l.parted() || l.hyper()
	switch {
	case len(l.Key) > 0:
		lines = append(lines, "PRIMARY KEY ("+quoteAll(l.Key)+")")
	case !parted:
		lines = append(lines, "PRIMARY KEY ("+quote(rowNumber)+")")
	}
	statement := fmt.Sprintf("CREATE TABLE %s (\n  %s\n)", t.full, strings.Join(lines, ",\n  "))
	if l.parted() {
		statement += " PARTITION BY RANGE (" + quote(l.Partitions.column()) + ")"
	} else {
		statement += l.storage()
	}
	return append([]string{statement}, l.indexes(t)...)
}

// storage is how full the pages of a new table or partition are made, as the end of the statement that makes it.
func (l *loader) storage() string {
	if l.Fill == 0 {
		return ""
	}
	return fmt.Sprintf(" WITH (fillfactor = %d)", l.Fill)
}

// wanted are the indexes that a table is to have.
func (l *loader) wanted(t *target) []index {
	var all []index
	if len(l.Key) > 0 || l.parted() || l.hyper() {
		all = append(all, index{Columns: []string{rowNumber}}) // by which rows are taken back
	}
	if first := append(slices.Clip(l.Key), "")[0]; l.BlockIndex && first != blockNumber && slices.Contains(columnNames(t.columns), blockNumber) {
		all = append(all, index{Columns: []string{blockNumber}})
	}
	for _, ix := range l.Indexes {
		if ix.Step == "" || ix.Step == t.step {
			all = append(all, ix)
		}
	}
	return all
}

// indexes are the statements that make the indexes of a table which are not there.
func (l *loader) indexes(t *target) []string {
	var all []string
	for i, ix := range l.wanted(t) {
		unique, where := "", ""
		if ix.Unique {
			unique = "UNIQUE "
		}
		if ix.Where != "" {
			where = " WHERE " + ix.Where
		}
		all = append(all, fmt.Sprintf("CREATE %sINDEX IF NOT EXISTS %s ON %s USING %s (%s)%s",
			unique, quote(l.indexNames(t)[i]), t.full, cmp.Or(ix.Method, "btree"), quoteAll(ix.Columns), where))
	}
	return all
}

// indexNames are the names of the indexes of a table.
func (l *loader) indexNames(t *target) []string {
	var all []string
	for _, ix := range l.wanted(t) {
		all = append(all, indexName(t.name, cmp.Or(ix.Method, "btree"), ix.Where, ix.Columns))
	}
	return all
}

// indexName is a name that PostgreSQL does not cut.
func indexName(table, method, where string, columns []string) string {
	name := table + "_" + strings.Join(columns, "_")
	if method != "btree" {
		name += "_" + method
	}
	if where == "" && len(name)+len("_idx") <= longestName {
		return name + "_idx"
	}
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%s %s", name, where) // it cannot fail
	return fmt.Sprintf("%s_%08x_idx", cutTo(name, longestName-len("_12345678_idx")), h.Sum32())
}

// cutTo cuts a name to a number of bytes, not within a character.
func cutTo(name string, most int) string {
	if len(name) <= most {
		return name
	}
	return strings.ToValidUTF8(name[:most], "")
}

// fit sees to it that a table that is there takes the rows: columns that it lacks are added, and those that must have a value need none
// any more where rows have none.
func (l *loader) fit(ctx context.Context, t *target, f found) error {
	if f.kind != "r" && f.kind != "p" {
		return mistakef("%s is no table, but %s: rename it, or name another: tables = { %q = \"another\" }", t.full, relation(f.kind), t.step)
	}
	if !f.has(rowNumber) {
		return mistakef("table %s was made without %s, by another program: rename or drop it, or name another: tables = { %q = \"another\" }\n  it has: %s",
			t.full, rowNumber, t.step, shown(f.columns))
	}
	have, changes := f.eased(t, l.Key)
	add, err := table.Compare(t.full, t.definitions(), have, sameType)
	if err != nil {
		return mistakef("rows of step %s (%s): %w", t.step, t.typ, err)
	}
	for _, c := range add {
		changes = append(changes, "ADD COLUMN "+quote(c.Name)+" "+c.Type)
	}
	if len(changes) == 0 {
		return nil
	}
	statement := "ALTER TABLE " + t.full + " " + strings.Join(changes, ", ")
	if !l.Adapt {
		return mistakef("table %s lacks what the rows of step %s (%s) have, and migrate is off: run %s", t.full, t.step, t.typ, statement)
	}
	sdk.Logger(ctx).Info("a table is adapted to the rows", "table", t.full, "statement", statement)
	return l.db.exec(ctx, statement)
}

// eased are the columns without the rule that each row must have a value, where rows have none any more, and the changes that make it so.
func (f found) eased(t *target, key []string) (columns []table.Found, changes []string) {
	for _, c := range f.columns {
		i := slices.IndexFunc(t.columns, func(w binary.Column) bool { return w.Name == c.Name })
		without := c.Name != rowNumber && (i < 0 || t.columns[i].Nullable)
		if without && slices.Contains(f.notNull, c.Name) && (i >= 0 || c.Required) && !slices.Contains(key, c.Name) {
			changes = append(changes, "ALTER COLUMN "+quote(c.Name)+" DROP NOT NULL")
			c.Required = false
		}
		columns = append(columns, c)
	}
	return columns, changes
}

// sameType tells types that are written alike.
func sameType(want, have string) bool {
	list := strings.HasSuffix(want, "[]")
	if list != strings.HasSuffix(have, "[]") {
		return false
	}
	want, have = strings.TrimSuffix(want, "[]"), strings.TrimSuffix(have, "[]")
	switch {
	case want == have:
		return true
	case want == "text":
		return have == "character varying"
	case strings.HasPrefix(want, "numeric"):
		return have == "numeric"
	}
	return false
}

func shown(columns []table.Found) string {
	var all []string
	for _, c := range columns {
		all = append(all, c.Name+" "+c.Type)
	}
	return strings.Join(all, ", ")
}

func relation(kind string) string {
	switch kind {
	case "v":
		return "a view"
	case "m":
		return "a materialized view"
	case "f":
		return "a foreign table"
	case "S":
		return "a sequence"
	case "i", "I":
		return "an index"
	default:
		return "something else"
	}
}
