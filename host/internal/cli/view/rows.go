package view

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/penstock-io/penstock/sdk/render"
	"github.com/penstock-io/penstock/sdk/transit"
)

const (
	// shortHex is how much of a hash or an address is shown where there is no room.
	shortHex = 13
	// shortText is the same for text.
	shortText = 24
	// widestText bounds a cell that is no number, where there is no window.
	widestText = 80
)

// Rows writes rows as a table that grows: titles first, and again when they have
// left the screen or a column has become wider. It belongs to one goroutine.
type Rows struct {
	out    io.Writer
	size   func() (width, height int) // of the terminal; nil: there is none
	color  bool
	wanted []string // columns; none: all

	typ     transit.Type
	layout  *render.Layout
	columns []rowColumn
	hidden  int // columns that have no room
	since   int // lines since the titles
	titled  bool
	advised bool // people know that columns are hidden
	scratch []byte
}

// rowColumn is a column of the table.
type rowColumn struct {
	title string
	right bool // numbers stand to the right
	hex   bool
	width int
	most  int // 0: as wide as it takes
	show  bool
}

// NewRows makes a table of some columns, or all if none are named.
func NewRows(out io.Writer, size func() (width, height int), color bool, wanted []string) *Rows {
	return &Rows{out: out, size: size, color: color, wanted: wanted}
}

// Columns finds columns of a type by their names.
func Columns(typ transit.Type, wanted []string) ([]int, error) {
	var names []string
	for _, c := range typ.Columns() {
		names = append(names, c.Name)
	}
	var out []int
	for _, name := range wanted {
		at := slices.Index(names, name)
		if at < 0 {
			return nil, fmt.Errorf("there is no column %q in %s: it has %s", name, typ.Name, strings.Join(names, ", "))
		}
		out = append(out, at)
	}
	return out, nil
}

// Type says what the rows that follow are. The error names a column that is not
// there.
func (r *Rows) Type(typ transit.Type) error {
	indexes, err := Columns(typ, r.wanted)
	if err != nil {
		return err
	}
	r.typ, r.layout, r.columns, r.titled = typ, render.New(typ, indexes...), nil, false
	kinds := make(map[string]string)
	for _, c := range typ.Columns() {
		kinds[c.Name] = c.Type
	}
	for _, name := range r.layout.Names() {
		r.columns = append(r.columns, newRowColumn(name, kinds[name]))
	}
	r.fit()
	return nil
}

func newRowColumn(name, kind string) rowColumn {
	c := rowColumn{title: name, width: utf8.RuneCountInString(name), show: true}
	switch {
	case kind == "address":
		c.hex, c.width = true, max(c.width, 42)
	case kind == "hash":
		c.hex, c.width = true, max(c.width, 66)
	case strings.HasPrefix(kind, "binary"):
		c.hex = true
	case kind == "uint256", kind == "bigint", strings.HasPrefix(kind, "uint"), strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "float"):
		c.right = true
	}
	return c
}

// fit gives the columns the room that there is: hashes and addresses are shortened
// first, then text; numbers never are. What has no room is left out.
func (r *Rows) fit() {
	for i := range r.columns {
		c := &r.columns[i]
		c.most, c.show = 0, true
		if !c.right && !c.hex {
			c.most = widestText
		}
	}
	r.hidden = 0
	if r.size == nil {
		return
	}
	width, _ := r.size()
	for _, shorten := range []func(c *rowColumn){
		func(c *rowColumn) { c.most = short(c.hex && c.width > 42, shortHex, c.most) },
		func(c *rowColumn) { c.most = short(c.hex, shortHex, c.most) },
		func(c *rowColumn) { c.most = short(!c.hex && !c.right, shortText, c.most) },
	} {
		if r.total() <= width {
			return
		}
		for i := range r.columns {
			shorten(&r.columns[i])
		}
	}
	for i := len(r.columns) - 1; i > 0 && r.total() > width; i-- {
		r.columns[i].show = false
		r.hidden++
	}
}

func short(so bool, most, otherwise int) int {
	if so {
		return most
	}
	return otherwise
}

