package main

import (
	"errors"
	"os"
	"syscall"

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
		start.Step, s.booksPath())
}

// admit reads the books and finds the mark of the checkpoint that a process
// begins at. What cannot be done is refused before anything is touched. From
// then on the books know of no later checkpoint, and of no older process.
func (s *shelf) admit(start sdk.Start, wired map[string]*series) (mark, error) {
	if err := s.recognise(start); err != nil {
		return mark{}, err
	}
	if s.Generation > start.Generation {
		return mark{}, stopf("read %s: these files were opened by generation %d, and this process is of generation %d, which is older: it must not write. "+
			"If another host runs this pipeline, end one of the two; if the host's data directory was removed or replaced, remove this file and the files of this step",
			s.booksPath(), s.Generation, start.Generation)
	}
	if err := s.spare(start); err != nil {
		return mark{}, err
	}
	to := mark{}
	if k := start.Checkpoint; k > 0 {
		var ok bool
		if to, ok = s.at(k); !ok {
			return mark{}, stopf("go back to checkpoint %d: %s does not know it: the files of step %q were replaced or removed; "+
				"put them back as they were, with the hidden files beside them, or begin anew with `penstock run --fresh`", k, s.booksPath(), start.Step)
		}
	}
	for input, files := range s.Inputs {
		if err := s.check(files, to.Places[input], to.Checkpoint, wired[input]); err != nil {
			return mark{}, err
		}
	}
	for input, files := range wired {
		if old := s.Inputs[input]; old != nil && old.Begun > 0 && old.Name == files.Name && old.Numbered == files.Numbered {
			continue // what is there is ours
		}
		if err := s.free(files, 1); err != nil {
			return mark{}, err
		}
	}
	s.Domain, s.Step, s.Generation = start.Domain, start.Step, start.Generation
	return to, s.takeOver(to)
}

// takeOver saves that no checkpoint after a mark is known any more. Where the disk
// is full it makes room first.
func (s *shelf) takeOver(to mark) error {
	newest := s.newest()
	s.backTo(to.Checkpoint)
	err := s.save()
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	if err := s.trim(newest); err != nil {
		return err
	}
	return s.save()
}

// newest is the mark of the newest checkpoint, if there is one.
func (s *shelf) newest() mark {
	if len(s.Marks) == 0 {
		return mark{}
	}
	return s.Marks[len(s.Marks)-1]
}

// trim makes room on a full disk: it removes what came after the newest mark, which
// no checkpoint knows of whatever the books on the disk say. Where there is no mark
// nothing is removed: it may be all that there is.
func (s *shelf) trim(newest mark) error {
	if err := os.Remove(s.booksPath() + ".tmp"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return explain("remove", s.booksPath()+".tmp", err)
	}
	for input, at := range newest.Places {
		files := s.Inputs[input]
		if files == nil || at.File <= files.Sealed {
			continue
		}
		if err := os.Truncate(s.path(files.open(at.File)), at.Bytes); err != nil {
			return explain("cut", s.path(files.open(at.File)), err)
		}
		for n := at.File + 1; n <= files.Begun; n++ {
			if err := os.Remove(s.path(files.open(n))); err != nil && !errors.Is(err, os.ErrNotExist) {
				return explain("remove", s.path(files.open(n)), err)
			}
		}
	}
	return nil
}

// recognise reads the books, and refuses those of others.
func (s *shelf) recognise(start sdk.Start) error {
	known, err := s.read()
	if err != nil || !known {
		return err
	}
	if s.Domain != start.Domain || s.Step != start.Step {
		return stopf("read %s: it is of step %q of domain %q, not of step %q of domain %q: change path", s.booksPath(), s.Step, s.Domain, start.Step, start.Domain)
	}
	return nil
}

// free checks that a file can be made.
func (s *shelf) free(files *series, number int64) error {
	if err := s.vacant(files.final(number)); err != nil {
		return err
	}
	return s.vacant(files.open(number))
}

