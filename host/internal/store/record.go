package store

import (
	"bytes"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

// Kept tells the checkpoints that the domain can go back to, in ascending
// order, from memory. Of states it tells sizes, not bytes. The maps are shared:
// they must not be changed.
func (d *Domain) Kept() []Checkpoint {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := make([]Checkpoint, 0, len(d.kept))
	for _, e := range d.kept {
		if e.damage == nil {
			kept = append(kept, e.checkpoint())
		}
	}
	return kept
}

// Newest reads the newest checkpoint with its states; false means that there is
// none. If it is damaged the error is a *DamageError: no older one is taken in
// its place.
func (d *Domain) Newest() (Checkpoint, bool, error) {
	d.mu.Lock()
	newest, damage := d.newest(), d.damage
	d.mu.Unlock()
	if damage != nil {
		return Checkpoint{}, false, damage
	}
	if newest == nil {
		return Checkpoint{}, false, nil
	}
	c, err := d.read(newest)
	return c, err == nil, err
}

// newest is nil where there is none. The caller holds mu.
func (d *Domain) newest() *entry {
	if len(d.kept) == 0 {
		return nil
	}
	return d.kept[len(d.kept)-1]
}

// Load reads a checkpoint with its states.
func (d *Domain) Load(number uint64) (Checkpoint, error) {
	d.mu.Lock()
	at, ok := d.find(number)
	if !ok {
		defer d.mu.Unlock()
		return Checkpoint{}, d.unknown("read", number)
	}
	e := d.kept[at]
	d.mu.Unlock()
	return d.read(e)
}

func (d *Domain) read(e *entry) (Checkpoint, error) {
	if e.damage != nil {
		return Checkpoint{}, e.damage
	}
	c := e.checkpoint()
	err := d.store.view(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(domainsBucket).Bucket([]byte(d.name))
		if bucket == nil {
			return d.damaged("everything", fmt.Errorf("it is gone"))
		}
		if process, err := e.readStates(&c, bucket.Bucket(statesBucket)); err != nil {
			return d.damaged(fmt.Sprintf("the state of %q in checkpoint %d", process, e.Number), err)
		}
		return nil
	})
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint %d: %w", e.Number, explain(d.store.dir, err))
	}
	return c, nil
}

// find tells where a checkpoint is in kept. The caller holds mu.
func (d *Domain) find(number uint64) (int, bool) {
	return slices.BinarySearchFunc(d.kept, number, func(e *entry, number uint64) int {
		switch {
		case e.Number < number:
			return -1
		case e.Number > number:
			return 1
		}
		return 0
	})
}

// unknown says which checkpoints there are. The caller holds mu.
func (d *Domain) unknown(what string, number uint64) error {
	if len(d.kept) == 0 {
		return fmt.Errorf("%s checkpoint %d of domain %q: none is kept", what, number, d.name)
	}
	return fmt.Errorf("%s checkpoint %d of domain %q: it is not kept; those that are lie between %d and %d",
		what, number, d.name, d.kept[0].Number, d.newest().Number)
}

