package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// booksVersion is that of the layout of books.
const booksVersion = 1

// books are what is known of the files that a step has made. They are replaced
// at each checkpoint, and before and after a file is made.
type books struct {
	Version    int                `json:"penstock_parquet"`
	Domain     string             `json:"domain"`
	Step       string             `json:"step"`
	Generation uint64             `json:"generation"` // of the last process that has written
	Inputs     map[string]*series `json:"inputs"`
	Marks      []mark             `json:"checkpoints"` // in the order of their numbers
}

// series are the files of one input, numbered from 1.
type series struct {
	Network  string          `json:"network"`
	ChainID  uint64          `json:"chain_id"`
	Dataset  string          `json:"dataset"`
	ByBlock  bool            `json:"by_block"`
	Forms    map[string]form `json:"forms"`    // by fingerprint, all that its files have had
	Complete []segment       `json:"complete"` // files whose parts are kept, in their order
	Settled  int64           `json:"settled"`  // the newest file whose parts have gone

	form string // that rows have now
}

// form is what the rows of a file are like.
type form struct {
	Type    string   `json:"type"`
	Shape   shape    `json:"shape"`
	Columns []column `json:"columns"`
}

// fingerprint names a form by its type and columns.
func (f form) fingerprint() string {
	sum := sha256.Sum256([]byte(f.Type + "\x00" + describeAll(f.Columns)))
	return hex.EncodeToString(sum[:8])
}

// segment is a file that no more rows go to.
type segment struct {
	Number  int64  `json:"number"`
	From    uint64 `json:"from"`
	To      uint64 `json:"to"`
	Rows    int64  `json:"rows"`
	Pieces  int64  `json:"pieces"`
	Claimed bool   `json:"claimed,omitempty"` // nobody else has a file of its name
	Sealed  bool   `json:"sealed,omitempty"`  // the file is made, and can be taken back
	Form    string `json:"form"`
}

// place is how far an input has come.
type place struct {
	File     int64  `json:"file"`   // 0: no row has come
	Pieces   int64  `json:"pieces"` // of the file, which are whole
	Tail     int64  `json:"tail"`   // bytes of what comes after them
	TailRows int64  `json:"tail_rows"`
	Rows     int64  `json:"rows"` // of the file
	Bytes    int64  `json:"bytes"`
	From     uint64 `json:"from"` // the first block of the file
	End      uint64 `json:"end"`  // the last block that it is meant for
	Last     uint64 `json:"last"` // the block of its newest row
	To       uint64 `json:"to,omitempty"`
	Done     bool   `json:"done,omitempty"` // no more rows go to it
	Cut      bool   `json:"cut,omitempty"`  // there may be more of its last block
	Form     string `json:"form,omitempty"`
}

// mark is where the inputs were at a checkpoint.
type mark struct {
	Checkpoint uint64           `json:"checkpoint"`
	Places     map[string]place `json:"places"`
}

// name is what the files of a series are called up to their blocks.
func (s *series) name() string { return s.Network + "__" + s.Dataset }

// file is the name of the file that a segment becomes.
func (s *series) file(g segment) string {
	if !s.ByBlock {
		return fmt.Sprintf("%s__%06d.parquet", s.name(), g.Number)
	}
	return fmt.Sprintf("%s__%08d_to_%08d.parquet", s.name(), g.From, g.To)
}

// manifest begins with _, so that readers of whole directories pass over it.
func (s *series) manifest() string { return "_" + s.name() + ".manifest.json" }

func (s *series) pieceName(file, piece int64) string {
	return fmt.Sprintf("%s.%06d.%06d.piece", s.Dataset, file, piece)
}

// tailName is the name of what comes before a piece is made of it.
func (s *series) tailName(file, piece int64) string {
	return fmt.Sprintf("%s.%06d.%06d.tail", s.Dataset, file, piece)
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

// needsTail tells whether a checkpoint ends in the tail that comes before a
// piece.
func (b *books) needsTail(input string, file, piece int64) bool {
	return slices.ContainsFunc(b.Marks, func(m mark) bool {
		p := m.Places[input]
		return p.File == file && p.Pieces == piece-1 && p.Tail > 0
	})
}

// shelf is a directory of files, with the hidden one that belongs to a step in
// it.
type shelf struct {
	dir    string // absolute
	hidden string // of the step, absolute
	lock   *os.File
	sql    bool // keep views for DuckDB
	books
}

// newShelf names the hidden directory after the step. The domain is too long for
// a name, and two steps may differ in it alone.
func newShelf(dir, domain, step string) *shelf {
	sum := sha256.Sum256([]byte(domain + "\x00" + step))
	return &shelf{dir: dir, hidden: filepath.Join(dir, fmt.Sprintf(".penstock-%s-%x", plainName(step), sum[:4]))}
}

// path is that of one of the step's own files.
func (s *shelf) path(name string) string { return filepath.Join(s.hidden, name) }

func (s *shelf) booksPath() string { return s.path("books.json") }

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
		return false, stopf("read %s: %w: it is damaged: restore it from a copy; or remove its directory and the files of this step, and begin anew with `penstock run --fresh`",
			s.booksPath(), err)
	}
	if s.Version != booksVersion {
		return false, stopf("read %s: it has version %d, and this plugin knows version %d: use the plugin that has written it", s.booksPath(), s.Version, booksVersion)
	}
	return true, nil
}

// save replaces the books. When it has returned, they are on the disk, and so
// are the names of all files that were made beside them before.
func (s *shelf) save() error {
	s.Version = booksVersion
	text, err := json.Marshal(s.books)
	if err != nil {
		return stopf("write %s: %w", s.booksPath(), err) // unreachable: all of it can be written
	}
	return replace(s.booksPath(), s.path("books.json.tmp"), append(text, '\n'))
}

// replace writes a file as a whole: others see the one before or this one.
func replace(path, beside string, text []byte) error {
	if err := writeWhole(beside, text); err != nil {
		return explain("write", beside, err)
	}
	return publish(beside, path)
}

// publish gives a file that is on the disk its final name.
func publish(beside, path string) error {
	if err := os.Rename(beside, path); err != nil {
		return explain("write", path, err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return explain("write", filepath.Dir(path), err)
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

// part is one of the step's own files, by its name.
type part struct {
	dataset string
	file    int64
	piece   int64
	tail    bool
}

// parts are the pieces and tails that are there.
func (s *shelf) parts() (map[string]part, error) {
	entries, err := os.ReadDir(s.hidden)
	if err != nil {
		return nil, explain("read", s.hidden, err)
	}
	found := map[string]part{}
	for _, e := range entries {
		words := strings.Split(e.Name(), ".")
		n := len(words) - 3
		if n < 1 || words[n+2] != "piece" && words[n+2] != "tail" {
			continue
		}
		p := part{dataset: strings.Join(words[:n], "."), tail: words[n+2] == "tail"}
		if _, err := fmt.Sscanf(words[n]+" "+words[n+1], "%d %d", &p.file, &p.piece); err == nil {
			found[e.Name()] = p
		}
	}
	return found, nil
}
