package mark_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/bench/mark"
)

// What plugins tell is heard in order, also what came while nobody waited.
func TestMarksAreHeardInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "marks")
	l, err := mark.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	teller, err := mark.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	for block := range uint64(1000) {
		if err := teller.Tell(mark.Loaded, 7, block); err != nil {
			t.Fatal(err)
		}
	}
	for block := range uint64(1000) {
		m, err := l.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.What != mark.Loaded || m.Generation != 7 || m.Block != block || m.Time().Before(before) {
			t.Fatalf("mark %d: got %+v", block, m)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m, err := l.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with nothing more to hear: got %+v and %v, want that the wait was cancelled", m, err)
	}
	if err := errors.Join(teller.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if m, err := l.Next(t.Context()); err == nil {
		t.Errorf("after Close: got %+v, want an error", m)
	}
}

func TestNobodyIsTold(t *testing.T) {
	teller, err := mark.Dial("")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(teller.Tell(mark.Loaded, 1, 1), teller.Close()); err != nil {
		t.Error(err)
	}
}
