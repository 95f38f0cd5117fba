package settings

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// field is one attribute or block of a struct.
type field struct {
	name      string // in a pipeline file
	field     string // in the struct
	index     []int
	typ       reflect.Type
	doc       string
	optional  bool
	block     bool
	sensitive bool
	access    pluginv1.Access
}

// fields reads the tags of a struct type and of the structs embedded in it.
// Fields without an hcl tag are the author's own and stay out.
func fields(t reflect.Type) ([]field, error) {
	all, err := tagged(t, nil)
	if err != nil {
		return nil, err
	}
	seen := map[string]string{}
	for _, f := range all {
		if other, taken := seen[f.name]; taken {
			return nil, fmt.Errorf("%s: %s and %s both are called %q", t, other, f.field, f.name)
		}
		seen[f.name] = f.field
	}
	return all, nil
}

func tagged(t reflect.Type, at []int) (all []field, err error) {
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(slices.Clip(at), i)
		tag, ok := sf.Tag.Lookup("hcl")
		var found []field
		switch {
		case ok:
			found, err = one(sf, tag, index)
		case sf.Anonymous && sf.Type.Kind() == reflect.Struct:
			found, err = tagged(sf.Type, index)
		}
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, sf.Name, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func one(sf reflect.StructField, tag string, index []int) ([]field, error) {
	if !sf.IsExported() {
		return nil, errors.New("it has an hcl tag but is not exported")
	}
	f := field{field: sf.Name, index: index, typ: sf.Type, doc: sf.Tag.Get("doc")}
	err := f.parse(tag)
	return []field{f}, err
}

// parse reads a tag: a name and options.
func (f *field) parse(tag string) error {
	name, rest, _ := strings.Cut(tag, ",")
	if name == "" || strings.ContainsAny(name, " .\"") {
		return fmt.Errorf("its hcl tag has no name that can be written in a pipeline file: %q", tag)
	}
	f.name = name
	for option := range strings.SplitSeq(rest, ",") {
		switch option {
		case "", "attr":
		case "optional":
			f.optional = true
		case "block":
			f.block = true
		case "sensitive":
			f.sensitive = true
		case "reads":
			f.access = pluginv1.Access_ACCESS_READ
		case "writes":
			f.access = pluginv1.Access_ACCESS_WRITE
		default:
			return fmt.Errorf("unknown option %q in its hcl tag: there are optional, block, sensitive, reads and writes", option)
		}
	}
	return nil
}

var (
	durationType  = reflect.TypeFor[time.Duration]()
	textType      = reflect.TypeFor[encoding.TextUnmarshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// isText tells types that are written as a string in a pipeline file.
func isText(t reflect.Type) bool {
	return t == durationType || reflect.PointerTo(t).Implements(textType)
}

// plain is v as a pipeline file would have it; ok is false where that cannot
// be told.
func plain(v reflect.Value) (value any, ok bool) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
		return nil, true
	case v.Type() == durationType:
		return v.Interface().(time.Duration).String(), true
	case isText(v.Type()):
		return plainText(v)
	case v.Kind() == reflect.Slice:
		return plainList(v)
	case v.Kind() == reflect.Map:
		return plainMap(v)
	default:
		return v.Interface(), true
	}
}

func plainList(v reflect.Value) (items []any, ok bool) {
	items = make([]any, v.Len())
	for i := range items {
		if items[i], ok = plain(v.Index(i)); !ok {
			return nil, false
		}
	}
	return items, true
}

func plainMap(v reflect.Value) (items map[string]any, ok bool) {
	items = make(map[string]any, v.Len())
	for entries := v.MapRange(); entries.Next(); {
		key := entries.Key().String()
		if items[key], ok = plain(entries.Value()); !ok {
			return nil, false
		}
	}
	return items, true
}

// plainText is what UnmarshalText would read, if the type can write it.
func plainText(v reflect.Value) (any, bool) {
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	if !p.Type().Implements(textMarshaler) {
		return nil, false
	}
	text, err := p.Interface().(encoding.TextMarshaler).MarshalText()
	return string(text), err == nil
}
