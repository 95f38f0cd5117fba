package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-io/penstock/sdk/remote"
	"github.com/penstock-io/penstock/sdk/transit"
)

// portions is into how many portions suspect rows are parted in one generation.
const portions = 512

// afterTrial is how many rows after those on trial are given out one by one: the
// first tells whether they were to blame.
const afterTrial = 64

// care is what a process's input needs where not everything can simply be
// passed on. It is constant within a generation.
type care struct {
	skip    map[uint32]map[uint64]string // rows to leave out, by input, with the hash of their content
	trial   *span                        // the rows that are left out without being condemned
	suspect []span                       // to be given out in portions
	portion uint64                       // rows
	last    *span                        // ends with the last of the rows that are given out once more
}

// careful works out what the process's input needs; nil: nothing.
func (p *process) careful() (*care, error) {
	left, err := p.domain.condemnedRows()
	if err != nil {
		return nil, err
	}
	c := &care{skip: make(map[uint32]map[uint64]string)}
	leaveOut := func(input uint32, row uint64, hash string) {
		if c.skip[input] == nil {
			c.skip[input] = make(map[uint64]string)
		}
		c.skip[input][row] = hash
	}
	for _, row := range left.Rows {
		if row.Process == p.spec().Name() {
			leaveOut(row.Input, row.Row, row.Hash)
		}
	}
	p.domain.mu.Lock()
	defer p.domain.mu.Unlock()
	switch s := p.suspicion; {
	case s == nil:
	case s.stage == onceMore:
		c.suspect, c.portion, c.last = s.rows, 1, new(s.rows[0])
	case s.stage == onTrial:
		c.trial = new(s.rows[0])
		for row := c.trial.from; row < c.trial.to; row++ {
			leaveOut(c.trial.input, row, "")
		}
		c.suspect = []span{{input: c.trial.input, from: c.trial.from, to: c.trial.to + afterTrial}}
		c.portion = 1
	case s.attempts > 1:
		c.suspect, c.portion = s.rows, max(1, (total(s.rows)+portions-1)/portions)
	}
	if len(c.skip) == 0 && len(c.suspect) == 0 {
		return nil, nil
	}
	return c, nil
}

// piece is a part of a batch, in rows of the batch.
type piece struct {
	from, to uint64
	hash     string // of a condemned row
	out      bool   // to leave out
	probe    bool   // wait until the process is through with it
}

// cut parts a batch whose first row has a number.
func (c *care) cut(input uint32, first, rows uint64) []piece {
	var out []piece
	plain := func(from, to uint64) {
		for from < to {
			end, probe := c.next(input, first+from, first+to)
			out = append(out, piece{from: from, to: end - first, probe: probe})
			from = end - first
		}
	}
	from := uint64(0)
	for i := range rows {
		if hash, skip := c.skip[input][first+i]; skip {
			plain(from, i)
			out = append(out, piece{from: i, to: i + 1, hash: hash, out: true})
			from = i + 1
		}
	}
	plain(from, rows)
	return out
}

// next is the end of the piece that begins at a row, and whether it is suspect.
func (c *care) next(input uint32, from, to uint64) (end uint64, suspect bool) {
	for _, s := range c.suspect {
		switch {
		case s.input != input || s.to <= from || s.from >= to:
		case s.from > from:
			return s.from, false
		default:
			return min(to, s.to, from+c.portion), true
		}
	}
	return to, false
}

// deliver gives a batch to the process.
func (p *process) deliver(ctx context.Context, f *remote.Frame) error {
	e := p.inputs.edges[f.Input]
	first, rows := e.rows, uint64(f.Rows)
	e.rows += rows
	if p.care == nil {
		return p.give(f, first)
	}
	pieces := p.care.cut(f.Input, first, rows)
	if len(pieces) == 1 && !pieces[0].out && !pieces[0].probe {
		return p.give(f, first)
	}
	typ := e.spec.From.Register.Output
	body := f.Body.Materialize()
	for _, part := range pieces {
		if err := p.deliverPiece(ctx, f, first, part, typ, body); err != nil {
			return err
		}
	}
	return nil
}

func (p *process) deliverPiece(ctx context.Context, f *remote.Frame, first uint64, part piece, typ transit.Type, body []byte) error {
	rows, err := transit.Slice(typ, body, int(part.from), int(part.to))
	if err != nil {
		return p.failed(fmt.Errorf("look for the row that breaks it: %w", err))
	}
	if part.out {
		out, err := p.leavesOut(typ, part, rows)
		if out || err != nil {
			return err
		}
	}
	if part.probe { // what it dies of is not to be one of the rows before
		if err := p.getThrough(ctx); err != nil {
			return err
		}
	}
	g := *f
	g.Rows, g.Body = uint32(part.to-part.from), remote.Bytes(rows)
	if err := p.give(&g, first+part.from); err != nil || !part.probe {
		return err
	}
	if err := p.getThrough(ctx); err != nil {
		return err
	}
	if last := p.care.last; last != nil && f.Input == last.input && first+part.to == last.to {
		p.cleared()
	}
	return p.verdict()
}

// getThrough waits until the process is through with what it was given.
func (p *process) getThrough(ctx context.Context) error {
	if err := p.probe(); err != nil {
		return err
	}
	return p.flight.wait(ctx)
}

// leavesOut tells whether a row is left out: one on trial, or one that is
// condemned and is still the same.
func (p *process) leavesOut(typ transit.Type, part piece, row []byte) (bool, error) {
	if part.hash == "" {
		p.left = append(p.left, row)
		return true, nil
	}
	hash, err := hashOf(typ, row)
	return hash == part.hash, err
}

// verdict ends the trial of rows: the process is through with the one after
// them.
func (p *process) verdict() error {
	if p.care == nil || p.care.trial == nil || uint64(len(p.left)) < p.care.trial.rows() {
		return nil
	}
	rows := p.left
	p.left = nil
	return p.survived(rows)
}

// lastVerdict ends the trial of rows after which none will come. That they are to
// blame is believed if the process is through with others in this generation.
func (p *process) lastVerdict(ctx context.Context) error {
	if p.care == nil || p.care.trial == nil || len(p.left) == 0 {
		return nil
	}
	if p.good == 0 {
		return p.failed(errors.New("its last rows break it, and there are no others to tell whether it can do any"))
	}
	if err := p.probe(); err != nil {
		return err
	}
	if err := p.flight.wait(ctx); err != nil {
		return err
	}
	return p.verdict()
}

// give sends a batch, numbered.
func (p *process) give(f *remote.Frame, first uint64) error {
	due := p.flight.add(f, first, "")
	p.batches.Add(1)
	p.good += uint64(f.Rows)
	if err := p.stream.Load().Send(f); err != nil {
		return err
	}
	if due {
		return p.probe()
	}
	return nil
}

// probe asks whether the process is through with what it was given.
func (p *process) probe() error {
	f := p.flight.ask()
	if f == nil {
		return nil
	}
	f.Generation = p.generation
	return p.stream.Load().Send(f)
}
