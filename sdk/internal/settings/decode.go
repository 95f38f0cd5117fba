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
	"unicode/utf8"

	"github.com/agext/levenshtein"
)

// Mistake is one thing wrong with a setting.
type Mistake struct {
	Attribute string // dotted through blocks; "" where it is about the whole
	Message   string
}

func (m Mistake) String() string {
	if m.Attribute == "" {
		return m.Message
	}
	return m.Attribute + ": " + m.Message
}

// Decode sets the fields of into, a pointer to a struct, from a JSON object.
// Fields that the object leaves out keep their values. All mistakes are
// returned at once.
func Decode(object []byte, into any) []Mistake {
	v := reflect.ValueOf(into)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		v = reflect.New(reflect.TypeFor[struct{}]()).Elem() // nothing can be set
	}
	d := decoder{}
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
		d.mistake(at, "want an object, not %s", abridged(raw))
		return
	}
	fs, err := fields(v.Type())
	if err != nil {
		d.mistake(at, "%v", err)
		return
	}
	names := make([]string, len(fs))
	for i, f := range fs {
		names[i] = f.name
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
	d.unknown(at, values, names)
}

func (d *decoder) unknown(at string, values map[string]json.RawMessage, known []string) {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		d.mistake(join(at, name), "there is no such setting%s", suggestion(name, known))
	}
}

// suggestion names the known name that is meant, if one is near.
func suggestion(name string, known []string) string {
	nearest, best := "", len(name)/3+2
	for _, other := range known {
		if d := levenshtein.Distance(name, other, nil); d < best {
			nearest, best = other, d
		}
	}
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", nearest)
}

func join(at, name string) string {
	return strings.TrimPrefix(at+"."+name, ".")
}

func (d *decoder) block(at string, raw []byte, v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			d.mistake(at, "want a list of blocks, not %s", abridged(raw))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
		for i, item := range items {
			d.block(fmt.Sprintf("%s[%d]", at, i), item, v.Index(i))
		}
	case reflect.Pointer:
		own := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			own.Elem().Set(v.Elem()) // the prototype's: what is not set keeps its default
		}
		v.Set(own)
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
		d.list(at, raw, v)
	case reflect.Map:
		d.mapping(at, raw, v)
	default:
		if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil || string(raw) == "null" {
			d.mistake(at, "want %s: %s does not fit", kindText(v.Type()), abridged(raw))
		}
	}
}

func (d *decoder) list(at string, raw []byte, v reflect.Value) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		d.mistake(at, "want a list, not %s", abridged(raw))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		d.value(fmt.Sprintf("%s[%d]", at, i), item, v.Index(i))
	}
}

func (d *decoder) mapping(at string, raw []byte, v reflect.Value) {
	var items map[string]json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		d.mistake(at, "want a map, not %s", abridged(raw))
		return
	}
	keys := make([]string, 0, len(items))
	for key := range items {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	v.Set(reflect.MakeMapWithSize(v.Type(), len(items)))
	for _, key := range keys {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(join(at, key), items[key], elem)
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), elem)
	}
}

// text sets what is written as a string: durations, addresses, big numbers.
// Numbers are taken as their digits, because people write value = 5.
func (d *decoder) text(at string, raw []byte, v reflect.Value) {
	s := string(raw)
	switch {
	case raw[0] == '"':
		if err := json.Unmarshal(raw, &s); err != nil {
			d.mistake(at, "want a string, not %s", abridged(raw))
			return
		}
	case raw[0] != '-' && (raw[0] < '0' || raw[0] > '9'):
		d.mistake(at, "want a string, not %s", abridged(raw))
		return
	}
	if v.Type() == durationType {
		duration, err := time.ParseDuration(s)
		if err != nil {
			d.mistake(at, "want a duration such as \"5s\" or \"2m30s\", not %q", abridged([]byte(s)))
			return
		}
		v.SetInt(int64(duration))
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		d.mistake(at, "%q is no %s: %v", abridged([]byte(s)), textName(v.Type()), err)
	}
}

// textName is what people call a type that is written as text.
func textName(t reflect.Type) string {
	switch t.String() {
	case "common.Address":
		return "address, which is 0x and 40 hexadecimal digits"
	case "common.Hash":
		return "hash, which is 0x and 64 hexadecimal digits"
	case "uint256.Int":
		return "whole number of up to 256 bits"
	}
	return t.String()
}

func kindText(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("a whole number from 0 to %d", ^uint64(0)>>(64-t.Bits()))
	default:
		return fmt.Sprintf("a whole number of %d bits", t.Bits())
	}
}

// abridged is text that fits on a line.
func abridged(raw []byte) string {
	const most = 60
	if len(raw) <= most {
		return string(raw)
	}
	n := most
	for n > 0 && !utf8.RuneStart(raw[n]) {
		n--
	}
	return string(raw[:n]) + "…"
}
