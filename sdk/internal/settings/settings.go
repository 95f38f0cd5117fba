// Package settings turns an author's struct into the schema of a register's
// settings, and a JSON object back into the struct. The struct's hcl tags name
// the attributes and blocks; the values of a prototype are the defaults.
//
// A host checks a pipeline file against the schema before a plugin gets to see
// the values, so what arrives here has the right names and types; it is
// checked again all the same, because a host is only another program.
package settings

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// field is one attribute or block of a struct.
type field struct {
	name     string
	optional bool
	block    bool
	doc      string
	secret   bool
	index    []int // through embedded structs
	typ      reflect.Type
}

// fields reads the tags of a struct type. Fields without an hcl tag are the
// author's own and stay out; those of embedded structs count as the struct's.
func fields(t reflect.Type) ([]field, error) {
	var out []field
	seen := map[string]string{}
	for _, sf := range reflect.VisibleFields(t) {
		tag, ok := sf.Tag.Lookup("hcl")
		if !ok {
			continue
		}
		if !sf.IsExported() {
			return nil, fmt.Errorf("%s.%s has an hcl tag but is not exported", t, sf.Name)
		}
		f := field{index: sf.Index, typ: sf.Type, doc: sf.Tag.Get("doc")}
		name, rest, _ := strings.Cut(tag, ",")
		f.name = name
		for option := range strings.SplitSeq(rest, ",") {
			switch option {
			case "", "attr":
			case "optional":
				f.optional = true
			case "block":
				f.block = true
			case "sensitive":
				f.secret = true
			default:
				return nil, fmt.Errorf("%s.%s: unknown option %q in its hcl tag (optional, block, sensitive)", t, sf.Name, option)
			}
		}
		if f.name == "" {
			return nil, fmt.Errorf("%s.%s: its hcl tag has no name", t, sf.Name)
		}
		if other, taken := seen[f.name]; taken {
			return nil, fmt.Errorf("%s: %s and %s both are called %q", t, other, sf.Name, f.name)
		}
		seen[f.name] = sf.Name
		out = append(out, f)
	}
	return out, nil
}

// Schema describes the settings of prototype, a pointer to a struct. Types
// without fields to set give an empty schema.
func Schema(prototype any) (*pluginv1.Settings, error) {
	v := reflect.ValueOf(prototype)
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil, fmt.Errorf("the prototype is a nil %s", v.Type())
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return &pluginv1.Settings{}, nil
	}
	return schema(v, nil)
}

func schema(v reflect.Value, outer []reflect.Type) (*pluginv1.Settings, error) {
	for _, t := range outer {
		if t == v.Type() {
			return nil, fmt.Errorf("%s contains itself", t)
		}
	}
	outer = append(outer, v.Type())
	fs, err := fields(v.Type())
	if err != nil {
		return nil, err
	}
	out := &pluginv1.Settings{}
	for _, f := range fs {
		if f.block {
			b, err := block(f, outer)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", v.Type(), v.Type().FieldByIndex(f.index).Name, err)
			}
			out.Blocks = append(out.Blocks, b)
			continue
		}
		a, err := attribute(f, v.FieldByIndex(f.index))
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", v.Type(), v.Type().FieldByIndex(f.index).Name, err)
		}
		out.Attributes = append(out.Attributes, a)
	}
	return out, nil
}

func attribute(f field, v reflect.Value) (*pluginv1.Attribute, error) {
	typ, err := expression(f.typ)
	if err != nil {
		return nil, err
	}
	a := &pluginv1.Attribute{Name: f.name, Type: typ, Doc: f.doc, Sensitive: f.secret, Required: !f.optional}
	if f.optional && !v.IsZero() && !f.secret {
		value, err := json.Marshal(plain(v))
		if err != nil {
			return nil, fmt.Errorf("write its default: %w", err)
		}
		a.DefaultJson = string(value)
	}
	return a, nil
}

func block(f field, outer []reflect.Type) (*pluginv1.Block, error) {
	t := f.typ
	b := &pluginv1.Block{Name: f.name, Doc: f.doc}
	switch t.Kind() {
	case reflect.Slice:
		b.Many, t = true, t.Elem()
	case reflect.Pointer:
	default:
		b.Required = !f.optional
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("a block is a struct, a pointer to one or a slice of them, not %s", f.typ)
	}
	var err error
	b.Settings, err = schema(reflect.New(t).Elem(), outer)
	return b, err
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isText tells types that are written as a string in a pipeline file.
func isText(t reflect.Type) bool {
	return t == durationType || reflect.PointerTo(t).Implements(textType)
}

// expression is the HCL type expression for a Go type.
func expression(t reflect.Type) (string, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if isText(t) {
		return "string", nil
	}
	switch t.Kind() {
	case reflect.String:
		return "string", nil
	case reflect.Bool:
		return "bool", nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return "number", nil
	case reflect.Slice:
		elem, err := expression(t.Elem())
		return "list(" + elem + ")", err
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return "", fmt.Errorf("a map's keys must be strings, not %s", t.Key())
		}
		elem, err := expression(t.Elem())
		return "map(" + elem + ")", err
	default:
		return "", fmt.Errorf("a %s cannot be set from a pipeline file", t)
	}
}

// plain is v as JSON should show it in a schema.
func plain(v reflect.Value) any {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Type() == durationType {
		return v.Interface().(time.Duration).String()
	}
	if v.CanAddr() {
		if m, ok := v.Addr().Interface().(encoding.TextMarshaler); ok {
			return m
		}
	}
	return v.Interface()
}
