package store_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/penstock-io/penstock/host/internal/store"
)

func domain(t *testing.T, s *store.Store, name string) *store.Domain {
	t.Helper()
	d, err := s.Domain(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func record(t *testing.T, d *store.Domain, c store.Checkpoint) {
	t.Helper()
	if err := d.Record(c); err != nil {
		t.Fatal(err)
	}
}

func newest(t *testing.T, d *store.Domain) store.Checkpoint {
	t.Helper()
	c, ok, err := d.Newest()
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Fatal("Newest: there is none")
	}
	return c
}

func kept(d *store.Domain) []uint64 {
	numbers := []uint64{}
	for _, c := range d.Kept() {
		numbers = append(numbers, c.Number)
	}
	return numbers
}

func wantKept(t *testing.T, d *store.Domain, want ...uint64) {
	t.Helper()
	if diff := cmp.Diff(append([]uint64{}, want...), kept(d)); diff != "" {
		t.Errorf("checkpoints that are kept (-want +got):\n%s", diff)
	}
}

// again closes the store and opens it once more.
func again(t *testing.T, s *store.Store) *store.Store {
	t.Helper()
	closed(t, s)
	return open(t, s.Dir())
}

func state(version uint32, text string) store.State {
	return store.State{Version: version, Bytes: []byte(text), Size: len(text)}
}

// A checkpoint with everything that one can hold.
func full(number uint64) store.Checkpoint {
	from := uint64(17)
	return store.Checkpoint{
		Number: number, Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Generation: 1<<63 + 3,
		Readers: map[string]store.Place{
			"a/read": {ChainID: 1, Block: 1<<64 - 1, Hash: [32]byte{1, 31: 2}, Position: []byte{0, 255}, Known: true, From: &from},
			"b/read": {},
		},
		States:    map[string]store.State{"a/count": state(3, "first"), "a/sum": state(0, "second"), "a/none": state(7, "")},
		Counts:    map[string]uint64{"a/read->a/count": 1<<64 - 2},
		Positions: map[string]uint64{"a/pending": 4711},
		Final:     true, Took: 12 * time.Millisecond,
	}
}

func TestNothingIsRememberedAtFirst(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { closed(t, s) }()
	d := domain(t, s, "main")
	if d.Name() != "main" {
		t.Errorf("Name: got %q", d.Name())
	}
	if _, ok, err := d.Newest(); ok || err != nil {
		t.Errorf("Newest: got %v, %v, want nothing", ok, err)
	}
	wantKept(t, d)
	if n := d.Next(); n != 1 {
		t.Errorf("Next: got %d, want 1", n)
	}
	if n := d.Forks(); n != 0 {
		t.Errorf("Forks: got %d, want 0", n)
	}
	if err := d.Rewind(0, false); err != nil {
		t.Errorf("Rewind to the beginning: %v", err)
	}
	if names, err := s.Domains(); len(names) > 0 || err != nil {
		t.Errorf("Domains: got %v, %v: asking for a domain makes nothing durable", names, err)
	}
	if domain(t, s, "main") != d {
		t.Error("the same name gives another domain")
	}
	if _, err := s.Domain(""); err == nil {
		t.Error("a domain without a name was accepted")
	}
}

func TestRecordIsRemembered(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { closed(t, s) }()
	want := full(5)
	given := full(5)
	record(t, domain(t, s, "main"), given)
	given.Readers["a/read"].Position[0] = 99 // nothing of it is held on to
	given.Counts["other"] = 1
	record(t, domain(t, s, "aside"), store.Checkpoint{Number: 1})

	for _, when := range []string{"at once", "after the store was opened again"} {
		d := domain(t, s, "main")
		if diff := cmp.Diff(want, newest(t, d)); diff != "" {
			t.Errorf("%s: Newest (-want +got):\n%s", when, diff)
		}
		loaded, err := d.Load(5)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, loaded); diff != "" {
			t.Errorf("%s: Load (-want +got):\n%s", when, diff)
		}
		light := full(5)
		for name, st := range light.States {
			st.Bytes = nil
			light.States[name] = st
		}
		if diff := cmp.Diff([]store.Checkpoint{light}, d.Kept()); diff != "" {
			t.Errorf("%s: Kept (-want +got):\n%s", when, diff)
		}
		if names, err := s.Domains(); err != nil || !cmp.Equal(names, []string{"aside", "main"}) {
			t.Errorf("%s: Domains: got %v, %v", when, names, err)
		}
		s = again(t, s)
	}
}

