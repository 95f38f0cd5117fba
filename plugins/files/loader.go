package main

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
	"github.com/penstock-io/penstock/sdk/transit"
)

// loader writes each input into its files.
type loader struct {
	Path        string    `hcl:"path,writes" doc:"the file; {step} in its name stands for the step that the rows come from, and has to be there if there are several; the directory is not made"`
	Compression string    `hcl:"compression,optional" doc:"gzip, zstd or none; left out, it is what the ending .gz or .zst of path says"`
	Rotate      *rotation `hcl:"rotate,block" doc:"begin another file when one is full; they are numbered before the ending, and have the ending .part as long as they may change"`
	gather.Limits

	layout   func(transit.Type) layout
	patience time.Duration // how long to wait for another process that writes the files
	shelf    *shelf
	inputs   []sdk.Input
	wired    map[string]*series // what the inputs will be written to
	anew     bool               // all comes again: old files go when the source has given the first sign of life
	streams  []*stream          // by input
	carried  map[string]place   // of inputs that the step does not read any more
}

// Validate checks what can be known without the files.
func (l *loader) Validate() error {
	return errors.Join(checkPath(l.Path), l.Rotate.check(), checkCompression(l.Compression), l.Check(0))
}

// Start waits until no other process writes the files, and takes them back to
// the checkpoint.
func (l *loader) Start(ctx context.Context, start sdk.Start) error {
	path, err := filepath.Abs(l.Path)
	if err != nil {
		return stopf("find %s: %w", l.Path, err)
	}
	l.inputs = start.Inputs
	if err := l.plan(path); err != nil {
		return err
	}
	if err := inspect(filepath.Dir(path)); err != nil {
		return err
	}
	l.shelf = newShelf(filepath.Dir(path), start.Domain, start.Step)
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

// goOn takes the files back to a mark, and opens those that more rows go to.
func (l *loader) goOn(from mark) error {
	if err := l.shelf.goBack(from, l.wired); err != nil {
		return err
	}
	for _, files := range l.shelf.Inputs {
		if err := l.shelf.seal(files); err != nil {
			return err
		}
	}
	l.carried = maps.Clone(from.Places)
	for _, in := range l.inputs {
		s, err := l.stream(in)
		if err != nil {
			return err
		}
		l.streams = append(l.streams, s)
		if err := s.resume(from.Places[in.Name]); err != nil {
			return err
		}
		delete(l.carried, in.Name)
	}
	return nil
}

func (l *loader) stream(in sdk.Input) (*stream, error) {
	s := &stream{input: in.Name, shelf: l.shelf, files: l.shelf.Inputs[in.Name], layout: l.layout(in.Type), rotate: l.Rotate, limits: l.Limits}
	var err error
	if s.ruler, err = newRuler(in, l.Rotate); err != nil {
		return nil, sdk.Stop(err)
	}
	if s.encoder, err = newEncoder(compression(l.Compression, l.Path)); err != nil {
		return nil, stopf("prepare compression: %w", err)
	}
	return s, nil
}

// beginAnew removes, once, what will come again from the first row on.
func (l *loader) beginAnew() error {
	if !l.anew {
		return nil
	}
	l.anew = false
	return l.goOn(mark{})
}

// plan names the files of each input.
func (l *loader) plan(path string) error {
	taken := map[string]string{}
	l.wired = map[string]*series{}
	for _, in := range l.inputs {
		name := nameFor(path, in.Name)
		key := strings.ToLower(name) // some file systems do not tell them apart
		if other, ok := taken[key]; ok {
			return stopf("steps %q and %q both write to %s: put {step} into path, such as %q, or give one of them another name",
				other, in.Name, filepath.Join(filepath.Dir(path), name), stepMark+filepath.Ext(path))
		}
		taken[key] = in.Name
		if _, err := newRuler(in, l.Rotate); err != nil {
			return sdk.Stop(err)
		}
		compressed := compression(l.Compression, path)
		if compressed == plain {
			compressed = ""
		}
		l.wired[in.Name] = &series{Name: name, Compressed: compressed, Numbered: l.Rotate != nil, Header: string(l.layout(in.Type).header())}
	}
	return nil
}

// Load adds the rows of a batch. They are seen by others after the next Commit,
// or before.
func (l *loader) Load(ctx context.Context, input int, batch transit.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.beginAnew(); err != nil {
		return err
	}
	return l.streams[input].write(batch)
}

// Commit lets others see what was loaded. At a checkpoint it is on the disk
// when Commit returns, and so is how far each file had come.
func (l *loader) Commit(_ context.Context, c sdk.Commit) error {
	if c.Cursor != nil || c.Checkpoint != 0 {
		if err := l.beginAnew(); err != nil {
			return err
		}
	}
	for _, s := range l.streams {
		if err := s.settle(); err != nil {
			return err
		}
	}
	if c.Checkpoint == 0 {
		return nil
	}
	m := mark{Checkpoint: c.Checkpoint, Places: map[string]place{}}
	maps.Copy(m.Places, l.carried)
	for _, s := range l.streams {
		if err := s.sync(); err != nil {
			return err
		}
		m.Places[s.input] = s.at
	}
	l.shelf.remember(m)
	return l.shelf.save()
}

// Final seals the files whose last row cannot be taken back any more.
func (l *loader) Final(_ context.Context, checkpoint uint64) error {
	m, ok := l.shelf.settle(checkpoint)
	if !ok {
		return nil
	}
	var full []*series
	for input, files := range l.shelf.Inputs {
		if last := m.Places[input].File - 1; files.Numbered && last > files.Sealed {
			if err := l.mayList(files); err != nil {
				return err
			}
			files.Sealed = last
			full = append(full, files)
		}
	}
	if len(full) == 0 {
		return nil // the next checkpoint saves what was forgotten
	}
	if err := l.shelf.save(); err != nil {
		return err
	}
	for _, files := range full {
		if err := l.shelf.seal(files); err != nil {
			return err
		}
	}
	return nil
}

// mayList checks that the manifest is no file of somebody else's.
func (l *loader) mayList(files *series) error {
	if files.Sealed > 0 {
		return nil
	}
	return l.shelf.vacant(files.manifest())
}

// Close gives up what was not committed, and lets another process write.
func (l *loader) Close() error {
	var errs []error
	for _, s := range l.streams {
		errs = append(errs, s.close())
	}
	if l.shelf != nil {
		errs = append(errs, l.shelf.release())
	}
	return errors.Join(errs...)
}
