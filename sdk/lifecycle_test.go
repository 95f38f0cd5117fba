package sdk_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// diary is what all copies of a struct have lived through.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return lines
}

// witness writes down every call.
type witness struct {
	Name  string `hcl:"name,optional"`
	Fail  string `hcl:"fail,optional"` // the method that fails
	Panic string `hcl:"panic,optional"`

	diary *diary
	seen  map[uint64]bool
	last  []uint64
	count int
}

func (w *witness) call(method string) error {
	w.diary.add(method)
	if w.Panic == method {
		panic("in " + method)
	}
	if w.Fail == method {
		return errors.New("no " + method)
	}
	return nil
}

func (w *witness) Validate() error {
	if w.Name == "bad" {
		return errors.New("bad is no name: write another")
	}
	return nil
}

func (w *witness) Start(ctx context.Context, start sdk.Start) error {
	sdk.Logger(ctx).Info("started", "step", start.Step)
	return w.call("start " + w.Name)
}

func (w *witness) Restore(state []byte) error { return w.call("restore " + string(state)) }

func (w *witness) Transform(_ context.Context, row value, emit func(value) error) error {
	w.count++
	w.seen[row.Value] = true
	w.last = append(w.last, row.Value)
	if err := w.call("transform"); err != nil {
		return err
	}
	return emit(value{Value: uint64(w.count), BlockNumber: uint64(len(w.seen) + len(w.last))})
}

func (w *witness) Snapshot() ([]byte, error) { return []byte("state"), w.call("snapshot") }

func (w *witness) Close() error { return w.call("close") }

func openWitness(t *testing.T, d *diary, settings any, state []byte) (*plugintest.Process, *plugintest.Failure) {
	t.Helper()
	p := plugintest.Run(t, witnessed(d))
	return plugintest.TryOpen(t, p, witnessStep(t, settings, state))
}

func witnessed(d *diary) sdk.Register {
	return sdk.Subscriber("witness", &witness{
		Name: "first", diary: d, seen: map[uint64]bool{7: true}, last: append(make([]uint64, 0, 8), 7),
	})
}

func witnessStep(t *testing.T, settings any, state []byte) plugintest.Step {
	t.Helper()
	return plugintest.Step{
		Register: "witness", Settings: settings, State: state,
		Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[value](t, "input")}},
	}
}

