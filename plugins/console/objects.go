package main

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// objects lays the rows of one input out as JSON, an object a line.
type objects struct {
	head    []byte // the step, which every object begins with
	columns []int
	names   [][]byte
}

func newObjects(in sdk.Input, columns []int) *objects {
	o := &objects{columns: columns}
	known := columnNames(in)
	for _, i := range columns {
		o.names = append(o.names, quoted(known[i]))
	}
	key := "step"
	for slices.Contains(known, key) {
		key = "_" + key
	}
	o.head = slices.Concat([]byte("{"), quoted(key), []byte(":"), quoted(in.Name))
	return o
}

// row prints one row.
func (o *objects) row(page []byte, batch transit.Batch, row int) []byte {
	page = append(page, o.head...)
	for i, col := range o.columns {
		page = append(page, ',')
		page = append(page, o.names[i]...)
		page = append(page, ':')
		page = append(page, value(batch, col, row)...)
	}
	return append(page, "}\n"...)
}

// value is a cell in JSON: integers of up to 64 bits and floats are numbers,
// other numbers are strings, because readers of JSON would round them.
func value(batch transit.Batch, col, row int) []byte {
	switch v := batch.Value(col, row).(type) {
	case nil:
		return []byte("null")
	case bool:
		return strconv.AppendBool(nil, v)
	case int64:
		return strconv.AppendInt(nil, v, 10)
	case uint64:
		return strconv.AppendUint(nil, v, 10)
	case float64:
		if text := batch.Text(col, row); !math.IsNaN(v) && !math.IsInf(v, 0) {
			return []byte(text)
		}
	case []any, map[string]any:
		return harmless([]byte(batch.Text(col, row))) // it is JSON already
	}
	return quoted(batch.Text(col, row))
}

func quoted(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return strconv.AppendQuoteToASCII(nil, s) // unreachable: every string has a JSON form
	}
	return harmless(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// harmless writes what is not there to be seen as escapes, which mean the same.
// JSON lets most of it pass, and terminals obey some of it. Outside of strings
// there is nothing of the kind.
func harmless(text []byte) []byte {
	if !slices.ContainsFunc(text, func(b byte) bool { return b >= 0x7f }) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = escape(escape(out, high), low)
		default:
			out = escape(out, r)
		}
		text = text[n:]
	}
	return out
}

func escape(out []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(out, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
