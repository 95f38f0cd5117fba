package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/penstock-io/penstock/host/internal/store"
)

func numberKey(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }

// damage changes one value below a domain, given the path to it.
func damage(t *testing.T, dir string, change func([]byte) []byte, path ...[]byte) {
	t.Helper()
	edit(t, dir, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte("domains")).Bucket([]byte("main"))
		for _, name := range path[:len(path)-1] {
			bucket = bucket.Bucket(name)
		}
		key := path[len(path)-1]
		value := change(bytes.Clone(bucket.Get(key)))
		if value == nil {
			return bucket.Delete(key)
		}
		return bucket.Put(key, value)
	})
}

func flip(at int) func([]byte) []byte {
	return func(value []byte) []byte {
		value[at%len(value)] ^= 1
		return value
	}
}

// threeCheckpoints leaves a file with checkpoints 1 to 3, at generation 1.
func threeCheckpoints(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, dir)
	defer closed(t, s)
	d := domain(t, s, "main")
	if _, err := d.Begin(); err != nil {
		t.Fatal(err)
	}
	for n := range uint64(3) {
		record(t, d, store.Checkpoint{Number: n + 1, Generation: 1, States: map[string]store.State{"a/sum": state(1, string('a'+rune(n)))}})
	}
	if err := d.SetNote("paused", []byte("yes")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDamageIsNamed(t *testing.T) {
	checkpoints, states, notes := []byte("checkpoints"), []byte("states"), []byte("notes")
	snapshot := append([]byte("a/sum\x00"), numberKey(3)...)
	for name, test := range map[string]struct {
		change func([]byte) []byte
		path   [][]byte
		want   string
	}{
		"text of a checkpoint":     {flip(20), [][]byte{checkpoints, numberKey(3)}, `checkpoint 3 of domain "main"`},
		"checksum of a checkpoint": {flip(0), [][]byte{checkpoints, numberKey(3)}, `checkpoint 3 of domain "main"`},
		"checkpoint that is cut":   {func(b []byte) []byte { return b[:5] }, [][]byte{checkpoints, numberKey(3)}, "it is cut short"},
		"bytes of a state":         {flip(0), [][]byte{states, snapshot}, `the state of "a/sum" in checkpoint 3 of domain "main"`},
		"a state that is longer":   {func(b []byte) []byte { return append(b, 'x') }, [][]byte{states, snapshot}, "2 bytes with checksum"},
		"a state that is gone":     {func([]byte) []byte { return nil }, [][]byte{states, snapshot}, "written with checkpoint 3 are gone"},
		"a note":                   {flip(12), [][]byte{notes, []byte("paused")}, `note "paused" of domain "main"`},
		"the head":                 {flip(12), [][]byte{[]byte("head")}, `the head of domain "main"`},
		"a head that is gone":      {func([]byte) []byte { return nil }, [][]byte{[]byte("head")}, `the head of domain "main"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := threeCheckpoints(t)
			damage(t, dir, test.change, test.path...)
			s := open(t, dir)
			defer func() { closed(t, s) }()
			d := domain(t, s, "main")
			c, _, err := d.Newest()
			if !errors.As(err, new(*store.DamageError)) {
				t.Fatalf("Newest: got checkpoint %d, %v, want a DamageError", c.Number, err)
			}
			for _, want := range []string{"data directory " + dir, test.want, "penstock.db is damaged", "--fresh", "put a copy of the file back"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Newest: got %q, which lacks %q", err, want)
				}
			}
			beginsAnew(t, d)
			s = again(t, s)
			if c := newest(t, domain(t, s, "main")); c.Number <= 3 {
				t.Errorf("Newest after it was begun anew: got %d", c.Number)
			}
		})
	}
}

// A record that is whole but belongs elsewhere is damage too.
func TestRecordInTheWrongPlace(t *testing.T) {
	dir := threeCheckpoints(t)
	edit(t, dir, func(tx *bbolt.Tx) error {
		notes := tx.Bucket([]byte("domains")).Bucket([]byte("main")).Bucket([]byte("notes"))
		return notes.Put([]byte("basis"), bytes.Clone(notes.Get([]byte("paused"))))
	})
	s := open(t, dir)
	defer closed(t, s)
	_, _, err := domain(t, s, "main").Newest()
	if !errors.As(err, new(*store.DamageError)) || !strings.Contains(err.Error(), `note "basis"`) {
		t.Errorf("Newest: got %v, want a DamageError", err)
	}
}

// beginsAnew checks that a damaged domain is usable after Forget, with numbers
// and generations that nobody has seen.
func beginsAnew(t *testing.T, d *store.Domain) {
	t.Helper()
	if err := d.Forget(); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := d.Newest(); ok || err != nil {
		t.Errorf("Newest after Forget: got %v, %v, want nothing", ok, err)
	}
	if g, err := d.Begin(); g <= 1 || err != nil {
		t.Errorf("Begin after Forget: got %d, %v, want more than 1", g, err)
	}
	n := d.Next()
	if n <= 3 {
		t.Errorf("Next after Forget: got %d, want more than 3", n)
	}
	record(t, d, store.Checkpoint{Number: n})
}

// What is damaged but not needed stops nobody, and is not offered either.
func TestDamageOfAnOlderCheckpoint(t *testing.T) {
	dir := threeCheckpoints(t)
	damage(t, dir, flip(20), []byte("checkpoints"), numberKey(2))
	s := open(t, dir)
	defer closed(t, s)
	d := domain(t, s, "main")
	if c := newest(t, d); c.Number != 3 {
		t.Errorf("Newest: got %d, want 3", c.Number)
	}
	wantKept(t, d, 1, 3)
	if _, err := d.Load(2); !errors.As(err, new(*store.DamageError)) {
		t.Errorf("Load: got %v, want a DamageError", err)
	}
	if err := d.Rewind(2, false); !errors.As(err, new(*store.DamageError)) {
		t.Errorf("Rewind to it: got %v, want a DamageError", err)
	}
	if err := d.Rewind(1, false); err != nil {
		t.Errorf("Rewind beyond it: %v", err)
	}
	wantKept(t, d, 1)
}

// With a damaged head nothing is written that could be older than it was.
func TestDamagedHeadTakesNothing(t *testing.T) {
	dir := threeCheckpoints(t)
	damage(t, dir, flip(12), []byte("head"))
	s := open(t, dir)
	defer closed(t, s)
	d := domain(t, s, "main")
	for name, do := range map[string]func() error{
		"Begin":     func() error { _, err := d.Begin(); return err },
		"Record":    func() error { return d.Record(store.Checkpoint{Number: d.Next()}) },
		"Rewind":    func() error { return d.Rewind(1, false) },
		"MarkFinal": func() error { return d.MarkFinal(1) },
	} {
		if err := do(); !errors.As(err, new(*store.DamageError)) {
			t.Errorf("%s: got %v, want a DamageError", name, err)
		}
	}
}
