package chaos

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// placeholder is what stands in a path for something that only the loader knows,
// such as {step}.
var placeholder = regexp.MustCompile(`\{[^{}/]*\}`)

// wrote tells whether a loader has left a file in a directory, also if it has
// numbered its files.
func (l Loader) wrote(out string) bool {
	return slices.ContainsFunc(l.Paths, func(path string) bool {
		path = filepath.Join(out, placeholder.ReplaceAllString(path, "*"))
		patterns := []string{path}
		if ending := filepath.Ext(path); ending != "" {
			patterns = append(patterns, strings.TrimSuffix(path, ending)+".*"+ending+"*")
		}
		for _, pattern := range patterns {
			if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
				return true
			}
		}
		return false
	})
}

// String is the report for people. It does not end with a new line.
func (r Report) String() string {
	var text strings.Builder
	verdict := "equal"
	if !r.Equal {
		verdict = "NOT EQUAL"
	}
	rows := 0
	for _, s := range r.Sheets {
		rows += s.Rows
	}
	fmt.Fprintf(&text, "seed %d: %s, block %d, %d rows in %d tables and files, %d faults, %s",
		r.Seed, verdict, r.Head, rows, len(r.Sheets), r.total(), r.Took.Round(100*time.Millisecond))
	for _, p := range r.Problems {
		fmt.Fprintf(&text, "\n  %s", p)
	}
	if r.First != nil {
		fmt.Fprintf(&text, "\n  %s", strings.ReplaceAll(r.First.String(), "\n", "\n  "))
	}
	if !r.Equal {
		fmt.Fprintf(&text, "\n  faults: %s", r.list())
	}
	if n := len(r.Ends); n > 0 {
		fmt.Fprintf(&text, "\n  the host ended by itself %d times and was started again, last with %s", n, r.Ends[n-1])
	}
	if len(r.NotCompared) > 0 {
		fmt.Fprintf(&text, "\n  not compared, as they leave no file: %s", strings.Join(r.NotCompared, ", "))
	}
	return text.String()
}

func (r Report) total() int {
	n := 0
	for _, count := range r.Faults {
		n += count
	}
	return n
}

func (r Report) list() string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(r.Faults)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, r.Faults[kind]))
	}
	return strings.Join(parts, ", ")
}
