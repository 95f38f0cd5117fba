// Package store keeps what a host must remember from one run to the next, in a
// directory that belongs to one running host at a time.
//
// The directory holds one database file. Whoever has it open has the directory:
// the lock on the file is what keeps a second host out, and it goes when the
// process does, however that ends.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/penstock-io/penstock/host/internal/store/disk"
)

const (
	fileName = "penstock.db"
	pidName  = "penstock.pid" // who has the lock, for the message to who has not
	runName  = "run"          // what lives no longer than a host

	// lockPatience is how long another process may take to let go of the lock:
	// a host that is just ending is no reason to give up.
	lockPatience = time.Second

	// smallest is the least that a database can be.
	smallest = 8 << 10
)

// Store is an open data directory. Its methods may be called concurrently.
type Store struct {
	dir     string
	db      *bbolt.DB
	numbers numbers
	writer  writer

	domainsMu sync.Mutex // held while a domain is looked up, or read for the first time
	domains   map[string]*Domain

	tallies tallies
	sets    *Sets
}

// Has tells whether a host has ever kept anything in a directory.
func Has(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Open takes possession of a data directory and makes it, for this user alone,
// if it is not there. It waits at most a second for another host to let go of
// it; after that the error is an *InUseError.
func Open(dir string) (*Store, error) {
	if err := makeDir(dir); err != nil {
		return nil, explain(dir, err)
	}
	db, err := openFile(dir)
	if err != nil {
		return nil, explain(dir, err)
	}
	s := &Store{dir: dir, db: db, domains: make(map[string]*Domain)}
	s.tallies.of = make(map[string]*tally)
	s.sets = &Sets{store: s, sets: make(map[SetOf]*set)}
	s.writer.update, s.writer.view = db.Update, db.View
	if err := s.prepare(); err != nil {
		return nil, errors.Join(explain(dir, err), db.Close())
	}
	return s, nil
}

// makeDir makes a directory that is not there, so that it is there after a loss
// of power too.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(dir))
}

// openFile opens and locks the database. A file that could only be begun is
// removed, because nothing could be read from it later.
func openFile(dir string) (*bbolt.DB, error) {
	path := filepath.Join(dir, fileName)
	info, before := os.Stat(path)
	var db *bbolt.DB
	err := guard(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockPatience, FreelistType: bbolt.FreelistMapType})
		return err
	})
	if err != nil && errors.Is(before, fs.ErrNotExist) && disk.IsFull(err) {
		_ = os.Remove(path) // if that fails too, there is nothing to add to err
	}
	if err != nil && before == nil && info.Size() > 0 && info.Size() < smallest {
		err = fmt.Errorf("%w: %w", errStructure, err)
	}
	return db, err
}

// prepare lays out a new file or reads one of ours, and says who has it.
func (s *Store) prepare() error {
	err := s.view(s.checkSize)
	if err == nil {
		err = guard(func() error { return s.db.Update(s.settle) })
	}
	if err != nil {
		return err
	}
	if err := disk.SyncDir(s.dir); err != nil {
		return err
	}
	return os.WriteFile(s.pidPath(), fmt.Appendln(nil, os.Getpid()), 0o600)
}

// checkSize finds a file that is shorter than what it says of itself.
func (s *Store) checkSize(tx *bbolt.Tx) error {
	info, err := os.Stat(s.db.Path())
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		return fmt.Errorf("%w: it has %d bytes of %d", errStructure, info.Size(), tx.Size())
	}
	return nil
}

// settle lays a new file out, or reads one of ours.
func (s *Store) settle(tx *bbolt.Tx) error {
	if err := layOut(tx); err != nil {
		return err
	}
	version, err := read(tx, &s.numbers)
	if err != nil {
		return err
	}
	return migrate(tx, version)
}

// view reads from the file.
func (s *Store) view(f func(*bbolt.Tx) error) error {
	return guard(func() error { return s.db.View(f) })
}

// Dir is the directory that was opened.
func (s *Store) Dir() string { return s.dir }

// RunDir makes an empty directory for what lives no longer than this host, such
// as sockets. What a host that was killed left in it is removed. It goes with
// Close.
func (s *Store) RunDir() (string, error) {
	dir := s.runPath()
	if err := os.RemoveAll(dir); err != nil {
		return "", explain(s.dir, err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", explain(s.dir, err)
	}
	return dir, nil
}

// Close lets go of the directory. Nothing may be asked of the store afterwards.
// A database that gave up keeps the directory until the process ends.
func (s *Store) Close() error {
	_ = os.Remove(s.pidPath())    // a stale one misleads nobody: without the lock it is not read
	_ = os.RemoveAll(s.runPath()) // what is left over goes with the next RunDir
	if s.writer.wrecked() {
		return nil
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close data directory %s: %w", s.dir, err)
	}
	return nil
}

func (s *Store) pidPath() string { return filepath.Join(s.dir, pidName) }
func (s *Store) runPath() string { return filepath.Join(s.dir, runName) }

// InUseError tells that another host has the directory.
type InUseError struct {
	Dir string
	PID int // of the other host, 0 if it is not known
}

func (e *InUseError) Error() string {
	host := "another host"
	if e.PID > 0 {
		host = fmt.Sprintf("another host (process %d)", e.PID)
	}
	return fmt.Sprintf("data directory %s: %s uses it; stop that one, or give this one a directory of its own with --data-dir", e.Dir, host)
}

// explain says which directory an error is about and, where that helps, what
// to do.
func explain(dir string, err error) error {
	switch {
	case errors.As(err, new(*DamageError)):
		return err
	case errors.Is(err, bolterrors.ErrTimeout):
		return &InUseError{Dir: dir, PID: readPID(filepath.Join(dir, pidName))}
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, errStructure):
		return fmt.Errorf("data directory %s: %s is damaged or not a file of Penstock (%w); move it away, or choose another directory with --data-dir",
			dir, fileName, err)
	}
	if advice := disk.Advice(err); advice != "" {
		return fmt.Errorf("data directory %s: %w; %s, or choose another with --data-dir", dir, err, advice)
	}
	return fmt.Errorf("data directory %s: %w", dir, err)
}

// readPID reads what a host wrote about itself, 0 if that is nothing sensible.
func readPID(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil || pid < 0 {
		return 0
	}
	return pid
}
