package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// headerEvery is after how many rows a table repeats its header.
const headerEvery = 40

// console prints rows. It holds nothing back: rows stand on the screen when
// Load returns.
type console struct {
	Format  string   `hcl:"format,optional" doc:"table, or json: one object a line"`
	Columns []string `hcl:"columns,optional" doc:"only these columns, in this order; all if left out"`
	Limit   int      `hcl:"limit,optional" doc:"rows shown a second, the others are counted; 0 shows all"`

	out     io.Writer
	tables  []*table
	second  time.Time // when the current second began
	shown   int       // rows in it
	skipped int
	now     func() time.Time // time.Now unless a test says otherwise
}

// table is how the rows of one input are laid out.
type table struct {
	step    string
	columns []int
	names   []string
	widths  []int // grow with what is shown
	rows    int   // since the last header
}

// Validate refuses formats it does not know.
func (c *console) Validate() error {
	if c.Format != "table" && c.Format != "json" {
		return fmt.Errorf("format is %q: write \"table\" or \"json\"", c.Format)
	}
	if c.Limit < 0 {
		return fmt.Errorf("limit is %d: write how many rows to show a second, or 0 for all", c.Limit)
	}
	return nil
}

// Start finds the columns of every input.
func (c *console) Start(_ context.Context, start sdk.Start) error {
	if c.now == nil {
		c.now = time.Now
	}
	for _, in := range start.Inputs {
		t := &table{step: in.Name}
		var known []string
		for i, f := range in.Type.Schema.Fields() {
			known = append(known, f.Name)
			if len(c.Columns) == 0 {
				t.columns = append(t.columns, i)
			}
		}
		for _, name := range c.Columns {
			i := slices.Index(known, name)
			if i < 0 {
				return sdk.Stop(fmt.Errorf("input %q has no column %q; it has %s", in.Name, name, strings.Join(known, ", ")))
			}
			t.columns = append(t.columns, i)
		}
		for _, i := range t.columns {
			t.names = append(t.names, known[i])
			t.widths = append(t.widths, utf8.RuneCountInString(known[i]))
		}
		c.tables = append(c.tables, t)
	}
	return nil
}

// Load prints a batch.
func (c *console) Load(_ context.Context, input int, batch transit.Batch) error {
	t := c.tables[input]
	out := bufio.NewWriter(c.out)
	for row := range int(batch.Record.NumRows()) {
		if !c.admit(out) {
			continue
		}
		var err error
		if c.Format == "json" {
			err = t.object(out, batch, row)
		} else {
			err = t.line(out, batch, row)
		}
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

// Commit says how many rows were not shown, once their second is over.
func (c *console) Commit(context.Context, sdk.Commit) error {
	if c.skipped == 0 || c.now().Sub(c.second) < time.Second {
		return nil
	}
	return c.tellSkipped(c.out)
}

// Close says how many rows were not shown.
func (c *console) Close() error {
	if c.skipped == 0 {
		return nil
	}
	return c.tellSkipped(c.out)
}

func (c *console) tellSkipped(out io.Writer) error {
	n := c.skipped
	c.skipped = 0
	if c.Format == "json" {
		return nil // readers of JSON want objects and nothing else
	}
	_, err := fmt.Fprintf(out, "… and %d more rows (limit = %d a second)\n", n, c.Limit)
	return err
}

// admit tells whether one more row may be shown this second.
func (c *console) admit(out io.Writer) bool {
	if c.Limit == 0 {
		return true
	}
	if now := c.now(); now.Sub(c.second) >= time.Second {
		if c.skipped > 0 {
			_ = c.tellSkipped(out) // a broken output fails at the next row
		}
		c.second, c.shown = now, 0
	}
	if c.shown >= c.Limit {
		c.skipped++
		return false
	}
	c.shown++
	return true
}

// widest is how many characters of a value a table shows. Hashes fit.
const widest = 66

// line prints one row of a table, under a header now and then.
func (t *table) line(out *bufio.Writer, batch transit.Batch, row int) error {
	cells := make([]string, len(t.columns))
	grown := false
	for i, col := range t.columns {
		cells[i] = abridged(batch.Text(col, row))
		if n := utf8.RuneCountInString(cells[i]); n > t.widths[i] {
			t.widths[i], grown = n, true
		}
	}
	if t.rows%headerEvery == 0 || grown {
		t.rows = 0
		t.write(out, t.step, t.names)
	}
	t.rows++
	return t.write(out, "", cells)
}

func (t *table) write(out *bufio.Writer, step string, cells []string) error {
	width := utf8.RuneCountInString(t.step)
	pad(out, step, width)
	for i, cell := range cells {
		out.WriteString("  ")
		if i == len(cells)-1 {
			out.WriteString(cell)
			break
		}
		pad(out, cell, t.widths[i])
	}
	return out.WriteByte('\n')
}

func pad(out *bufio.Writer, s string, width int) {
	out.WriteString(s)
	for range width - utf8.RuneCountInString(s) {
		out.WriteByte(' ')
	}
}

// abridged keeps a value on one line and within its column. Control characters
// come from whoever wrote the contract; a terminal must not obey them.
func abridged(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) <= widest {
		return s
	}
	return string([]rune(s)[:widest-1]) + "…"
}

// object prints one row as JSON. Numbers that JSON readers would round are
// strings, as they are in the table.
func (t *table) object(out *bufio.Writer, batch transit.Batch, row int) error {
	fmt.Fprintf(out, `{"step":%s`, quoted(t.step))
	for i, col := range t.columns {
		value, err := jsonValue(batch, col, row)
		if err != nil {
			return sdk.Stop(fmt.Errorf("column %s of %s: %w", t.names[i], t.step, err))
		}
		fmt.Fprintf(out, `,%s:%s`, quoted(t.names[i]), value)
	}
	_, err := out.WriteString("}\n")
	return err
}

func jsonValue(batch transit.Batch, col, row int) ([]byte, error) {
	switch v := batch.Value(col, row).(type) {
	case nil:
		return []byte("null"), nil
	case bool, int64, float64:
		return json.Marshal(v)
	case uint64:
		return json.Marshal(v)
	case []any, map[string]any:
		return []byte(batch.Text(col, row)), nil // it is JSON already
	default:
		return json.Marshal(batch.Text(col, row))
	}
}

func quoted(s string) []byte {
	out, _ := json.Marshal(s) // a string always has a JSON form
	return out
}
