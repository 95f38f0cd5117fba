package main

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// loader writes each input into its files.
type loader struct {
	settings

	patience time.Duration // how long to wait for another process that writes the files
	start    sdk.Start
	shelf    *shelf
	wired    map[string]*series // what the inputs will be written to
	anew     bool               // all comes again: old files go when the source has given the first sign of life
	streams  []*stream          // by input
	carried  map[string]place   // of inputs that the step does not read any more
}

// Validate checks what can be known without the files.
func (l *loader) Validate() error { return l.check() }

// Start waits until no other process writes the files, and takes them back to
// the checkpoint.
func (l *loader) Start(ctx context.Context, start sdk.Start) error {
	dir, err := l.directory()
	if err != nil {
		return err
	}
	l.start = start
	l.shelf = newShelf(dir, start.Domain, start.Step)
	l.shelf.sql = l.Views
	if err := l.plan(); err != nil {
		return err
	}
	if err := prepare(dir); err != nil {
		return err
	}
	if err := makeDir(l.shelf.hidden); err != nil {
		return err
	}
	if err := l.shelf.acquire(ctx, l.patience); err != nil {
		return err
	}
	to, err := l.shelf.admit(start, l.wired)
	if err != nil {
		return err
	}
	if l.anew = start.Checkpoint == 0; l.anew {
		return nil // an endpoint that does not answer must not cost anybody their rows
	}
	return l.goOn(to)
}

// plan compiles the inputs, and names the files of each.
func (l *loader) plan() error {
	if err := l.checkNames(); err != nil {
		return err
	}
	taken := map[string]string{}
	l.wired = map[string]*series{}
	for _, in := range l.start.Inputs {
		s, err := newStream(&l.settings, l.shelf, in.Name, in.Type)
		if err != nil {
			return err
		}
		if !l.start.FromLatest {
			s.first = &l.start.From
		}
		files := &series{
			Network: plainName(l.start.Network.Name), ChainID: l.start.Network.ChainID, Dataset: l.dataset(in.Name),
			ByBlock: s.block >= 0,
		}
		now := form{Type: in.Type.String(), Shape: l.shape, Columns: s.kept.columns()}
		s.form = now.fingerprint()
		files.form, files.Forms = s.form, map[string]form{s.form: now}
		key := strings.ToLower(files.name()) // some file systems do not tell them apart
		if other, ok := taken[key]; ok {
			return stopf("steps %q and %q both write to %s: give one of them another name: datasets = { %q = \"another\" }",
				other, in.Name, filepath.Join(l.shelf.dir, files.pattern()), in.Name)
		}
		taken[key] = in.Name
		l.wired[in.Name] = files
		l.streams = append(l.streams, s)
	}
	return nil
}

// checkNames refuses settings that name what is not there.
func (l *loader) checkNames() error {
	var columns, steps []string
	for _, in := range l.start.Inputs {
		steps = append(steps, in.Name)
		for _, c := range in.Type.Columns() {
			columns = append(columns, c.Name)
		}
	}
	named := map[string][]string{
		"columns": l.Columns, "exclude": l.Exclude, "bloom": l.Bloom, "sorted_by": l.SortedBy, "u256_of": slices.Collect(maps.Keys(l.U256Of)),
	}
	for _, setting := range slices.Sorted(maps.Keys(named)) {
		for _, name := range named[setting] {
			if !slices.Contains(columns, name) {
				return stopf("%s names the column %q, which the rows do not have: they have %s", setting, name, strings.Join(columns, ", "))
			}
		}
	}
	for _, step := range slices.Sorted(maps.Keys(l.Datasets)) {
		if !slices.Contains(steps, step) {
			return stopf("datasets names the step %q, which this loader does not read: it reads %s", step, strings.Join(steps, ", "))
		}
	}
	return nil
}

// goOn takes the files back to a mark, and opens what more rows go to.
func (l *loader) goOn(from mark) error {
	if err := l.shelf.goBack(from, l.wired); err != nil {
		return err
	}
	l.carried = maps.Clone(from.Places)
	for _, s := range l.streams {
		s.series = l.shelf.Inputs[s.input]
		s.series.Forms[s.form] = l.wired[s.input].Forms[s.form]
		if err := s.resume(from.Places[s.input]); err != nil {
			return err
		}
		delete(l.carried, s.input)
	}
	if l.Seal == sealFinal {
		return nil
	}
	return l.makeFiles(from, from.Checkpoint)
}

// beginAnew removes, once, what will come again from the first row on.
func (l *loader) beginAnew() error {
	if !l.anew {
		return nil
	}
	l.anew = false
	if err := l.shelf.clear(); err != nil {
		return err
	}
	return l.goOn(mark{})
}

// Load adds the rows of a batch.
func (l *loader) Load(ctx context.Context, input int, batch transit.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.beginAnew(); err != nil {
		return err
	}
	return l.streams[input].write(batch.Record)
}

// Commit makes durable, at a checkpoint, what was loaded, and how far each input
// had come.
func (l *loader) Commit(_ context.Context, c sdk.Commit) error {
	if err := l.shelf.attribute(chainOf(l.start, c.Cursor), l.start.Network.Name); err != nil {
		return err
	}
	if c.Cursor != nil || c.Checkpoint != 0 {
		if err := l.beginAnew(); err != nil {
			return err
		}
	}
	if c.Checkpoint == 0 {
		return l.show()
	}
	m := mark{Checkpoint: c.Checkpoint, Places: map[string]place{}}
	maps.Copy(m.Places, l.carried)
	for _, s := range l.streams {
		if err := s.settle(c.Cursor, l.start.To); err != nil {
			return err
		}
		m.Places[s.input] = s.at
	}
	l.shelf.remember(m)
	if err := l.shelf.save(); err != nil {
		return err
	}
	ended := c.Cursor != nil && l.start.To != nil && c.Cursor.Block >= *l.start.To
	if l.Seal == sealFinal && !ended {
		return nil
	}
	return l.makeFiles(m, m.Checkpoint)
}

// show hands the system what has come.
func (l *loader) show() error {
	for _, s := range l.streams {
		if err := s.show(); err != nil {
			return err
		}
	}
	return nil
}

// makeFiles makes the files that are complete at a mark, whether they are final
// or not. At the end of a pipeline nobody waits for that: should it be given a
// later one, and the chain have been reorganised, they are taken back.
func (l *loader) makeFiles(m mark, checkpoint uint64) error {
	for input := range l.shelf.Inputs {
		if err := l.shelf.seal(input, m.Places[input].last(), checkpoint); err != nil {
			return err
		}
	}
	return l.shelf.save()
}

// Final makes the files whose last row cannot be taken back any more, and lets
// go of what was kept for going back.
func (l *loader) Final(_ context.Context, checkpoint uint64) error {
	m, ok := l.shelf.settle(checkpoint)
	if !ok {
		return nil
	}
	for input := range l.shelf.Inputs {
		last := m.Places[input].last()
		if err := l.shelf.seal(input, last, checkpoint); err != nil {
			return err
		}
		if err := l.shelf.release(input, last); err != nil {
			return err
		}
	}
	open := map[string]bool{}
	for _, s := range l.streams {
		if s.tail != nil {
			open[s.tail.path] = true
		}
	}
	return l.shelf.sweepTails(open)
}

// Close gives up what was not committed, and lets another process write.
func (l *loader) Close() error {
	var errs []error
	for _, s := range l.streams {
		errs = append(errs, s.close())
	}
	if l.shelf != nil {
		errs = append(errs, l.shelf.unlock())
	}
	return errors.Join(errs...)
}
