package config

import (
	"maps"
	"slices"
)

// Variables names the variables that the files declare, sorted.
func (f *File) Variables() []string {
	return slices.Sorted(maps.Keys(f.eval.context.Variables["var"].Type().AttributeTypes()))
}