func TestNumbersAndGenerationsGrow(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { closed(t, s) }()
	d := domain(t, s, "main")
	first, err := d.Begin()
	if now := uint64(time.Now().Unix()); err != nil || first > now+1 || first+60 < now {
		t.Errorf("Begin: got %d, %v, want the time", first, err)
	}
	begin := func(nth uint64) {
		t.Helper()
		if got, err := d.Begin(); err != nil || got != first+nth-1 {
			t.Errorf("Begin: got %d, %v, want %d", got, err, first+nth-1)
		}
	}
	if a, b := d.Next(), d.Next(); a != 1 || b != 2 {
		t.Errorf("Next: got %d and %d, want 1 and 2", a, b)
	}
	record(t, d, store.Checkpoint{Number: 2})
	for _, number := range []uint64{0, 1, 2} {
		if err := d.Record(store.Checkpoint{Number: number}); err == nil || !strings.Contains(err.Error(), "numbers grow") {
			t.Errorf("Record of number %d after 2: got %v", number, err)
		}
	}
	record(t, d, store.Checkpoint{Number: 9})
	if err := d.Rewind(2, true); err != nil {
		t.Fatal(err)
	}
	if n := d.Next(); n != 10 {
		t.Errorf("Next after a rewind: got %d, want 10", n)
	}
	if err := d.Forget(); err != nil {
		t.Fatal(err)
	}
	wantKept(t, d)

	s = again(t, s)
	d = domain(t, s, "main")
	wantKept(t, d)
	if n := d.Next(); n != 10 {
		t.Errorf("Next after Forget and another run: got %d, want 10", n)
	}
	begin(2)
	if n := d.Forks(); n != 1 {
		t.Errorf("Forks: got %d, want 1", n)
	}
	if err := d.Record(store.Checkpoint{Number: 9}); err == nil {
		t.Error("a number from before Forget was accepted")
	}
}

func TestRewind(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { closed(t, s) }()
	d := domain(t, s, "main")
	for n := range uint64(5) {
		record(t, d, store.Checkpoint{Number: n + 1, States: map[string]store.State{"p": state(1, strings.Repeat("x", int(n/2)))}})
	}
	if err := d.Rewind(7, false); err == nil || !strings.Contains(err.Error(), "between 1 and 5") {
		t.Errorf("Rewind to what is not kept: got %v", err)
	}
	if _, err := d.Load(7); err == nil || !strings.Contains(err.Error(), "between 1 and 5") {
		t.Errorf("Load of what is not kept: got %v", err)
	}
	if err := d.Rewind(3, false); err != nil {
		t.Fatal(err)
	}
	wantKept(t, d, 1, 2, 3)
	if d.Forks() != 0 {
		t.Errorf("Forks: got %d for a rewind without one", d.Forks())
	}
	if err := d.Rewind(3, true); err != nil {
		t.Fatal(err)
	}
	s = again(t, s)
	d = domain(t, s, "main")
	wantKept(t, d, 1, 2, 3)
	if d.Forks() != 1 {
		t.Errorf("Forks: got %d, want 1", d.Forks())
	}
	if got := newest(t, d).States["p"]; !cmp.Equal(got, state(1, "x")) {
		t.Errorf("the state after a rewind is %+v", got)
	}
	if got := stateKeys(t, s); len(got) != 2 {
		t.Errorf("the file holds the states %q, want those of 1 and 2", got)
	}
	s = open(t, s.Dir())
	d = domain(t, s, "main")
	if err := d.Rewind(0, true); err != nil {
		t.Fatal(err)
	}
	wantKept(t, d)
	if _, ok, err := d.Newest(); ok || err != nil {
		t.Errorf("Newest after a rewind to the beginning: got %v, %v", ok, err)
	}
	if got := stateKeys(t, s); len(got) != 0 {
		t.Errorf("after a rewind to the beginning the file holds the states %q", got)
	}
	s = open(t, s.Dir())
}

