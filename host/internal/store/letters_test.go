package store_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/store"
)

func letter(domain, step string, row uint64) store.DeadLetter {
	return store.DeadLetter{
		Domain: domain, Pipeline: "p", Step: step, Input: "in", Edge: "p/in->p/" + step, Register: "eth.logs", TypeName: "Log",
		Schema: []byte("schema"), Row: row, Body: []byte{1, 2, byte(row)}, Cause: "division by zero", Stack: "main.go:1",
		Attempts: 3, Generation: 7, Cursor: store.Place{Block: 5, Known: true},
		First: time.Unix(int64(row), 0).UTC(), Last: time.Unix(int64(row)+1, 0).UTC(),
	}
}

func putLetters(t *testing.T, s *store.Store, letters ...store.DeadLetter) {
	t.Helper()
	if err := s.PutDeadLetters(letters...); err != nil {
		t.Fatal(err)
	}
}

// rows lists the letters of a domain.
func rows(t *testing.T, s *store.Store, domain string) []uint64 {
	t.Helper()
	letters, err := s.DeadLetters(domain)
	if err != nil {
		t.Fatal(err)
	}
	rows := []uint64{}
	for _, l := range letters {
		rows = append(rows, l.Row)
	}
	return rows
}

func wantRows(t *testing.T, s *store.Store, domain string, want ...uint64) {
	t.Helper()
	if diff := cmp.Diff(append([]uint64{}, want...), rows(t, s, domain)); diff != "" {
		t.Errorf("rows of the dead letters of %q (-want +got):\n%s", domain, diff)
	}
}

func TestDeadLetters(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { closed(t, s) }()
	wantRows(t, s, "")
	putLetters(t, s, letter("main", "b", 9), letter("main", "a", 4), letter("other", "a", 6))
	for range 2 {
		wantRows(t, s, "", 4, 6, 9)
		wantRows(t, s, "main", 4, 9)
		wantRows(t, s, "nobody")
		letters, err := s.DeadLetters("main")
		if err != nil {
			t.Fatal(err)
		}
		want := letter("main", "a", 4)
		want.ID, want.State = letters[0].ID, store.LetterDead
		whole, err := s.DeadLetter(want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, whole); diff != "" {
			t.Errorf("DeadLetter (-want +got):\n%s", diff)
		}
		want.Schema, want.Body = nil, nil
		if diff := cmp.Diff(want, letters[0]); diff != "" {
			t.Errorf("DeadLetters (-want +got):\n%s", diff)
		}
		counts, err := s.DeadLetterCounts("main")
		if diff := cmp.Diff(map[string]int{"p/a": 1, "p/b": 1}, counts); diff != "" || err != nil {
			t.Errorf("DeadLetterCounts: %v (-want +got):\n%s", err, diff)
		}
		s = again(t, s)
	}
	if err := s.PutDeadLetters(store.DeadLetter{}); err == nil || !strings.Contains(err.Error(), "without a domain") {
		t.Errorf("a letter without a domain: got %v", err)
	}
}

