package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// partial is the ending of a file that may still change.
const partial = ".part"

// booksVersion is that of the layout of books.
const booksVersion = 1

// books are what is known of the files that a step has made. What they say holds
// at any moment: files are named in them before they are made, and forgotten
// after they have gone.
type books struct {
	Version    int                `json:"penstock_files"`
	Domain     string             `json:"domain"`
	Step       string             `json:"step"`
	Generation uint64             `json:"generation"` // of the last process that has written
	Inputs     map[string]*series `json:"inputs"`
	Marks      []mark             `json:"checkpoints"` // in the order of their numbers
}

// series are the files of one input, numbered from 1.
type series struct {
	Compressed string `json:"compressed,omitempty"` // gzip or zstd
	Name       string `json:"name"`                 // swaps.jsonl
	Numbered   bool   `json:"rotated"`              // swaps.000001.jsonl; otherwise there is one file at most
	Header     string `json:"header,omitempty"`     // what its files begin with
	Begun      int64  `json:"begun"`                // the newest that may be there
	Sealed     int64  `json:"sealed"`               // the newest that has its final name, or is about to get it

	Full   []content `json:"full,omitempty"`  // what is in files that are full and not listed yet, in their order
	Listed listing   `json:"listed,omitzero"` // how far the manifest tells of them
}

// place is how far an input has come in its files.
type place struct {
	File  int64 `json:"file"`           // 0: no row has come
	Bytes int64 `json:"bytes"`          // the file ends there
	Text  int64 `json:"text,omitempty"` // how long it is before it is compressed
	Rows  int64 `json:"rows"`           // in the file
	span
	blocks
}

// mark is where the inputs were at a checkpoint.
type mark struct {
	Checkpoint uint64           `json:"checkpoint"`
	Places     map[string]place `json:"places"`
}

// final is the name of a file that does not change any more.
func (s *series) final(number int64) string {
	if !s.Numbered {
		return s.Name
	}
	stem, ending := s.parts()
	return fmt.Sprintf("%s.%06d%s", stem, number, ending)
}

// parts are a name and its ending, which has two parts where files are
// compressed: swaps and .jsonl.gz.
func (s *series) parts() (stem, ending string) {
	ending = filepath.Ext(s.Name)
	if _, ok := endings[ending]; ok {
		ending = filepath.Ext(strings.TrimSuffix(s.Name, ending)) + ending
	}
	return strings.TrimSuffix(s.Name, ending), ending
}

// open is the name of a file that rows are written to.
func (s *series) open(number int64) string {
	if !s.Numbered {
		return s.Name
	}
	return s.final(number) + partial
}

// at finds the mark of a checkpoint.
func (b *books) at(checkpoint uint64) (mark, bool) {
	i, ok := slices.BinarySearchFunc(b.Marks, checkpoint, func(m mark, k uint64) int { return cmp.Compare(m.Checkpoint, k) })
	if !ok {
		return mark{}, false
	}
	return b.Marks[i], true
}

// backTo forgets the marks after a checkpoint.
func (b *books) backTo(checkpoint uint64) {
	b.Marks = slices.DeleteFunc(b.Marks, func(m mark) bool { return m.Checkpoint > checkpoint })
}

// remember adds a mark.
func (b *books) remember(m mark) {
	b.Marks = slices.DeleteFunc(b.Marks, func(old mark) bool { return old.Checkpoint >= m.Checkpoint })
	b.Marks = append(b.Marks, m)
}

// settle forgets the marks before the newest one that is not after a checkpoint,
// and returns that.
func (b *books) settle(checkpoint uint64) (mark, bool) {
	n := 0
	for n < len(b.Marks) && b.Marks[n].Checkpoint <= checkpoint {
		n++
	}
	if n == 0 {
		return mark{}, false
	}
	b.Marks = slices.Delete(b.Marks, 0, n-1)
	return b.Marks[0], true
}

// shelf is a directory with the books of one step in it.
type shelf struct {
	dir  string // absolute
	name string // of the books, without ending
	lock *os.File
	books
}

// newShelf names the books after the step. The domain is too long for a name,
// and two steps may differ in it alone.
func newShelf(dir, domain, step string) *shelf {
	sum := sha256.Sum256([]byte(domain + "\x00" + step))
	return &shelf{dir: dir, name: fmt.Sprintf(".penstock-%s-%x", plainName(step), sum[:4])}
}

func (s *shelf) path(name string) string { return filepath.Join(s.dir, name) }

func (s *shelf) booksPath() string { return s.path(s.name + ".json") }

// read reads the books; ok is false if there are none.
func (s *shelf) read() (ok bool, err error) {
	text, err := os.ReadFile(s.booksPath())
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, explain("read", s.booksPath(), err)
	}
	if err := json.Unmarshal(text, &s.books); err != nil {
		return false, stopf("read %s: %w: it is damaged: restore it from a copy; or remove it and the files of this step, and begin anew with `penstock run --fresh`",
			s.booksPath(), err)
	}
	if s.Version != booksVersion {
		return false, stopf("read %s: it has version %d, and this plugin knows version %d: use the plugin that has written it", s.booksPath(), s.Version, booksVersion)
	}
	return true, nil
}

// save replaces the books. When it has returned, they are on the disk, and so
// are the names of all files that were made before.
func (s *shelf) save() error {
	s.Version = booksVersion
	text, err := json.Marshal(s.books)
	if err != nil {
		return stopf("write %s: %w", s.booksPath(), err) // unreachable: all of it can be written
	}
	beside := s.booksPath() + ".tmp"
	if err := writeWhole(beside, append(text, '\n')); err != nil {
		return explain("write", beside, err)
	}
	if err := os.Rename(beside, s.booksPath()); err != nil {
		return explain("write", s.booksPath(), err)
	}
	if err := syncDir(s.dir); err != nil {
		return explain("write", s.dir, err)
	}
	return nil
}

// writeWhole writes a file and waits for the disk. What was left there by a
// process that was killed is overwritten.
func writeWhole(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
