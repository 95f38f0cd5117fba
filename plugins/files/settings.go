package main

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// rotation says when a file is full.
type rotation struct {
	Size size  `hcl:"size,optional" doc:"how large a file may become, such as \"128MiB\"; a row that is larger has one for itself"`
	Rows int64 `hcl:"rows,optional" doc:"how many rows a file may have"`
}

// full tells whether a file at that place has no room for a line.
func (r *rotation) full(at place, line int) bool {
	if r == nil || at.Rows == 0 {
		return false
	}
	return r.Rows > 0 && at.Rows >= r.Rows || r.Size > 0 && at.Bytes+int64(line) > int64(r.Size)
}

func (r *rotation) check() error {
	switch {
	case r == nil:
		return nil
	case r.Rows < 0:
		return fmt.Errorf("rotate: rows is %d: write how many rows a file may have", r.Rows)
	case r.Rows == 0 && r.Size == 0:
		return errors.New(`rotate says neither size nor rows: write when a file is full, such as size = "128MiB", or leave rotate out`)
	}
	return nil
}

// size is a number of bytes.
type size int64

var sizes = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) *([KMGT]i?)?B$`)

// UnmarshalText reads a number and a unit.
func (s *size) UnmarshalText(text []byte) error {
	parts := sizes.FindSubmatch(text)
	if parts == nil {
		return errors.New(`write a number and B, KiB, MiB, GiB, KB, MB or GB, such as "128MiB"`)
	}
	n, err := strconv.ParseFloat(string(parts[1]), 64)
	if err != nil {
		return err
	}
	if unit := string(parts[2]); unit != "" {
		base := 1000.0
		if strings.HasSuffix(unit, "i") {
			base = 1024
		}
		n *= math.Pow(base, float64(strings.Index("KMGT", unit[:1])+1))
	}
	if n < 1 || n >= math.MaxInt64 {
		return errors.New(`that is no size of a file: write one such as "128MiB"`)
	}
	*s = size(n)
	return nil
}

// stepMark stands in a path for the name of the step that the rows come from.
const stepMark = "{step}"

var marks = regexp.MustCompile(`\{[^{}]*\}`)

// checkPath finds what can be wrong with a path wherever it leads.
func checkPath(path string) error {
	switch {
	case path == "":
		return errors.New(`path is empty: write the name of a file, such as "rows.jsonl", or "{step}.jsonl" for several steps`)
	case strings.HasSuffix(path, "/") || strings.HasSuffix(path, string(filepath.Separator)):
		return fmt.Errorf("path is %q, a directory: add the name of a file, such as %q", path, path+stepMark+".jsonl")
	case strings.Contains(filepath.Dir(path), stepMark):
		return fmt.Errorf("path is %q: %s stands in the name of the file, not in that of a directory", path, stepMark)
	case strings.HasSuffix(path, partial):
		return fmt.Errorf("path is %q: the ending %s is for files that are not complete; write another", path, partial)
	}
	for _, mark := range marks.FindAllString(filepath.Base(path), -1) {
		if mark != stepMark {
			return fmt.Errorf("path is %q: there is no %s to be filled in, only %s, the step that the rows come from", path, mark, stepMark)
		}
	}
	return nil
}

// nameFor is the name of the file for a step.
func nameFor(path, step string) string {
	return strings.ReplaceAll(filepath.Base(path), stepMark, plainName(step))
}

// plainName is a step's name as part of a file's: swaps["a/b"] is swaps-a-b.
func plainName(step string) string {
	name := strings.Join(strings.FieldsFunc(step, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_.-", r)
	}), "-")
	return strings.TrimLeft(name, ".")
}
