// Package estimate tells what reading a range of blocks will cost before it is
// read: samples of it are read for real, through the readers that would read it,
// and what they took is projected.
package estimate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/penstock-io/penstock/sdk/digest"
)

// Config says what to estimate. Read and Meter are required.
type Config struct {
	From, To uint64 // blocks, both inclusive
	// Samples is how many stretches are read, spread over the range; 0: 5.
	Samples int
	// Blocks is how many blocks a stretch has; 0: 500, or less where the range is
	// short.
	Blocks uint64
	// Read reads blocks and returns what came of them.
	Read func(ctx context.Context, from, to uint64) ([]digest.Range, error)
	// Meter has counted the calls meanwhile.
	Meter *Meter
	// Units are what a call of a method costs; those that are not in it cost 1.
	Units map[string]float64
	// Price is that of a unit; 0: it has none.
	Price float64
}

// Estimate is what reading a range will take. All of it but From, To, Blocks and
// Sampled is projected.
type Estimate struct {
	From    uint64            `json:"from"`
	To      uint64            `json:"to"`
	Blocks  uint64            `json:"blocks"`
	Sampled uint64            `json:"sampled_blocks"`
	Rows    uint64            `json:"rows"`
	Calls   map[string]uint64 `json:"calls"` // by method
	Units   float64           `json:"units"`
	Bytes   uint64            `json:"bytes"` // of answers
	Cost    float64           `json:"cost"`
	// Least and Most are how long it takes at the speed of the fastest and of the
	// slowest stretch.
	Least time.Duration `json:"least_ns"`
	Most  time.Duration `json:"most_ns"`
}

const (
	samplesDefault = 5
	blocksDefault  = 500
)

// Run reads samples.
func Run(ctx context.Context, c Config) (*Estimate, error) {
	if c.To < c.From {
		return nil, fmt.Errorf("the range from block %d to block %d has no blocks", c.From, c.To)
	}
	e := &Estimate{From: c.From, To: c.To, Blocks: c.To - c.From + 1, Calls: map[string]uint64{}}
	var fastest, slowest float64 // seconds for a block
	for _, at := range c.stretches() {
		c.Meter.take()
		sums, err := c.Read(ctx, at.From, at.To)
		if err != nil {
			return nil, fmt.Errorf("read blocks %d to %d as a sample: %w", at.From, at.To, err)
		}
		counted, took := c.Meter.take()
		blocks := at.To - at.From + 1
		e.Sampled += blocks
		e.Bytes += counted.bytes
		for method, n := range counted.calls {
			e.Calls[method] += n
		}
		for _, s := range sums {
			e.Rows += s.Rows
		}
		pace := took.Seconds() / float64(blocks)
		if fastest == 0 || pace < fastest {
			fastest = pace
		}
		slowest = max(slowest, pace)
	}
	e.project(c)
	e.Least = time.Duration(fastest * float64(e.Blocks) * float64(time.Second))
	e.Most = time.Duration(slowest * float64(e.Blocks) * float64(time.Second))
	return e, nil
}

// project makes what the samples took what all blocks will take.
func (e *Estimate) project(c Config) {
	share := float64(e.Blocks) / float64(e.Sampled)
	all := func(n uint64) uint64 { return uint64(float64(n)*share + 0.5) }
	e.Rows, e.Bytes = all(e.Rows), all(e.Bytes)
	for _, method := range slices.Collect(maps.Keys(e.Calls)) {
		e.Calls[method] = all(e.Calls[method])
		unit, weighed := c.Units[method]
		if !weighed {
			unit = 1
		}
		e.Units += unit * float64(e.Calls[method])
	}
	e.Cost = e.Units * c.Price
}

// stretches are the samples, spread over the range; all of it where it is short.
func (c Config) stretches() []digest.Range {
	n, size := uint64(c.Samples), c.Blocks
	if n == 0 {
		n = samplesDefault
	}
	if size == 0 {
		size = blocksDefault
	}
	blocks := c.To - c.From + 1
	if blocks <= n*size {
		return []digest.Range{{From: c.From, To: c.To}}
	}
	var out []digest.Range
	for i := range n {
		at := c.From + uint64(float64(blocks-size)*(float64(i)+0.5)/float64(n))
		out = append(out, digest.Range{From: at, To: at + size - 1})
	}
	return out
}
