package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions returns what expressions can call.
func functions(options Options) map[string]function.Function {
	all := map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc,
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc,

		"format": stdlib.FormatFunc, "join": stdlib.JoinFunc, "lower": stdlib.LowerFunc,
		"regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc, "replace": stdlib.ReplaceFunc,
		"split": stdlib.SplitFunc, "strlen": stdlib.StrlenFunc, "substr": stdlib.SubstrFunc,
		"trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc,
		"trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc,

		"coalesce": stdlib.CoalesceFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc,
		"contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc,
		"flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc,
		"lookup": stdlib.LookupFunc, "merge": stdlib.MergeFunc, "range": stdlib.RangeFunc,
		"reverse": stdlib.ReverseListFunc, "setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc,
		"sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,

		"jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc, "csvdecode": stdlib.CSVDecodeFunc,

		"tobool":   stdlib.MakeToFunc(cty.Bool),
		"tolist":   stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":    stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"tonumber": stdlib.MakeToFunc(cty.Number),
		"toset":    stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring": stdlib.MakeToFunc(cty.String),

		"env":  envFunction(options.Env),
		"file": fileFunction(options.BaseDir),
	}
	for name, f := range all {
		all[name] = discreet(f)
	}
	return all
}

// errUndisclosed stands for a message that may repeat a value nobody may see.
var errUndisclosed = errors.New("what is wrong is not shown, because the value comes from a sensitive variable, the environment or another file")

// discreet wraps a function so that its errors do not repeat marked values.
func discreet(inner function.Function) function.Function {
	hide := func(args []cty.Value, err error) error {
		for _, arg := range args {
			if arg.ContainsMarked() {
				return errUndisclosed
			}
		}
		return err
	}
	open := func(p function.Parameter) function.Parameter {
		p.AllowMarked = true
		return p
	}
	spec := &function.Spec{
		Description: inner.Description(),
		Type: func(args []cty.Value) (cty.Type, error) {
			t, err := inner.ReturnTypeForValues(args)
			if err != nil {
				return t, hide(args, err)
			}
			return t, nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			value, err := inner.Call(args)
			if err != nil {
				return value, hide(args, err)
			}
			return value, nil
		},
	}
	for _, p := range inner.Params() {
		spec.Params = append(spec.Params, open(p))
	}
	if p := inner.VarParam(); p != nil {
		opened := open(*p)
		spec.VarParam = &opened
	}
	return function.New(spec)
}

// envFunction reads the environment: env(name) or env(name, otherwise).
func envFunction(env func(string) (string, bool)) function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "otherwise", Type: cty.String, AllowMarked: true},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			if len(args) > 2 {
				return cty.NilVal, errors.New("it takes a name and at most one value to use otherwise")
			}
			if env != nil {
				if value, ok := env(name); ok {
					return cty.StringVal(value).Mark(outside), nil
				}
			}
			if len(args) == 2 {
				return args[1], nil
			}
			return cty.NilVal, function.NewArgErrorf(0, "environment variable %s is not set; set it, or write env(%q, \"...\") with a value to use otherwise", name, name)
		},
	})
}

// fileFunction reads a text file, which may be as large as a configuration.
func fileFunction(base string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path := relativeTo(base, args[0].AsString())
			content, err := readText(path)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "read %s: %v", path, err)
			}
			return cty.StringVal(content).Mark(outside), nil
		},
	})
}

func readText(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", reason(err)
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return "", reason(err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	switch {
	case err != nil:
		return "", reason(err)
	case len(content) > MaxSize:
		return "", fmt.Errorf("it is larger than %d MiB", MaxSize>>20)
	case !utf8.Valid(content):
		return "", errors.New("it is not UTF-8 text")
	}
	return string(content), nil
}

// relativeTo joins a path to the directory that relative paths begin at.
func relativeTo(base, path string) string {
	if path == "" || base == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}
