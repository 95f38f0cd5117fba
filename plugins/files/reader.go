package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// reader reads what a layout has written.
type reader interface {
	// begin reads what a file begins with.
	begin(text *bufio.Reader) error
	// row reads the next row. Its cells are valid until the next call.
	row(text *bufio.Reader) ([]cell, error)
	column(i int) transit.Column
}

func newReader(l layout, typ transit.Type) reader {
	if _, ok := l.(*table); ok {
		return &tableReader{columns: typ.Columns(), cells: make([]cell, len(typ.Columns()))}
	}
	return &linesReader{columns: typ.Columns(), cells: make([]cell, len(typ.Columns()))}
}

// cell is a value as it is written: a text, without quotes.
type cell struct {
	text string
	null bool
}

// number is a cell that is a number; ok is false where it is none.
func (c cell) number() (n uint64, ok bool) {
	n, err := strconv.ParseUint(c.text, 10, 64)
	return n, err == nil && !c.null
}

// digest adds the cell of a column to a row.
func (c cell) digest(row *digest.Row, of transit.Column) error {
	switch {
	case c.null:
		row.Null()
	case strings.HasPrefix(of.Type, "list<") || strings.HasPrefix(of.Type, "struct<"):
		return row.Nested([]byte(c.text))
	case of.Type == "address":
		row.Text([]byte(strings.ToLower(c.text)))
	case strings.HasPrefix(of.Type, "float"):
		bits, _ := strconv.Atoi(strings.TrimPrefix(of.Type, "float"))
		f, err := strconv.ParseFloat(c.text, bits)
		if err != nil {
			return fmt.Errorf("column %s: %w", of.Name, err)
		}
		row.Value(f)
	default:
		row.Text([]byte(c.text))
	}
	return nil
}

// linesReader reads JSON lines.
type linesReader struct {
	columns []transit.Column
	cells   []cell
	line    []byte
}

func (*linesReader) begin(*bufio.Reader) error { return nil }

func (r *linesReader) column(i int) transit.Column { return r.columns[i] }

func (r *linesReader) row(text *bufio.Reader) ([]cell, error) {
	if err := r.next(text); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(r.line, &members); err != nil {
		return nil, err
	}
	for i, c := range r.columns {
		value := bytes.TrimSpace(members[c.Name])
		r.cells[i] = cell{text: string(value), null: len(value) == 0 || string(value) == "null"}
		if len(value) > 0 && value[0] == '"' {
			if err := json.Unmarshal(value, &r.cells[i].text); err != nil {
				return nil, err
			}
		}
	}
	return r.cells, nil
}

// next reads a line.
func (r *linesReader) next(text *bufio.Reader) error {
	r.line = r.line[:0]
	for {
		part, err := text.ReadSlice('\n')
		r.line = append(r.line, part...)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, io.EOF) && len(r.line) > 0:
			return io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// tableReader reads CSV. Unlike others it tells nothing from an empty text.
type tableReader struct {
	columns []transit.Column
	cells   []cell
	names   []cell
}

func (r *tableReader) column(i int) transit.Column { return r.columns[i] }

func (r *tableReader) begin(text *bufio.Reader) error {
	r.names = make([]cell, len(r.columns))
	if err := record(text, r.names); err != nil {
		return fmt.Errorf("its header: %w", err)
	}
	for i, c := range r.columns {
		if r.names[i].text != c.Name {
			return fmt.Errorf("its header has column %q where the rows have %q", r.names[i].text, c.Name)
		}
	}
	return nil
}

func (r *tableReader) row(text *bufio.Reader) ([]cell, error) {
	if err := record(text, r.cells); err != nil {
		return nil, err
	}
	if c := &r.cells[0]; len(r.cells) == 1 && c.text == "" {
		c.null = r.columns[0].Nullable // an empty line would be no row to most readers
	}
	return r.cells, nil
}

// record reads a line of values.
func record(text *bufio.Reader, cells []cell) error {
	for i := range cells {
		value, quoted, ends, err := field(text)
		switch {
		case errors.Is(err, io.EOF) && i > 0:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case ends != (i == len(cells)-1):
			return fmt.Errorf("it has other than %d values", len(cells))
		}
		cells[i] = cell{text: value, null: value == "" && !quoted}
	}
	return nil
}

// field reads one value; ends tells that it is the last of its line.
func field(text *bufio.Reader) (value string, quoted, ends bool, err error) {
	var b strings.Builder
	for within := false; ; {
		c, err := text.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && (quoted || b.Len() > 0):
			return "", false, false, io.ErrUnexpectedEOF
		case err != nil:
			return "", false, false, err
		case c == '"':
			if quoted && !within {
				b.WriteByte('"') // it stands twice
			}
			within, quoted = !within, true
		case within:
			b.WriteByte(c)
		case c == ',' || c == '\n':
			return b.String(), quoted, c == '\n', nil
		default:
			b.WriteByte(c)
		}
	}
}
