package plugintest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestMain(m *testing.M) {
	plugintest.ServeSpawned(papers()...)
	goleak.VerifyTestMain(m)
}

type row struct{ Value int64 }

func (row) TransitType() string { return "test.row" }

type other struct{ Name string }

func (other) TransitType() string { return "test.other" }

// halve fails at odd numbers.
type halve struct {
	Twice bool   `hcl:"twice,optional"`
	Label string `hcl:"label,optional"`
}

func (h *halve) Validate() error {
	if h.Label == "bad" {
		return errors.New("bad is no label")
	}
	return nil
}

func (h *halve) Transform(_ context.Context, r row, emit func(row) error) error {
	if r.Value%2 == 1 {
		return fmt.Errorf("%d is odd", r.Value)
	}
	r.Value /= 2
	if h.Twice {
		r.Value /= 2
	}
	return emit(r)
}

func TestSettingsInEveryForm(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("halve", &halve{}))
	for name, settings := range map[string]any{
		"map": map[string]any{"twice": true}, "text": `{"twice": true}`, "bytes": []byte(`{"twice": true}`),
		"struct": struct {
			Twice bool `json:"twice"`
		}{true},
	} {
		got := plugintest.Transform[row](t, p, "halve", settings, []row{{8}})
		if want := []row{{2}}; !cmp.Equal(got, want) {
			t.Errorf("settings as %s: got %v, want %v", name, got, want)
		}
	}
	got := plugintest.Mistakes(t, p, "halve", map[string]any{"twice": 1, "label": 2})
	want := []string{"twice: want true or false: 1 does not fit", "label: want a string: 2 does not fit"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Mistakes (-want +got):\n%s", diff)
	}
	if got := plugintest.Mistakes(t, p, "halve", `{"label": "bad"}`); !cmp.Equal(got, []string{"bad is no label"}) {
		t.Errorf("Mistakes: got %q", got)
	}
	if got := plugintest.Mistakes(t, p, "halve", nil); got != nil {
		t.Errorf("Mistakes of nothing: got %q", got)
	}
}

func TestManyRows(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("halve", &halve{}))
	in := make([]row, 300_000) // more than all windows and queues hold
	for i := range in {
		in[i].Value = 2 * int64(i)
	}
	for i, r := range plugintest.Transform[row](t, p, "halve", nil, in) {
		if r.Value != int64(i) {
			t.Fatalf("row %d: got %d", i, r.Value)
		}
	}
	if got := plugintest.Transform[row](t, p, "halve", nil, []row(nil)); got != nil {
		t.Errorf("no rows became %v", got)
	}
}

// failing stands in for a *testing.T of a test that fails.
type failing struct {
	*testing.T
	errors []string
}

func (f *failing) Output() io.Writer { return io.Discard }
func (f *failing) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *failing) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	panic(f)
}

// failure is how a test fails that does what it should not.
func failure(t *testing.T, test func(plugintest.TB)) string {
	t.Helper()
	f := &failing{T: t}
	func() {
		defer func() {
			if cause := recover(); cause != nil && cause != any(f) {
				panic(cause)
			}
		}()
		test(f)
	}()
	return strings.Join(f.errors, "\n")
}

func TestWhatGoesWrongFailsTheTest(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("halve", &halve{}))
	open := func(tb plugintest.TB) *plugintest.Process {
		return plugintest.Open(tb, p, plugintest.Step{Register: "halve", Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[row](tb, "input")}}})
	}
	tests := []struct {
		name string
		test func(plugintest.TB)
		want string
	}{
		{"registers that cannot be served", func(tb plugintest.TB) { plugintest.Run(tb) }, "these registers cannot be served:\nit has no registers"},
		{"a register that fails", func(tb plugintest.TB) {
			plugintest.Transform[row](tb, p, "halve", nil, []row{{3}})
		}, "halve: waited for ended, but it failed: 3 is odd (retry)"},
		{"a register that is not there", func(tb plugintest.TB) {
			plugintest.Transform[row](tb, p, "halves", nil, []row{{3}})
		}, `open halves: this plugin has no register "halves": did you mean "halve"? (stop)`},
		{"rows of another type", func(tb plugintest.TB) {
			plugintest.Transform[row](tb, p, "halve", nil, []other{{"x"}})
		}, "test.other is offered where test.row is wanted"},
		{"rows read as another type", func(tb plugintest.TB) {
			plugintest.Transform[other](tb, p, "halve", nil, []row{{2}})
		}, "test.row is offered where test.other is wanted"},
		{"an input that is not wired", func(tb plugintest.TB) {
			open(tb).Block("output", 1)
		}, `halve: nothing is wired to input "output"`},
		{"something else than expected", func(tb plugintest.TB) {
			process := open(tb)
			process.Barrier(1)
			process.Expect(plugintest.Rows)
		}, "halve: waited for rows, but got barrier"},
		{"a failure instead of what was expected", func(tb plugintest.TB) {
			process := open(tb)
			plugintest.Send(process, "input", row{5})
			process.Expect(plugintest.Rows)
		}, "halve: waited for rows, but it failed: 5 is odd"},
		{"a stream that is over", func(tb plugintest.TB) {
			process := open(tb)
			process.HangUp()
			process.Until(plugintest.Rows)
		}, "halve: waited for rows, but its stream is over"},
		{"settings that are no JSON", func(tb plugintest.TB) {
			plugintest.Mistakes(tb, p, "halve", func() {})
		}, "write the settings"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := failure(t, test.test); !strings.Contains(got, test.want) {
				t.Errorf("the test failed with:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func TestSilence(t *testing.T) {
	p := plugintest.Run(t, sdk.Subscriber("halve", &halve{}))
	process := plugintest.Open(t, p, plugintest.Step{Register: "halve", Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[row](t, "input")}}})
	if e, ok := process.Within(0); ok {
		t.Errorf("got %s, want silence", e.What)
	}
	process.HangUp()
	for range 2 { // it stays true
		process.Expect(plugintest.HungUp)
	}
}
