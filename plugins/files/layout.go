package main

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/penstock-io/penstock/sdk/render"
	"github.com/penstock-io/penstock/sdk/transit"
)

// layout turns rows of one type into lines.
type layout interface {
	header() []byte // what a file begins with
	row(line []byte, batch transit.Batch, row int) []byte
}

// lines are JSON, an object a line.
type lines struct{ rows *render.Layout }

func newLines(typ transit.Type) layout { return &lines{rows: render.New(typ)} }

func (*lines) header() []byte { return nil }

func (l *lines) row(line []byte, batch transit.Batch, row int) []byte {
	line = l.rows.AppendMembers(append(line, '{'), batch, row)
	return append(line, "}\n"...)
}

// table is CSV.
type table struct {
	rows    *render.Layout
	columns []string
	plain   []bool // columns whose values need no quotes, whatever they are
}

func newTable(typ transit.Type) layout {
	t := &table{rows: render.New(typ)}
	for _, c := range typ.Columns() {
		t.columns = append(t.columns, c.Name)
		t.plain = append(t.plain, slices.Contains(plainTypes, c.Type))
	}
	return t
}

// plainTypes are shown with digits, letters and a few signs.
var plainTypes = []string{
	"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64",
	"address", "hash", "uint256", "bigint", "timestamp", "binary",
}

func (t *table) header() []byte {
	var line []byte
	for i, name := range t.columns {
		if i > 0 {
			line = append(line, ',')
		}
		line = append(line, name...) // letters, digits and _
	}
	return append(line, '\n')
}

func (t *table) row(line []byte, batch transit.Batch, row int) []byte {
	for i := range t.columns {
		if i > 0 {
			line = append(line, ',')
		}
		begin := len(line)
		text, null := t.rows.AppendText(line, batch, i, row)
		switch line = text; {
		case null && len(t.columns) > 1, t.plain[i] && !null:
		default:
			line = quoted(line, begin)
		}
	}
	return append(line, '\n')
}

// quoted puts what begins there into quotes, where it needs them.
func quoted(line []byte, begin int) []byte {
	if !utf8.Valid(line[begin:]) {
		line = append(line[:begin], bytes.ToValidUTF8(line[begin:], []byte("\uFFFD"))...)
	}
	if !needsQuotes(line[begin:]) {
		return line
	}
	text := bytes.ReplaceAll(line[begin:], []byte(`"`), []byte(`""`)) // a copy
	line = append(line[:begin], '"')
	line = append(line, text...)
	return append(line, '"')
}

// needsQuotes tells text that a reader would take for something else: nothing,
// the end of a value or of the file, blanks to be removed.
func needsQuotes(text []byte) bool {
	if len(text) == 0 || text[0] == ' ' || text[len(text)-1] == ' ' || string(text) == `\.` {
		return true
	}
	return bytes.ContainsAny(text, "\",\r\n")
}
