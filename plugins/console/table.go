package main

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// headerEvery is after how many rows a table repeats its header.
const headerEvery = 40

// widest is how many characters of a value a table shows. The largest uint256
// fits.
const widest = 78

// spare is the room that a column of numbers gets beyond the one that it grows
// for. The next ones have more digits or fewer, and each time it grows the
// header is shown again.
const spare = 3

// table lays the rows of one input out in columns, which grow with what they
// hold.
type table struct {
	step    string
	width   int  // of the steps' names
	several bool // rows of other inputs may stand in between: each says whose it is
	columns []tableColumn
	rows    int // since the last header
	most    int // how wide a line may become; 0: as wide as it is
}

type tableColumn struct {
	index int
	name  string
	right bool // numbers are, so that their digits stand below each other
	hex   bool // hexadecimals, which people tell apart by their ends
	width int
	cell  string // of the current row
}

func newTable(in sdk.Input, columns []int, width int, several bool) *table {
	t := &table{step: legible(in.Name), width: width, several: several}
	known := in.Type.Columns()
	for _, i := range columns {
		name := legible(known[i].Name)
		t.columns = append(t.columns, tableColumn{index: i, name: name, right: isNumber(known[i].Type), hex: isHex(known[i].Type), width: widthOf(name)})
	}
	return t
}

// within is the table with lines that are not wider than that; 0: as wide as they
// are.
func (t *table) within(width int) *table {
	t.most = width
	return t
}

// isHex tells types that are shown as hexadecimals.
func isHex(typ string) bool {
	return typ == "address" || typ == "hash" || strings.HasPrefix(typ, "binary")
}

// isNumber tells types whose values are compared by their digits.
func isNumber(typ string) bool {
	switch typ {
	case "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "uint256", "bigint", "float32", "float64":
		return true
	}
	return false
}

// row prints one row, under a header now and then.
func (t *table) row(page []byte, batch transit.Batch, row int) []byte {
	grown := false
	for i := range t.columns {
		c := &t.columns[i]
		c.cell = legible(batch.Text(c.index, row))
		if c.hex && t.most > 0 {
			c.cell = shortened(c.cell)
		}
		if n := widthOf(c.cell); n > c.width {
			c.width, grown = n, true
			if c.right {
				c.width += spare
			}
		}
	}
	if grown || t.rows == headerEvery {
		t.rows = 0
	}
	if t.rows == 0 {
		page = t.line(page, t.step, func(c *tableColumn) string { return c.name })
	}
	t.rows++
	step := ""
	if t.several {
		step = t.step
	}
	return t.line(page, step, func(c *tableColumn) string { return c.cell })
}

func (t *table) line(page []byte, step string, cell func(*tableColumn) string) []byte {
	begin := len(page)
	page = append(page, step...)
	page = pad(page, t.width-widthOf(step))
	for i := range t.columns {
		c := &t.columns[i]
		text := cell(c)
		page = append(page, "  "...)
		if c.right {
			page = pad(page, c.width-widthOf(text))
		}
		page = append(page, text...)
		if !c.right {
			page = pad(page, c.width-widthOf(text))
		}
	}
	page = bytes.TrimRight(page, " ")
	if t.most > 0 && utf8.RuneCount(page[begin:]) > t.most {
		page = append(page[:begin], string([]rune(string(page[begin:]))[:t.most-1])+"…"...)
	}
	return append(page, '\n')
}

// shortened is a hexadecimal with its ends alone: 0x5c504ed4…1b22060.
func shortened(s string) string {
	const begin, end = 10, 6
	if len(s) <= begin+end+1 {
		return s
	}
	return s[:begin] + "…" + s[len(s)-end:]
}

func pad(page []byte, n int) []byte {
	for range n {
		page = append(page, ' ')
	}
	return page
}

// widthOf is how wide a legible text is.
func widthOf(s string) int { return utf8.RuneCountInString(s) }

// legible keeps a value on one line and within its column. What is not there to
// be seen, such as the codes that terminals obey, comes from whoever wrote a
// contract: it is shown as a dot.
func legible(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == widest {
			kept := []rune(b.String())
			return string(kept[:widest-1]) + "…"
		}
		if !unicode.IsPrint(r) {
			r = '·'
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}
