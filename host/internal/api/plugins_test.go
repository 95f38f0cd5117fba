package api_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// plugins swaps what the test says.
type plugins struct {
	api.Plugins
	swap     func(ctx context.Context, r api.SwapRequest) (store.SwapRecord, error)
	rollback func(ctx context.Context, r api.RollbackRequest) (store.SwapRecord, error)
	history  []store.SwapRecord
	damage   error
	asked    []string
}

func (p *plugins) Swap(ctx context.Context, r api.SwapRequest) (store.SwapRecord, error) {
	return p.swap(ctx, r)
}

func (p *plugins) Rollback(ctx context.Context, r api.RollbackRequest) (store.SwapRecord, error) {
	return p.rollback(ctx, r)
}

func (p *plugins) History(plugin string, limit int) ([]store.SwapRecord, error) {
	p.asked = append(p.asked, plugin+strings.Repeat("+", limit))
	return p.history, p.damage
}

// serve serves plugins to a client.
func (p *plugins) serve(t *testing.T, events *api.Events) *api.Client {
	t.Helper()
	dir := dataDir(t)
	listener, err := api.Listen(dir, filepath.Join(dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	server := api.New(api.Config{Engine: &fake{}, Letters: &letters{}, Plugins: p, Events: events, DataDir: dir, Version: "v9", Logger: hclog.NewNullLogger()})
	ctx, end := context.WithCancel(context.Background())
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
			t.Errorf("Serve: %v", err)
		}
	})
	return c
}

func aSwap(outcome store.SwapOutcome) store.SwapRecord {
	return store.SwapRecord{
		Number: 7, Time: time.Unix(9, 0).UTC(), Took: time.Minute, Plugin: "uniswap", Source: "/new/uniswap", Undoes: 6, Locked: true,
		Steps: []store.SwapStep{{
			Step: "swaps/uni", From: store.SwapBinary{Version: "1", Digest: "sha256:aa", Size: 1, Source: "/old"}, To: store.SwapBinary{Version: "2", Digest: "sha256:bb", Size: 2, Source: "/new"},
		}},
		Phase: "probation", Outcome: outcome, Pause: 3 * time.Millisecond, Cause: "why",
	}
}

// The phases of a swap are told as they come, the record last, and whoever asks
// gets exactly what was asked for through.
func TestSwapIsToldPhaseByPhase(t *testing.T) {
	asked := make(chan api.SwapRequest, 1)
	told, goOn := make(chan struct{}), make(chan struct{})
	p := &plugins{swap: func(_ context.Context, r api.SwapRequest) (store.SwapRecord, error) {
		r.Progress(engine.Event{Time: time.Unix(1, 0).UTC(), Kind: engine.EventSwap, Plugin: r.Plugin, Swap: 7, To: "staged", Cause: "19 MB"})
		<-goOn
		r.Progress(engine.Event{Time: time.Unix(2, 0).UTC(), Kind: engine.EventSwap, Plugin: r.Plugin, Swap: 7, From: "staged", To: "cut"})
		r.Progress = nil
		asked <- r
		return aSwap(store.SwapCommitted), nil
	}}
	c := p.serve(t, api.NewEvents())
	want := api.SwapRequest{
		Plugin: "uniswap", Path: "/new/uniswap", Steps: []string{"swaps/uni"}, Lock: true, NoProbation: true, Probation: time.Second, Timeout: time.Hour,
	}
	var phases []string
	var record store.SwapRecord
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		record, err = c.Swap(t.Context(), want, func(ev api.Event) error {
			phases = append(phases, ev.Plugin+" "+ev.From+" -> "+ev.To+" "+ev.Cause)
			if len(phases) == 1 {
				close(told)
			}
			return nil
		})
	}()
	within(t, "the first phase is told while the swap goes on", told)
	close(goOn)
	within(t, "the swap ends", done)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"uniswap  -> staged 19 MB", "uniswap staged -> cut "}, phases); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(aSwap(store.SwapCommitted), record); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, <-asked); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// A swap that was refused or taken back has a record beside the error.