func TestPrune(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { closed(t, s) }()
	d := domain(t, s, "main")
	for n := range uint64(4) {
		record(t, d, store.Checkpoint{Number: n + 1, States: map[string]store.State{"same": state(1, "same"), "new": state(1, string('a'+rune(n)))}})
	}
	if err := d.Prune(3); err != nil {
		t.Fatal(err)
	}
	wantKept(t, d, 3, 4)
	if _, err := d.Load(2); err == nil {
		t.Error("a checkpoint that was pruned can be read")
	}
	record(t, d, store.Checkpoint{Number: 5, States: map[string]store.State{"same": state(2, "same")}})
	if err := d.Prune(100); err != nil {
		t.Fatal(err)
	}
	wantKept(t, d, 5)
	record(t, d, store.Checkpoint{Number: 6, States: map[string]store.State{"same": state(3, "same")}})
	s = again(t, s)
	d = domain(t, s, "main")
	wantKept(t, d, 5, 6)
	if got := newest(t, d).States["same"]; !cmp.Equal(got, state(3, "same")) {
		t.Errorf("a state that is shared since a checkpoint that is gone: %+v", got)
	}
	s = again(t, s)
	if got := stateKeys(t, s); len(got) != 1 {
		t.Errorf("the file holds the states %q, want one", got)
	}
	s = open(t, s.Dir())
}

// stateKeys closes the store and tells what states its file holds of the domain main.
func stateKeys(t *testing.T, s *store.Store) []string {
	t.Helper()
	closed(t, s)
	var keys []string
	edit(t, s.Dir(), func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("domains")).Bucket([]byte("main")).Bucket([]byte("states")).ForEach(func(key, _ []byte) error {
			keys = append(keys, string(key))
			return nil
		})
	})
	return keys
}

// edit changes the file while no store has it.
func edit(t *testing.T, dir string, change func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "penstock.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(change), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestEqualStatesAreKeptOnce(t *testing.T) {
	s := open(t, t.TempDir())
	d := domain(t, s, "main")
	for n, text := range []string{"one", "one", "two", "one"} {
		record(t, d, store.Checkpoint{Number: uint64(n + 1), States: map[string]store.State{"p": state(1, text)}})
	}
	for n, text := range []string{"one", "one", "two", "one"} {
		c, err := d.Load(uint64(n + 1))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(state(1, text), c.States["p"]); diff != "" {
			t.Errorf("checkpoint %d (-want +got):\n%s", n+1, diff)
		}
	}
	if got := stateKeys(t, s); len(got) != 3 {
		t.Errorf("the file holds the states %q, want 3: those of 1, 3 and 4", got)
	}
}

func TestMarkFinal(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { closed(t, s) }()
	d := domain(t, s, "main")
	for n := range uint64(3) {
		record(t, d, store.Checkpoint{Number: n + 1})
	}
	if err := d.MarkFinal(2); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"at once", "later"} {
		for _, c := range domain(t, s, "main").Kept() {
			if want := c.Number <= 2; c.Final != want {
				t.Errorf("%s: checkpoint %d: final is %v, want %v", when, c.Number, c.Final, want)
			}
		}
		s = again(t, s)
	}
}

func TestNotes(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { closed(t, s) }()
	d := domain(t, s, "main")
	set := func(key string, value []byte) {
		t.Helper()
		if err := d.SetNote(key, value); err != nil {
			t.Fatal(err)
		}
	}
	set("paused", []byte("yes"))
	set("basis", []byte{})
	set("gone", []byte("x"))
	set("gone", nil)
	set("never", nil)
	if err := d.SetNote("", []byte("x")); err == nil {
		t.Error("a note without a name was kept")
	}
	for _, when := range []string{"at once", "later"} {
		d := domain(t, s, "main")
		if got, ok := d.Note("paused"); !ok || !bytes.Equal(got, []byte("yes")) {
			t.Errorf("%s: paused is %q, %v", when, got, ok)
		}
		if got, ok := d.Note("basis"); !ok || len(got) > 0 {
			t.Errorf("%s: basis is %q, %v", when, got, ok)
		}
		if got, ok := d.Note("gone"); ok {
			t.Errorf("%s: gone is %q", when, got)
		}
		s = again(t, s)
	}
}
