package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// loader adds up digests. What it holds is its snapshot: a rewind takes it back.
type loader struct {
	Path   string `hcl:"path,writes" doc:"the JSON file that the sums are written to"`
	Column string `hcl:"column,optional" doc:"the column with the number that ranges are of; empty: all rows are in one range"`
	Every  uint64 `hcl:"every,optional" doc:"how many numbers a range has; ranges begin at its multiples"`
	From   uint64 `hcl:"from,optional" doc:"rows with a lower number are left out"`
	To     uint64 `hcl:"to,optional" doc:"rows with a higher number are left out; 0: none are"`

	ranges  map[uint64]*digest.Range // by number of the range
	row     digest.Row
	changed bool
}

// Validate checks the settings.
func (l *loader) Validate() error {
	switch {
	case l.Path == "":
		return errors.New("path is empty: write the name of a file")
	case l.Every == 0:
		return errors.New("every is 0: write how many blocks a range has")
	}
	return nil
}

// Start refuses types whose rows have no such number.
func (l *loader) Start(_ context.Context, start sdk.Start) error {
	l.ranges, l.changed = map[uint64]*digest.Range{}, true
	if len(start.Inputs) != 1 {
		return sdk.Stop(fmt.Errorf("it takes one input, not %d: use a loader for each", len(start.Inputs)))
	}
	if l.Column != "" && !hasNumber(start.Inputs[0].Type, l.Column) {
		return sdk.Stop(fmt.Errorf("%s has no column %s of type uint64: name another with column", start.Inputs[0].Type.Name, l.Column))
	}
	return nil
}

func hasNumber(t transit.Type, name string) bool {
	return slices.ContainsFunc(t.Columns(), func(c transit.Column) bool { return c.Name == name && c.Type == "uint64" })
}

// Load adds rows.
func (l *loader) Load(_ context.Context, _ int, batch transit.Batch) error {
	number := func(int) uint64 { return l.From }
	if l.Column != "" {
		fields := batch.Record.Schema().FieldIndices(l.Column)
		numbers, ok := batch.Record.Column(fields[0]).(*array.Uint64)
		if !ok {
			return sdk.Stop(fmt.Errorf("column %s is no uint64", l.Column)) // unreachable: Start has seen the type
		}
		number = numbers.Value
	}
	for row := range int(batch.Record.NumRows()) {
		if n := number(row); n < l.From || l.To != 0 && n > l.To {
			continue
		}
		for col := range int(batch.Record.NumCols()) {
			l.row.Value(batch.Value(col, row))
		}
		r := l.of(number(row))
		r.Rows++
		r.Sum.Add(l.row.Digest())
	}
	l.changed = true
	return nil
}

// of is the range that a number belongs to.
func (l *loader) of(number uint64) *digest.Range {
	at := number / l.Every
	r := l.ranges[at]
	if r == nil {
		r = &digest.Range{From: at * l.Every, To: at*l.Every + l.Every - 1}
		l.ranges[at] = r
	}
	return r
}

// Sum is a range as it stands in the file.
type sum struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	Rows uint64 `json:"rows"`
	Sum  string `json:"sum"`
}

// Snapshot is what it holds.
func (l *loader) Snapshot() ([]byte, error) {
	sums := make([]sum, 0, len(l.ranges))
	for _, r := range l.ranges {
		sums = append(sums, sum{From: r.From, To: r.To, Rows: r.Rows, Sum: hex.EncodeToString(r.Sum[:])})
	}
	slices.SortFunc(sums, func(a, b sum) int {
		if a.From < b.From {
			return -1
		}
		return 1
	})
	return json.MarshalIndent(sums, "", "  ")
}

// Restore takes back what Snapshot gave.
func (l *loader) Restore(state []byte) error {
	var sums []sum
	if err := json.Unmarshal(state, &sums); err != nil {
		return fmt.Errorf("read the sums so far: %w", err)
	}
	l.ranges = map[uint64]*digest.Range{}
	for _, s := range sums {
		r := &digest.Range{From: s.From, To: s.To, Rows: s.Rows}
		if n, err := hex.Decode(r.Sum[:], []byte(s.Sum)); err != nil || n != len(r.Sum) {
			return fmt.Errorf("read the sums so far: that of %d to %d is broken", s.From, s.To)
		}
		l.ranges[s.From/l.Every] = r
	}
	l.changed = true
	return nil
}

// Commit writes the file, whole or not at all.
func (l *loader) Commit(context.Context, sdk.Commit) error {
	if !l.changed {
		return nil
	}
	text, err := l.Snapshot()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(l.Path), 0o750); err != nil {
		return fmt.Errorf("make room for the sums: %w", err)
	}
	if err := os.WriteFile(l.Path+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the sums: %w; free some space, or name another file with path", err)
	}
	if err := os.Rename(l.Path+".new", l.Path); err != nil {
		return fmt.Errorf("write the sums: %w", err)
	}
	l.changed = false
	return nil
}
