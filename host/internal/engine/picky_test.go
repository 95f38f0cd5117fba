package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/sdk/transit"
)

// bad is what makes rows bad, told by their values.
type bad struct {
	Bad    []uint64 `hcl:"bad,optional"`
	Outage uint64   `hcl:"outage,optional"` // from this value on all are
	Ends   uint64   `hcl:"ends,optional"`   // until that has been noticed so often
	Fate   string   `hcl:"fate,optional"`   // what comes of it, a fault
	Mend   string   `hcl:"mend,optional"`   // while this file is there, no row is bad
	Noted  string   `hcl:"noted,optional"`  // a file with a line for each bad row that came by
}

// use is how a step works on a row.
func (b *bad) use(value uint64) error {
	if !slices.Contains(b.Bad, value) && (b.Outage == 0 || value < b.Outage) || exists(b.Mend) {
		return nil
	}
	if b.Noted != "" {
		seen, err := os.ReadFile(b.Noted)
		if b.Ends > 0 && err == nil && strings.Count(string(seen), "\n") >= int(b.Ends) {
			return nil
		}
		if err := appendTo(b.Noted, fmt.Sprintln("bad", value)); err != nil {
			return err
		}
	}
	return (&fault{How: b.Fate}).strike(0)
}

func exists(path string) bool {
	if path == "" {
		return false
	}
	_, err := os.Stat(path)
	return err == nil
}

// picky cannot work on some rows. It makes running sums, or leaves values as
// they are.
type picky struct {
	Plain bool `hcl:"plain,optional"`
	fault
	bad
	sum uint64
}

func (p *picky) Transform(_ context.Context, n number, emit func(number) error) error {
	if err := p.use(n.Value); err != nil {
		return err
	}
	if p.sum += n.Value; !p.Plain {
		n.Value = p.sum
	}
	return emit(n)
}

func (p *picky) Snapshot() ([]byte, error) { return binary.BigEndian.AppendUint64(nil, p.sum), nil }

func (p *picky) Restore(state []byte) error {
	p.sum = binary.BigEndian.Uint64(state)
	return nil
}

// together is a picky that is given many rows at once.
type together struct{ picky }

func (t *together) TransformBatch(ctx context.Context, rows []number, emit func(number) error) error {
	for _, n := range rows {
		if err := t.Transform(ctx, n, emit); err != nil {
			return err
		}
	}
	return nil
}

// each passes on what comes on the left, row by row.
type each struct {
	fault
	bad
}

func (e *each) Aggregate(_ context.Context, in pairs, emit func(number) error) error {
	for _, n := range in.Left {
		if err := errors.Join(e.strike(n.BlockNumber), e.use(n.Value)); err != nil {
			return err
		}
		if err := emit(n); err != nil {
			return err
		}
	}
	return nil
}

// columns is a file loader that takes columns.
type columns struct{ file }

func (c *columns) Load(ctx context.Context, _ int, batch transit.Batch) error {
	for row := range int(batch.Record.NumRows()) {
		r := record{BlockNumber: batch.Value(0, row).(uint64), Value: batch.Value(1, row).(uint64)}
		if err := c.file.Load(ctx, []record{r}); err != nil {
			return err
		}
	}
	return nil
}
