package change_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// What was swapped runs after a restart too, and can be rolled back then; numbers
// go on from where they were.
func TestSwapOutlivesTheHost(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	first := r.swap("2")
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	again := begin(t, tuning{dir: r.dir})
	again.becomes("2")
	swaps, err := again.History("", 0)
	if err != nil || len(swaps) != 1 || swaps[0].Number != first.Number || swaps[0].Outcome != store.SwapCommitted {
		t.Errorf("the history has %+v and %v, want the swap of the run before", swaps, err)
	}
	if back := again.rollback(); back.Number != first.Number+1 || back.Undoes != first.Number {
		t.Errorf("the rollback has the number %d and takes back %d, want %d and %d", back.Number, back.Undoes, first.Number+1, first.Number)
	}
	again.becomes("1")
	if err := again.end(); err != nil {
		t.Fatal(err)
	}
	again.gapless()
}

// The swap under way stands in the history, and one in the middle of which a host
// has died says so later.
func TestHistoryOfASwapUnderWay(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	if err := r.store.PutSwap(store.SwapRecord{Number: 1, Plugin: "math", Phase: "warm"}); err != nil {
		t.Fatal(err)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r = begin(t, tuning{dir: r.dir})
	waitFor(t, "the record of the host that died to be ended", func() bool {
		swaps, _ := r.History("", 0)
		return len(swaps) == 1 && swaps[0].Outcome == store.SwapInterrupted && swaps[0].Cause != ""
	})
	request := r.quick("2")
	var seen []string
	request.Progress = func(ev engine.Event) {
		swaps, err := r.History("math", 1)
		if err != nil || len(swaps) != 1 {
			t.Errorf("in phase %s: the history has %d swaps and %v", ev.To, len(swaps), err)
			return
		}
		seen = append(seen, string(swaps[0].Outcome)+swaps[0].Phase)
	}
	if _, err := r.Swap(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	want := []string{"staged", "handshaked", "validated", "warm", "cut", "probation", "committed"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("outcome and phase under way (-want +got):\n%s", diff)
	}
	if swaps, _ := r.History("ends", 0); len(swaps) != 0 {
		t.Errorf("the history of another plugin has %d swaps", len(swaps))
	}
}

// Two swaps at once: the second waits for its turn, and is about what the first
// has left; or it gives up and says what it has waited for.
func TestTwoSwapsAtOnce(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	first, second := r.quick("2"), r.quick("3")
	on, goOn := make(chan struct{}), make(chan struct{})
	first.Progress = func(ev engine.Event) {
		if ev.To == string(engine.SwapProbation) {
			close(on)
			<-goOn
		}
	}
	done := make(chan error, 1)
	go func() {
		_, err := r.Swap(t.Context(), first)
		done <- err
	}()
	<-on
	hasty := second
	hasty.Timeout = 10 * time.Millisecond
	if _, err := r.Swap(t.Context(), hasty); err == nil || !strings.Contains(err.Error(), "waited in vain for the swap of plugin math") {
		t.Errorf("got %v, want what it has waited for", err)
	}
	close(goOn)
	record, err := r.Swap(t.Context(), second)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	if record.Steps[0].From.Digest != "sha256:"+digestOf(r.variant("2")) {
		t.Errorf("the second swap was from %s, want what the first has left", record.Steps[0].From.Digest)
	}
	r.becomes("3")
}

// Whoever goes away before the cut takes the swap back; after it the swap goes on
// alone.
func TestNobodyWaitsForTheSwap(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	for phase, outcome := range map[engine.Phase]store.SwapOutcome{engine.SwapValidated: store.SwapRefused, engine.SwapCut: store.SwapCommitted} {
		ctx, leave := context.WithCancel(t.Context())
		request := r.quick("2")
		request.Progress = func(ev engine.Event) {
			if ev.To == string(phase) {
				leave()
			}
		}
		if phase == engine.SwapCut {
			request.Path = r.variant("3")
		}
		record, err := r.Swap(ctx, request)
		if record.Outcome != outcome || (err == nil) != (outcome == store.SwapCommitted) {
			t.Errorf("left at %s: got %q and %v, want %q", phase, record.Outcome, err, outcome)
		}
		leave()
	}
	r.becomes("3")
}
