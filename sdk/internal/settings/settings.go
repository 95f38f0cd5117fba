// Package settings turns an author's struct into the schema of a register's
// settings, and a JSON object back into the struct. The struct's hcl tags name
// the attributes and blocks; the values of a prototype are the defaults.
//
// A host checks a pipeline file against the schema before a plugin gets to see
// the values, so what arrives here has the right names and types; it is
// checked again all the same, because a host is only another program.
package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Schema describes the settings of prototype, a pointer to a struct. Types
// without fields to set give an empty schema.
func Schema(prototype any) (*pluginv1.Settings, error) {
	v := reflect.ValueOf(prototype)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return &pluginv1.Settings{}, nil
	}
	return schema(v, nil)
}

// schema tells everything that is wrong with a struct at once.
func schema(v reflect.Value, outer []reflect.Type) (*pluginv1.Settings, error) {
	if slices.Contains(outer, v.Type()) {
		return nil, fmt.Errorf("%s contains itself", v.Type())
	}
	outer = append(outer, v.Type())
	fs, err := fields(v.Type())
	if err != nil {
		return nil, err
	}
	out := &pluginv1.Settings{}
	var errs []error
	for _, f := range fs {
		if f.block {
			b, err := block(f, v.FieldByIndex(f.index), outer)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s.%s: %w", v.Type(), f.field, err))
			}
			out.Blocks = append(out.Blocks, b)
			continue
		}
		a, err := attribute(f, v.FieldByIndex(f.index))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s.%s: %w", v.Type(), f.field, err))
		}
		out.Attributes = append(out.Attributes, a)
	}
	return out, errors.Join(errs...)
}

func attribute(f field, v reflect.Value) (*pluginv1.Attribute, error) {
	typ, err := expression(v.Type())
	if err != nil {
		return nil, err
	}
	a := &pluginv1.Attribute{Name: f.name, Type: typ, Doc: f.doc, Sensitive: f.sensitive, Required: !f.optional, Access: f.access}
	if !f.optional || f.sensitive || v.IsZero() {
		return a, nil
	}
	value, ok := plain(v)
	if !ok {
		return a, nil // a default that cannot be written down is still the default
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("write its default: %w", err)
	}
	a.DefaultJson = string(text)
	return a, nil
}

func block(f field, v reflect.Value, outer []reflect.Type) (*pluginv1.Block, error) {
	b := &pluginv1.Block{Name: f.name, Doc: f.doc}
	t := v.Type()
	switch t.Kind() {
	case reflect.Slice:
		b.Many = true
		t = t.Elem()
		v = reflect.Zero(t)
	case reflect.Pointer:
	default:
		b.Required = !f.optional
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
		v = v.Elem() // a pointer that is not nil holds the block's defaults
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("a block is a struct, a pointer to one or a slice of them, not %s", f.typ)
	}
	if !v.IsValid() {
		v = reflect.Zero(t)
	}
	var err error
	b.Settings, err = schema(v, outer)
	return b, err
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
		if t.Key().Kind() != reflect.String || isText(t.Key()) {
			return "", fmt.Errorf("a map's keys must be plain strings, not %s", t.Key())
		}
		elem, err := expression(t.Elem())
		return "map(" + elem + ")", err
	default:
		return "", fmt.Errorf("a %s cannot be set from a pipeline file: use strings, numbers, bools, lists and maps of them, or a type with UnmarshalText; tag a struct as a block", t)
	}
}
