package sdk_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// forgetful has no Restore.
type forgetful struct{}

func (forgetful) Transform(_ context.Context, row value, emit func(value) error) error {
	return emit(row)
}

func TestSnapshotForARegisterWithoutRestoreIsRefused(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("witness", forgetful{}))
	_, failure := plugintest.TryOpen(t, p, witnessStep(t, nil, []byte("state")))
	if failure == nil || failure.Class != "stop" || !strings.Contains(failure.Message, "no Restore method") {
		t.Errorf("got %v, want a stop", failure)
	}
	plugintest.Open(t, p, witnessStep(t, nil, []byte{})) // nothing to restore
}

// garbled puts bytes into its errors.
type garbled struct {
	Label string `hcl:"label,optional"`
}

func (g *garbled) Validate() error {
	if g.Label != "" {
		return errors.New("no label\xff")
	}
	return nil
}

func (g *garbled) Transform(_ context.Context, row value, _ func(value) error) error {
	switch row.Value {
	case 1:
		panic("broken \xfe" + strings.Repeat("x", 10<<20))
	case 2:
		return sdk.Poison(errors.New("bad row \xfe"))
	}
	return errors.New("cannot read \xfe")
}

func TestErrorsMayHoldAnything(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("witness", &garbled{}).Doc("\xff"))
	process := plugintest.Open(t, p, witnessStep(t, nil, nil))
	plugintest.Send(process, "input", value{Value: 2})
	if e := process.Expect(plugintest.PutAside); e.Cause != "bad row \uFFFD" {
		t.Errorf("poison: got %q", e.Cause)
	}
	plugintest.Send(process, "input", value{})
	if f := process.Expect(plugintest.Failed).Failure; f.Message != "cannot read \uFFFD" {
		t.Errorf("error: got %q", f.Message)
	}
	process = plugintest.Open(t, p, witnessStep(t, nil, nil))
	plugintest.Send(process, "input", value{Value: 1})
	f := process.Expect(plugintest.Failed).Failure
	if !strings.HasPrefix(f.Message, "panic: broken \uFFFDxxx") || len(f.Message) > 100<<10 || f.Stack == "" {
		t.Errorf("panic: got %d bytes: %.80q", len(f.Message), f.Message)
	}
	if got := plugintest.Mistakes(t, p, "witness", `{"label": "x"}`); !cmp.Equal(got, []string{"no label\uFFFD"}) {
		t.Errorf("mistakes: got %q", got)
	}
}

// hoarder has a snapshot that no message holds.
type hoarder struct{ forgetful }

func (hoarder) Snapshot() ([]byte, error) { return make([]byte, 257<<20), nil }

func TestSnapshotBeyondTheLimitIsRefused(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("witness", hoarder{}))
	process := plugintest.Open(t, p, witnessStep(t, nil, nil))
	process.Barrier(4)
	f := process.Expect(plugintest.Failed).Failure
	if f.Class != "stop" || !strings.Contains(f.Message, "the snapshot for checkpoint 4 has 269484032 bytes") {
		t.Errorf("got %s", f)
	}
}

// classy returns errors of every class.
type classy struct{}

func (classy) Transform(_ context.Context, row value, _ func(value) error) error {
	err := errors.New("why")
	switch row.Value {
	case 1:
		return sdk.Stop(err)
	case 2:
		return sdk.Rewind(sdk.Cursor{ChainID: 1, Block: 5, Hash: [32]byte{9}}, err)
	}
	return err
}

func TestErrorClassesCrossTheWire(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("witness", classy{}))
	tests := []struct {
		class string
		at    *sdk.Cursor
	}{
		{"retry", nil},
		{"stop", nil},
		{"rewind", &sdk.Cursor{ChainID: 1, Block: 5, Hash: [32]byte{9}}},
	}
	for i, test := range tests {
		process := plugintest.Open(t, p, witnessStep(t, nil, nil))
		plugintest.Send(process, "input", value{Value: uint64(i)})
		got := process.Expect(plugintest.Failed).Failure
		want := &plugintest.Failure{Class: test.class, Message: "why", Cursor: test.at}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.class, diff)
		}
	}
	for name, err := range map[string]error{"Stop": sdk.Stop(nil), "Rewind": sdk.Rewind(sdk.Cursor{}, nil), "Poison": sdk.Poison(nil)} {
		if err != nil {
			t.Errorf("%s(nil): got %v, want nil", name, err)
		}
	}
}

func TestPanicInReadShowsWhere(t *testing.T) {
	process := openReader(t, sdk.Start{}, func(_ context.Context, _ sdk.Start, out *sdk.Output[value]) error {
		if err := out.Emit(value{}); err != nil {
			return err
		}
		var nobody *witness
		nobody.count++ // boom
		return nil
	})
	events := process.Until(plugintest.Failed)
	failure := events[len(events)-1].Failure
	if !strings.Contains(failure.Message, "nil pointer") || !strings.Contains(failure.Stack, "failure_test.go") {
		t.Errorf("got %s", failure)
	}
}
