package engine

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// recorded notes the newest checkpoint.
func (d *domain) recorded(c store.Checkpoint) {
	c.States = nil
	d.mu.Lock()
	defer d.mu.Unlock()
	d.newest = &c
	for _, p := range d.processes {
		p.acquitted = false
	}
}

// committed is the newest block that all readers have reached in a checkpoint.
func committed(c *store.Checkpoint) *uint64 {
	if c == nil {
		return nil
	}
	var least *uint64
	for _, at := range c.Readers {
		if !at.Known {
			return nil
		}
		if least == nil || at.Block < *least {
			least = new(at.Block)
		}
	}
	return least
}

func blockText(block *uint64) string {
	if block == nil {
		return "none"
	}
	return fmt.Sprint(*block)
}

// begins notes the first block of a reader that begins at the head, so that
// whoever goes back to the beginning misses none.
func (d *domain) begins(p *process, at *remote.Cursor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.first[p]; !known {
		d.first[p] = at.Block
	}
}

// firstBlock is nil where the pipeline says where to begin, or nobody knows.
func (d *domain) firstBlock(p *process) *uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if first, known := d.first[p]; known && p.spec().Pipeline.FromLatest {
		return &first
	}
	return nil
}

// pinned is where a pipeline that began at the head has begun, nil if it has
// not, or did not begin there. All of its processes are told.
func (d *domain) pinned(p *graph.Process) *uint64 {
	if !p.Pipeline.FromLatest {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var first *uint64
	for reader, block := range d.first {
		if p.Register.Type == registry.Reader && reader.spec().Name() != p.Name() {
			continue
		}
		if first == nil || block < *first {
			first = new(block)
		}
	}
	return first
}

// cursorOf is where a process goes on from: a reader where it was, everybody
// else where the reader is that is furthest behind. nil: from the beginning.
func (d *domain) cursorOf(p *graph.Process, from store.Checkpoint) *remote.Cursor {
	if p.Register.Type == registry.Reader {
		return cursorAt(from.Readers[p.Name()])
	}
	var least *remote.Cursor
	for _, r := range d.readers() {
		at := cursorAt(from.Readers[r.spec().Name()])
		if at == nil {
			return nil
		}
		if least == nil || at.Block < least.Block {
			least = at
		}
	}
	return least
}

// keptAtMost bounds how many checkpoints are kept where nobody says which
// blocks are final.
const keptAtMost = 1024

// oldestNeeded is the oldest checkpoint that a path may have to go back to: the
// newest one that is final, or the oldest of so many that no more are kept. ok is
// false if that is nothing new.
func (d *domain) oldestNeeded() (oldest uint64, final, ok bool) {
	kept := d.memory.Kept()
	if pin, ok := d.pinnedTo(); ok {
		kept = slices.DeleteFunc(kept, func(c store.Checkpoint) bool { return c.Number > pin })
	}
	for _, c := range kept {
		if c.Final || d.final(c) {
			oldest, final = c.Number, true
		}
	}
	if n := len(kept) - keptAtMost; n > 0 && kept[n].Number > oldest {
		oldest, final = kept[n].Number, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if oldest <= d.told {
		return 0, false, false
	}
	d.told = oldest
	return oldest, final, true
}

// final tells whether no reorganisation can take a checkpoint back.
func (d *domain) final(c store.Checkpoint) bool {
	for _, p := range d.readers() {
		at := c.Readers[p.spec().Name()]
		if !at.Known || p.finalized.Load() == 0 || at.Block > p.finalized.Load() {
			return false
		}
	}
	return true
}

// within are the checkpoints that a path may go back to: the newest final one
// and those after it. Older ones may still be there, but loaders have forgotten
// them.
func within(kept []store.Checkpoint) []store.Checkpoint {
	for i := range slices.Backward(kept) {
		if kept[i].Final {
			return kept[i:]
		}
	}
	return kept
}

// reorganised goes back to before a fork.
func (d *domain) reorganised(reorg *reorgError) error {
	d.cfg.Logger.Info("the chain was reorganised", "pipeline", d.name, "step", reorg.step, "fork", reorg.fork.Block)
	d.mu.Lock()
	for _, p := range d.processes {
		p.suspicion = nil // other rows may come in the place of these
	}
	d.mu.Unlock()
	return d.rewind(reorg.fork, true)
}

// rewind forgets the checkpoints after a place; fork: because the chain has
// changed its mind.
func (d *domain) rewind(to *remote.Cursor, fork bool) error {
	number, oldest := d.newestBefore(to)
	if number > 0 || oldest == nil || !oldest.Final {
		return d.goBack(number, fork)
	}
	if !fork { // a plugin asked for it: what is final it cannot have otherwise
		return d.goBack(oldest.Number, false)
	}
	return fmt.Errorf("the chain was reorganised after block %d, but block %s is final, and nothing before it is kept: "+
		"check that the endpoint serves the right chain; then begin anew with penstock run --fresh, or give the pipeline a data directory of its own",
		to.Block, blockText(committed(oldest)))
}

// before finds the newest checkpoint at or before a block. The beginning is one
// for every block of the pipeline, unless something after it is final.
func (d *domain) before(block uint64) (number uint64, err error) {
	number, oldest := d.newestBefore(&remote.Cursor{Block: block})
	if number == 0 && oldest != nil && (oldest.Final || block < d.spec.Processes[0].Pipeline.From) {
		return 0, fmt.Errorf("the oldest checkpoint that is kept of pipeline %s is of block %s: to go back further, stop and resume it, which begins anew",
			d.name, blockText(committed(oldest)))
	}
	return number, nil
}

// newestBefore finds the newest checkpoint at or before a place, 0 if that is
// the beginning, and the oldest that there is.
func (d *domain) newestBefore(to *remote.Cursor) (number uint64, oldest *store.Checkpoint) {
	kept := within(d.memory.Kept())
	for _, c := range kept {
		if !d.reachesBeyond(c, to) {
			number = c.Number
		}
	}
	if len(kept) > 0 {
		oldest = &kept[0]
	}
	return number, oldest
}

// goBack forgets the checkpoints after one, 0 for all; fork: because the chain
// has changed its mind.
func (d *domain) goBack(number uint64, fork bool) error {
	kept := d.memory.Kept()
	if err := d.memory.Rewind(number, fork); err != nil {
		return &recordError{number: number, err: err}
	}
	d.mu.Lock()
	d.newest = nil
	for _, c := range kept {
		if c.Number == number {
			d.newest = &c
		}
	}
	base := d.newest
	d.mu.Unlock()
	if err := d.repin(number); err != nil {
		return err
	}
	if fork {
		return d.dropLetters(base)
	}
	return nil
}

// dropLetters forgets what was put aside of rows that a reorganisation has
// undone.
func (d *domain) dropLetters(base *store.Checkpoint) error {
	if base == nil {
		base = &store.Checkpoint{}
	}
	if err := d.forgetAfter(*base); err != nil {
		return err
	}
	for _, p := range d.processes {
		if len(p.spec().Outputs) == 0 {
			continue
		}
		if err := d.engine.cfg.Store.DropDeadLettersFrom(d.spec.Name, p.spec().Name(), base.Counts[p.spec().Name()]); err != nil {
			return &recordError{number: 0, err: err}
		}
	}
	return nil
}

// reachesBeyond tells whether a reader of the same chain had come further than
// a place.
func (d *domain) reachesBeyond(c store.Checkpoint, to *remote.Cursor) bool {
	for _, at := range c.Readers {
		if at.Known && at.Block > to.Block && (at.ChainID == to.ChainID || at.ChainID == 0 || to.ChainID == 0) {
			return true
		}
	}
	return false
}

// recall takes over what an earlier run has left.
func (d *domain) recall() error {
	kept := d.memory.Kept()
	if len(kept) == 0 {
		return nil
	}
	d.newest = &kept[len(kept)-1]
	for _, p := range d.processes {
		at := d.newest.Readers[p.spec().Name()]
		if at.From != nil {
			d.first[p] = *at.From
		}
		if want := p.spec().Pipeline.Network.ChainID; at.Known && want != 0 && at.ChainID != 0 && at.ChainID != want {
			return &Failure{Pipeline: d.name, Step: p.spec().Step.Name, Err: fmt.Errorf(
				"checkpoint %d is of chain %d, but network %q has chain id %d: give this pipeline a data directory of its own with --data-dir, or begin anew with --fresh",
				d.newest.Number, at.ChainID, p.spec().Pipeline.Network.Name, want)}
		}
	}
	return nil
}

// withPipeline is an engine's configuration with what a pipeline says of its own.
func (c Config) withPipeline(r config.Recovery) Config {
	c.HangAfter = cmp.Or(r.HangAfter, c.HangAfter)
	c.WaitAtMost = cmp.Or(r.WaitAtMost, c.WaitAtMost)
	c.Checkpoint.Every = cmp.Or(r.Checkpoint.Every, c.Checkpoint.Every)
	c.Checkpoint.Timeout = cmp.Or(r.Checkpoint.Timeout, c.Checkpoint.Timeout)
	c.Checkpoint.MaxState = cmp.Or(r.Checkpoint.MaxState, c.Checkpoint.MaxState)
	c.Poison.Attempts = cmp.Or(int(min(r.Poison.Attempts, math.MaxInt32)), c.Poison.Attempts)
	c.Poison.MaxShare = cmp.Or(r.Poison.MaxShare, c.Poison.MaxShare)
	return c
}

func (d *domain) warnSlow(number uint64, since time.Duration, waiting string) {
	d.cfg.Logger.Warn("a checkpoint takes long", "pipeline", d.name, "checkpoint", number,
		"for", since.Round(time.Second).String(), "waiting_for", waiting)
}
