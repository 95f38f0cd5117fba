package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/penstock-io/penstock/sdk/gather"
)

// rotation says when a file is full.
type rotation struct {
	Size   gather.Size   `hcl:"size,optional" doc:"how large a file may become before it is compressed, such as \"128MiB\"; a row that is larger has one for itself"`
	Rows   int64         `hcl:"rows,optional" doc:"how many rows a file may have"`
	Blocks uint64        `hcl:"blocks,optional" doc:"how many blocks a file is for, beginning at a multiple of it, by the column block_number"`
	Every  time.Duration `hcl:"every,optional" doc:"how much time a file is for, such as \"24h\", beginning at a multiple of it since 1970 in UTC, by the rows' column timestamp"`
}

// full tells whether a file at that place has no room for a line of a row that
// belongs to a span of blocks and of time.
func (r *rotation) full(at place, line int, of span) bool {
	if r == nil || at.Rows == 0 {
		return false
	}
	return r.Rows > 0 && at.Rows >= r.Rows || r.Size > 0 && at.Text+int64(line) > int64(r.Size) || at.span != of
}

func (r *rotation) check() error {
	switch {
	case r == nil:
		return nil
	case r.Rows < 0:
		return fmt.Errorf("rotate: rows is %d: write how many rows a file may have", r.Rows)
	case r.Every < 0 || r.Every%time.Second != 0:
		return fmt.Errorf("rotate: every is %s: write whole seconds, such as \"1h\" or \"24h\"", r.Every)
	case r.Rows == 0 && r.Size == 0 && r.Blocks == 0 && r.Every == 0:
		return errors.New(`rotate says neither size nor rows, blocks or every: write when a file is full, such as size = "128MiB", or leave rotate out`)
	}
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
