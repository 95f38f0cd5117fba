package api_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/store"
)

// letters are what an engine would keep.
type letters struct {
	all   []store.DeadLetter
	err   error // of the list
	asked []string
}

func (l *letters) DeadLetters() ([]store.DeadLetter, error) { return l.all, l.err }

func (l *letters) DeadLetter(id string) (store.DeadLetter, error) {
	for _, letter := range l.all {
		if letter.ID == id {
			return letter, nil
		}
	}
	return store.DeadLetter{}, fmt.Errorf("read dead letter %s: %w", id, store.ErrNoLetter)
}

func (l *letters) Replay(_ context.Context, ids ...string) error { return l.do("replay", ids) }
func (l *letters) Discard(ids ...string) error                   { return l.do("discard", ids) }

func (l *letters) do(what string, ids []string) error {
	l.asked = append(l.asked, fmt.Sprint(what, " ", len(ids)))
	_, err := l.DeadLetter(ids[len(ids)-1])
	return err
}

// serve serves letters to a client.
func (l *letters) serve(t *testing.T) *api.Client {
	t.Helper()
	dir := dataDir(t)
	listener, err := api.Listen(dir, filepath.Join(dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	server := api.New(api.Config{Engine: &fake{}, Letters: l, Events: api.NewEvents(), DataDir: dir, Version: "v9", Logger: hclog.NewNullLogger()})
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	c, err := api.Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

// A dead letter is the same at the other end, a list is without what is long,
// and what is damaged hides no other.
func TestDeadLetters(t *testing.T) {
	at := time.Date(2026, 11, 21, 16, 0, 0, 0, time.UTC)
	one := store.DeadLetter{
		ID: "a", Pipeline: "p", Step: "s", Input: "i", Register: "r", TypeName: "t", Row: 7, Cause: "why", Stack: "where", Attempts: 3,
		Generation: 9, Cursor: store.Place{Known: true, Block: 5}, First: at, Last: at.Add(time.Hour), State: store.LetterDead,
		Schema: []byte{1, 2}, Body: []byte{3},
	}
	two := store.DeadLetter{ID: "b", First: at, Last: at, State: store.LetterReplaying}
	l := &letters{all: []store.DeadLetter{one, two}}
	c := l.serve(t)
	got, err := c.DeadLetter(t.Context(), "a")
	if diff := cmp.Diff(one, got); diff != "" || err != nil {
		t.Errorf("DeadLetter: %v\n%s", err, diff)
	}
	l.err = &store.DamageError{Dir: "d", What: "dead letter c", Cause: errors.New("torn"), Way: "discard it"}
	listed, err := c.DeadLetters(t.Context())
	if err == nil || !strings.Contains(err.Error(), "dead letter c") {
		t.Errorf("DeadLetters: got %v, want the damage", err)
	}
	short := one
	short.Stack = ""
	if diff := cmp.Diff([]store.DeadLetter{short, two}, listed); diff != "" {
		t.Error(diff)
	}
}

// Many letters are named in several calls, and one that is not there by its ID.
func TestReplayAndDiscard(t *testing.T) {
	l := &letters{all: []store.DeadLetter{{ID: "a"}}}
	c := l.serve(t)
	many := strings.Split(strings.Repeat("a,", 1500)+"a", ",")
	if err := errors.Join(c.Replay(t.Context(), many...), c.Discard(t.Context(), "a")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"replay 1000", "replay 501", "discard 1"}, l.asked); diff != "" {
		t.Error(diff)
	}
	_, read := c.DeadLetter(t.Context(), "gone")
	for _, err := range []error{read, c.Replay(t.Context(), "gone"), c.Discard(t.Context(), "gone")} {
		if !errors.Is(err, store.ErrNoLetter) || err.Error() != "read dead letter gone: there is no such dead letter" {
			t.Errorf("got %v, want the letter that is not there", err)
		}
	}
}
