package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// What there is of a domain: its bucket has the domain's name.
var (
	domainsBucket     = []byte("domains")
	headKey           = []byte("head")
	checkpointsBucket = []byte("checkpoints")
	statesBucket      = []byte("states")
	notesBucket       = []byte("notes")
)

// Domain is what is remembered of one domain. Its methods may be called
// concurrently with each other and with those of other domains.
type Domain struct {
	store *Store
	name  string

	change sync.Mutex // held while something is made durable; taken before mu

	mu     sync.Mutex // held while what follows is read or changed
	head   head
	issued uint64   // the highest number that Next has given
	kept   []*entry // ascending; an entry itself never changes
	trash  trash
	notes  map[string][]byte
	damage error // of what is not a checkpoint: what it stops is all but Forget
}

// head is what only ever grows.
type head struct {
	Generation uint64 `json:"generation"`
	Forks      uint64 `json:"forks"`
	Last       uint64 `json:"last"` // the highest number that was recorded
}

// trash is what was forgotten in memory and goes with the next record.
type trash struct {
	checkpoints []uint64
	snapshots   [][]byte // keys
}

// Domain tells what is remembered of a domain, which may be nothing; it makes
// nothing durable. The same name gives the same Domain.
//
// What is damaged is told by the methods that need it, so that a domain can
// always be begun anew with Forget.
func (s *Store) Domain(name string) (*Domain, error) {
	if name == "" {
		return nil, errors.New("read a domain: it has no name")
	}
	s.domainsMu.Lock()
	defer s.domainsMu.Unlock()
	if d, ok := s.domains[name]; ok {
		return d, nil
	}
	d := &Domain{store: s, name: name, notes: make(map[string][]byte)}
	err := s.view(func(tx *bbolt.Tx) error {
		if bucket := tx.Bucket(domainsBucket).Bucket([]byte(name)); bucket != nil {
			return d.load(bucket)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read domain %q: %w", name, explain(s.dir, err))
	}
	s.domains[name] = d
	return d, nil
}

// Domains tells the names of all domains of which something is remembered,
// sorted.
func (s *Store) Domains() ([]string, error) {
	var names []string
	err := s.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(domainsBucket).ForEachBucket(func(name []byte) error {
			names = append(names, string(name))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the domains: %w", explain(s.dir, err))
	}
	return names, nil
}

// load reads all but the snapshots.
func (d *Domain) load(bucket *bbolt.Bucket) error {
	err := forEach(bucket.Bucket(checkpointsBucket), func(key, value []byte) error {
		d.kept = append(d.kept, d.readEntry(key, value))
		return nil
	})
	if err != nil {
		return err
	}
	err = forEach(bucket.Bucket(notesBucket), func(key, value []byte) error {
		var note []byte
		if err := unseal(key, value, &note); err != nil {
			d.damage = d.damaged(fmt.Sprintf("note %q", key), err)
			return nil
		}
		d.notes[string(key)] = note
		return nil
	})
	if err != nil {
		return err
	}
	if sealed := bucket.Get(headKey); sealed != nil || len(d.kept) > 0 {
		if err := unseal(headKey, sealed, &d.head); err != nil {
			d.damage = d.damaged("the head", err)
			d.head = d.guessHead()
		}
	}
	return nil
}

// readEntry reads one checkpoint. One that is damaged keeps its place, so that
// nobody takes an older one for the newest.
func (d *Domain) readEntry(key, value []byte) *entry {
	e := new(entry)
	err := unseal(key, value, e)
	if err == nil && !bytes.Equal(key, numberKey(e.Number)) {
		err = errors.New("its number is another")
	}
	if err != nil {
		e = new(entry)
		if len(key) == 8 {
			e.Number = binary.BigEndian.Uint64(key)
		}
		e.damage = d.damaged("checkpoint "+strconv.FormatUint(e.Number, 10), err)
	}
	return e
}

// headMargin is more than is issued between two records.
const headMargin = 1 << 20

// guessHead is beyond everything that a head that cannot be read can have held:
// after Forget the domain goes on from there.
func (d *Domain) guessHead() head {
	guess := head{Generation: headMargin, Forks: headMargin, Last: headMargin}
	for _, e := range d.kept {
		guess.Generation = max(guess.Generation, e.Generation+headMargin)
		guess.Last = max(guess.Last, e.Number+headMargin)
	}
	return guess
}

func (d *Domain) damaged(what string, cause error) error {
	return &DamageError{Dir: d.store.dir, What: fmt.Sprintf("%s of domain %q", what, d.name), Cause: cause}
}

// Name is the domain's name.
func (d *Domain) Name() string { return d.name }

// Begin gives the generation of what begins now. It is durable when Begin
// returns, and greater than all before, also those of earlier runs. The first is
// the time in seconds since 1970: whoever has met a generation of a directory
// that is gone meets a greater one next.
func (d *Domain) Begin() (generation uint64, err error) {
	d.change.Lock()
	defer d.change.Unlock()
	if err := d.sound(); err != nil {
		return 0, err
	}
	d.mu.Lock()
	next := d.head
	d.mu.Unlock()
	if next.Generation == 0 {
		next.Generation = uint64(time.Now().Unix())
	}
	next.Generation++
	err = d.commit("begin a generation", func(bucket *bbolt.Bucket) error { return putHead(bucket, next) })
	if err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.head = next
	return next.Generation, nil
}

// Forks is how often the domain has gone back because the chain had.
func (d *Domain) Forks() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.head.Forks
}

// Next is the number for the next checkpoint: greater than all that this
// process has issued and than all that were ever recorded.
func (d *Domain) Next() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.issued = max(d.issued, d.head.Last) + 1
	return d.issued
}

// Note tells a note, and whether there is one. The bytes must not be changed.
func (d *Domain) Note(key string) ([]byte, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	value, ok := d.notes[key]
	return value, ok
}

// SetNote keeps a small value under a name; nil removes it. It is durable when
// SetNote returns.
func (d *Domain) SetNote(key string, value []byte) error {
	d.change.Lock()
	defer d.change.Unlock()
	if key == "" {
		return fmt.Errorf("keep a note of domain %q: it has no name", d.name)
	}
	if _, ok := d.Note(key); value == nil && !ok {
		return nil
	}
	err := d.commit(fmt.Sprintf("keep note %q", key), func(bucket *bbolt.Bucket) error {
		notes, err := bucket.CreateBucketIfNotExists(notesBucket)
		if err != nil {
			return err
		}
		if value == nil {
			return notes.Delete([]byte(key))
		}
		sealed, err := seal([]byte(key), value)
		if err != nil {
			return err
		}
		return notes.Put([]byte(key), sealed)
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if value == nil {
		delete(d.notes, key)
	} else {
		d.notes[key] = bytes.Clone(value)
	}
	return nil
}

// sound tells what is damaged beside the checkpoints.
func (d *Domain) sound() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.damage
}

// commit changes the domain's bucket, which it makes if it is not there.
func (d *Domain) commit(what string, apply func(*bbolt.Bucket) error) error {
	err := d.store.writer.commit(func(tx *bbolt.Tx) error {
		bucket, err := tx.Bucket(domainsBucket).CreateBucketIfNotExists([]byte(d.name))
		if err != nil {
			return err
		}
		return apply(bucket)
	})
	if err != nil {
		return fmt.Errorf("%s of domain %q: %w", what, d.name, explain(d.store.dir, err))
	}
	return nil
}

func putHead(bucket *bbolt.Bucket, h head) error {
	sealed, err := seal(headKey, h)
	if err != nil {
		return err
	}
	return bucket.Put(headKey, sealed)
}

// forEach goes through a bucket that may not be there.
func forEach(bucket *bbolt.Bucket, f func(key, value []byte) error) error {
	if bucket == nil {
		return nil
	}
	return bucket.ForEach(f)
}

// put empties the trash into a transaction.
func (t trash) put(checkpoints, states *bbolt.Bucket) error {
	for _, number := range t.checkpoints {
		if err := checkpoints.Delete(numberKey(number)); err != nil {
			return err
		}
	}
	for _, key := range t.snapshots {
		if err := states.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// with adds entries that are forgotten, and those of their snapshots that none
// of the entries that stay needs.
func (t trash) with(gone, stay []*entry) trash {
	needed := make(map[string]bool)
	for _, e := range stay {
		for name, s := range e.Snapshots {
			needed[string(snapshotKey(name, s.At))] = true
		}
	}
	t.checkpoints, t.snapshots = slices.Clone(t.checkpoints), slices.Clone(t.snapshots)
	for _, e := range gone {
		t.checkpoints = append(t.checkpoints, e.Number)
		for name, s := range e.Snapshots {
			if key := snapshotKey(name, s.At); !needed[string(key)] {
				needed[string(key)] = true // once is enough
				t.snapshots = append(t.snapshots, key)
			}
		}
	}
	return t
}