// The same row of the same input is one letter, however often it comes.
func TestDeadLetterComesAgain(t *testing.T) {
	s := open(t, t.TempDir())
	defer closed(t, s)
	putLetters(t, s, letter("main", "a", 4))
	before, err := s.DeadLetters("main")
	if err != nil {
		t.Fatal(err)
	}
	later := letter("main", "a", 4)
	later.First, later.Attempts, later.Cause, later.State = time.Unix(100, 0).UTC(), 8, "again", store.LetterReplaying
	other := letter("main", "a", 4)
	other.Input = "in2"
	putLetters(t, s, later, other)
	wantRows(t, s, "main", 4, 4)
	got, err := s.DeadLetter(before[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	later.ID, later.First = before[0].ID, before[0].First
	if diff := cmp.Diff(later, got); diff != "" {
		t.Errorf("DeadLetter (-want +got):\n%s", diff)
	}
	if counts, err := s.DeadLetterCounts("main"); counts["p/a"] != 2 || err != nil {
		t.Errorf("DeadLetterCounts: got %v, %v, want 2", counts, err)
	}
}

func TestDiscardDeadLetters(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { closed(t, s) }()
	putLetters(t, s, letter("main", "a", 1), letter("main", "a", 2), letter("other", "a", 3))
	letters, err := s.DeadLetters("")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DiscardDeadLetters(letters[0].ID, "nosuchone"); !errors.Is(err, store.ErrNoLetter) || !strings.Contains(err.Error(), "nosuchone") {
		t.Errorf("discard what is not there: got %v, want ErrNoLetter", err)
	}
	wantRows(t, s, "", 1, 2, 3)
	if err := s.DiscardDeadLetters(letters[0].ID, letters[2].ID); err != nil {
		t.Fatal(err)
	}
	wantRows(t, s, "", 2)
	for _, id := range []string{letters[0].ID, "", "nosuchone"} {
		if _, err := s.DeadLetter(id); !errors.Is(err, store.ErrNoLetter) {
			t.Errorf("DeadLetter(%q): got %v, want ErrNoLetter", id, err)
		}
	}
	if counts, err := s.DeadLetterCounts("other"); len(counts) > 0 || err != nil {
		t.Errorf("DeadLetterCounts: got %v, %v, want none", counts, err)
	}
	s = again(t, s)
	wantRows(t, s, "", 2)
}

func TestDropDeadLettersFrom(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { closed(t, s) }()
	plain := letter("main", "c", 40)
	plain.Edge = ""
	putLetters(t, s, letter("main", "a", 1), letter("main", "a", 2), letter("main", "a", 3), letter("main", "b", 30), letter("other", "a", 300), plain)
	drop := func(edge string, row uint64) {
		t.Helper()
		if err := s.DropDeadLettersFrom("main", edge, row); err != nil {
			t.Fatal(err)
		}
	}
	drop("p/in->p/a", 4)
	drop("nothing", 0)
	wantRows(t, s, "", 1, 2, 3, 30, 40, 300)
	drop("p/in->p/a", 2)
	wantRows(t, s, "", 1, 30, 40, 300)
	drop("in", 40) // where no edge is named it is the input
	wantRows(t, s, "", 1, 30, 300)
	s = again(t, s)
	wantRows(t, s, "", 1, 30, 300)
	if counts, err := s.DeadLetterCounts("main"); err != nil || !cmp.Equal(counts, map[string]int{"p/a": 1, "p/b": 1}) {
		t.Errorf("DeadLetterCounts: got %v, %v", counts, err)
	}
}

func TestDeadLettersAreBounded(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	defer func() { closed(t, s) }()
	many := make([]store.DeadLetter, store.MaxDeadLetters)
	for i := range many {
		many[i] = letter("main", "a", uint64(i+1))
	}
	putLetters(t, s, many...)
	full := func(l store.DeadLetter) {
		t.Helper()
		err := s.PutDeadLetters(l)
		if !errors.Is(err, store.ErrLettersFull) {
			t.Fatalf("got %v, want ErrLettersFull", err)
		}
		for _, want := range []string{`domain "` + l.Domain + `"`, "replay or discard"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got %q, which lacks %q", err, want)
			}
		}
	}
	full(letter("main", "a", store.MaxDeadLetters+1))
	s = again(t, s) // what is kept is counted anew
	full(letter("main", "a", store.MaxDeadLetters+1))
	putLetters(t, s, many[0]) // takes no more room than it has
	big := letter("big", "a", 1)
	big.Body = make([]byte, store.MaxDeadLetterBytes+1)
	full(big)
	letters, err := s.DeadLetters("main")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DiscardDeadLetters(letters[0].ID); err != nil {
		t.Fatal(err)
	}
	putLetters(t, s, letter("main", "a", store.MaxDeadLetters+1))
}

func TestForgetDropsDeadLetters(t *testing.T) {
	s := open(t, t.TempDir())
	defer closed(t, s)
	putLetters(t, s, letter("main", "a", 1), letter("other", "a", 2))
	if err := domain(t, s, "main").Forget(); err != nil {
		t.Fatal(err)
	}
	wantRows(t, s, "", 2)
	if counts, err := s.DeadLetterCounts("main"); len(counts) > 0 || err != nil {
		t.Errorf("DeadLetterCounts: got %v, %v, want none", counts, err)
	}
	putLetters(t, s, letter("main", "a", 1))
	wantRows(t, s, "", 1, 2)
}

// A damaged letter is named, hides no other, and can be discarded.
func TestDamagedDeadLetter(t *testing.T) {
	for _, test := range []struct {
		bucket string
		listed bool // what the list tells of it is not what is damaged
	}{{"letters", false}, {"letter-bodies", true}} {
		t.Run(test.bucket, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			putLetters(t, s, letter("main", "a", 1), letter("main", "a", 2))
			letters, err := s.DeadLetters("main")
			if err != nil {
				t.Fatal(err)
			}
			id := letters[0].ID
			closed(t, s)
			damage(t, dir, flip(3), []byte(test.bucket), []byte(id))
			s = open(t, dir)
			defer closed(t, s)
			others, err := s.DeadLetters("")
			if want := !test.listed; errors.As(err, new(*store.DamageError)) != want {
				t.Errorf("DeadLetters: got %v", err)
			}
			if last := others[len(others)-1]; last.Row != 2 {
				t.Errorf("DeadLetters: the last one has row %d, want 2", last.Row)
			}
			_, err = s.DeadLetter(id)
			if !errors.As(err, new(*store.DamageError)) {
				t.Fatalf("DeadLetter: got %v, want a DamageError", err)
			}
			for _, want := range []string{dir, id, `domain "main"`, "discard it"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("DeadLetter: got %q, which lacks %q", err, want)
				}
			}
			if err := s.DiscardDeadLetters(id); err != nil {
				t.Fatal(err)
			}
			wantRows(t, s, "", 2)
		})
	}
}

// Bodies that are empty come back empty, and what was given is not held on to.
func TestDeadLetterWithoutBytes(t *testing.T) {
	s := open(t, t.TempDir())
	defer closed(t, s)
	empty := letter("main", "a", 1)
	empty.Schema, empty.Body = nil, []byte{}
	given := letter("main", "a", 2)
	putLetters(t, s, empty, given)
	given.Body[0] = 99
	letters, err := s.DeadLetters("main")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]byte{{}, {1, 2, 2}} {
		if got, err := s.DeadLetter(letters[i].ID); err != nil || !bytes.Equal(got.Body, want) {
			t.Errorf("letter %d: got %v, %v, want %v", i, got.Body, err, want)
		}
	}
}
