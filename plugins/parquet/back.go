package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/penstock-io/penstock/sdk"
)

// spare refuses to remove rows that will not come again: those of a pipeline
// that begins at the head, whose host has lost what it remembered. One
// checkpoint may be there that no host has recorded; more tell that one has.
func (s *shelf) spare(start sdk.Start) error {
	if start.Checkpoint > 0 || !start.FromLatest || start.Fresh || len(s.Marks) < 2 {
		return nil
	}
	return stopf("begin at the head: the files of step %q (%s) have rows of an earlier run of which the host remembers nothing: its data directory is another one or was removed. "+
		"These rows would be removed and not come again: put the data directory back, give the step another path, or begin anew without them with `penstock run --fresh`",
		start.Step, s.hidden)
}

// admit reads the books and finds the mark of the checkpoint that a process
// begins at. What cannot be done is refused before anything is touched. From
// then on the books know of no later checkpoint, and of no older process.
func (s *shelf) admit(start sdk.Start, wired map[string]*series) (mark, error) {
	to, err := s.recall(start)
	if err != nil {
		return mark{}, err
	}
	if err := s.attribute(chainOf(start, start.Cursor), start.Network.Name); err != nil {
		return mark{}, err
	}
	for input, files := range s.Inputs {
		if err := s.check(input, files, to, wired[input]); err != nil {
			return mark{}, err
		}
	}
	for input, files := range wired {
		if old := s.Inputs[input]; old == nil || old.name() != files.name() {
			if err := errors.Join(vacant(filepath.Join(s.dir, files.manifest())), vacant(filepath.Join(s.dir, files.views()))); err != nil {
				return mark{}, err
			}
		}
	}
	s.Domain, s.Step, s.Generation = start.Domain, start.Step, start.Generation
	s.backTo(to.Checkpoint)
	if err := s.makeRoom(to); err != nil {
		return mark{}, err
	}
	return to, s.save()
}

// makeRoom removes the parts that come again before anything is written: they
// may be what has filled the disk.
func (s *shelf) makeRoom(to mark) error {
	if to.Checkpoint == 0 {
		return nil
	}
	for input, files := range s.Inputs {
		if p := to.Places[input]; p.Tail > 0 {
			if err := truncate(s.path(files.tailName(p.File, p.Pieces+1)), p.Tail); err != nil {
				return err
			}
		}
	}
	return s.sweep(to)
}

// attribute holds files to one chain: the one that their rows are from, which
// may not be known before the source has answered.
func (s *shelf) attribute(chain uint64, network string) error {
	for _, files := range s.Inputs {
		switch {
		case chain == 0 || chain == files.ChainID:
		case files.ChainID == 0:
			files.ChainID = chain
		default:
			return stopf("write %s: these files are from chain %d, and the pipeline reads chain %d (%s): give the step another path, or move the files and %s away",
				filepath.Join(s.dir, files.pattern()), files.ChainID, chain, network, s.hidden)
		}
	}
	return nil
}

// chainOf is the chain that a process reads, as far as it is known.
func chainOf(start sdk.Start, cursor *sdk.Cursor) uint64 {
	if cursor != nil && cursor.ChainID != 0 {
		return cursor.ChainID
	}
	return start.Network.ChainID
}

// recall reads the books, and finds the mark of the checkpoint to go on from.
func (s *shelf) recall(start sdk.Start) (mark, error) {
	if _, err := s.read(); err != nil {
		return mark{}, err
	}
	if s.Generation > start.Generation {
		return mark{}, stopf("read %s: these files were opened by generation %d, and this process is of generation %d, which is older: it must not write. "+
			"If another host runs this pipeline, end one of the two; if the host's data directory was removed or replaced, remove %s and the files of this step",
			s.booksPath(), s.Generation, start.Generation, s.hidden)
	}
	if err := s.spare(start); err != nil {
		return mark{}, err
	}
	if start.Checkpoint == 0 {
		return mark{}, nil
	}
	to, ok := s.at(start.Checkpoint)
	if !ok {
		return mark{}, stopf("go back to checkpoint %d: %s does not know it: the files of step %q were replaced or removed; "+
			"put them back as they were, with the hidden directory beside them, or begin anew with `penstock run --fresh`", start.Checkpoint, s.booksPath(), start.Step)
	}
	return to, nil
}

// check refuses what does not stand as it did at a checkpoint, and an input that
// is to be written otherwise than before.
func (s *shelf) check(input string, files *series, to mark, wired *series) error {
	if to.Checkpoint == 0 {
		return nil // all goes
	}
	p := to.Places[input]
	if p.last() < files.Settled {
		return stopf("go back to checkpoint %d: file %d of %s is final and cannot be changed: begin anew with `penstock run --fresh`",
			to.Checkpoint, files.Settled, filepath.Join(s.dir, files.name()))
	}
	if wired != nil && p.File > 0 {
		if err := s.compare(files, wired, p, to.Checkpoint); err != nil {
			return err
		}
	}
	return s.standsAt(files, p, to.Checkpoint)
}

// compare refuses to write an input otherwise than before.
func (s *shelf) compare(files, wired *series, p place, checkpoint uint64) error {
	if wired.name() != files.name() || wired.ByBlock != files.ByBlock {
		return stopf("go on from checkpoint %d: the rows before it are in %s, and would now go to %s: set path, datasets and block_column as they were, or begin anew with `penstock run --fresh`",
			checkpoint, filepath.Join(s.dir, files.pattern()), filepath.Join(s.dir, wired.pattern()))
	}
	have, want := files.Forms[p.Form].Columns, wired.Forms[wired.form].Columns
	for _, c := range have {
		i := slices.IndexFunc(want, func(w column) bool { return w.Name == c.Name })
		if i >= 0 && want[i].Type != c.Type {
			return stopf("go on from checkpoint %d: column %s of %s is %s in the files, and would now be %s: set it back, leave the column out with exclude, or set another path and begin anew with `penstock run --fresh`\n"+
				"  the files have: %s\n  the rows have:  %s",
				checkpoint, c.Name, filepath.Join(s.dir, files.name()), c.Type, want[i].Type, describeAll(have), describeAll(want))
		}
	}
	return nil
}

