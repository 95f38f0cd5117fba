package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/shared"
)

var addresses = store.SetOf{Pipeline: "swaps", Key: "addresses"}

func changeSet(t *testing.T, s *store.Store, of store.SetOf, c store.SetChange) (now shared.Value, added, removed int) {
	t.Helper()
	now, added, removed, err := s.Sets().Change(of, c)
	if err != nil {
		t.Fatal(err)
	}
	return now, added, removed
}

func readSet(t *testing.T, s *store.Store, of store.SetOf) shared.Value {
	t.Helper()
	v, err := s.Sets().Read(of)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What is put into sets is there after a restart, in order and once, and
// versions go on from where they were.
func TestSetsAreKept(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if v := readSet(t, s, addresses); v.Version != 0 || len(v.Members) != 0 {
		t.Errorf("a set that nobody has written to is %v", v)
	}
	if _, added, removed := changeSet(t, s, addresses, store.SetChange{Add: []string{"c", "a", "b", "a"}}); added != 3 || removed != 0 {
		t.Errorf("three words were put in: %d were new and %d gone", added, removed)
	}
	if now, added, removed := changeSet(t, s, addresses, store.SetChange{Remove: []string{"b", "x"}, Add: []string{"a", "d"}}); added != 1 || removed != 1 || now.Version != 2 {
		t.Errorf("one word was exchanged: %d were new and %d gone, at version %d", added, removed, now.Version)
	}
	if now, added, removed := changeSet(t, s, addresses, store.SetChange{Add: []string{"d"}}); added+removed != 0 || now.Version != 2 {
		t.Errorf("nothing was changed, and yet %d words were new and %d gone, at version %d", added, removed, now.Version)
	}
	other := store.SetOf{Pipeline: "other", Key: "addresses"}
	changeSet(t, s, other, store.SetChange{Add: []string{"z"}})
	closed(t, s)

	s = open(t, dir)
	defer closed(t, s)
	want := shared.Value{Version: 2, Members: []string{"a", "c", "d"}}
	if diff := cmp.Diff(want, readSet(t, s, addresses)); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	if now, added, removed := changeSet(t, s, addresses, store.SetChange{Clear: true, Add: []string{"d", "e"}}); added != 1 || removed != 2 || now.Version != 3 {
		t.Errorf("the set was replaced: %d were new and %d gone, at version %d", added, removed, now.Version)
	}
	if now, _, removed := changeSet(t, s, other, store.SetChange{Clear: true}); removed != 1 || len(now.Members) != 0 || now.Version != 2 {
		t.Errorf("a set was emptied: it is %v", now)
	}
	sizes, err := s.Sets().List("")
	if diff := cmp.Diff([]store.SetSize{{SetOf: other, Version: 2}, {SetOf: addresses, Version: 3, Words: 2}}, sizes); diff != "" || err != nil {
		t.Errorf("list: %v (-want +got):\n%s", err, diff)
	}
	if sizes, err := s.Sets().List("swaps"); len(sizes) != 1 || err != nil {
		t.Errorf("list of one pipeline: %v, %v", sizes, err)
	}
}

// Whoever watches is told of a set at once and whenever it has changed, of the
// newest only if it was slow, and of no set of another pipeline.
func TestSetsAreWatched(t *testing.T) {
	s := open(t, t.TempDir())
	defer closed(t, s)
	changeSet(t, s, addresses, store.SetChange{Add: []string{"a"}})
	ctx, end := context.WithCancelCause(t.Context())
	told, next := make(chan shared.Value), make(chan struct{})
	over := make(chan error, 1)
	go func() {
		over <- s.Sets().Watch(ctx, shared.Query{Step: "swaps/balances", Key: "addresses"}, func(v shared.Value) error {
			told <- v
			<-next
			return nil
		})
	}()
	if v := <-told; len(v.Members) != 1 {
		t.Errorf("at first the set is %v", v)
	}
	changeSet(t, s, store.SetOf{Pipeline: "other", Key: "addresses"}, store.SetChange{Add: []string{"x"}})
	changeSet(t, s, addresses, store.SetChange{Add: []string{"b"}})
	changeSet(t, s, addresses, store.SetChange{Add: []string{"c"}})
	next <- struct{}{}
	if v := <-told; v.Version != 3 || strings.Join(v.Members, "") != "abc" {
		t.Errorf("after two changes the set is %v", v)
	}
	next <- struct{}{}
	enough := errors.New("enough")
	end(enough)
	if err := <-over; !errors.Is(err, enough) {
		t.Errorf("the watch ended with %v", err)
	}
	stop := errors.New("stop")
	if err := s.Sets().Watch(t.Context(), shared.Query{Step: "swaps/x", Key: "k"}, func(shared.Value) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the watch ended with %v, want the error of who watches", err)
	}
	if err := s.Sets().Watch(t.Context(), shared.Query{Key: "k"}, nil); err == nil {
		t.Error("somebody who is no step watches")
	}
}

// What cannot be kept is refused and changes nothing.
func TestSetsAreBounded(t *testing.T) {
	s := open(t, t.TempDir())
	defer closed(t, s)
	for _, c := range []struct {
		of   store.SetOf
		word string
		want string
	}{
		{addresses, "", "cannot be empty"},
		{addresses, strings.Repeat("x", 129), "has 129 bytes, the most are 128"},
		{addresses, "a b", "has a space"},
		{addresses, "a\nb", "has a space"},
		{addresses, "a\x00", "cannot be seen"},
		{addresses, "\xff", "no text in UTF-8"},
		{store.SetOf{Pipeline: "p", Key: ""}, "a", "no name of a set"},
		{store.SetOf{Pipeline: "p", Key: "a b"}, "a", "' ' is no letter"},
		{store.SetOf{Pipeline: "p", Key: strings.Repeat("k", 65)}, "a", "from 1 to 64 letters"},
		{store.SetOf{Key: "k"}, "a", "name one"},
	} {
		_, _, _, err := s.Sets().Change(c.of, store.SetChange{Add: []string{"good", c.word}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("put %q into %v: %v, want an error with %q", c.word, c.of, err, c.want)
		}
	}
	if sizes, err := s.Sets().List(""); len(sizes) != 0 || err != nil {
		t.Errorf("what was refused is there: %v, %v", sizes, err)
	}
	many := make([]string, store.MaxSetWords+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	if _, _, _, err := s.Sets().Change(addresses, store.SetChange{Add: many}); err == nil || !strings.Contains(err.Error(), "would have 1000001 words, the most are 1000000") {
		t.Errorf("too many words: %v", err)
	}
	for i := range store.MaxSets {
		changeSet(t, s, store.SetOf{Pipeline: "swaps", Key: fmt.Sprint(i)}, store.SetChange{Add: []string{"a"}})
	}
	if _, _, _, err := s.Sets().Change(addresses, store.SetChange{Add: []string{"a"}}); err == nil || !strings.Contains(err.Error(), "256 sets") {
		t.Errorf("too many sets: %v", err)
	}
	if v := readSet(t, s, addresses); len(v.Members) != 0 {
		t.Errorf("a set that was refused holds %v", v.Members)
	}
	changeSet(t, s, store.SetOf{Pipeline: "swaps", Key: "7"}, store.SetChange{Add: []string{"b"}})
}

// A set whose words are not those that were put into it is named, not used.
func TestDamageOfSetsIsNamed(t *testing.T) {
	for name, hurt := range map[string]func(set *bbolt.Bucket) error{
		"a word is gone": func(b *bbolt.Bucket) error { return b.Bucket([]byte("words:addresses")).Delete([]byte("a")) },
		"a word is other": func(b *bbolt.Bucket) error {
			words := b.Bucket([]byte("words:addresses"))
			return errors.Join(words.Delete([]byte("a")), words.Put([]byte("e"), nil))
		},
		"the record is": func(b *bbolt.Bucket) error { return b.Put([]byte("head:addresses"), []byte("00000000 {}")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			changeSet(t, s, addresses, store.SetChange{Add: []string{"a", "b"}})
			closed(t, s)
			edit(t, dir, func(tx *bbolt.Tx) error { return hurt(tx.Bucket([]byte("shared")).Bucket([]byte("swaps"))) })
			s = open(t, dir)
			defer closed(t, s)
			_, err := s.Sets().Read(addresses)
			if damage := (*store.DamageError)(nil); !errors.As(err, &damage) || !strings.Contains(err.Error(), `set "addresses" of pipeline "swaps"`) {
				t.Errorf("read: %v", err)
			}
		})
	}
}

// A change that cannot be written changes nothing that anybody sees.
func TestSetsAfterAFailedWrite(t *testing.T) {
	s := open(t, t.TempDir())
	defer closed(t, s)
	changeSet(t, s, addresses, store.SetChange{Add: []string{"a"}})
	full := errors.New("full")
	s.Around(func(func(func(*bbolt.Tx) error) error, func(*bbolt.Tx) error) error { return full })
	if _, _, _, err := s.Sets().Change(addresses, store.SetChange{Add: []string{"b"}}); !errors.Is(err, full) {
		t.Errorf("the change ended with %v", err)
	}
	if v := readSet(t, s, addresses); v.Version != 1 || len(v.Members) != 1 {
		t.Errorf("afterwards the set is %v", v)
	}
}
