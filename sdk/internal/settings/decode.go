package settings

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Mistake is one thing wrong with a setting.
type Mistake struct {
	Attribute string // dotted through blocks
	Message   string
}

func (m Mistake) String() string { return m.Attribute + ": " + m.Message }

// Decode sets the fields of into, a pointer to a struct, from a JSON object.
// Fields that the object leaves out keep their values. All mistakes are
// returned at once.
func Decode(object []byte, into any) []Mistake {
	v := reflect.ValueOf(into)
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	d := decoder{}
	if v.Kind() != reflect.Struct {
		v = reflect.New(reflect.TypeFor[struct{}]()).Elem()
	}
	d.object("", object, v)
	return d.mistakes
}

type decoder struct{ mistakes []Mistake }

func (d *decoder) mistake(at, format string, args ...any) {
	d.mistakes = append(d.mistakes, Mistake{Attribute: at, Message: fmt.Sprintf(format, args...)})
}

func (d *decoder) object(at string, raw []byte, v reflect.Value) {
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = []byte("{}")
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		d.mistake(at, "want an object: %v", err)
		return
	}
	fs, err := fields(v.Type())
	if err != nil {
		d.mistake(at, "%v", err)
		return
	}
	for _, f := range fs {
		value, set := values[f.name]
		delete(values, f.name)
		name := join(at, f.name)
		switch {
		case !set || string(value) == "null":
			if !f.optional && (!f.block || f.typ.Kind() == reflect.Struct) {
				d.mistake(name, "is required")
			}
		case f.block:
			d.block(name, value, v.FieldByIndex(f.index))
		default:
			d.value(name, value, v.FieldByIndex(f.index))
		}
	}
	d.unknown(at, values)
}

func (d *decoder) unknown(at string, values map[string]json.RawMessage) {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		d.mistake(join(at, name), "there is no such setting")
	}
}

func join(at, name string) string {
	return strings.TrimPrefix(at+"."+name, ".")
}

func (d *decoder) block(at string, raw []byte, v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			d.mistake(at, "want a list of blocks: %v", err)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
		for i, item := range items {
			d.block(fmt.Sprintf("%s[%d]", at, i), item, v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.object(at, raw, v.Elem())
	default:
		d.object(at, raw, v)
	}
}

func (d *decoder) value(at string, raw []byte, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if isText(v.Type()) {
		d.text(at, raw, v)
		return
	}
	switch v.Kind() {
	case reflect.Slice:
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			d.mistake(at, "want a list: %v", err)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
		for i, item := range items {
			d.value(fmt.Sprintf("%s[%d]", at, i), item, v.Index(i))
		}
	case reflect.Map:
		var items map[string]json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			d.mistake(at, "want a map: %v", err)
			return
		}
		v.Set(reflect.MakeMapWithSize(v.Type(), len(items)))
		for key, item := range items {
			elem := reflect.New(v.Type().Elem()).Elem()
			d.value(join(at, key), item, elem)
			v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), elem)
		}
	default:
		if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
			d.mistake(at, "want %s: %s does not fit", kindText(v.Kind()), abridged(raw))
		}
	}
}

// text sets what is written as a string: durations, addresses, big numbers.
// Numbers are taken as their digits, because people write value = 5.
func (d *decoder) text(at string, raw []byte, v reflect.Value) {
	s := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &s); err != nil {
			d.mistake(at, "want a string: %v", err)
			return
		}
	}
	var err error
	if v.Type() == durationType {
		var duration time.Duration
		if duration, err = time.ParseDuration(s); err == nil {
			v.SetInt(int64(duration))
			return
		}
		d.mistake(at, "want a duration such as \"5s\" or \"2m30s\", not %q", s)
		return
	}
	if err = v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		d.mistake(at, "%v", err)
	}
}

func kindText(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number from 0 (" + k.String() + ")"
	default:
		return "a whole number (" + k.String() + ")"
	}
}

func abridged(raw []byte) string {
	if len(raw) > 60 {
		return string(raw[:60]) + "…"
	}
	return string(raw)
}
