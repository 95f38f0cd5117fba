package sdk

import (
	"fmt"
	"reflect"

	"github.com/penstock-io/penstock/sdk/transit"
)

// shape is what a tuple's struct says about its inputs.
type shape struct {
	tuple  reflect.Type
	ports  []port
	fields []int          // of each port
	rows   []reflect.Type // of each port
	blocks [][]int        // the block_number field of each port's rows; nil: none
	span   int            // the field of type Span; -1: none
}

func shapeOf(t reflect.Type) (shape, error) {
	s := shape{tuple: t, span: -1}
	if t.Kind() != reflect.Struct {
		return s, fmt.Errorf("the tuple of an aggregator is a struct, not %s", t)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type == reflect.TypeFor[Span]() && f.IsExported() {
			s.span = i
			continue
		}
		name, ok := f.Tag.Lookup("input")
		if !ok {
			return s, fmt.Errorf("%s.%s has no tag `input:\"name\"`", t, f.Name)
		}
		if !f.IsExported() || f.Type.Kind() != reflect.Slice && f.Type.Kind() != reflect.Pointer {
			return s, fmt.Errorf("%s.%s must be exported and a slice of rows or a pointer to one", t, f.Name)
		}
		row := f.Type.Elem()
		typ, err := transit.TypeOfGo(row)
		if err != nil {
			return s, fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		s.ports = append(s.ports, port{name: name, typ: typ})
		s.fields = append(s.fields, i)
		s.rows = append(s.rows, row)
		s.blocks = append(s.blocks, blockField(row))
	}
	if len(s.ports) == 0 {
		return s, fmt.Errorf("%s has no inputs", t)
	}
	return s, nil
}

// blockField finds the field of the column block_number, through embedded
// structs.
func blockField(row reflect.Type) []int {
	for _, f := range reflect.VisibleFields(row) {
		named := f.Tag.Get("transit") == "block_number" || f.Tag.Get("transit") == "" && f.Name == "BlockNumber"
		if named && f.Type.Kind() == reflect.Uint64 {
			return f.Index
		}
	}
	return nil
}
