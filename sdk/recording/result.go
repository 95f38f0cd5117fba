package recording

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// Result is how what a process has said compares with what was recorded.
type Result struct {
	Loader   bool   `json:"loader,omitempty"` // which says no rows: only that it takes them was seen
	Inputs   uint64 `json:"input_rows"`       // that were played
	Barriers uint64 `json:"barriers"`         // that were answered
	Recorded uint64 `json:"recorded_rows"`
	Rows     uint64 `json:"rows"` // that the process has said
	Same     uint64 `json:"same"`
	Changed  uint64 `json:"changed"`
	Missing  uint64 `json:"missing"`
	Extra    uint64 `json:"extra"`
	// PutAside are rows that the process has refused, Cause why it has refused the last.
	PutAside uint64 `json:"put_aside"`
	Cause    string `json:"cause,omitempty"`

	Misfit      error         `json:"-"` // the output does not fit what was recorded; no row was compared
	Differences []*Difference `json:"differences,omitempty"`
}

// DifferenceKind says how rows differ.
type DifferenceKind string

// The kinds of differences.
const (
	Changed DifferenceKind = "changed" // a row is another
	Missing DifferenceKind = "missing" // a row was recorded that the process did not say
	Extra   DifferenceKind = "extra"   // the process said a row that was not recorded
)

// Difference is one row that is not as recorded.
type Difference struct {
	Kind  DifferenceKind `json:"kind"`
	Row   uint64         `json:"row"` // number of the recorded row, from 1; of one too many: of the one that it stands before
	Block string         `json:"block,omitempty"`
	Cells []Cell         `json:"cells"`
}

// Cell is one value of a row.
type Cell struct {
	Column  string `json:"column"`
	Want    string `json:"want,omitempty"`
	Got     string `json:"got,omitempty"`
	Differs bool   `json:"differs,omitempty"`
}

// Equal tells whether everything is as recorded.
func (r *Result) Equal() bool {
	return r.Misfit == nil && r.Changed == 0 && r.Missing == 0 && r.Extra == 0
}

// Summary is the result in a line.
func (r *Result) Summary() string {
	aside := ""
	if r.PutAside > 0 {
		aside = fmt.Sprintf("; %s refused, last because: %s", rows(r.PutAside), plain(r.Cause))
	}
	switch {
	case r.Loader:
		return fmt.Sprintf("%s taken and %s answered%s", rows(r.Inputs), barriers(r.Barriers), aside)
	case r.Misfit != nil:
		return "the output is of another type than was recorded"
	case r.Equal():
		return fmt.Sprintf("%s as recorded%s", rows(r.Same), aside)
	}
	var parts []string
	for _, part := range []struct {
		n    uint64
		what string
	}{{r.Changed, "changed"}, {r.Missing, "missing"}, {r.Extra, "too many"}} {
		if part.n > 0 {
			parts = append(parts, number(part.n)+" "+part.what)
		}
	}
	return fmt.Sprintf("%s recorded: %s as recorded, %s%s", rows(r.Recorded), number(r.Same), strings.Join(parts, ", "), aside)
}

// WriteTo writes the differences for people.
func (r *Result) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	if r.Misfit != nil {
		b.WriteString(r.Misfit.Error() + "\n")
	}
	for _, d := range r.Differences {
		d.write(&b)
	}
	if more := r.Changed + r.Missing + r.Extra - uint64(len(r.Differences)); more > 0 {
		fmt.Fprintf(&b, "… and %s more that differ\n", rows(more))
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// mostContext is how many values that are the same are shown beside those that are
// not.
const mostContext = 4

func (d *Difference) write(b *strings.Builder) {
	at := ""
	if d.Block != "" {
		at = fmt.Sprintf(" (block %s)", plain(d.Block))
	}
	width := 0
	for _, c := range d.Cells {
		width = max(width, len(c.Column))
	}
	line := func(sign, column, text string) {
		fmt.Fprintf(b, "    %s %-*s  %s\n", sign, width, column, plain(text))
	}
	switch d.Kind {
	case Missing:
		fmt.Fprintf(b, "row %s%s is missing:\n", number(d.Row), at)
		for _, c := range d.Cells {
			line("-", c.Column, c.Want)
		}
	case Extra:
		fmt.Fprintf(b, "a row too many before row %s%s:\n", number(d.Row), at)
		for _, c := range d.Cells {
			line("+", c.Column, c.Got)
		}
	case Changed:
		fmt.Fprintf(b, "row %s%s is another:\n", number(d.Row), at)
		context := 0
		for _, c := range d.Cells {
			switch {
			case c.Differs:
				line("-", c.Column, c.Want)
				line("+", c.Column, c.Got)
			case context < mostContext:
				context++
				line(" ", c.Column, c.Want)
			}
		}
	}
}

func rows(n uint64) string {
	if n == 1 {
		return "1 row"
	}
	return number(n) + " rows"
}

func barriers(n uint64) string {
	if n == 1 {
		return "1 barrier"
	}
	return number(n) + " barriers"
}

// number writes a number as people read it.
func number(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// plain is text that comes from outside without what terminals obey.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
