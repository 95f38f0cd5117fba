package compare

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	_ "modernc.org/sqlite" // the driver
)

// database is an SQLite file that is only read.
type database struct {
	path string
	db   *sql.DB
}

func openDatabase(path string) (*database, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	source := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "mode=ro"}
	db, err := sql.Open("sqlite", source.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &database{path: path, db: db}, nil
}

func (d *database) close() { _ = d.db.Close() }

// ours marks what loaders keep for themselves in a database, tables and columns.
const ours = "penstock_"

// tables are those of users.
func (d *database) tables() ([]*table, error) {
	names, err := d.strings("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite#_%' ESCAPE '#' ORDER BY name")
	if err != nil {
		return nil, err
	}
	var tables []*table
	for _, name := range names {
		if strings.HasPrefix(name, ours) {
			continue
		}
		all, err := d.strings("SELECT name FROM pragma_table_info(?)", name)
		if err != nil {
			return nil, err
		}
		t := &table{db: d, name: name, order: "rowid"}
		for _, column := range all {
			if !strings.HasPrefix(column, ours) {
				t.names = append(t.names, column)
			}
		}
		if slices.Contains(all, ours+"row") {
			t.order = ours + "row"
		} else if without, err := d.withoutRowID(name); err != nil {
			return nil, err
		} else if without {
			t.order = strings.Join(quoteAll(t.names), ", ")
		}
		tables = append(tables, t)
	}
	return tables, nil
}

func (d *database) withoutRowID(table string) (bool, error) {
	var without bool
	err := d.db.QueryRow("SELECT wr FROM pragma_table_list(?) WHERE schema = 'main'", table).Scan(&without)
	return without, err
}

func (d *database) strings(query string, args ...any) ([]string, error) {
	found, err := d.db.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var out []string
	for found.Next() {
		var s string
		if err := found.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, found.Err()
}

// table is a table in the order in which its rows were written.
type table struct {
	db    *database
	name  string
	names []string // of columns
	order string
}

func (t *table) columns() ([]string, error) { return t.names, nil }

func (t *table) rows() (rows, error) {
	if len(t.names) == 0 {
		return nil, errors.New("the table has no columns but those of the loader itself")
	}
	found, err := t.db.db.Query("SELECT " + strings.Join(quoteAll(t.names), ", ") + " FROM " + quote(t.name) + " ORDER BY " + t.order) //nolint:rowserrcheck,sqlclosecheck // by cursor
	if err != nil {
		return nil, err
	}
	c := &cursor{found: found, values: make([]any, len(t.names)), into: make([]any, len(t.names))}
	for i := range c.values {
		c.into[i] = &c.values[i]
	}
	return c, nil
}

// cursor goes through a table.
type cursor struct {
	found        *sql.Rows
	values, into []any
}

func (c *cursor) next() ([]string, bool, error) {
	if !c.found.Next() {
		return nil, false, c.found.Err()
	}
	if err := c.found.Scan(c.into...); err != nil {
		return nil, false, err
	}
	row := make([]string, len(c.values))
	for i, v := range c.values {
		row[i] = literal(v)
	}
	return row, true, nil
}

func (c *cursor) close() { _ = c.found.Close() }

// literal writes a value so that others of another kind look different.
func literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return fmt.Sprintf("x'%x'", v)
	case string:
		return strconv.Quote(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64) + "f"
	default:
		return fmt.Sprint(v)
	}
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteAll(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = quote(name)
	}
	return out
}
