package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// console prints rows. It holds nothing back: rows stand on the screen when
// Load returns.
type console struct {
	Format  string   `hcl:"format,optional" doc:"table, or json: one object a line"`
	Columns []string `hcl:"columns,optional" doc:"only these columns, in this order, of the inputs that have them; all if left out"`
	Limit   *int     `hcl:"limit,optional" doc:"rows of each input shown a second, the others are counted; 0 shows all; if left out, 20 in a table and all as json"`

	Width int `hcl:"width,optional" doc:"how wide lines of a table may become, in characters: hexadecimals are shortened in the middle, and lines cut; 0: as wide as they are"`

	out    io.Writer
	now    func() time.Time
	log    hclog.Logger
	inputs []*input
	page   []byte // lines that are not printed yet, within one call
}

// leastWidth is how wide a line is at least, so that something is to be seen.
const leastWidth = 20

// tableLimit is how many rows a second people can follow.
const tableLimit = 20

// input is a stream with its layout, and what of it was shown lately.
type input struct {
	step   string
	layout layout

	second  time.Time // when the current second began
	shown   int       // rows in it
	skipped int       // rows that nobody was told of yet
}

// layout turns rows into lines, which it appends to a page.
type layout interface {
	row(page []byte, batch transit.Batch, row int) []byte
}

// pageSize is when a page is printed without waiting for the rest of its rows.
const pageSize = 64 << 10

// Validate refuses formats it does not know.
func (c *console) Validate() error {
	if c.Format != "table" && c.Format != "json" {
		return fmt.Errorf("format is %q: write \"table\" or \"json\"", c.Format)
	}
	if c.Limit != nil && *c.Limit < 0 {
		return fmt.Errorf("limit is %d: write how many rows to show a second, or 0 for all", *c.Limit)
	}
	switch {
	case c.Width != 0 && c.Width < leastWidth:
		return fmt.Errorf("width is %d: write at least %d, or 0 for lines as wide as they are", c.Width, leastWidth)
	case c.Width != 0 && c.Format == "json":
		return errors.New("width is for tables, and format is \"json\": leave one of them out")
	}
	for i, name := range c.Columns {
		if slices.Contains(c.Columns[:i], name) {
			return fmt.Errorf("columns names %q twice: remove one of them", name)
		}
	}
	return nil
}

// Start finds the columns of every input.
func (c *console) Start(ctx context.Context, start sdk.Start) error {
	c.log = sdk.Logger(ctx)
	width := 0
	for _, in := range start.Inputs {
		width = max(width, widthOf(legible(in.Name)))
	}
	if err := c.check(start.Inputs); err != nil {
		return sdk.Stop(err)
	}
	for _, in := range start.Inputs {
		chosen, columns := &input{step: in.Name}, c.choose(in)
		if c.Format == "json" {
			chosen.layout = newObjects(in, columns)
		} else {
			chosen.layout = newTable(in, columns, width, len(start.Inputs) > 1).within(c.Width)
		}
		c.inputs = append(c.inputs, chosen)
	}
	return nil
}

// check refuses columns that no input has, and inputs that would show nothing.
func (c *console) check(inputs []sdk.Input) error {
	if len(c.Columns) == 0 {
		return nil
	}
	var known, have []string
	for _, in := range inputs {
		names := columnNames(in)
		if len(c.choose(in)) == 0 {
			return fmt.Errorf("columns: input %q has none of %s: it has %s", in.Name, strings.Join(c.Columns, ", "), strings.Join(names, ", "))
		}
		known = append(known, names...)
		have = append(have, fmt.Sprintf("input %q has %s", in.Name, strings.Join(names, ", ")))
	}
	for _, name := range c.Columns {
		if !slices.Contains(known, name) {
			return fmt.Errorf("columns: there is no column %q: %s", name, strings.Join(have, "; "))
		}
	}
	return nil
}

// choose returns the indexes of the columns of an input to show.
func (c *console) choose(in sdk.Input) []int {
	var chosen []int
	names := columnNames(in)
	for i := range names {
		if len(c.Columns) == 0 {
			chosen = append(chosen, i)
		}
	}
	for _, name := range c.Columns {
		if i := slices.Index(names, name); i >= 0 {
			chosen = append(chosen, i)
		}
	}
	return chosen
}

func columnNames(in sdk.Input) []string {
	var names []string
	for _, c := range in.Type.Columns() {
		names = append(names, c.Name)
	}
	return names
}

// Load prints a batch.
func (c *console) Load(_ context.Context, index int, batch transit.Batch) error {
	in := c.inputs[index]
	for row := range int(batch.Record.NumRows()) {
		if !c.admit(in) {
			continue
		}
		c.page = in.layout.row(c.page, batch, row)
		if len(c.page) < pageSize {
			continue
		}
		if err := c.print(); err != nil {
			return err
		}
	}
	return c.print()
}

// print prints the page and begins another.
func (c *console) print() error {
	if len(c.page) == 0 {
		return nil
	}
	_, err := c.out.Write(c.page)
	c.page = c.page[:0]
	if cap(c.page) > 2*pageSize {
		c.page = nil // do not keep the space of one huge row
	}
	if err != nil {
		return fmt.Errorf("print rows on the standard output: %w", err)
	}
	return nil
}

// Commit says how many rows were not shown, once their second is over.
func (c *console) Commit(context.Context, sdk.Commit) error {
	now := c.now()
	for _, in := range c.inputs {
		if now.Sub(in.second) >= time.Second {
			c.tellSkipped(in)
		}
	}
	return c.print()
}

// Close says how many rows were not shown.
func (c *console) Close() error {
	for _, in := range c.inputs {
		c.tellSkipped(in)
	}
	return c.print()
}

// admit tells whether one more row may be shown this second.
func (c *console) admit(in *input) bool {
	limit := c.limit()
	if limit == 0 {
		return true
	}
	if now := c.now(); now.Sub(in.second) >= time.Second {
		c.tellSkipped(in)
		in.second, in.shown = now, 0
	}
	if in.shown >= limit {
		in.skipped++
		return false
	}
	in.shown++
	return true
}

func (c *console) limit() int {
	switch {
	case c.Limit != nil:
		return *c.Limit
	case c.Format == "table":
		return tableLimit
	}
	return 0
}

// tellSkipped counts the rows that were not shown. Readers of JSON want objects
// and nothing else: they find it in the log.
func (c *console) tellSkipped(in *input) {
	if in.skipped == 0 {
		return
	}
	if c.Format == "json" {
		c.log.Info("rows were not shown", "input", in.step, "rows", in.skipped, "limit", c.limit())
	} else {
		rows := "rows"
		if in.skipped == 1 {
			rows = "row"
		}
		c.page = fmt.Appendf(c.page, "… and %d more %s of %s (limit = %d a second)\n", in.skipped, rows, legible(in.step), c.limit())
	}
	in.skipped = 0
}