// Record keeps a checkpoint, durable when Record returns, and with it forgets
// for good what was pruned; after an error nothing has changed. Its number must
// be greater than all that were ever recorded. Nothing of c is held on to
// afterwards, but until then it must not be changed.
func (d *Domain) Record(c Checkpoint) error {
	d.change.Lock()
	defer d.change.Unlock()
	d.mu.Lock()
	next, before, waste, damage := d.head, d.newest(), d.trash, d.damage
	d.mu.Unlock()
	if damage != nil {
		return damage
	}
	if c.Number <= next.Last {
		return fmt.Errorf("record checkpoint %d of domain %q: numbers grow, and %d was recorded", c.Number, d.name, next.Last)
	}
	next.Last = c.Number
	e := newEntry(c)
	err := d.commit(fmt.Sprintf("record checkpoint %d", c.Number), func(bucket *bbolt.Bucket) error {
		return putEntry(bucket, next, e, before, c.States, waste)
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.head = next
	d.kept = append(d.kept, e)
	d.trash = trash{}
	return nil
}

// putEntry writes a checkpoint after another one, or after nil.
func putEntry(bucket *bbolt.Bucket, h head, e, before *entry, states map[string]State, waste trash) error {
	checkpoints, snapshots, err := contents(bucket)
	if err != nil {
		return err
	}
	e.share(before, states, snapshots)
	for name, s := range e.Snapshots {
		if s.At != e.Number {
			continue
		}
		if err := snapshots.Put(snapshotKey(name, s.At), states[name].Bytes); err != nil {
			return fmt.Errorf("state of %s: %w", name, err)
		}
	}
	key := numberKey(e.Number)
	sealed, err := seal(key, e)
	if err != nil {
		return err
	}
	if err := checkpoints.Put(key, sealed); err != nil {
		return err
	}
	if err := waste.put(checkpoints, snapshots); err != nil {
		return err
	}
	return putHead(bucket, h)
}

// contents are the buckets of checkpoints and of their states.
func contents(bucket *bbolt.Bucket) (checkpoints, states *bbolt.Bucket, err error) {
	if checkpoints, err = bucket.CreateBucketIfNotExists(checkpointsBucket); err != nil {
		return nil, nil, err
	}
	states, err = bucket.CreateBucketIfNotExists(statesBucket)
	return checkpoints, states, err
}

// Rewind forgets all checkpoints after number, or all there are if it is 0, and
// counts a fork if the chain has gone back too. It is durable when Rewind
// returns.
func (d *Domain) Rewind(number uint64, fork bool) error {
	d.change.Lock()
	defer d.change.Unlock()
	if err := d.sound(); err != nil {
		return err
	}
	d.mu.Lock()
	at, ok := d.find(number)
	if !ok && number != 0 {
		defer d.mu.Unlock()
		return d.unknown("rewind to", number)
	}
	if ok {
		if damage := d.kept[at].damage; damage != nil {
			defer d.mu.Unlock()
			return damage
		}
		at++
	}
	next := d.head
	d.mu.Unlock()
	if fork {
		next.Forks++
	}
	return d.keepFirst(fmt.Sprintf("rewind to checkpoint %d", number), at, next)
}

// keepFirst forgets all but the first n checkpoints. The caller holds change.
func (d *Domain) keepFirst(what string, n int, next head) error {
	d.mu.Lock()
	waste := d.trash.with(d.kept[n:], d.kept[:n])
	changes := next != d.head || len(d.kept) > n
	d.mu.Unlock()
	if !changes {
		return nil
	}
	err := d.commit(what, func(bucket *bbolt.Bucket) error {
		checkpoints, states, err := contents(bucket)
		if err != nil {
			return err
		}
		if err := waste.put(checkpoints, states); err != nil {
			return err
		}
		return putHead(bucket, next)
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.head, d.kept, d.trash = next, slices.Clip(d.kept[:n]), trash{}
	return nil
}

// Prune forgets the checkpoints before oldest, but never the newest one. They
// go at once from memory and with the next Record from the disk: after a crash
// they may be there again.
func (d *Domain) Prune(oldest uint64) error {
	d.change.Lock()
	defer d.change.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	at, _ := d.find(oldest)
	if at = min(at, len(d.kept)-1); at <= 0 {
		return nil
	}
	d.trash = d.trash.with(d.kept[:at], d.kept[at:])
	d.kept = slices.Clone(d.kept[at:])
	return nil
}

// MarkFinal says that nobody will ask for a checkpoint before number any more.
// It is durable when MarkFinal returns.
func (d *Domain) MarkFinal(number uint64) error {
	d.change.Lock()
	defer d.change.Unlock()
	if err := d.sound(); err != nil {
		return err
	}
	d.mu.Lock()
	kept := slices.Clone(d.kept)
	d.mu.Unlock()
	var marked []*entry
	for i, e := range kept {
		if e.Number > number || e.Final || e.damage != nil {
			continue
		}
		final := *e
		final.Final = true
		kept[i] = &final
		marked = append(marked, &final)
	}
	if len(marked) == 0 {
		return nil
	}
	err := d.commit(fmt.Sprintf("mark checkpoint %d final", number), func(bucket *bbolt.Bucket) error {
		return putMarked(bucket, marked)
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = kept
	return nil
}

func putMarked(bucket *bbolt.Bucket, marked []*entry) error {
	checkpoints, _, err := contents(bucket)
	if err != nil {
		return err
	}
	for _, e := range marked {
		key := numberKey(e.Number)
		sealed, err := seal(key, e)
		if err != nil {
			return err
		}
		if err := checkpoints.Put(key, sealed); err != nil {
			return err
		}
	}
	return nil
}

// Forget begins the domain anew: without checkpoints and dead letters, whose
// rows will come again, and with whatever is damaged removed. Generation, forks
// and numbers go on growing, and notes stay.
// It is durable when Forget returns.
func (d *Domain) Forget() error {
	d.change.Lock()
	defer d.change.Unlock()
	d.mu.Lock()
	next, notes := d.head, d.notes
	d.mu.Unlock()
	err := d.commit("begin anew the records", func(bucket *bbolt.Bucket) error { return d.forget(bucket, next, notes) })
	if err != nil {
		return err
	}
	d.store.tallies.forget(d.name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept, d.trash, d.damage = nil, trash{}, nil
	return nil
}

func (d *Domain) forget(bucket *bbolt.Bucket, next head, notes map[string][]byte) error {
	for _, name := range [][]byte{checkpointsBucket, statesBucket, lettersBucket, bodiesBucket} {
		if bucket.Bucket(name) == nil {
			continue
		}
		if err := bucket.DeleteBucket(name); err != nil {
			return err
		}
	}
	if kept := bucket.Bucket(notesBucket); kept != nil {
		if err := dropOthers(kept, notes); err != nil {
			return err
		}
	}
	return putHead(bucket, next)
}

// dropOthers removes what is not among the notes that could be read.
func dropOthers(bucket *bbolt.Bucket, notes map[string][]byte) error {
	var others [][]byte
	err := bucket.ForEach(func(key, _ []byte) error {
		if _, ok := notes[string(key)]; !ok {
			others = append(others, bytes.Clone(key))
		}
		return nil
	})
	for _, key := range others {
		if err == nil {
			err = bucket.Delete(key)
		}
	}
	return err
}