// check refuses what does not stand as it did at a checkpoint, and an input
// that is to be written otherwise than before.
func (s *shelf) check(files *series, at place, checkpoint uint64, wired *series) error {
	if checkpoint == 0 {
		return nil // all goes
	}
	if at.File <= files.Sealed && files.Sealed > 0 {
		return stopf("go back to checkpoint %d: %s is final and cannot be changed: begin anew with `penstock run --fresh`",
			checkpoint, s.path(files.final(files.Sealed)))
	}
	if at.File == 0 {
		return nil
	}
	if wired != nil {
		if err := s.compare(files, wired, at.File, checkpoint); err != nil {
			return err
		}
	}
	return s.standsAt(files, at, checkpoint)
}

// compare refuses to write an input otherwise than before.
func (s *shelf) compare(files, wired *series, number int64, checkpoint uint64) error {
	path := s.path(files.open(number))
	if wired.Name != files.Name || wired.Numbered != files.Numbered || wired.Compressed != files.Compressed {
		return stopf("go on from checkpoint %d: the rows before it are in %s, and would now go to %s: set path, rotate and compression as they were, or begin anew with `penstock run --fresh`",
			checkpoint, path, s.path(wired.open(number)))
	}
	if wired.Header != files.Header {
		return stopf("go on from checkpoint %d: %s begins with %q, and the rows now have %q: set another path and begin anew with `penstock run --fresh`",
			checkpoint, path, files.Header, wired.Header)
	}
	return nil
}

// standsAt checks that the rows before a checkpoint are in a file.
func (s *shelf) standsAt(files *series, at place, checkpoint uint64) error {
	path := s.path(files.open(at.File))
	const remedy = "put it back as it was, or begin anew with `penstock run --fresh`"
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return stopf("go back to checkpoint %d: %s has gone: %s", checkpoint, path, remedy)
	}
	if err != nil {
		return explain("read", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return explain("read", path, err)
	}
	if info.Size() < at.Bytes {
		return stopf("go back to checkpoint %d: %s has %d bytes, and had %d then: it was changed by somebody else: %s", checkpoint, path, info.Size(), at.Bytes, remedy)
	}
	if files.Compressed != "" {
		return nil // what is in it is told by whoever reads it
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, at.Bytes-1); err != nil {
		return explain("read", path, err)
	}
	if last[0] != '\n' {
		return stopf("go back to checkpoint %d: no line ends at byte %d of %s: it was changed by somebody else: %s", checkpoint, at.Bytes, path, remedy)
	}
	return nil
}

// goBack removes what came after a mark. The books have forgotten before what
// is cut off, and forget after it what is removed: whenever this ends early, it
// can be done again.
func (s *shelf) goBack(to mark, wired map[string]*series) error {
	for input, files := range s.Inputs {
		at := to.Places[input]
		if at.File > 0 {
			if err := os.Truncate(s.path(files.open(at.File)), at.Bytes); err != nil {
				return explain("cut", s.path(files.open(at.File)), err)
			}
		}
		if err := s.removeAfter(files, at.File); err != nil {
			return err
		}
		files.forget(at.File)
		if at.File == 0 {
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
	return s.save()
}

// removeAfter removes the files of a series that come after one.
func (s *shelf) removeAfter(files *series, number int64) error {
	for n := number + 1; n <= files.Begun; n++ {
		names := []string{files.open(n)}
		if n <= files.Sealed {
			names = append(names, files.final(n))
		}
		for _, name := range names {
			if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return explain("remove", s.path(name), err)
			}
		}
	}
	files.Begun, files.Sealed = min(files.Begun, number), min(files.Sealed, number)
	if number > 0 || files.Listed.Number == 0 {
		return nil
	}
	files.Listed = listing{} // nothing is left that it tells of
	if err := os.Remove(s.path(files.manifest())); err != nil && !errors.Is(err, os.ErrNotExist) {
		return explain("remove", s.path(files.manifest()), err)
	}
	return nil
}

// seal gives the files that the books call sealed their final names, those that
// do not have them yet. They got them in their order, so they are the last ones.
func (s *shelf) seal(files *series) error {
	first := files.Sealed + 1
	for ; first > 1; first-- {
		if _, err := os.Lstat(s.path(files.open(first - 1))); errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	for n := first; n <= files.Sealed; n++ {
		if err := s.vacant(files.final(n)); err != nil {
			return err
		}
		if err := os.Rename(s.path(files.open(n)), s.path(files.final(n))); err != nil {
			return explain("rename", s.path(files.open(n)), err)
		}
	}
	return s.list(files)
}