func TestFailedSwapHasARecord(t *testing.T) {
	for outcome, want := range map[store.SwapOutcome]string{
		store.SwapRefused:    "plugin uniswap was not swapped and runs on as it was: it does not fit",
		store.SwapRolledBack: "plugin uniswap was put back, because the swap failed in its probation: it does not fit",
	} {
		p := &plugins{rollback: func(_ context.Context, r api.RollbackRequest) (store.SwapRecord, error) {
			return aSwap(outcome), &engine.SwapError{
				Plugin: r.Plugin, Phase: engine.SwapProbation, RolledBack: outcome == store.SwapRolledBack, Err: errors.New("it does not fit"),
			}
		}}
		c := p.serve(t, api.NewEvents())
		record, err := c.Rollback(t.Context(), api.RollbackRequest{Plugin: "uniswap"}, func(api.Event) error { return nil })
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", outcome, err, want)
		}
		if diff := cmp.Diff(aSwap(outcome), record); diff != "" {
			t.Errorf("record (-want +got):\n%s", diff)
		}
	}
}

// Whoever asked for a swap and goes away is known of by it.
func TestSwapLearnsThatNobodyWaits(t *testing.T) {
	begun, gone := make(chan struct{}), make(chan struct{})
	p := &plugins{swap: func(ctx context.Context, _ api.SwapRequest) (store.SwapRecord, error) {
		close(begun)
		<-ctx.Done()
		close(gone)
		return store.SwapRecord{}, ctx.Err()
	}}
	c := p.serve(t, api.NewEvents())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := c.Swap(ctx, api.SwapRequest{Plugin: "uniswap"}, func(api.Event) error { return nil })
		done <- err
	}()
	within(t, "the swap begins", begun)
	cancel()
	within(t, "the swap learns of it", gone)
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was given up", err)
	}
}

func TestHistoryTellsWhatIsMissing(t *testing.T) {
	p := &plugins{history: []store.SwapRecord{aSwap(store.SwapUnderWay)}}
	c := p.serve(t, api.NewEvents())
	swaps, err := c.History(t.Context(), "uniswap", 3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.history, swaps); diff != "" {
		t.Errorf("swaps (-want +got):\n%s", diff)
	}
	p.damage = &store.DamageError{Dir: "d", What: "swap 3", Cause: errors.New("it is cut short")}
	swaps, err = c.History(t.Context(), "", 0)
	if len(swaps) != 1 || err == nil || !strings.Contains(err.Error(), "swap 3 in penstock.db is damaged") {
		t.Errorf("got %d swaps and %v, want one and what is damaged", len(swaps), err)
	}
	if diff := cmp.Diff([]string{"uniswap+++", ""}, p.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	p.damage = errors.New("the disk is gone")
	if swaps, err = c.History(t.Context(), "", 0); swaps != nil || err == nil {
		t.Errorf("got %d swaps and %v, want an error alone", len(swaps), err)
	}
}

// Swaps are counted by what became of them and how long edges paused, and are no
// changes of state.
func TestSwapsAreCounted(t *testing.T) {
	w := begin(t)
	w.events.Tell(engine.Event{Kind: engine.EventSwap, Plugin: "uniswap", Swap: 7, Pipeline: "swaps", To: "cut"})
	refused := aSwap(store.SwapRefused)
	refused.Pause = 0
	for _, r := range []store.SwapRecord{aSwap(store.SwapCommitted), aSwap(store.SwapCommitted), refused} {
		w.events.Swapped(r)
	}
	_, text := w.request("GET", "/metrics", "")
	for _, want := range []string{
		`penstock_swaps_total{outcome="committed",plugin="uniswap"} 2`,
		`penstock_swaps_total{outcome="refused",plugin="uniswap"} 1`,
		`penstock_swap_pause_seconds_bucket{plugin="uniswap",le="0.002"} 0`,
		`penstock_swap_pause_seconds_bucket{plugin="uniswap",le="0.005"} 2`,
		`penstock_swap_pause_seconds_sum{plugin="uniswap"} 0.006`,
		`penstock_swap_pause_seconds_count{plugin="uniswap"} 2`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(text, "transitions_total") {
		t.Error("the phase of a swap was counted as a change of state")
	}
}
