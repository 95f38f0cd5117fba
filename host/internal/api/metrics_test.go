package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/registry"
)

func TestMetrics(t *testing.T) {
	w := begin(t)
	w.engine.paths = []engine.PathStatus{
		{
			Pipeline: "swaps", State: engine.PathLive, Generation: 3, Kept: 4, Forks: 5, Committed: new(uint64(90)), Head: 100,
			Checkpoint: &engine.Checkpoint{Number: 7, Time: time.Now().Add(-time.Hour), Took: 20 * time.Millisecond, Bytes: 11},
			Pending:    &engine.Pending{Number: 8, Since: time.Now().Add(-time.Hour)},
			Processes: []engine.ProcessStatus{
				{Step: "logs", Type: registry.Reader, State: engine.ProcessLive, RowsOut: 12, BytesOut: 13, Block: new(uint64(95)), Lag: new(uint64(5))},
				{
					Step: "store", Type: registry.Loader, State: engine.ProcessCrashed, RowsIn: 14, BytesIn: 15, Poisoned: 16, Restarts: 17, StateBytes: 18,
					Inputs: []engine.EdgeStatus{{From: "logs", To: "store", Port: "input", Depth: 19, Threshold: 64, Bytes: 20, Breaches: 21}},
				},
			},
		},
		// A second piece of the same pipeline, of which nothing is known yet.
		{Pipeline: "swaps", State: engine.PathInactive, Processes: []engine.ProcessStatus{{Step: "blocks"}}},
	}
	w.tell(engine.PathLive)
	w.tell(engine.PathLive)
	code, text := w.request("GET", "/metrics", "")
	if code != 200 || !strings.Contains(text, "go_goroutines ") {
		t.Fatalf("GET /metrics: got %d:\n%s", code, text)
	}
	var got []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		// What is 0 or of the second piece is left out here, times that pass are cut short.
		if !strings.HasPrefix(line, "penstock_") || strings.HasSuffix(line, " 0") || strings.Contains(line, "blocks\"") {
			continue
		}
		if strings.Contains(line, "_seconds{") && !strings.Contains(line, "duration") {
			line = line[:strings.Index(line, "} 36")+4]
		}
		got = append(got, line)
	}
	const path, step = `{path="swaps/logs",pipeline="swaps"}`, `{path="swaps/logs",pipeline="swaps",step=`
	const edge = `{from="logs",path="swaps/logs",pipeline="swaps",port="input",to="store"}`
	want := []string{
		`penstock_build_info{version="v9"} 1`,
		`penstock_checkpoint_age_seconds` + path + ` 36`,
		`penstock_checkpoint_duration_seconds` + path + ` 0.02`,
		`penstock_checkpoint_number` + path + ` 7`,
		`penstock_checkpoint_pending_seconds` + path + ` 36`,
		`penstock_checkpoint_state_bytes` + path + ` 11`,
		`penstock_checkpoints_kept` + path + ` 4`,
		`penstock_edge_breaches_total` + edge + ` 21`,
		`penstock_edge_bytes` + edge + ` 20`,
		`penstock_edge_depth_frames` + edge + ` 19`,
		`penstock_edge_threshold_frames` + edge + ` 64`,
		`penstock_path_committed_block` + path + ` 90`,
		`penstock_path_forks_total` + path + ` 5`,
		`penstock_path_generation` + path + ` 3`,
		`penstock_path_head_block` + path + ` 100`,
		`penstock_path_lag_blocks` + path + ` 5`,
		`penstock_path_state{path="swaps/logs",pipeline="swaps",state="live"} 1`,
		`penstock_step_block` + step + `"logs"} 95`,
		`penstock_step_bytes_in_total` + step + `"store"} 15`,
		`penstock_step_bytes_out_total` + step + `"logs"} 13`,
		`penstock_step_lag_blocks` + step + `"logs"} 5`,
		`penstock_step_poisoned_total` + step + `"store"} 16`,
		`penstock_step_restarts_total` + step + `"store"} 17`,
		`penstock_step_rows_in_total` + step + `"store"} 14`,
		`penstock_step_rows_out_total` + step + `"logs"} 12`,
		`penstock_step_state{path="swaps/logs",pipeline="swaps",state="crashed",step="store"} 1`,
		`penstock_step_state{path="swaps/logs",pipeline="swaps",state="live",step="logs"} 1`,
		`penstock_step_state_bytes` + step + `"store"} 18`,
		`penstock_transitions_total{pipeline="swaps",step="",to="live"} 2`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("GET /metrics (-want +got):\n%s", diff)
	}
	if !strings.Contains(text, `penstock_path_state{path="swaps/blocks",pipeline="swaps",state="inactive"} 1`) {
		t.Errorf("the second piece of the pipeline is missing:\n%s", text)
	}
}