func (c *rowColumn) shown() int {
	if c.most > 0 && c.width > c.most {
		return max(c.most, min(c.width, utf8.RuneCountInString(c.title)))
	}
	return c.width
}

// shape is how wide the columns are on the screen.
func (r *Rows) shape() []int {
	var out []int
	for i := range r.columns {
		if r.columns[i].show {
			out = append(out, r.columns[i].shown())
		}
	}
	return out
}

func (r *Rows) total() int {
	sum := 0
	for i := range r.columns {
		if c := &r.columns[i]; c.show {
			sum += c.shown() + len(gap)
		}
	}
	if r.hidden > 0 {
		sum += len(gap) + len("+99")
	}
	return sum - len(gap)
}

// Write writes some rows of a batch.
func (r *Rows) Write(batch transit.Batch, from, to int) error {
	cells := make([][]string, 0, to-from)
	before, grown := r.shape(), false
	for row := from; row < to; row++ {
		line := make([]string, len(r.columns))
		for i := range r.columns {
			line[i] = r.cell(batch, i, row)
			if n := utf8.RuneCountInString(line[i]); n > r.columns[i].width {
				r.columns[i].width, grown = n, true
			}
		}
		cells = append(cells, line)
	}
	if grown {
		r.fit()
		r.titled = r.titled && (r.size == nil || slices.Equal(before, r.shape())) // in a file titles stand once
	}
	var text strings.Builder
	for _, line := range cells {
		r.title(&text)
		r.line(&text, line)
		r.since++
	}
	_, err := io.WriteString(r.out, text.String())
	return err
}

// Say writes a line between the rows.
func (r *Rows) Say(text string) error {
	r.since++
	if r.color {
		text = "\x1b[" + dim + "m" + text + "\x1b[0m"
	}
	_, err := io.WriteString(r.out, text+"\n")
	return err
}

// title writes the titles where they are needed.
func (r *Rows) title(text *strings.Builder) {
	if r.titled {
		if r.size == nil {
			return
		}
		if _, height := r.size(); r.since < max(height-2, 4) {
			return
		}
	}
	r.titled, r.since = true, 0
	var titles []string
	for _, c := range r.columns {
		titles = append(titles, strings.ToUpper(c.title))
	}
	var line strings.Builder
	r.line(&line, titles)
	out := line.String()
	if r.hidden > 0 {
		out = strings.TrimSuffix(out, "\n") + fmt.Sprintf("%s+%d\n", gap, r.hidden)
		if !r.advised {
			r.advised = true
			fmt.Fprintf(text, "%d columns have no room here: --columns %s,… shows those that are named, --json all of them\n", r.hidden, r.firstHidden())
		}
	}
	if r.color {
		out = "\x1b[" + bold + "m" + strings.TrimSuffix(out, "\n") + "\x1b[0m\n"
	}
	text.WriteString(out)
}

// firstHidden is the first column that has no room.
func (r *Rows) firstHidden() string {
	at := slices.IndexFunc(r.columns, func(c rowColumn) bool { return !c.show })
	return r.columns[at].title
}

func (r *Rows) line(text *strings.Builder, cells []string) {
	var line strings.Builder
	for i, c := range r.columns {
		if !c.show {
			continue
		}
		if line.Len() > 0 {
			line.WriteString(gap)
		}
		line.WriteString(pad(c.cut(cells[i]), c.shown(), c.right))
	}
	text.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// cut shortens a value to what its column has room for: hexadecimals in the middle,
// so that people know them by both ends.
func (c *rowColumn) cut(text string) string {
	width := c.shown()
	n := utf8.RuneCountInString(text)
	if n <= width || c.right {
		return text
	}
	if !c.hex {
		return cut(text, width)
	}
	tail := (width - 1) / 3
	return text[:width-1-tail] + "…" + text[len(text)-tail:]
}

// cell is a value as it is shown.
func (r *Rows) cell(batch transit.Batch, i, row int) string {
	text, null := r.layout.AppendText(r.scratch[:0], batch, i, row)
	r.scratch = text
	if null {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, string(text))
}

// Count writes a number as people read it.
func Count(n uint64) string { return count(n) }