func TestOptionalMethodsAreCalledInOrder(t *testing.T) {
	d := &diary{}
	process, _ := openWitness(t, d, map[string]any{"name": "second"}, []byte("old"))
	plugintest.Send(process, "input", value{})
	process.Barrier(1)
	if e := process.Until(plugintest.Barrier); string(e[len(e)-1].State) != "state" {
		t.Errorf("the barrier carries %q, want the snapshot", e[len(e)-1].State)
	}
	plugintest.Send(process, "input", value{})
	process.End("input")
	process.Until(plugintest.Ended)
	want := []string{"start second", "restore old", "transform", "snapshot", "transform", "close"}
	if diff := cmp.Diff(want, d.take()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestRewindIsANewCopy(t *testing.T) {
	d := &diary{}
	process, _ := openWitness(t, d, nil, nil)
	for range 3 {
		plugintest.Send(process, "input", value{Value: 1}, value{Value: 2})
		process.Barrier(1)
		rows := 0
		for _, e := range process.Until(plugintest.Barrier) {
			if e.What != plugintest.Rows {
				continue
			}
			for _, row := range plugintest.RowsOf[value](t, e) {
				rows++
				// The prototype's map and slice have one entry each.
				if want := (value{Value: uint64(rows), BlockNumber: uint64(2 + 2*rows)}); row != want {
					t.Fatalf("row %d: got %+v, want %+v: the copy is not its own", rows, row, want)
				}
			}
		}
		d.take()
		process.Rewind(at(0), []byte("it"))
		if diff := cmp.Diff([]string{"close", "start first", "restore it"}, d.take()); diff != "" {
			t.Errorf("calls of a rewind (-want +got):\n%s", diff)
		}
	}
}

func TestFramesFromBeforeARewindAreDropped(t *testing.T) {
	d := &diary{}
	process, _ := openWitness(t, d, nil, nil)
	process.Rewind(at(0), nil)
	process.Stale(func() {
		plugintest.Send(process, "input", value{})
		process.Barrier(1)
		process.End("input")
	})
	plugintest.Send(process, "input", value{})
	process.Barrier(2)
	events := process.Until(plugintest.Barrier)
	if got := events[len(events)-1].Checkpoint; len(events) != 2 || got != 2 {
		t.Errorf("got %d events up to barrier %d, want rows and barrier 2", len(events), got)
	}
}

func TestEveryProcessHasItsOwnCopy(t *testing.T) {
	d := &diary{}
	p := plugintest.Run(t, witnessed(d))
	one := plugintest.Open(t, p, witnessStep(t, map[string]any{"name": "one"}, nil))
	two := plugintest.Open(t, p, witnessStep(t, nil, nil))
	if diff := cmp.Diff([]string{"start one", "start first"}, d.take()); diff != "" {
		t.Errorf("settings of one reach the other (-want +got):\n%s", diff)
	}
	for _, process := range []*plugintest.Process{one, two, one} {
		plugintest.Send(process, "input", value{Value: 9})
		process.Expect(plugintest.Rows)
	}
	plugintest.Send(two, "input", value{Value: 9})
	if row := plugintest.RowsOf[value](t, two.Expect(plugintest.Rows))[0]; row.Value != 2 {
		t.Errorf("the second row of a process is its row %d", row.Value)
	}
}

func TestFailuresInOptionalMethods(t *testing.T) {
	tests := []struct {
		name     string
		settings map[string]any
		state    []byte
		refused  bool // at once
		want     string
		class    string
		calls    []string
	}{
		{
			"Validate",
			map[string]any{"name": "bad"},
			nil, true,
			"settings: bad is no name: write another", "stop", nil,
		},
		{
			"Start",
			map[string]any{"fail": "start first"},
			nil, true,
			"start: no start first", "retry",
			[]string{"start first", "close"},
		},
		{
			"Start panics",
			map[string]any{"panic": "start first"},
			nil, true,
			"panic: in start first", "retry",
			[]string{"start first", "close"},
		},
		{
			"Restore",
			map[string]any{"fail": "restore x"},
			[]byte("x"), true,
			"restore a snapshot of 1 bytes: no restore x", "stop",
			[]string{"start first", "restore x", "close"},
		},
		{
			"Transform",
			map[string]any{"fail": "transform"},
			nil, false,
			"no transform", "retry",
			[]string{"start first", "transform", "close"},
		},
		{
			"Transform panics",
			map[string]any{"panic": "transform"},
			nil, false,
			"panic: in transform", "retry",
			[]string{"start first", "transform", "close"},
		},
		{
			"Snapshot",
			map[string]any{"fail": "snapshot"},
			nil, false,
			"take a snapshot: no snapshot", "retry",
			[]string{"start first", "transform", "snapshot", "close"},
		},
		{
			"Close",
			map[string]any{"fail": "close"},
			nil, false,
			"close: no close", "retry",
			[]string{"start first", "transform", "snapshot", "close"},
		},
		{
			"Close panics",
			map[string]any{"panic": "close"},
			nil, false,
			"panic: in close", "retry",
			[]string{"start first", "transform", "snapshot", "close"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := &diary{}
			p := plugintest.Run(t, witnessed(d))
			process, failure := plugintest.TryOpen(t, p, witnessStep(t, test.settings, test.state))
			if test.refused != (failure != nil) {
				t.Fatalf("open: got %v", failure)
			}
			if failure == nil {
				plugintest.Send(process, "input", value{})
				process.Try(func() { process.Barrier(1); process.End("input") })
				for e := process.Next(); failure == nil; e = process.Next() {
					failure = e.Failure
				}
				process.Expect(plugintest.HungUp)
			}
			if failure.Message != test.want || failure.Class != test.class {
				t.Errorf("got %s, want %s (%s)", failure, test.want, test.class)
			}
			if strings.HasPrefix(test.want, "panic") && !strings.Contains(failure.Stack, "lifecycle_test.go") {
				t.Errorf("the stack does not show where it panicked:\n%s", failure.Stack)
			}
			again := plugintest.Open(t, p, witnessStep(t, nil, nil)) // after every failure
			again.HangUp()
			got := append([]string(nil), d.take()...)
			if diff := cmp.Diff(append(test.calls, "start first"), got[:min(len(test.calls)+1, len(got))]); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHangUpClosesTheProcess(t *testing.T) {
	d := &diary{}
	t.Run("host", func(t *testing.T) {
		process, _ := openWitness(t, d, nil, nil)
		plugintest.Send(process, "input", value{})
		process.Expect(plugintest.Rows)
		process.HangUp()
	}) // the cleanup waits for the process
	if diff := cmp.Diff([]string{"start first", "transform", "close"}, d.take()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
