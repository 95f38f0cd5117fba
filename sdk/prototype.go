package sdk

import (
	"errors"
	"reflect"

	"github.com/penstock-io/penstock/sdk/internal/settings"
)

// prototype is the struct an author gave to a constructor: every process gets
// a copy of it.
type prototype struct{ value reflect.Value } // what the pointer points to

func newPrototype(author any) (prototype, error) {
	v := reflect.ValueOf(author)
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return prototype{reflect.ValueOf(struct{}{})}, errors.New("the prototype is nil: give a pointer to the struct with its defaults")
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return prototype{v}, nil
}

// pointer is the type of the copies.
func (p prototype) pointer() reflect.Type { return reflect.PointerTo(p.value.Type()) }

// copy returns a pointer to a new copy. Maps and slices are the copy's own;
// what pointers point to is shared.
func (p prototype) copy() any {
	c := reflect.New(p.value.Type())
	c.Elem().Set(p.value)
	ownCollections(c.Elem())
	return c.Interface()
}

// ownCollections replaces the maps and slices within v by copies, in fields
// that are not exported too: a process must not write into another's.
func ownCollections(v reflect.Value) {
	switch v.Kind() { //nolint:exhaustive // nothing else holds a collection of its own
	case reflect.Struct:
		for _, f := range v.Fields() {
			if !f.CanSet() {
				f = reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
			}
			ownCollections(f)
		}
	case reflect.Array:
		ownElements(v)
	case reflect.Slice:
		if !v.IsNil() {
			v.Set(reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v))
			ownElements(v)
		}
	case reflect.Map:
		if !v.IsNil() {
			v.Set(ownMap(v))
		}
	}
}

func ownElements(v reflect.Value) {
	switch v.Type().Elem().Kind() { //nolint:exhaustive // nothing else holds a collection of its own
	case reflect.Struct, reflect.Array, reflect.Slice, reflect.Map:
		for i := range v.Len() {
			ownCollections(v.Index(i))
		}
	}
}

func ownMap(v reflect.Value) reflect.Value {
	own := reflect.MakeMapWithSize(v.Type(), v.Len())
	for entries := v.MapRange(); entries.Next(); {
		elem := reflect.New(v.Type().Elem()).Elem()
		elem.Set(entries.Value())
		ownCollections(elem)
		own.SetMapIndex(entries.Key(), elem)
	}
	return own
}

// configure makes a copy with the settings in place and tells everything that
// is wrong with them.
func (p prototype) configure(object []byte) (any, []settings.Mistake) {
	instance := p.copy()
	mistakes := settings.Decode(object, instance)
	if v, ok := instance.(Validator); ok && len(mistakes) == 0 {
		if err := v.Validate(); err != nil {
			mistakes = append(mistakes, settings.Mistake{Message: err.Error()})
		}
	}
	return instance, mistakes
}
