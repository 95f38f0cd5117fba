package change_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/change"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// A rollback takes back the newest swap that was committed, be it a rollback
// itself: twice in a row is there and back. What was refused does not count.
func TestRollbackThereAndBack(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	if _, err := r.Rollback(t.Context(), change.RollbackRequest{Plugin: "math"}); err == nil || !strings.Contains(err.Error(), "nothing to go back to") {
		t.Errorf("without a swap: got %v, want that there is nothing to go back to", err)
	}
	r.swap("2")
	third := r.swap("3")
	r.refused(r.quick("few"), "fewer registers")
	back := r.rollback()
	r.becomes("2")
	if back.Undoes != third.Number || back.Steps[0].To != third.Steps[0].From {
		t.Errorf("the rollback takes back swap %d and leaves %+v, want swap %d and %+v", back.Undoes, back.Steps[0].To, third.Number, third.Steps[0].From)
	}
	forth := r.rollback()
	r.becomes("3")
	if forth.Undoes != back.Number {
		t.Errorf("the second rollback takes back swap %d, want %d", forth.Undoes, back.Number)
	}
	r.rollback()
	r.becomes("2")
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.gapless()
}

// A rollback is refused where the old bytes cannot begin with the state that the
// new ones have left, and says which versions these are.
func TestRollbackOverANewerState(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	r.swap("upgrade")
	r.becomes("4")
	record, err := r.Rollback(t.Context(), change.RollbackRequest{Plugin: "math"})
	if err == nil || !strings.Contains(err.Error(), "its state is of version 2") || !strings.Contains(err.Error(), "only knows versions up to 1") || record.Outcome != store.SwapRefused {
		t.Errorf("got %q and %v, want that it is refused with both versions", record.Outcome, err)
	}
	if now := r.runs(); now != "4" {
		t.Errorf("variant %s runs, want 4 as before", now)
	}
	// What was refused is no swap to take back.
	if _, err := r.Rollback(t.Context(), change.RollbackRequest{Plugin: "math"}); err == nil || !strings.Contains(err.Error(), "versions up to 1") {
		t.Errorf("once more: got %v, want the same", err)
	}
}

// What the host's store does not hold any more cannot be gone back to, and the
// error says where it came from.
func TestRollbackToBytesThatAreGone(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	swapped := r.swap("2")
	kept := r.path("data/plugins/sha256/" + strings.TrimPrefix(swapped.Steps[0].From.Digest, "sha256:"))
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
	_, err := r.Rollback(t.Context(), change.RollbackRequest{Plugin: "math"})
	if err == nil || !strings.Contains(err.Error(), "are not kept any more") || !strings.Contains(err.Error(), r.installed()) {
		t.Errorf("got %v, want that they are not kept any more", err)
	}
	if now := r.runs(); now != "2" {
		t.Errorf("variant %s runs, want 2 as before", now)
	}
}

// A binary that fails in its probation is taken back, and the history says why.
func TestFailureInProbationIsTakenBack(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	request := r.quick("crash")
	request.Probation = time.Minute
	record, err := r.Swap(t.Context(), request)
	if err == nil || !strings.Contains(err.Error(), "plugin math was put back") || record.Outcome != store.SwapRolledBack || !strings.Contains(record.Cause, "code 7") {
		t.Errorf("got %q because of %q and %v, want that it is put back because of its exit code", record.Outcome, record.Cause, err)
	}
	r.becomes("1")
	phases := r.phases(record.Number)
	if phases[len(phases)-1] != string(engine.SwapRolledBack) {
		t.Errorf("the events end with %v, want rolled back", phases)
	}
	if swaps, err := r.History("math", 0); err != nil || len(swaps) != 1 || swaps[0].Outcome != store.SwapRolledBack || swaps[0].Cause != record.Cause {
		t.Errorf("the history has %+v and %v, want this one", swaps, err)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.gapless()
	if digest := strings.TrimPrefix(record.Steps[0].To.Digest, "sha256:"); strings.Contains(strings.Join(r.kept(), " "), digest) {
		t.Error("the bytes that failed are still in the host's store")
	}
}
