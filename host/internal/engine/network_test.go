package engine_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// Checkpoints of another chain are not gone on from, whatever the pipeline is
// called: the way out is named.
func TestCheckpointsOfAnotherNetworkAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Domain("p/numbers")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]store.Place{"p/numbers": {Known: true, ChainID: 10, Block: 77}}
	if err := d.Record(store.Checkpoint{Number: 3, Readers: there}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	refused, err := tryRig(t, fmt.Sprintf(chain, "", "", filepath.Join(t.TempDir(), "out"), ""), on(t, dir, nil))
	refused.close()
	if err == nil || !strings.Contains(err.Error(), `checkpoint 3 is of chain 10, but network "n" has chain id 1`) || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("got %v, want both chains and the way out", err)
	}
}

// A hang_after that is shorter than any clock ticks does not break the host.
func TestTheShortestPatienceThereIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out")
	r := newRig(t, fmt.Sprintf(chain, "", "", path, ""), func(c *engine.Config) { c.HangAfter, c.Restart.Max = time.Nanosecond, 1 })
	if err := r.run(t.Context()); err == nil {
		wantRows(t, lines(t, path), 10, 500, 3, 2) // it was faster than the first tick
	}
}
