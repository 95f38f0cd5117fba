package view_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/registry"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func pathsForStatus() []engine.PathStatus {
	return []engine.PathStatus{
		{
			Pipeline: "swaps", State: engine.PathLive, Head: 12_345, Committed: new(uint64(12_300)),
			Checkpoint: &engine.Checkpoint{Number: 57, Time: noon.Add(-2 * time.Second), Block: new(uint64(12_300))},
			Pending:    &engine.Pending{Number: 58, Since: noon.Add(-4 * time.Second), Waiting: []string{"show", "store"}},
			Processes: []engine.ProcessStatus{
				{Step: "blocks", Type: registry.Reader, Kind: "reader", Block: new(uint64(12_345)), Lag: new(uint64(0)), RowsOut: 1},
				{Step: "logs", Type: registry.Reader, Kind: "reader", Block: new(uint64(12_340)), Lag: new(uint64(5)), Restarts: 2},
				{Step: "store", Type: registry.Loader, Kind: "loader", RowsIn: 1000, Restarts: 1},
				{Step: "show", Type: registry.Loader, Kind: "loader", RowsIn: 500},
			},
		},
		{
			Pipeline: "pairs", State: engine.PathError, Cause: "step pairs: it broke\nat line 3\x1b[2J\n",
			Processes: []engine.ProcessStatus{{Step: "first", Type: registry.Reader}},
		},
		{
			Pipeline: "pairs", State: engine.PathPaused, Checkpoint: &engine.Checkpoint{Number: 1, Time: noon.Add(time.Minute)}, // a clock was set back
			Processes: []engine.ProcessStatus{{Step: "second", Type: registry.Reader}},
		},
	}
}

func TestSummary(t *testing.T) {
	var got strings.Builder
	view.Summary(&got, pathsForStatus(), noon)
	want := strings.ReplaceAll(`PIPELINE|STATE|BLOCK|HEAD|LAG|ROWS|CHECKPOINT|COMMITTED|AGE|RESTARTS
swaps|live|12,340|12,345|5|1,500|57|12,300|2s|3
pairs/first|error|-|-|-|0|-|-|-|0
pairs/second|paused|-|-|-|0|1|-|0s|0
`, "|", "\t")
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("Summary (-want +got):\n%s", diff)
	}
}

// A cause is told whole, and cannot move the cursor.
func TestRemarks(t *testing.T) {
	want := []string{
		"swaps: checkpoint 58 has been under way for 4s and waits for show, store",
		"pairs/first: step pairs: it broke\n    at line 3\uFFFD[2J",
	}
	if diff := cmp.Diff(want, view.Remarks(pathsForStatus(), noon)); diff != "" {
		t.Errorf("Remarks (-want +got):\n%s", diff)
	}
	if got := view.Remarks(pathsForStatus()[:1], noon.Add(-2*time.Second)); got != nil {
		t.Errorf("Remarks of a checkpoint that takes its time: got %q", got)
	}
}

// At one moment there is no rate to tell.
func TestStepsHaveNoRate(t *testing.T) {
	got := view.Steps(pathsForStatus()[0], 100, false)
	want := []string{
		"  STEP    KIND    REGISTER  STATE   ROWS   BLOCK  LAG  QUEUE  RESTARTS",
		"  blocks  reader                       1  12,345    0      -         0",
	}
	if diff := cmp.Diff(want, got[:2]); diff != "" || len(got) != 5 {
		t.Errorf("Steps, %d lines (-want +got):\n%s", len(got), diff)
	}
}

func TestPlace(t *testing.T) {
	for want, c := range map[string]*engine.Checkpoint{
		"the beginning":              nil,
		"checkpoint 3":               {Number: 3},
		"block 1,234 (checkpoint 3)": {Number: 3, Block: new(uint64(1234))},
	} {
		if got := view.Place(engine.PathStatus{Checkpoint: c}); got != want {
			t.Errorf("Place: got %q, want %q", got, want)
		}
	}
}

// Who watches a host that has run for an hour sees that.
func TestLiveKnowsSinceWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(t, 100, 20)
		v := view.NewLive(s, s.size, false)
		v.Since(time.Now().Add(-time.Hour))
		ctx, stop := context.WithCancel(t.Context())
		stop()
		v.Run(ctx, still)
		if !strings.Contains(s.text(), "up 1h00m") {
			t.Errorf("the screen does not say that it has run for an hour:\n%s", s.text())
		}
	})
}

// What a step waits for is told whole, wherever its state is.
func TestWaiting(t *testing.T) {
	paths := []engine.PathStatus{{
		Pipeline: "swaps", State: engine.PathLive,
		Processes: []engine.ProcessStatus{{
			Step: "store", Type: registry.Loader, Kind: "loader", State: engine.ProcessLive,
			Waiting: &engine.Waiting{For: "the database: no\nanswer\x1b[2J", Since: noon.Add(-80 * time.Second)},
		}},
	}}
	want := []string{"swaps: step store has been waiting for 1m20s, for the database: no\n    answer\uFFFD[2J"}
	if diff := cmp.Diff(want, view.Remarks(paths, noon)); diff != "" {
		t.Errorf("Remarks (-want +got):\n%s", diff)
	}
	if line := view.Steps(paths[0], 200, false)[1]; !strings.Contains(line, "waiting") || strings.Contains(line, "live") {
		t.Errorf("the step's line is %q", line)
	}
	var out strings.Builder
	ended, end := context.WithCancel(t.Context())
	end()
	view.NewLines(&out, time.Hour).Run(ended, func() []engine.PathStatus { return paths })
	if !strings.Contains(out.String(), "step store has been waiting since ") {
		t.Errorf("the line says %q", out.String())
	}
}