// pattern is what all files of a series are called.
func (s *series) pattern() string {
	if s.ByBlock {
		return s.name() + "__FROM_to_TO.parquet"
	}
	return s.name() + "__NUMBER.parquet"
}

// standsAt checks that the rows before a checkpoint are there.
func (s *shelf) standsAt(files *series, p place, checkpoint uint64) error {
	if files.Settled > 0 {
		if err := isThere(filepath.Join(s.dir, files.manifest()), checkpoint); err != nil {
			return err
		}
	}
	pieces := map[int64]int64{}
	for _, g := range files.Complete {
		if g.Number <= p.last() {
			pieces[g.Number] = g.Pieces
		}
	}
	if !p.Done {
		pieces[p.File] = p.Pieces
	}
	for file, count := range pieces {
		for n := range count {
			if err := isThere(s.path(files.pieceName(file, n+1)), checkpoint); err != nil {
				return err
			}
		}
	}
	return s.reachesTo(files, p, checkpoint)
}

// reachesTo checks that the tail has the rows before a checkpoint.
func (s *shelf) reachesTo(files *series, p place, checkpoint uint64) error {
	if p.Tail == 0 {
		return nil
	}
	path := s.path(files.tailName(p.File, p.Pieces+1))
	if err := isThere(path, checkpoint); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return explain("read", path, err)
	}
	if info.Size() < p.Tail {
		return stopf("go back to checkpoint %d: %s has %d bytes, and had %d then: it was changed by somebody else: %s", checkpoint, path, info.Size(), p.Tail, remedy)
	}
	return nil
}

// remedy is what to do about files that are not what they were.
const remedy = "put it back as it was, or begin anew with `penstock run --fresh`"

func isThere(path string, checkpoint uint64) error {
	_, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return stopf("go back to checkpoint %d: %s has gone: %s", checkpoint, path, remedy)
	case err != nil:
		return explain("read", path, err)
	}
	return nil
}

// goBack removes what came after a mark. Whenever it ends early, it can be done
// again: a host that has said where it goes on from does not say otherwise later.
func (s *shelf) goBack(to mark, wired map[string]*series) error {
	for input, files := range s.Inputs {
		if err := s.unseal(input, files, to.Places[input]); err != nil {
			return err
		}
		if to.Places[input].File == 0 && files.Settled == 0 {
			delete(s.Inputs, input)
		}
	}
	if s.Inputs == nil {
		s.Inputs = map[string]*series{}
	}
	for input, files := range wired {
		if s.Inputs[input] == nil {
			s.Inputs[input] = files
		}
	}
	if err := s.save(); err != nil {
		return err
	}
	return s.sweep(to)
}

// unseal removes the files that were made of rows after a place.
func (s *shelf) unseal(input string, files *series, p place) error {
	keep := files.Complete[:0]
	for _, g := range files.Complete {
		if g.Number <= p.last() {
			keep = append(keep, g)
			continue
		}
		if !g.Claimed {
			continue
		}
		if err := s.retract(input, files, g); err != nil {
			return err
		}
	}
	files.Complete = keep
	return nil
}

// retract removes a file, from the manifest first.
func (s *shelf) retract(input string, files *series, g segment) error {
	m, err := s.readManifest(input, files)
	if err != nil {
		return err
	}
	m.remove(g.Number)
	if err := s.writeManifest(files, m); err != nil {
		return err
	}
	return removeFile(filepath.Join(s.dir, files.file(g)))
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return explain("remove", path, err)
	}
	return nil
}

// sweep removes the parts that nothing needs: those after a mark, and what a
// process left that was killed.
func (s *shelf) sweep(to mark) error {
	parts, err := s.parts()
	if err != nil {
		return err
	}
	for name, p := range parts {
		if s.needs(p, to) {
			continue
		}
		if err := s.removePart(name); err != nil {
			return err
		}
	}
	return nil
}

// needs tells whether a part may still be used.
func (s *shelf) needs(p part, to mark) bool {
	for input, files := range s.Inputs {
		if files.Dataset != p.dataset {
			continue
		}
		if p.tail {
			return s.needsTail(input, p.file, p.piece)
		}
		if at := to.Places[input]; at.File == p.file && !at.Done {
			return p.piece <= at.Pieces
		}
		return slices.ContainsFunc(files.Complete, func(g segment) bool { return g.Number == p.file && p.piece <= g.Pieces })
	}
	return false
}

// clear removes everything that the step has made.
func (s *shelf) clear() error {
	for input, files := range s.Inputs {
		if err := s.clearFiles(input, files); err != nil {
			return err
		}
	}
	s.Inputs = nil
	if err := s.save(); err != nil {
		return err
	}
	return s.sweep(mark{})
}

// clearFiles removes the files of an input, and what tells of them last.
func (s *shelf) clearFiles(input string, files *series) error {
	m, err := s.readManifest(input, files)
	if err != nil {
		return err
	}
	for _, g := range files.Complete {
		if g.Claimed {
			m.Files = append(m.Files, entry{File: files.file(g)})
		}
	}
	for _, e := range m.Files {
		if err := removeFile(filepath.Join(s.dir, filepath.Base(e.File))); err != nil {
			return err
		}
	}
	return errors.Join(removeFile(filepath.Join(s.dir, files.views())), removeFile(filepath.Join(s.dir, files.manifest())))
}
