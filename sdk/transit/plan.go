package transit

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
)

// A plan says where the columns of a row struct lie in memory and how each is written and read. It does not change once made.
type plan struct {
	goType  reflect.Type
	rowType Type
	columns []*column
	covered bool // every field is a column: reading a row overwrites all of it

	fixed    int       // bytes on the wire of the columns that take the same in every row
	variable []*column // the others
}

// A column is one field of a row struct, of a nested struct, or the element of a list.
type column struct {
	field    arrow.Field
	offset   uintptr      // from the start of the row, struct or list element that holds the column
	goType   reflect.Type // behind the pointer if there is one
	pointers bool         // goType holds pointers, so that the collector must see it as what it is
	nullable bool         // the field is a pointer, nil is null
	codec    codec
	children []*column      // the fields of a struct; the element of a list
	zero     unsafe.Pointer // a zero goType, written in place of what a nil pointer does not point to
}

func newPlan(rt reflect.Type) (*plan, error) {
	name, err := rowName(rt)
	if err != nil {
		return nil, err
	}
	b := planner{open: []reflect.Type{rt}}
	columns, err := b.columns(rt)
	if err != nil {
		return nil, fmt.Errorf("transit: %w", err)
	}
	schema := arrow.NewSchema(fieldsOf(columns), nil)
	p := &plan{goType: rt, rowType: Type{Name: name, Schema: schema}, columns: columns, covered: !b.skipped}
	p.fixed, p.variable = divide(columns)
	return p, nil
}

// A planner walks a struct type.
type planner struct {
	open    []reflect.Type // the structs around the field in hand: one that comes up again is recursive
	skipped bool           // some field is not a column
}

// columns maps the fields of a struct that has at least one column.
func (b *planner) columns(rt reflect.Type) ([]*column, error) {
	all, err := b.fields(rt)
	if err == nil && len(all) == 0 {
		return nil, fmt.Errorf("%s: no column: export at least one field", rt)
	}
	return all, err
}

func (b *planner) fields(rt reflect.Type) ([]*column, error) {
	var all []*column
	from := make(map[string]string) // column name → field
	add := func(c *column, field string) error {
		if other, ok := from[c.field.Name]; ok {
			return fmt.Errorf("%s: fields %s and %s are both column %s: rename one with a tag `transit:\"name\"`", rt, other, field, c.field.Name)
		}
		from[c.field.Name] = field
		all = append(all, c)
		return nil
	}
	for f := range rt.Fields() {
		found, err := b.field(rt, f)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			c.offset += f.Offset
			if err := add(c, f.Name); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// field maps one field: no column if it is left out, several if it is an embedded struct.
func (b *planner) field(rt reflect.Type, f reflect.StructField) ([]*column, error) {
	tag, err := parseTag(f)
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", rt, f.Name, err)
	}
	if f.Anonymous && !tag.skip && tag.name == "" && isPlainStruct(f.Type) {
		return b.embedded(f.Type)
	}
	if tag.skip || !f.IsExported() {
		b.skipped = true
		return nil, nil
	}
	c, err := b.column(f.Type, tag.kind)
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", rt, f.Name, err)
	}
	c.field.Name = tag.name
	if tag.name == "" {
		c.field.Name = snake(f.Name)
	}
	if err := checkColumnName(c.field.Name); err != nil {
		return nil, fmt.Errorf("%s.%s: %w", rt, f.Name, err)
	}
	return []*column{c}, nil
}

func (b *planner) embedded(rt reflect.Type) ([]*column, error) {
	if err := b.enter(rt); err != nil {
		return nil, err
	}
	defer b.leave()
	return b.fields(rt)
}

// column maps a type. The caller sets name and offset.
func (b *planner) column(rt reflect.Type, kind string) (*column, error) {
	c := &column{goType: rt}
	if rt.Kind() == reflect.Pointer {
		c.nullable = true
		c.goType = rt.Elem()
		if c.goType.Kind() == reflect.Pointer {
			return nil, fmt.Errorf("%s is a pointer to a pointer: one pointer makes a column nullable", rt)
		}
		c.zero = reflect.New(c.goType).UnsafePointer()
	}
	c.field.Nullable = c.nullable
	c.pointers = hasPointers(c.goType)
	if s, ok := scalarOf(c.goType, kind); ok {
		c.field.Type, c.field.Metadata, c.codec = s.arrow, kindMetadata(s.kind), s.codec
		return c, nil
	}
	if kind != "" {
		return nil, fmt.Errorf("kind %s does not go with %s: address is [20]byte, hash [32]byte, uint256 [4]uint64", kind, rt)
	}
	switch c.goType.Kind() {
	case reflect.Slice:
		return c, b.list(c)
	case reflect.Struct:
		return c, b.structure(c)
	default:
		return nil, refusal(c.goType)
	}
}

func (b *planner) list(c *column) error {
	item, err := b.column(c.goType.Elem(), "")
	if err != nil {
		return fmt.Errorf("element: %w", err)
	}
	item.field.Name = "item"
	c.children = []*column{item}
	c.field.Type = arrow.ListOfField(item.field)
	c.codec = listCodec(item)
	return nil
}

func (b *planner) structure(c *column) error {
	if err := b.enter(c.goType); err != nil {
		return err
	}
	defer b.leave()
	columns, err := b.columns(c.goType)
	if err != nil {
		return err
	}
	c.children = columns
	c.field.Type = arrow.StructOf(fieldsOf(columns)...)
	c.codec = structCodec()
	return nil
}

func (b *planner) enter(rt reflect.Type) error {
	if slices.Contains(b.open, rt) {
		return fmt.Errorf("%s is recursive: a row has a fixed depth", rt)
	}
	b.open = append(b.open, rt)
	return nil
}

func (b *planner) leave() { b.open = b.open[:len(b.open)-1] }

func fieldsOf(columns []*column) []arrow.Field {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = c.field
	}
	return fields
}

// tag is what `transit:"name,kind"` says.
type tag struct {
	name, kind string
	skip       bool
}

func parseTag(f reflect.StructField) (tag, error) {
	text, ok := f.Tag.Lookup("transit")
	if !ok {
		return tag{}, nil
	}
	if text == "-" {
		return tag{skip: true}, nil
	}
	if !f.IsExported() && !f.Anonymous {
		return tag{}, errors.New("the field has a transit tag but is not exported: export it or drop the tag")
	}
	name, kind, given := strings.Cut(text, ",")
	if given && kind != kindAddress && kind != kindHash && kind != kindUint256 {
		return tag{}, fmt.Errorf("tag `transit:%q`: %q is no kind: write address, hash or uint256", text, kind)
	}
	return tag{name: name, kind: kind}, nil
}
