package store

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"go.etcd.io/bbolt"
)

// writer makes changes durable. Those that come while another one is on its way
// to the disk share the next transaction, so that many domains pay for one wait;
// a change that comes alone waits for nobody.
type writer struct {
	update func(func(*bbolt.Tx) error) error
	view   func(func(*bbolt.Tx) error) error

	mu      sync.Mutex
	waiting []*change // in the order of arrival
	busy    bool      // somebody leads: who comes now waits
	doubt   error     // once it is set nothing is written any more
}

// A change is what one caller wants to be durable.
type change struct {
	apply func(*bbolt.Tx) error // may run several times; has no effect outside of the transaction
	turn  chan bool             // true: lead the next transaction; false: err is the answer
	err   error
}

// errDoubt is for a write that may or may not have reached the disk. What was
// built upon it could destroy what is there, so nothing is.
var errDoubt = errors.New("it is not known whether the last write reached the disk, so nothing more is written; look after the disk, then start the host again")

// errWrecked is for a database that gave up in the middle of a transaction and
// may hold its own locks for ever.
var errWrecked = errors.New("nothing more is written to it")

// wrecked tells whether the database can no longer be closed.
func (w *writer) wrecked() bool { return errors.Is(w.failed(), errWrecked) }

// fail keeps the reason why nothing is written any more.
func (w *writer) fail(reason, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubt = fmt.Errorf("%w: %w", reason, err)
	return w.doubt
}

// failed is what fail has kept.
func (w *writer) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.doubt
}

// commit makes a change durable, together with those of others who wait.
func (w *writer) commit(apply func(*bbolt.Tx) error) error {
	c := &change{apply: apply, turn: make(chan bool, 1)}
	w.mu.Lock()
	w.waiting = append(w.waiting, c)
	lead := !w.busy
	w.busy = true
	w.mu.Unlock()
	if !lead {
		lead = <-c.turn
	}
	if !lead {
		return c.err
	}

	w.mu.Lock()
	batch := w.waiting // c among them
	w.waiting = nil
	w.mu.Unlock()
	w.run(slices.Clone(batch))
	for _, other := range batch {
		if other != c {
			other.turn <- false
		}
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = len(w.waiting) > 0
	if w.busy {
		w.waiting[0].turn <- true
	}
	return c.err
}

// run gives every change of a batch its answer. One that cannot be applied is
// taken out and the others begin again without it.
func (w *writer) run(batch []*change) {
	for len(batch) > 0 {
		at, err := w.try(batch)
		if err != nil && at >= 0 {
			batch[at].err = err
			batch = slices.Delete(batch, at, at+1)
			continue
		}
		if err != nil && len(batch) > 1 && w.failed() == nil {
			// There may be room for one of them where there is none for all.
			for i := range batch {
				w.run(batch[i : i+1])
			}
			return
		}
		for _, c := range batch {
			c.err = err
		}
		return
	}
}

// try writes a batch in one transaction, which is done as a whole or not at
// all. After an error at is the change that could not be applied, or -1.
func (w *writer) try(batch []*change) (at int, err error) {
	if err := w.failed(); err != nil {
		return -1, err
	}
	at = -1
	id := 0
	err = guard(func() error {
		return w.update(func(tx *bbolt.Tx) error {
			id = tx.ID()
			for i, c := range batch {
				if err := guard(func() error { return c.apply(tx) }); err != nil {
					at = i
					return err
				}
			}
			at = -1
			return nil
		})
	})
	switch {
	case errors.Is(err, errStructure) && at < 0:
		return -1, w.fail(errWrecked, err)
	case err != nil && at < 0 && w.reached(id):
		return -1, w.fail(errDoubt, err)
	}
	return at, err
}

// reached tells whether a transaction that ended with an error is seen
// nevertheless: its last page was written, but perhaps not to the disk.
func (w *writer) reached(id int) bool {
	newest := id
	err := guard(func() error {
		return w.view(func(tx *bbolt.Tx) error {
			newest = tx.ID()
			return nil
		})
	})
	return err != nil || newest >= id
}

// errStructure is for a file whose pages do not fit together.
var errStructure = errors.New("its pages are damaged")

// guard turns the panic of a database that runs into damaged pages into an
// error.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errStructure, p)
		}
	}()
	return f()
}
