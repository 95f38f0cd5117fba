package change_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/change"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// What cannot take the place of what runs is refused with the reason, and what
// runs does not notice.
func TestRefusedBinaries(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	for name, test := range map[string]struct {
		path string
		want []string
	}{
		"a directory":   {r.path("plugins"), []string{"is a directory"}},
		"nothing there": {r.path("nowhere"), []string{"nowhere"}},
		"another machine": {r.changed("foreign", func(program []byte) []byte {
			program[18], program[19] = 22, 0 // s390x
			return program
		}), []string{"s390"}},
		"the first half": {r.changed("half", func(program []byte) []byte { return program[:len(program)/2] }), []string{"cut off"}},
		"no plugin":      {r.variant("mute"), []string{"this is no plugin"}},
		"another plugin's": {r.path("plugins/ends"), []string{
			"the binary is not one of plugin math", "ends.count, ends.file", "penstock plugin swap ends PATH",
		}},
		"nobody's":        {r.variant("other"), []string{"the binary is not one of plugin math", "other.thing", "math.plus (step p/plus)"}},
		"fewer registers": {r.variant("few"), []string{"fewer registers than are in use: it lacks math.plus (step p/plus)"}},
		"another type": {r.variant("type"), []string{
			"p.hcl:10:", `Step "times" (math.times) cannot be read by "plus" (math.plus)`, "column        wanted  offered", "! value         uint64  string",
		}},
		"a setting that it refuses":         {r.variant("strict"), []string{"p.hcl:", "The new plugin refuses this setting", "limit is 7: write 100 or more"}},
		"a setting that it does not have":   {r.variant("renamed"), []string{"p.hcl:9:", "limit", "ceiling"}},
		"other edges":                       {r.variant("needy"), nil},
		"a state that it cannot begin with": {r.variant("newer"), []string{"step times: its state is of version 1", "can begin with version 3 or later"}},
	} {
		record := r.refused(change.SwapRequest{Plugin: "math", Path: test.path}, test.want...)
		if t.Failed() {
			t.Fatalf("%s: that is what was tried", name)
		}
		if phases := r.phases(record.Number); phases[len(phases)-1] != "refused" {
			t.Errorf("%s: the events end with %v, want refused", name, phases)
		}
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.gapless()
}

// changed makes a binary that differs from a good one.
func (r *rig) changed(name string, how func([]byte) []byte) string {
	r.t.Helper()
	program, err := os.ReadFile(r.variant("2"))
	if err != nil {
		r.t.Fatal(err)
	}
	path := r.path("built/" + name)
	if err := os.WriteFile(path, how(program), 0o700); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// Requests that make no sense are refused before anything is looked at, and leave
// no record.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	for name, test := range map[string]struct {
		request change.SwapRequest
		want    []string
	}{
		"a way out of the directory": {change.SwapRequest{Plugin: "../math", Path: "x"}, []string{`"../math" cannot be the name of a plugin`}},
		"no name":                    {change.SwapRequest{Path: "x"}, []string{"the name of a plugin is missing"}},
		"no path":                    {change.SwapRequest{Plugin: "math"}, []string{"name the new binary"}},
		"a slip":                     {change.SwapRequest{Plugin: "maht", Path: "x"}, []string{`runs a plugin "maht"`, `did you mean "math"?`}},
		"an unknown plugin":          {change.SwapRequest{Plugin: "weather", Path: "x"}, []string{`"weather"`, "it runs ends, math"}},
		"an unknown step":            {change.SwapRequest{Plugin: "math", Path: "x", Steps: []string{"p/tims"}}, []string{`runs no step "p/tims"`, `did you mean "p/times"?`}},
		"a step of another plugin":   {change.SwapRequest{Plugin: "math", Path: "x", Steps: []string{"count"}}, []string{`runs no step "count"`, "p/times, p/plus"}},
	} {
		if record := r.refused(test.request, test.want...); record.Plugin != "" {
			t.Errorf("%s: there is a record of it", name)
		}
	}
	if swaps, err := r.History("", 0); err != nil || len(swaps) != 0 {
		t.Errorf("the history has %d swaps and %v, want none", len(swaps), err)
	}
}

