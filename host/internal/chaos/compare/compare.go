// Package compare says whether two directories hold the same rows, in the same
// order, and if not, where they begin to differ and how.
//
// A file is a number of sheets: an SQLite file has one for each table, any other
// file one whose rows are its lines. Two sheets are gone through side by side,
// so that their size does not matter until they differ.
package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Result is what a comparison has found. Nothing differs if First is nil.
type Result struct {
	Sheets []Sheet     `json:"compared"`
	First  *Difference `json:"difference,omitempty"`
}

// Sheet is one table or file that was compared.
type Sheet struct {
	Name string `json:"name"` // the file, and the table after a colon if it has tables
	Rows int    `json:"rows"` // of the second directory
}

// Kind is how two sheets differ at a row.
type Kind string

// The kinds.
const (
	NoSheet Kind = "there is no such table or file"
	Extra   Kind = "it should not be there"
	Columns Kind = "the columns differ"
	Lost    Kind = "a row is missing"
	Twice   Kind = "a row is there too often"
	Foreign Kind = "a row should not be there"
	Changed Kind = "a row is another one"
	Order   Kind = "the rows are in another order"
)

// Difference is the first place where what is there is not what should be.
type Difference struct {
	Sheet string `json:"sheet"`
	Kind  Kind   `json:"kind"`
	Row   int    `json:"row,omitempty"` // from 1
	Got   string `json:"got,omitempty"` // the row that is there, empty if the rows end before it
	Want  string `json:"want,omitempty"`
	// Lost and Foreign count all rows of the sheet that are there less or more
	// often than they should be.
	Lost    int `json:"rows_lost"`
	Foreign int `json:"rows_too_many"`
}

// String is the difference in a few lines.
func (d *Difference) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s", d.Sheet, d.Kind)
	if d.Row > 0 {
		fmt.Fprintf(&text, ", first at row %d\n  got   %s\n  want  %s\n", d.Row, cmp.Or(d.Got, "nothing more"), cmp.Or(d.Want, "nothing more"))
		fmt.Fprintf(&text, "  in all of it: %d rows missing, %d too many", d.Lost, d.Foreign)
	}
	return text.String()
}

// Trees compares two directories, what is there with what should be. Paths say
// where they are in the results.
func Trees(got, want string) (Result, error) {
	left, err := open(got)
	if err != nil {
		return Result{}, err
	}
	defer left.close()
	right, err := open(want)
	if err != nil {
		return Result{}, err
	}
	defer right.close()
	var result Result
	for _, name := range union(left.names(), right.names()) {
		a, b := left.sheets[name], right.sheets[name]
		if a == nil || b == nil {
			kind := Extra
			if a == nil {
				kind = NoSheet
			}
			result.note(&Difference{Sheet: name, Kind: kind})
			continue
		}
		rows, d, err := sheets(name, a, b)
		if err != nil {
			return result, fmt.Errorf("compare %s: %w", name, err)
		}
		result.Sheets = append(result.Sheets, Sheet{Name: name, Rows: rows})
		result.note(d)
	}
	return result, nil
}

func (r *Result) note(d *Difference) {
	if r.First == nil {
		r.First = d
	}
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// sheet is something that has rows.
type sheet interface {
	columns() ([]string, error) // nil: rows have no columns
	rows() (rows, error)
}

// rows are gone through once.
type rows interface {
	// next is the next row; ok is false after the last.
	next() (row []string, ok bool, err error)
	close()
}

// sheets compares two sheets and counts the rows of the second.
func sheets(name string, got, want sheet) (int, *Difference, error) {
	a, err := got.columns()
	if err != nil {
		return 0, nil, err
	}
	b, err := want.columns()
	if err != nil {
		return 0, nil, err
	}
	if !slices.Equal(a, b) {
		return 0, &Difference{Sheet: name, Kind: Columns, Row: 1, Got: strings.Join(a, ", "), Want: strings.Join(b, ", ")}, nil
	}
	count, at, err := firstDifference(got, want)
	if err != nil || at == nil {
		return count, nil, err
	}
	d := &Difference{Sheet: name, Row: at.row, Got: show(a, at.got, at.want), Want: show(a, at.want, at.got)}
	if err := d.classify(got, want, at); err != nil {
		return count, nil, err
	}
	return count, d, nil
}

// place is where two sheets begin to differ. A row is nil where a sheet has
// ended.
type place struct {
	row       int
	got, want []string
}

// firstDifference goes through both. The count of rows is right if they are equal.
func firstDifference(got, want sheet) (int, *place, error) {
	a, err := got.rows()
	if err != nil {
		return 0, nil, err
	}
	defer a.close()
	b, err := want.rows()
	if err != nil {
		return 0, nil, err
	}
	defer b.close()
	for n := 1; ; n++ {
		left, okLeft, err := a.next()
		if err != nil {
			return n, nil, err
		}
		right, okRight, err := b.next()
		if err != nil {
			return n, nil, err
		}
		if !okLeft && !okRight {
			return n - 1, nil, nil
		}
		if okLeft != okRight || !slices.Equal(left, right) {
			return n, &place{row: n, got: left, want: right}, nil
		}
	}
}

// classify finds out what happened to the row where two sheets begin to differ:
// that needs how often each row is there in all.
func (d *Difference) classify(got, want sheet, at *place) error {
	more := map[string]int{} // how much more often a row is there than it should be
	there := map[string]int{}
	if err := each(got, func(key string) { more[key]++ }); err != nil {
		return err
	}
	if err := each(want, func(key string) { more[key]--; there[key]++ }); err != nil {
		return err
	}
	for _, n := range more {
		d.Lost += max(-n, 0)
		d.Foreign += max(n, 0)
	}
	lost := at.want != nil && more[key(at.want)] < 0
	surplus := at.got != nil && more[key(at.got)] > 0
	known := at.got != nil && there[key(at.got)] > 0
	switch {
	case lost && surplus && !known:
		d.Kind = Changed
	case surplus && known:
		d.Kind = Twice
	case surplus:
		d.Kind = Foreign
	case lost:
		d.Kind = Lost
	default:
		d.Kind = Order
	}
	return nil
}

func each(s sheet, f func(key string)) error {
	r, err := s.rows()
	if err != nil {
		return err
	}
	defer r.close()
	for {
		row, ok, err := r.next()
		if err != nil || !ok {
			return err
		}
		f(key(row))
	}
}

func key(row []string) string { return strings.Join(row, "\x1f") }

// mostShown bounds what is shown of a value.
const mostShown = 400

// show is a row for people: all of it if there is no other to compare it with,
// and otherwise with a mark at the values that differ.
func show(columns, row, other []string) string {
	if row == nil {
		return ""
	}
	parts := make([]string, len(row))
	for i, value := range row {
		if len(value) > mostShown {
			value = value[:mostShown] + "…"
		}
		if columns == nil {
			parts[i] = fmt.Sprintf("%q", value)
			continue
		}
		parts[i] = columns[i] + "=" + value
		if i < len(other) && other[i] != row[i] {
			parts[i] = "*" + parts[i]
		}
	}
	return strings.Join(parts, " ")
}
