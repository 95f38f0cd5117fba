package change_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/plan"
)

// Where one pipeline has to be told how to go on, the others can be changed by
// their names. What was left as it is stands in the next plan.
func TestApplyOfSome(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	r.becomes("1")
	r.edit(`pause = "20ms"`, `pause = "10ms"`, `pipeline "p" {`, "pipeline \"p\" {\n  from = 5")
	_, err := r.Apply(t.Context(), plan.Request{})
	if !errors.As(err, new(*plan.UnmetError)) || !strings.Contains(err.Error(), "pipeline p cannot go on") || !strings.Contains(err.Error(), "--only NAME") {
		t.Fatalf("got %v, want that p has to be told how to go on, and the others can be named", err)
	}
	if _, err := r.Apply(t.Context(), plan.Request{Only: []string{"q"}}); err == nil || !strings.Contains(err.Error(), "those that differ are p, beside") {
		t.Errorf("got %v, want the names that there are", err)
	}
	before := r.engine.Status()[0].Processes[0].PID
	outcome := r.apply(plan.Request{Only: []string{"beside"}})
	if diff := cmp.Diff([]string{"p"}, outcome.Left); diff != "" || outcome.Configuration != 2 {
		t.Errorf("configuration %d, left (-want +got):\n%s", outcome.Configuration, diff)
	}
	if now := r.engine.Status()[0].Processes[0].PID; now != before {
		t.Errorf("process %d reads for p, want %d as before", now, before)
	}
	r.wantPlanned(map[string]plan.Effect{"p": plan.Restart})
	r.refused(r.quick("2"), "pipeline p runs what it ran before configuration 2")
	r.apply(plan.Request{AcceptChanges: true})
	r.wantPlanned(map[string]plan.Effect{})
	r.swap("2")
	r.becomes("2")
}
