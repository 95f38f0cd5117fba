package main

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// A pipeline that begins at the head does not read old blocks again: where its
// host has lost what it remembered, their rows stay unless somebody wants them gone.
func TestRowsThatWillNotComeAgainAreSpared(t *testing.T) {
	path := newFile(t)
	start := sdk.Start{Domain: "p/logs", Step: "store", Generation: 1, FromLatest: true, Inputs: []sdk.Input{plugintest.WireFrom[event](t, "rows", "input")}}
	l := started(t, newLoader(path), start)
	for k := range uint64(3) {
		load(t, l, 0, event{BlockNumber: 100 + k})
		if err := l.Commit(t.Context(), sdk.Commit{Checkpoint: k + 1, Cursor: &sdk.Cursor{Block: 100 + k}}); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, l)

	start.Generation = 2
	lost := newLoader(path)
	err := lost.Start(t.Context(), start)
	closed(t, lost)
	if err == nil || !strings.Contains(err.Error(), "would be removed and not come again") || !strings.Contains(err.Error(), "--fresh") {
		t.Errorf("got %v, want that nothing is removed, and the way out", err)
	}
	if n := query(t, path, "SELECT count(*) FROM rows"); n != "3" {
		t.Errorf("%s rows are there, want 3", n)
	}
	start.Fresh = true
	l = started(t, newLoader(path), start)
	load(t, l, 0, event{BlockNumber: 200})
	closed(t, l)
}
