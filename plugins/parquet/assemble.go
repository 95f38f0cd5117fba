package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/ethereum/go-ethereum/common"
	"github.com/parquet-go/parquet-go"
)

// parquet counts the rows of a Parquet file, as they were before they became
// its columns.
func (c *count) parquet(f *os.File, path string, shape shape) error {
	info, err := f.Stat()
	if err != nil {
		return explain("read", path, err)
	}
	p, err := parquet.OpenFile(f, info.Size(), parquet.SkipBloomFilters(true))
	if err != nil {
		return damaged(path, err)
	}
	back, err := c.backFrom(p.Schema(), shape)
	if err != nil {
		return stopf("compare rows: %s: %w", path, err)
	}
	for _, g := range p.RowGroups() {
		if err := c.group(g, back); err != nil {
			return damaged(path, err)
		}
	}
	return nil
}

// group counts the rows of a row group.
func (c *count) group(g parquet.RowGroup, b *back) error {
	chunks := g.ColumnChunks()
	for _, l := range b.leaves {
		l.pages, l.values = chunks[l.column].Pages(), nil
		defer l.pages.Close()
	}
	values := make([]any, len(b.columns))
	for range g.NumRows() {
		for i, column := range b.columns {
			values[i] = nil
			if column == nil {
				continue
			}
			var err error
			if values[i], err = column.value(0); err != nil {
				return err
			}
		}
		key, ok := values[c.by].(uint64)
		if !ok {
			return errors.New("a row has no number in the column of the ranges")
		}
		c.add(key, values)
	}
	return nil
}

// back leads from the columns of a file to those of the type.
type back struct {
	columns []*stem // by column of the type; nil: the file does not have it
	leaves  []*cursor
}

// stem is a column of a file, or a part of one, with what its values are read
// from.
type stem struct {
	*tree
	field  arrow.Field
	shape  shape
	leaves []*cursor // below, in their order
	inner  []*stem   // fields of a struct, or the element of a list
}

// cursor reads the values of a leaf in their order.
type cursor struct {
	column int // in the file
	pages  parquet.Pages
	values []parquet.Value // of the page, that are to come
}

// peek is the next value.
func (l *cursor) peek() (parquet.Value, error) {
	for len(l.values) == 0 {
		page, err := l.pages.ReadPage()
		if err != nil {
			return parquet.Value{}, err
		}
		l.values = make([]parquet.Value, page.NumValues())
		if n, err := page.Values().ReadValues(l.values); n < len(l.values) {
			return parquet.Value{}, errors.Join(err, io.ErrUnexpectedEOF)
		}
	}
	return l.values[0], nil
}

// backFrom finds the columns of a type in a file.
func (c *count) backFrom(schema *parquet.Schema, shape shape) (*back, error) {
	k, err := shape.keep(c.typ)
	if err != nil {
		return nil, err
	}
	b := &back{columns: make([]*stem, c.typ.Schema.NumFields())}
	for i, f := range c.typ.Schema.Fields() {
		t, err := exact(k.root.fields, i, f)
		if err != nil {
			return nil, err
		}
		if _, there := fieldOf(schema, t.name); !there {
			continue // the file is older than the column
		}
		if b.columns[i], err = b.stem(schema, t, f, shape); err != nil {
			return nil, err
		}
	}
	if b.columns[c.by] == nil {
		return nil, fmt.Errorf("it has no column %s", c.typ.Schema.Field(c.by).Name)
	}
	return b, nil
}

func fieldOf(schema *parquet.Schema, name string) (parquet.Field, bool) {
	fields := schema.Fields()
	i := slices.IndexFunc(fields, func(f parquet.Field) bool { return f.Name() == name })
	if i < 0 {
		return nil, false
	}
	return fields[i], true
}

// exact is the column that holds all of a part.
func exact(fields []*tree, child int, f arrow.Field) (*tree, error) {
	kept := false
	for _, t := range fields {
		if t.child != child {
			continue
		}
		kept = true
		if kind, _ := f.Metadata.GetValue("penstock.kind"); kind != "uint256" && kind != "bigint" {
			return t, nil
		}
		if k := t.leaf.node.Type().Kind(); k != parquet.Double && !t.leaf.overflows {
			return t, nil
		}
	}
	if kept {
		return nil, fmt.Errorf("column %s is kept as float64 only: it cannot be compared; add string or binary to u256", f.Name)
	}
	return nil, fmt.Errorf("column %s is not kept (columns, exclude): it cannot be compared", f.Name)
}

