package sdk

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/transit"
)

// shape is what a tuple's struct says about its inputs.
type shape struct {
	tuple  reflect.Type
	ports  []process.Port
	fields []int          // of each port
	rows   []reflect.Type // of each port
	blocks []int          // offset of the column block_number in each port's rows; -1: none
	span   int            // the field of type Span; -1: none
}

func shapeOf(t reflect.Type) (shape, error) {
	s := shape{tuple: t, span: -1}
	if t.Kind() != reflect.Struct {
		return s, fmt.Errorf("the tuple of an aggregator is a struct, not %s", t)
	}
	seen := map[string]string{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type == reflect.TypeFor[Span]() && f.IsExported() {
			s.span = i
			continue
		}
		name := f.Tag.Get("input")
		if name == "" {
			return s, fmt.Errorf("%s.%s has no tag `input:\"name\"`", t, f.Name)
		}
		if other, twice := seen[name]; twice {
			return s, fmt.Errorf("%s.%s and %s.%s are both input %q", t, other, t, f.Name, name)
		}
		seen[name] = f.Name
		if err := s.add(i, f, name); err != nil {
			return s, fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
	}
	if len(s.ports) == 0 {
		return s, fmt.Errorf("%s has no inputs", t)
	}
	return s, nil
}

// add adds one input.
func (s *shape) add(i int, f reflect.StructField, name string) error {
	if !f.IsExported() || f.Type.Kind() != reflect.Slice && f.Type.Kind() != reflect.Pointer {
		return fmt.Errorf("it must be exported, and a slice of rows or a pointer to one")
	}
	row := f.Type.Elem()
	typ, err := transit.TypeOfGo(row)
	if err != nil {
		return err
	}
	s.ports = append(s.ports, process.Port{Name: name, Type: typ})
	s.fields = append(s.fields, i)
	s.rows = append(s.rows, row)
	s.blocks = append(s.blocks, blockOffset(row, typ))
	return nil
}

// blockOffset finds where the column block_number lies in a row, through
// embedded structs; -1: it is not there, or no uint64.
func blockOffset(row reflect.Type, typ transit.Type) int {
	if !typ.Schema.HasField(blockColumn) {
		return -1
	}
	for _, f := range reflect.VisibleFields(row) {
		name, _, _ := strings.Cut(f.Tag.Get("transit"), ",")
		if f.Type.Kind() != reflect.Uint64 || name != blockColumn && (name != "" || f.Name != "BlockNumber") {
			continue
		}
		offset, t := 0, row
		for _, i := range f.Index {
			offset += int(t.Field(i).Offset)
			t = t.Field(i).Type
		}
		return offset
	}
	return -1
}

// blockColumn is the column that tells which block a row belongs to.
const blockColumn = "block_number"
