package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/render"
	"github.com/penstock-io/penstock/sdk/transit"
)

// filter lets those rows through that have one of the values in each of its
// columns. It is for one goroutine at a time.
type filter struct {
	tests   []test
	layout  *render.Layout
	scratch []byte
}

// test is what one column of a row must have.
type test struct {
	column int
	texts  map[string]bool
	null   bool
}

// mostValues bounds how many values a filter has.
const mostValues = 1000

// newFilter reads a filter; nil lets all rows through.
func newFilter(typ transit.Type, wanted map[string]json.RawMessage) (*filter, *refusal) {
	if len(wanted) == 0 {
		return nil, nil
	}
	f := &filter{layout: render.New(typ)}
	columns := typ.Columns()
	values := 0
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		i := slices.IndexFunc(columns, func(c transit.Column) bool { return c.Name == name })
		if i < 0 {
			return nil, refuse(badFilter, "there is no column %q: there are %s", name, strings.Join(f.layout.Names(), ", "))
		}
		t, no := newTest(columns[i], wanted[name])
		if no != nil {
			return nil, no
		}
		t.column = i
		f.tests = append(f.tests, t)
		if values += len(t.texts); values > mostValues {
			return nil, refuse(badFilter, "the filter has more than %d values: filter the rows where they arrive, or connect several times", mostValues)
		}
	}
	return f, nil
}

func newTest(c transit.Column, wanted json.RawMessage) (t test, no *refusal) {
	if strings.HasPrefix(c.Type, "list<") || strings.HasPrefix(c.Type, "struct<") {
		return t, refuse(badFilter, "column %q is a %s: only columns with one value can be filtered by", c.Name, c.Type)
	}
	values := []json.RawMessage{wanted}
	if wanted = bytes.TrimSpace(wanted); bytes.HasPrefix(wanted, []byte("[")) {
		if err := json.Unmarshal(wanted, &values); err != nil {
			return t, refuse(badFilter, "the values of %q: %s", c.Name, plain(err))
		}
	}
	t.texts = map[string]bool{}
	for _, v := range values {
		if string(v) == "null" {
			t.null = true
			continue
		}
		text, ok := textOf(c.Type, v)
		if !ok {
			return t, refuse(badFilter, "column %q is a %s, and the filter has %s: write values as the rows have them", c.Name, c.Type, plainValue(v))
		}
		t.texts[text] = true
	}
	return t, nil
}

func plainValue(v json.RawMessage) string {
	if len(v) > 80 {
		return "something else"
	}
	return string(v)
}

// textOf is a value as rows are rendered. Whole numbers may stand in quotes or
// without.
func textOf(typ string, v json.RawMessage) (text string, ok bool) {
	var quoted string
	if err := json.Unmarshal(v, &quoted); err != nil {
		quoted = string(v)
		if typ == "bool" {
			return quoted, quoted == "true" || quoted == "false"
		}
		if !isNumeric(typ) {
			return "", false
		}
	}
	switch {
	case typ == "address":
		return common.HexToAddress(quoted).Hex(), common.IsHexAddress(quoted)
	case typ == "hash" || strings.HasPrefix(typ, "binary"):
		lower := strings.ToLower(quoted)
		return lower, strings.HasPrefix(lower, "0x")
	case strings.HasPrefix(typ, "float"):
		bits, _ := strconv.Atoi(strings.TrimPrefix(typ, "float"))
		n, err := strconv.ParseFloat(quoted, bits)
		return strconv.FormatFloat(n, 'g', -1, bits), err == nil
	case isNumeric(typ):
		n, ok := new(big.Int).SetString(quoted, 10)
		if !ok {
			return "", false
		}
		return n.String(), true
	case typ == "bool":
		return "", false // a string is none
	}
	return quoted, true
}

func isNumeric(typ string) bool {
	for _, prefix := range []string{"int", "uint", "float", "bigint"} {
		if strings.HasPrefix(typ, prefix) {
			return true
		}
	}
	return false
}

// lets tells whether a row passes.
func (f *filter) lets(batch transit.Batch, row int) bool {
	for _, t := range f.tests {
		text, null := f.layout.AppendText(f.scratch[:0], batch, t.column, row)
		f.scratch = text[:0]
		if null && !t.null || !null && !t.texts[string(text)] {
			return false
		}
	}
	return true
}

// of is a message with the rows that pass; nil: none does.
func (f *filter) of(it *item) []byte {
	var rows []line
	for _, l := range it.rows {
		if f.lets(*l.batch, l.index) {
			rows = append(rows, l)
		}
	}
	switch len(rows) {
	case 0:
		return nil
	case len(it.rows):
		return it.body
	}
	return appendRows(slices.Clone(it.head), rows)
}