// stem is a column, or a part of one.
func (b *back) stem(schema *parquet.Schema, t *tree, f arrow.Field, shape shape) (*stem, error) {
	s := &stem{tree: t, field: f, shape: shape}
	switch dt := f.Type.(type) {
	case *arrow.StructType:
		for i, inner := range dt.Fields() {
			field, err := exact(t.fields, i, inner)
			if err != nil {
				return nil, err
			}
			if err := b.below(schema, s, field, inner); err != nil {
				return nil, err
			}
		}
		return s, nil
	case arrow.ListLikeType:
		return s, b.below(schema, s, t.element, dt.ElemField())
	}
	if t.leaf == nil {
		return nil, fmt.Errorf("column %s cannot be compared", f.Name) // unreachable: all else has values
	}
	at, ok := schema.Lookup(t.leaf.names()...)
	if !ok {
		return nil, fmt.Errorf("it has no column %s", strings.Join(t.leaf.names(), "."))
	}
	l := &cursor{column: at.ColumnIndex}
	s.leaves, b.leaves = []*cursor{l}, append(b.leaves, l)
	return s, nil
}

func (b *back) below(schema *parquet.Schema, s *stem, t *tree, f arrow.Field) error {
	inner, err := b.stem(schema, t, f, s.shape)
	if err != nil {
		return err
	}
	s.inner, s.leaves = append(s.inner, inner), append(s.leaves, inner.leaves...)
	return nil
}

// skip passes over one value of each leaf: something above them is not there.
func (s *stem) skip() error {
	for _, l := range s.leaves {
		if _, err := l.peek(); err != nil {
			return err
		}
		l.values = l.values[1:]
	}
	return nil
}

// value is the next value, as transit.Batch.Value has it. def is how many parts
// above it may be missing and are not.
func (s *stem) value(def int) (any, error) {
	next, err := s.leaves[0].peek()
	if err != nil {
		return nil, err
	}
	if s.nullable {
		if next.DefinitionLevel() <= def {
			return nil, s.skip()
		}
		def++
	}
	switch {
	case s.element != nil:
		return s.list(next, def)
	case s.fields != nil:
		object := make(map[string]any, len(s.inner))
		for _, inner := range s.inner {
			if object[inner.field.Name], err = inner.value(def); err != nil {
				return nil, err
			}
		}
		return object, nil
	}
	s.leaves[0].values = s.leaves[0].values[1:]
	return s.plain(next)
}

func (s *stem) list(next parquet.Value, def int) (any, error) {
	if next.DefinitionLevel() <= def {
		return []any{}, s.skip()
	}
	list := []any{}
	for {
		v, err := s.inner[0].value(def + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if next, err = s.leaves[0].peek(); err != nil || next.RepetitionLevel() != s.rep {
			if errors.Is(err, io.EOF) {
				err = nil // that was the last one of the row group
			}
			return list, err
		}
	}
}

// plain is a value that has no parts.
func (s *stem) plain(v parquet.Value) (any, error) {
	kind, _ := s.field.Metadata.GetValue("penstock.kind")
	switch kind {
	case "uint256", "bigint":
		return s.whole(v, kind == "uint256")
	case "timestamp":
		return s.time(v.Int64()), nil
	}
	switch id := s.field.Type.ID(); id {
	case arrow.BOOL:
		return v.Boolean(), nil
	case arrow.FLOAT32:
		return float64(v.Float()), nil
	case arrow.FLOAT64:
		return v.Double(), nil
	case arrow.UINT64:
		return uint64(v.Int64()), nil
	case arrow.INT64:
		return v.Int64(), nil
	case arrow.UINT8, arrow.UINT16, arrow.UINT32:
		return uint64(uint32(v.Int32())), nil
	case arrow.INT8, arrow.INT16, arrow.INT32:
		return int64(v.Int32()), nil
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.FIXED_SIZE_BINARY:
		return s.bytes(v.ByteArray(), kind)
	default:
		return string(v.ByteArray()), nil
	}
}

func (s *stem) bytes(b []byte, kind string) (any, error) {
	if s.shape.Bytes == "hex" {
		var err error
		if b, err = hex.DecodeString(strings.TrimPrefix(string(b), "0x")); err != nil {
			return nil, err
		}
	}
	switch kind {
	case "address":
		return common.BytesToAddress(b), nil
	case "hash":
		return common.BytesToHash(b), nil
	}
	return b, nil
}

// whole is a large integer.
func (s *stem) whole(v parquet.Value, unsigned bool) (any, error) {
	b := v.ByteArray()
	if s.leaf.node.Type().LogicalType() == nil { // binary
		if unsigned {
			return new(big.Int).SetBytes(b), nil
		}
		return twosComplement(b), nil
	}
	if s.leaf.node.Type().Kind() == parquet.FixedLenByteArray { // decimal
		return twosComplement(b), nil
	}
	n, ok := new(big.Int).SetString(string(b), 10)
	if !ok {
		return nil, fmt.Errorf("%q is no number", b)
	}
	return n, nil
}

// time is a time in the unit of the file.
func (s *stem) time(v int64) time.Time {
	switch s.shape.Times {
	case "ms":
		v = nanoseconds(v, 1_000_000)
	case "us":
		v = nanoseconds(v, 1_000)
	}
	if v == math.MinInt64 {
		return time.Time{}
	}
	return time.Unix(0, v).UTC()
}

func nanoseconds(v, unit int64) int64 {
	if v < math.MinInt64/unit {
		return math.MinInt64 // the zero time
	}
	return v * unit
}
