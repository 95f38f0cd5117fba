package change_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A binary takes the place of another while rows flow: none is lost, none comes
// twice, everybody is told, and it is remembered.
func TestSwapWhileRowsFlow(t *testing.T) {
	r := begin(t, tuning{})
	r.becomes("1")
	id := r.engine.Status()[0].Processes[1].ID
	record := r.swap("2")
	r.becomes("2")
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.gapless()
	want := []string{"staged", "handshaked", "validated", "warm", "cut", "probation", "committed"}
	if diff := cmp.Diff(want, r.phases(record.Number)); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
	if now := r.engine.Status()[0].Processes[1].ID; now != id {
		t.Errorf("the process has the ID %s, want %s as before", now, id)
	}
	if record.Pause <= 0 {
		t.Errorf("the record has a pause of %s", record.Pause)
	}
	if len(record.Steps) != 2 || record.Steps[0].Step != "p/times" || record.Steps[0].From.Digest == record.Steps[0].To.Digest || record.Steps[0].To.Source != r.path("built/math-2") {
		t.Errorf("the record is not about both steps of the plugin: %+v", record.Steps)
	}
	if len(r.finished) != 1 || r.finished[0].Number != record.Number {
		t.Errorf("%d swaps were counted, want this one", len(r.finished))
	}
}
