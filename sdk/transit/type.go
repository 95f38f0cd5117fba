package transit

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// Row is a struct that travels between processes. TransitType has a value receiver and always returns the same dotted name.
type Row interface {
	TransitType() string
}

// Type is a data type: a name and the columns of its rows.
type Type struct {
	Name   string
	Schema *arrow.Schema
}

// TypeOf derives the type of a row struct. The error names the struct and the field that cannot be mapped.
func TypeOf[T Row]() (Type, error) {
	return TypeOfGo(reflect.TypeFor[T]())
}

// TypeOfGo is TypeOf for a struct type known by reflection only.
func TypeOfGo(rt reflect.Type) (Type, error) {
	p, err := newPlan(rt)
	if err != nil {
		return Type{}, err
	}
	return p.rowType, nil
}

// String shows the type on one line. A question mark follows the name of a column that may be null:
//
//	eth.log{block_number uint64, address address, topics list<hash>, data? binary}
func (t Type) String() string {
	var b strings.Builder
	b.WriteString(t.Name)
	b.WriteByte('{')
	if t.Schema != nil {
		writeFields(&b, t.Schema.Fields())
	}
	b.WriteByte('}')
	return b.String()
}

func writeFields(b *strings.Builder, fields []arrow.Field) {
	for i, f := range fields {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.Name)
		if f.Nullable {
			b.WriteByte('?')
		}
		b.WriteByte(' ')
		b.WriteString(typeName(f))
	}
}

// typeName shows the type of a column: its kind if it has one, otherwise its Arrow type in short.
func typeName(f arrow.Field) string {
	if k := kindOf(f); k != "" {
		return k
	}
	switch dt := f.Type.(type) {
	case *arrow.StringType:
		return "string"
	case *arrow.FixedSizeBinaryType:
		return "binary[" + strconv.Itoa(dt.ByteWidth) + "]"
	case *arrow.ListType:
		item := dt.ElemField()
		if item.Nullable {
			return "list<" + typeName(item) + "?>"
		}
		return "list<" + typeName(item) + ">"
	case *arrow.StructType:
		var b strings.Builder
		b.WriteString("struct<")
		writeFields(&b, dt.Fields())
		b.WriteByte('>')
		return b.String()
	}
	return f.Type.String()
}

// rowName asks a row struct for the name of its type.
func rowName(rt reflect.Type) (string, error) {
	if rt == nil {
		return "", errors.New("transit: no row type given")
	}
	if rt.Kind() == reflect.Pointer && rt.Elem().Kind() == reflect.Struct {
		return "", fmt.Errorf("transit: %s is a pointer: rows are structs, so write %s", rt, rt.Elem())
	}
	if rt.Kind() != reflect.Struct {
		return "", fmt.Errorf("transit: %s is not a struct: rows are structs", rt)
	}
	row, ok := reflect.TypeAssert[Row](reflect.Zero(rt))
	if !ok {
		return "", fmt.Errorf("transit: %s has no method TransitType: add func (%s) TransitType() string, with a value receiver", rt, rt.Name())
	}
	name, err := callTransitType(row)
	if err != nil {
		return "", fmt.Errorf("transit: %s: %w", rt, err)
	}
	if err := checkTypeName(name); err != nil {
		return "", fmt.Errorf("transit: %s: TransitType: %w", rt, err)
	}
	return name, nil
}

// callTransitType survives rows that embed a nil interface or pointer and take the method from there.
func callTransitType(row Row) (name string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("call TransitType of an empty row: %v", r)
		}
	}()
	return row.TransitType(), nil
}
