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

	"github.com/penstock-io/penstock/host/internal/registry"
)

// numbersBucket holds the name of a register and its one byte.
var numbersBucket = []byte("register-numbers")

// numbers are the bytes given so far.
type numbers struct {
	mu    sync.Mutex
	given map[string]uint8
	taken [256]bool
}

var _ registry.Numbers = (*Store)(nil)

// Number returns the register's byte in a PID. One that is seen for the first
// time gets the lowest free number, which is durable when Number returns.
func (s *Store) Number(register string) (uint8, error) {
	return s.numbers.number(register, func(n uint8) error {
		err := s.writer.commit(func(tx *bbolt.Tx) error {
			return tx.Bucket(numbersBucket).Put([]byte(register), []byte{n})
		})
		if err != nil {
			return fmt.Errorf("remember the number of register %q: %w", register, explain(s.dir, err))
		}
		return nil
	})
}

// number looks a register up, or gives it a number once keep has returned.
func (n *numbers) number(register string, keep func(uint8) error) (uint8, error) {
	if fixed, ok := registry.FixedNumber(register); ok {
		return fixed, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if known, ok := n.given[register]; ok {
		return known, nil
	}
	next, err := registry.NextNumber(register, func(number uint8) bool { return n.taken[number] })
	if err != nil {
		return 0, err
	}
	if err := keep(next); err != nil {
		return 0, err
	}
	n.given[register], n.taken[next] = next, true
	return next, nil
}

// load reads what the file holds.
func (n *numbers) load(tx *bbolt.Tx) error {
	n.given = make(map[string]uint8)
	bucket := tx.Bucket(numbersBucket)
	if bucket == nil {
		return errForeign
	}
	return bucket.ForEach(func(name, number []byte) error {
		if len(number) != 1 || n.taken[number[0]] {
			return fmt.Errorf("%s is damaged: register %q has the number %x; move it away, or choose another directory with --data-dir",
				fileName, name, number)
		}
		n.given[string(name)], n.taken[number[0]] = number[0], true
		return nil
	})
}

// preview tells numbers and forgets those that it gives.
type preview struct{ numbers }

func (p *preview) Number(register string) (uint8, error) {
	return p.number(register, func(uint8) error { return nil })
}

// Preview tells the numbers that a host on this directory would use, without
// taking, making or changing it. While a host has the directory the error is an
// *InUseError; the numbers are good then too, but do not know what that host
// has given.
func Preview(dir string) (registry.Numbers, error) {
	p := &preview{numbers{given: make(map[string]uint8)}}
	path := filepath.Join(dir, fileName)
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return p, nil
	}
	// The least patience there is: zero would mean to wait for ever.
	var db *bbolt.DB
	err := guard(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Nanosecond})
		return err
	})
	if err != nil {
		return p, explain(dir, err)
	}
	defer db.Close()
	err = guard(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			if isEmpty(tx) { // its first host was killed at once
				return nil
			}
			_, err := read(tx, &p.numbers)
			return err
		})
	})
	if err != nil {
		return p, explain(dir, err)
	}
	return p, nil
}
