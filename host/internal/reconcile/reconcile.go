// Package reconcile compares what two stores hold, or a store and the chain: by
// counts and sums of ranges of blocks, and where those differ by ever smaller
// ranges, until the blocks are known.
package reconcile

import (
	"context"
	"fmt"

	"github.com/penstock-io/penstock/sdk/digest"
)

// Side is one of the two that are compared.
type Side struct {
	Name string
	// Digest tells what it holds of ranges, in their order. They ascend, have the
	// same size and do not overlap.
	Digest func(ctx context.Context, ranges []digest.Range) ([]digest.Range, error)
}

// Config says what to compare.
type Config struct {
	A, B     Side
	From, To uint64 // blocks, both inclusive
	// Every is how many blocks are compared at once at first; 0: 100,000.
	Every uint64
	// Most is how many differences are looked for before it is enough; 0: 20.
	Most int
	// Progress is told how many blocks were compared; nil: nobody is.
	Progress func(blocks uint64)
}

// Report is what a comparison found.
type Report struct {
	A           string       `json:"a"`
	B           string       `json:"b"`
	From        uint64       `json:"from"`
	To          uint64       `json:"to"`
	RowsA       uint64       `json:"rows_a"`
	RowsB       uint64       `json:"rows_b"`
	Differences []Difference `json:"differences"`
	// More says that there are others: looking ended with the last one here.
	More bool `json:"more,omitempty"`
}

// Difference is blocks of which the two hold different rows.
type Difference struct {
	From  uint64 `json:"from"`
	To    uint64 `json:"to"`
	RowsA uint64 `json:"rows_a"`
	RowsB uint64 `json:"rows_b"`
}

// Equal reports whether no difference was found.
func (r *Report) Equal() bool { return len(r.Differences) == 0 }

const (
	everyDefault = 100_000
	mostDefault  = 20
	// atOnce is how many ranges are asked for at once.
	atOnce = 256
	// narrower is into how many parts a range is parted that differs.
	narrower = 64
)

// Run compares. An error names the side that could not tell.
func Run(ctx context.Context, c Config) (*Report, error) {
	if c.Every == 0 {
		c.Every = everyDefault
	}
	if c.Most == 0 {
		c.Most = mostDefault
	}
	r := &Report{A: c.A.Name, B: c.B.Name, From: c.From, To: c.To, Differences: []Difference{}}
	ranges := cut(c.From, c.To, c.Every)
	for len(ranges) > 0 && !r.More {
		part := ranges[:min(len(ranges), atOnce)]
		ranges = ranges[len(part):]
		different, err := c.compare(ctx, part, r)
		if err != nil {
			return nil, err
		}
		for _, d := range different {
			if err := c.narrow(ctx, r, d); err != nil {
				return nil, err
			}
		}
		if c.Progress != nil {
			c.Progress(part[len(part)-1].To - part[0].From + 1)
		}
	}
	return r, nil
}

// compare asks both sides and returns the ranges that differ. Rows are counted
// in total unless it is nil.
func (c *Config) compare(ctx context.Context, ranges []digest.Range, total *Report) ([]Difference, error) {
	a, err := c.A.ask(ctx, ranges)
	if err != nil {
		return nil, err
	}
	b, err := c.B.ask(ctx, ranges)
	if err != nil {
		return nil, err
	}
	var out []Difference
	for i := range ranges {
		if total != nil {
			total.RowsA += a[i].Rows
			total.RowsB += b[i].Rows
		}
		if a[i].Rows != b[i].Rows || a[i].Sum != b[i].Sum {
			out = append(out, Difference{From: ranges[i].From, To: ranges[i].To, RowsA: a[i].Rows, RowsB: b[i].Rows})
		}
	}
	return out, nil
}

func (s Side) ask(ctx context.Context, ranges []digest.Range) ([]digest.Range, error) {
	got, err := s.Digest(ctx, ranges)
	if err == nil && len(got) != len(ranges) {
		err = fmt.Errorf("it answered %d ranges of %d", len(got), len(ranges))
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s what it holds of blocks %d to %d: %w", s.Name, ranges[0].From, ranges[len(ranges)-1].To, err)
	}
	return got, nil
}

// narrow finds the blocks of a range that differ. Neighbours are told as one.
func (c *Config) narrow(ctx context.Context, r *Report, d Difference) error {
	if r.More {
		return nil
	}
	if d.From == d.To {
		c.add(r, d)
		return nil
	}
	size := max(1, (d.To-d.From+narrower)/narrower)
	different, err := c.compare(ctx, cut(d.From, d.To, size), nil)
	if err != nil {
		return err
	}
	for _, part := range different {
		if err := c.narrow(ctx, r, part); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) add(r *Report, d Difference) {
	n := len(r.Differences)
	if n > 0 && r.Differences[n-1].To+1 == d.From {
		last := &r.Differences[n-1]
		last.To, last.RowsA, last.RowsB = d.To, last.RowsA+d.RowsA, last.RowsB+d.RowsB
		return
	}
	if n >= c.Most {
		r.More = true
		return
	}
	r.Differences = append(r.Differences, d)
}

// cut parts blocks into ranges that begin at multiples of a size.
func cut(from, to, size uint64) []digest.Range {
	var out []digest.Range
	for at := from; ; {
		end := at/size*size + size - 1
		if end >= to || end < at {
			return append(out, digest.Range{From: at, To: to})
		}
		out = append(out, digest.Range{From: at, To: end})
		at = end + 1
	}
}
