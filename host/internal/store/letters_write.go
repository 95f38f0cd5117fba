package store

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"sync"

	"go.etcd.io/bbolt"
)

// tally is what the dead letters of one domain add up to.
type tally struct {
	letters int
	bytes   int64
	steps   map[string]int // by "pipeline/step"
}

func (t *tally) add(text *letterText, n int) {
	t.letters += n
	t.bytes += int64(n) * text.size()
	step := text.Pipeline + "/" + text.Step
	if t.steps[step] += n; t.steps[step] == 0 {
		delete(t.steps, step)
	}
}

func (t *tally) full() bool { return t.letters > MaxDeadLetters || t.bytes > MaxDeadLetterBytes }

// tallies remember what was counted, so that asking costs nothing.
type tallies struct {
	mu sync.Mutex // held while letters are written
	of map[string]*tally
}

// PutDeadLetters keeps dead letters, all or none, durable when it returns. One
// that is kept already, which is one with the same domain, pipeline, step, input
// and row, is replaced, but for the time when it came first. An ID is not asked
// for. If a domain would keep more than MaxDeadLetters or MaxDeadLetterBytes the
// error is ErrLettersFull.
func (s *Store) PutDeadLetters(letters ...DeadLetter) error {
	s.tallies.mu.Lock()
	defer s.tallies.mu.Unlock()
	var after map[string]*tally
	err := s.writer.commit(func(tx *bbolt.Tx) error {
		after = make(map[string]*tally)
		for i := range letters {
			if err := s.putLetter(tx, &letters[i], after); err != nil {
				return err
			}
		}
		for name, t := range after {
			if t.full() {
				return fmt.Errorf("domain %q: %w: at most %d with %d MiB; replay or discard some with penstock dead-letter",
					name, ErrLettersFull, MaxDeadLetters, MaxDeadLetterBytes>>20)
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, ErrLettersFull):
		return err
	case err != nil:
		return fmt.Errorf("keep dead letters: %w", explain(s.dir, err))
	}
	maps.Copy(s.tallies.of, after)
	return nil
}

func (s *Store) putLetter(tx *bbolt.Tx, l *DeadLetter, after map[string]*tally) error {
	if l.Domain == "" {
		return errors.New("a dead letter without a domain")
	}
	bucket, err := tx.Bucket(domainsBucket).CreateBucketIfNotExists([]byte(l.Domain))
	if err != nil {
		return err
	}
	metas, err := bucket.CreateBucketIfNotExists(lettersBucket)
	if err != nil {
		return err
	}
	bodies, err := bucket.CreateBucketIfNotExists(bodiesBucket)
	if err != nil {
		return err
	}
	if after[l.Domain] == nil {
		after[l.Domain] = s.tallies.copyOf(l.Domain, bucket)
	}
	key, text := []byte(letterID(l)), l.text()
	var old letterText
	if err := unseal(key, metas.Get(key), &old); err == nil {
		after[l.Domain].add(&old, -1)
		text.First = old.First
	}
	after[l.Domain].add(&text, 1)
	sealed, err := seal(key, text)
	if err != nil {
		return err
	}
	if err := metas.Put(key, sealed); err != nil {
		return err
	}
	return bodies.Put(key, append(bytes.Clone(l.Schema), l.Body...))
}

// copyOf tells what a domain's letters add up to, and counts them if nobody has
// yet. The caller holds mu.
func (t *tallies) copyOf(domain string, bucket *bbolt.Bucket) *tally {
	if known, ok := t.of[domain]; ok {
		return &tally{letters: known.letters, bytes: known.bytes, steps: maps.Clone(known.steps)}
	}
	counted := &tally{steps: make(map[string]int)}
	_ = forEach(bucket.Bucket(lettersBucket), func(key, value []byte) error { // no call of it returns an error
		var text letterText
		if unseal(key, value, &text) == nil {
			counted.add(&text, 1)
		}
		return nil
	})
	return counted
}

// forget counts anew the next time.
func (t *tallies) forget(domain string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, domain)
}

// DeadLetterCounts tells how many dead letters each step of a domain has, by
// "pipeline/step".
func (s *Store) DeadLetterCounts(domain string) (map[string]int, error) {
	s.tallies.mu.Lock()
	defer s.tallies.mu.Unlock()
	t, err := s.tally(domain)
	if err != nil {
		return nil, fmt.Errorf("count the dead letters: %w", explain(s.dir, err))
	}
	return maps.Clone(t.steps), nil
}

// tally counts once. The caller holds the lock of the tallies.
func (s *Store) tally(domain string) (*tally, error) {
	if known, ok := s.tallies.of[domain]; ok {
		return known, nil
	}
	counted := &tally{steps: make(map[string]int)}
	err := s.view(func(tx *bbolt.Tx) error {
		return eachDomain(tx, domain, func(_ string, bucket *bbolt.Bucket) error {
			counted = s.tallies.copyOf(domain, bucket)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	s.tallies.of[domain] = counted
	return counted, nil
}

// DiscardDeadLetters removes dead letters, all or none, durably, whether they
// are damaged or not. If one is not there the error is ErrNoLetter.
func (s *Store) DiscardDeadLetters(ids ...string) error {
	s.tallies.mu.Lock()
	defer s.tallies.mu.Unlock()
	current := ""
	err := s.writer.commit(func(tx *bbolt.Tx) error {
		for _, current = range ids {
			_, bucket, err := findLetter(tx, current)
			if err != nil {
				return err
			}
			if err := deleteLetter(bucket, []byte(current)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return s.letterError("discard dead letter", current, err)
	}
	clear(s.tallies.of)
	return nil
}

func deleteLetter(bucket *bbolt.Bucket, key []byte) error {
	if err := bucket.Bucket(lettersBucket).Delete(key); err != nil {
		return err
	}
	if bodies := bucket.Bucket(bodiesBucket); bodies != nil {
		return bodies.Delete(key)
	}
	return nil
}

// DropDeadLettersFrom removes, durably, the dead letters of a row of an edge and
// those that come after it, because the chain has taken them back. Where there are
// no dead letters it costs nothing.
func (s *Store) DropDeadLettersFrom(domain, edge string, row uint64) error {
	s.tallies.mu.Lock()
	defer s.tallies.mu.Unlock()
	var gone [][]byte
	t, err := s.tally(domain)
	if err == nil && t.letters > 0 {
		gone, err = s.lettersFrom(domain, edge, row)
	}
	if err == nil && len(gone) > 0 {
		delete(s.tallies.of, domain)
		err = s.writer.commit(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket(domainsBucket).Bucket([]byte(domain))
			for _, key := range gone {
				if err := deleteLetter(bucket, key); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("drop dead letters of %s from row %d on: %w", edge, row, explain(s.dir, err))
	}
	return nil
}

// lettersFrom finds the letters of an edge from a row on.
func (s *Store) lettersFrom(domain, edge string, row uint64) (keys [][]byte, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		return eachDomain(tx, domain, func(_ string, bucket *bbolt.Bucket) error {
			return forEach(bucket.Bucket(lettersBucket), func(key, value []byte) error {
				var text letterText
				if unseal(key, value, &text) == nil && text.edge() == edge && text.Row >= row {
					keys = append(keys, bytes.Clone(key))
				}
				return nil
			})
		})
	})
	return keys, err
}

// sumOf is the checksum of parts one after the other.
func sumOf(parts ...[]byte) (sum uint32) {
	for _, part := range parts {
		sum = crc32.Update(sum, castagnoli, part)
	}
	return sum
}