// A file that is being written is waited for; one whose writer stops in the
// middle is refused.
func TestSwapToAFileThatIsBeingWritten(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	program, err := os.ReadFile(r.variant("2"))
	if err != nil {
		t.Fatal(err)
	}
	path := r.path("built/slow")
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	half := len(program) / 2
	if _, err := out.Write(program[:half]); err != nil {
		t.Fatal(err)
	}
	r.refused(change.SwapRequest{Plugin: "math", Path: path}, "cut off")

	done := make(chan error, 1)
	go func() {
		_, err := r.Swap(t.Context(), change.SwapRequest{Plugin: "math", Path: path, Probation: 50 * time.Millisecond})
		done <- err
	}()
	for rest := program[half:]; len(rest) > 0; time.Sleep(20 * time.Millisecond) { // as a slow copy does
		n := min(len(rest), len(program)/20+1)
		if _, err := out.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r.becomes("2")
}

// Bytes that run already are no mistake, and there is nothing to remember.
func TestSwapToTheSameBytes(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	record, err := r.Swap(t.Context(), r.quick("1"))
	if err != nil || record.Outcome != store.SwapUnchanged || len(record.Steps) == 0 || record.Steps[0].To.Digest == "" {
		t.Errorf("got %+v and %v, want a record that says so", record, err)
	}
	if swaps, _ := r.History("", 0); len(swaps) != 0 || len(r.phases(1)) != 0 {
		t.Errorf("it is in the history, or in the events: %v, %v", swaps, r.phases(1))
	}
	if n := r.swap("2").Number; n != 1 {
		t.Errorf("the next swap has the number %d, want 1", n)
	}
}

// A path that somebody has paused cannot be swapped, and says what it is. One that
// gave up can.
func TestSwapOfAPathAtRest(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	request := r.quick("2")
	refused := func(state string) {
		t.Helper()
		record, err := r.Swap(t.Context(), request)
		if !errors.As(err, new(*engine.StateError)) || !strings.Contains(err.Error(), "pipeline p is "+state) || record.Outcome != store.SwapRefused {
			t.Errorf("%s: got %q and %v, want that it is refused because of the state", state, record.Outcome, err)
		}
	}
	if err := r.engine.Pause(t.Context(), "p"); err != nil {
		t.Fatal(err)
	}
	refused("paused")
	if err := r.engine.Resume(t.Context(), "p"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.path("stop"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the path to give up", func() bool { return r.engine.Status()[0].State == engine.PathError })
	// A path in error begins again with the new bytes. They fail as the others did,
	// and it is in error as before.
	failed := (*engine.SwapError)(nil)
	watched := request
	watched.Probation = time.Hour
	if record, err := r.Swap(t.Context(), watched); !errors.As(err, &failed) || !failed.RolledBack || !strings.Contains(record.Cause, "stop") {
		t.Errorf("got %+v and %v, want that it is put back", record, err)
	}
	waitFor(t, "the path to be in error again", func() bool { return r.engine.Status()[0].State == engine.PathError })
	if err := os.Remove(r.path("stop")); err != nil {
		t.Fatal(err)
	}
	r.swap("2") // and now they do not
	r.becomes("2")
	// While it goes back, a swap waits for it or is refused, but breaks nothing.
	went := make(chan error, 1)
	go func() { went <- r.engine.Rewind(t.Context(), "p", *r.engine.Status()[0].Committed) }()
	if _, err := r.Swap(t.Context(), request); err != nil && !errors.As(err, new(*engine.SwapError)) {
		t.Errorf("while it goes back: %v", err)
	}
	if err := <-went; err != nil {
		t.Errorf("go back: %v", err)
	}
	r.runs()
}

// Nothing is swapped of a host that ends.
func TestSwapOfAHostThatEnds(t *testing.T) {
	t.Parallel()
	r := begin(t, tuning{})
	request := r.quick("2")
	request.Probation = time.Hour
	ending := make(chan error, 1)
	var once bool
	request.Progress = func(ev engine.Event) {
		if ev.To == string(engine.SwapProbation) && !once {
			once = true
			go func() { ending <- r.end() }()
		}
	}
	record, err := r.Swap(t.Context(), request)
	failed := (*engine.SwapError)(nil)
	if !errors.As(err, &failed) || !failed.RolledBack || record.Outcome != store.SwapRolledBack {
		t.Errorf("got %q and %v, want that a swap in its probation is taken back", record.Outcome, err)
	}
	if err := <-ending; err != nil {
		t.Fatal(err)
	}
	if _, err := r.Swap(context.Background(), request); err == nil || !strings.Contains(err.Error(), "the host is ending") {
		t.Errorf("got %v, want that it is too late", err)
	}
	if got := variantOf(filepath.Join(r.dir, "plugins", "math")); got != "1" {
		t.Errorf("the plugin directory holds variant %s, want 1 as before", got)
	}
}
