package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/sdk/gather"
)

// settings are what a step can set.
type settings struct {
	Path    string            `hcl:"path,writes" doc:"the database file; it is made if it is not there, its directory is not"`
	Tables  map[string]string `hcl:"tables,optional" doc:"names of tables, by the step that the rows come from; a table is named after its step otherwise"`
	Migrate bool              `hcl:"migrate,optional" doc:"add columns that the rows have and a table lacks; otherwise the step fails, and says what has to be added"`
	Bytes   string            `hcl:"bytes,optional" doc:"how addresses, hashes and bytes are kept: hex, for text with 0x, or blob"`
	Uint256 string            `hcl:"uint256,optional" doc:"how integers of 256 bits are kept: text, exact decimals, or blob, 32 bytes that sort in order"`
	Key     []string          `hcl:"key,optional" doc:"the columns that tell rows apart: a row replaces the one with the same key; none: all rows are kept"`
	Indexes []index           `hcl:"index,block" doc:"another index"`
	gather.Limits
}

// index is an index on a table.
type index struct {
	Step    string   `hcl:"step,optional" doc:"the step whose table gets it; needed where several are read"`
	Columns []string `hcl:"columns" doc:"the columns, in order"`
	Unique  bool     `hcl:"unique,optional" doc:"no two rows may have the same values: rows that break it stop the step"`
}

func defaults() settings {
	return settings{Migrate: true, Bytes: inHex, Uint256: inText, Limits: gather.Default()}
}

// Ways to keep values.
const (
	inHex  = "hex"
	inText = "text"
	inBlob = "blob"
)

// Validate checks what can be known without the file.
func (s *settings) Validate() error {
	errs := []error{s.Check(0)}
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case s.Path == "":
		wrong(`path is empty: write the name of a file, such as "rows.db"`)
	case s.Path == ":memory:" || strings.HasPrefix(s.Path, "file:"):
		wrong("path is %q, which SQLite takes for something else: write the name of a file, such as \"rows.db\"", s.Path)
	}
	for _, step := range slices.Sorted(maps.Keys(s.Tables)) {
		if name := s.Tables[step]; name == "" || reserved(name) {
			wrong("the table of step %q is named %q: a name has a letter and does not begin with sqlite_ or penstock_", step, name)
		}
	}
	if s.Bytes != inHex && s.Bytes != inBlob {
		wrong("bytes is %q: write \"hex\" or \"blob\"", s.Bytes)
	}
	if s.Uint256 != inText && s.Uint256 != inBlob {
		wrong("uint256 is %q: write \"text\" or \"blob\"", s.Uint256)
	}
	if name := doubled(s.Key); name != "" {
		wrong("key names %q twice: remove one of them", name)
	}
	for _, ix := range s.Indexes {
		if len(ix.Columns) == 0 || doubled(ix.Columns) != "" {
			wrong("index: columns is %q: write each column of the index once", ix.Columns)
		}
	}
	return errors.Join(errs...)
}

// doubled is a name that is there twice; "": none.
func doubled(names []string) string {
	for i, name := range names {
		if slices.ContainsFunc(names[:i], func(other string) bool { return strings.EqualFold(name, other) }) {
			return name
		}
	}
	return ""
}

// indexesOf are the columns of the indexes of a step's table.
func (s *settings) indexesOf(step string) (all []index) {
	for _, ix := range s.Indexes {
		if ix.Step == "" || ix.Step == step {
			all = append(all, ix)
		}
	}
	return all
}

// checkSteps refuses settings about steps that are not read.
func (s *settings) checkSteps(steps []string) error {
	for _, step := range slices.Sorted(maps.Keys(s.Tables)) {
		if !slices.Contains(steps, step) {
			return fmt.Errorf("tables names the step %q, which this loader does not read: it reads %s", step, strings.Join(steps, ", "))
		}
	}
	for _, ix := range s.Indexes {
		switch {
		case ix.Step == "" && len(steps) > 1:
			return fmt.Errorf("the index on %s does not say on the table of which step it is: add step: it reads %s", strings.Join(ix.Columns, ", "), strings.Join(steps, ", "))
		case ix.Step != "" && !slices.Contains(steps, ix.Step):
			return fmt.Errorf("the index on %s names the step %q, which this loader does not read: it reads %s", strings.Join(ix.Columns, ", "), ix.Step, strings.Join(steps, ", "))
		}
	}
	return nil
}
