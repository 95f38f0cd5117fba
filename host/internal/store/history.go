package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
)

// MaxSwaps is how many swaps are remembered: the newest.
const MaxSwaps = 1000

var swapsBucket = []byte("swaps")

// SwapOutcome is what became of a swap.
type SwapOutcome string

// The outcomes of a swap.
const (
	SwapUnderWay    SwapOutcome = ""            // nothing yet
	SwapCommitted   SwapOutcome = "committed"   // the new bytes run
	SwapRefused     SwapOutcome = "refused"     // nothing has happened to what ran
	SwapRolledBack  SwapOutcome = "rolled back" // the bytes before it run again, from the checkpoint of the cut
	SwapInterrupted SwapOutcome = "interrupted" // its host ended; the bytes before it run again
	SwapUnchanged   SwapOutcome = "unchanged"   // these bytes ran already; such a swap is not remembered
)

// SwapRecord is a swap of a plugin for other bytes, and what became of it.
type SwapRecord struct {
	Number  uint64        `json:"number"` // grows with every swap, also over restarts
	Time    time.Time     `json:"time"`   // when it began
	Took    time.Duration `json:"took_ns,omitempty"`
	Plugin  string        `json:"plugin"`
	Source  string        `json:"source,omitempty"` // the file that the bytes came from
	Undoes  uint64        `json:"undoes,omitempty"` // of a rollback: the swap that it takes back
	Steps   []SwapStep    `json:"steps"`
	Locked  bool          `json:"locked,omitempty"` // the bytes took the place of others in the lock file
	Phase   string        `json:"phase,omitempty"`  // how far it has come
	Outcome SwapOutcome   `json:"outcome"`
	Pause   time.Duration `json:"pause_ns,omitempty"` // the longest that an edge waited
	Cause   string        `json:"cause,omitempty"`    // of another outcome than committed
}

// SwapStep is one step of a swap.
type SwapStep struct {
	Step string     `json:"step"` // the pipeline and the step, joined by a slash
	From SwapBinary `json:"from"`
	To   SwapBinary `json:"to"`
}

// SwapBinary is the bytes of a plugin.
type SwapBinary struct {
	Version string `json:"version,omitempty"` // as the plugin says it
	Digest  string `json:"digest,omitempty"`  // "sha256:" and 64 hex digits
	Size    int64  `json:"size,omitempty"`
	Source  string `json:"source,omitempty"` // the file that they came from
}

// PutSwap keeps a swap, durable when it returns, in place of one with the same
// number. The oldest beyond MaxSwaps are forgotten.
func (s *Store) PutSwap(r SwapRecord) error {
	if r.Number == 0 {
		return errors.New("keep a swap: it has no number")
	}
	err := s.writer.commit(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(swapsBucket)
		if err != nil {
			return err
		}
		key := numberKey(r.Number)
		sealed, err := seal(key, r)
		if err != nil {
			return err
		}
		if err := bucket.Put(key, sealed); err != nil {
			return err
		}
		return dropOldest(bucket, MaxSwaps)
	})
	if err != nil {
		return fmt.Errorf("keep swap %d: %w", r.Number, explain(s.dir, err))
	}
	return nil
}

// dropOldest removes the first records of a bucket until no more than a number
// of them are left.
func dropOldest(bucket *bbolt.Bucket, most int) error {
	var keys [][]byte
	if err := bucket.ForEach(func(key, _ []byte) error {
		keys = append(keys, bytes.Clone(key))
		return nil
	}); err != nil {
		return err
	}
	for len(keys) > most {
		if err := bucket.Delete(keys[0]); err != nil {
			return err
		}
		keys = keys[1:]
	}
	return nil
}

// Swaps tells all swaps that are remembered, oldest first. Those that are
// damaged are left out: a *DamageError beside the others tells of them.
func (s *Store) Swaps() (swaps []SwapRecord, err error) {
	var damage error
	err = s.view(func(tx *bbolt.Tx) error {
		return forEach(tx.Bucket(swapsBucket), func(key, value []byte) error {
			r, err := s.readSwap(key, value)
			if err != nil {
				damage = err
				return nil //nolint:nilerr // the others are told of
			}
			swaps = append(swaps, r)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the history of swaps: %w", explain(s.dir, err))
	}
	return swaps, damage
}

func (s *Store) readSwap(key, value []byte) (r SwapRecord, err error) {
	if err := unseal(key, value, &r); err != nil {
		return r, &DamageError{
			Dir: s.dir, What: "swap " + swapName(key), Cause: err, Way: "it is missing in the history; nothing else depends on it",
		}
	}
	return r, nil
}

// swapName is the number in a key, however that came to be.
func swapName(key []byte) string {
	if len(key) != 8 {
		return fmt.Sprintf("%x", key)
	}
	return strconv.FormatUint(binary.BigEndian.Uint64(key), 10)
}

// NextSwap is the number for the next swap: greater than all that are
// remembered, and than those that cannot be read.
func (s *Store) NextSwap() (number uint64, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(swapsBucket)
		if bucket == nil {
			return nil
		}
		if key, _ := bucket.Cursor().Last(); len(key) == 8 {
			number = binary.BigEndian.Uint64(key)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("number a swap: %w", explain(s.dir, err))
	}
	return number + 1, nil
}
