package store

import (
	"errors"
	"fmt"
	"hash/crc64"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/penstock-io/penstock/sdk/shared"
)

// In the file a pipeline has a bucket in sharedBucket, and in that each set has
// one for its words, which are keys without values, and a record beside it. So
// that one word of a million is one page to write, the record holds a sum of the
// words that does not depend on their order.
var (
	sharedBucket  = []byte("shared")
	setHeadPrefix = "head:"
	setPrefix     = "words:"
)

// setHead is the record of a set.
type setHead struct {
	Version uint64 `json:"version"`
	Words   int    `json:"words"`
	Sum     uint64 `json:"sum"` // of sumOfWord over its words
}

var ecma = crc64.MakeTable(crc64.ECMA)

func sumOfWord(word string) uint64 { return crc64.Checksum([]byte(word), ecma) }

// pipelineOf is the pipeline of a step as it names itself.
func pipelineOf(step string) string {
	pipeline, _, _ := strings.Cut(step, "/")
	return pipeline
}

// putSet makes a set durable, of which some words are new and some are gone.
func (s *Store) putSet(of SetOf, v shared.Value, fresh, gone []string) error {
	return s.writer.commit(func(tx *bbolt.Tx) error {
		sets, words, err := bucketsOf(tx, of)
		if err != nil {
			return err
		}
		head, err := s.setHead(sets, of)
		if err != nil {
			return err
		}
		if head.Version == 0 && countSets(sets) >= MaxSets {
			return noSet{fmt.Errorf("pipeline %q has %d sets, which is as many as may be", of.Pipeline, MaxSets)}
		}
		if err := head.exchange(words, fresh, gone); err != nil {
			return err
		}
		head.Version, head.Words = v.Version, len(v.Members)
		key := []byte(setHeadPrefix + of.Key)
		sealed, err := seal(key, head)
		if err != nil {
			return err
		}
		return sets.Put(key, sealed)
	})
}

// bucketsOf makes the buckets of a pipeline's sets and of the words of one.
func bucketsOf(tx *bbolt.Tx, of SetOf) (sets, words *bbolt.Bucket, err error) {
	all, err := tx.CreateBucketIfNotExists(sharedBucket)
	if err != nil {
		return nil, nil, err
	}
	if sets, err = all.CreateBucketIfNotExists([]byte(of.Pipeline)); err != nil {
		return nil, nil, err
	}
	words, err = sets.CreateBucketIfNotExists([]byte(setPrefix + of.Key))
	return sets, words, err
}

// exchange writes words that are new, removes those that are gone, and keeps the sum.
func (h *setHead) exchange(words *bbolt.Bucket, fresh, gone []string) error {
	for _, word := range gone {
		h.Sum -= sumOfWord(word)
		if err := words.Delete([]byte(word)); err != nil {
			return err
		}
	}
	for _, word := range fresh {
		h.Sum += sumOfWord(word)
		if err := words.Put([]byte(word), nil); err != nil {
			return err
		}
	}
	return nil
}

// setHead reads the record of a set; the zero record where there is none.
func (s *Store) setHead(sets *bbolt.Bucket, of SetOf) (h setHead, err error) {
	key := []byte(setHeadPrefix + of.Key)
	sealed := sets.Get(key)
	if sealed == nil {
		return h, nil
	}
	if err := unseal(key, sealed, &h); err != nil {
		return h, s.damagedSet(of, err)
	}
	return h, nil
}

func (s *Store) damagedSet(of SetOf, cause error) error {
	return &DamageError{Dir: s.dir, What: of.String(), Cause: cause, Way: "put a copy of the file back"}
}

func countSets(sets *bbolt.Bucket) (n int) {
	c := sets.Cursor()
	for key, _ := c.Seek([]byte(setHeadPrefix)); strings.HasPrefix(string(key), setHeadPrefix); key, _ = c.Next() {
		n++
	}
	return n
}

// readSet reads a set, and checks that it is what was written.
func (s *Store) readSet(of SetOf) (v shared.Value, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		v = shared.Value{}
		sets := setsOf(tx, of.Pipeline)
		if sets == nil {
			return nil
		}
		head, err := s.setHead(sets, of)
		if err != nil || head.Version == 0 {
			return err
		}
		v.Version = head.Version
		v.Members = make([]string, 0, min(head.Words, MaxSetWords))
		var sum uint64
		err = forEach(sets.Bucket([]byte(setPrefix+of.Key)), func(word, _ []byte) error {
			v.Members = append(v.Members, string(word))
			sum += sumOfWord(string(word))
			return nil
		})
		if err == nil && (sum != head.Sum || len(v.Members) != head.Words) {
			err = s.damagedSet(of, errors.New("its words are not those that were put into it"))
		}
		return err
	})
	return v, err
}

func setsOf(tx *bbolt.Tx, pipeline string) *bbolt.Bucket {
	all := tx.Bucket(sharedBucket)
	if all == nil {
		return nil
	}
	return all.Bucket([]byte(pipeline))
}

// List tells the sets of a pipeline that anybody has ever written to, or of all
// if it is "", in the order of their names. Those whose record is damaged are
// missing; then the error is a *DamageError and the others are good.
func (s *Sets) List(pipeline string) (sizes []SetSize, err error) {
	var damage []error
	err = s.store.view(func(tx *bbolt.Tx) error {
		sizes, damage = nil, nil
		pipelines := []string{pipeline}
		if pipeline == "" {
			pipelines = nil
			if err := forEach(tx.Bucket(sharedBucket), func(name, _ []byte) error {
				pipelines = append(pipelines, string(name))
				return nil
			}); err != nil {
				return err
			}
		}
		for _, name := range pipelines {
			some, broken := s.store.listSets(setsOf(tx, name), name)
			sizes, damage = append(sizes, some...), append(damage, broken...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the shared state: %w", explain(s.store.dir, err))
	}
	return sizes, errors.Join(damage...)
}

func (s *Store) listSets(sets *bbolt.Bucket, pipeline string) (sizes []SetSize, damage []error) {
	if sets == nil {
		return nil, nil
	}
	c := sets.Cursor()
	for key, _ := c.Seek([]byte(setHeadPrefix)); strings.HasPrefix(string(key), setHeadPrefix); key, _ = c.Next() {
		of := SetOf{pipeline, strings.TrimPrefix(string(key), setHeadPrefix)}
		head, err := s.setHead(sets, of)
		if err != nil {
			damage = append(damage, err)
			continue
		}
		sizes = append(sizes, SetSize{SetOf: of, Version: head.Version, Words: head.Words})
	}
	slices.SortFunc(sizes, func(a, b SetSize) int { return strings.Compare(a.Key, b.Key) })
	return sizes, damage
}
