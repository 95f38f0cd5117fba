package change_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/change"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/plan"
	"github.com/penstock-io/penstock/host/internal/project"
)

// edit changes the file of the rig.
func (r *rig) edit(oldnew ...string) {
	r.t.Helper()
	text, err := os.ReadFile(r.path("p.hcl"))
	if err != nil {
		r.t.Fatal(err)
	}
	changed := strings.NewReplacer(oldnew...).Replace(string(text))
	if changed == string(text) {
		r.t.Fatalf("the file has no %q", oldnew[0])
	}
	if err := os.WriteFile(r.path("p.hcl"), []byte(changed), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// apply has the rig take its file over, which has to work.
func (r *rig) apply(request plan.Request) plan.Outcome {
	r.t.Helper()
	outcome, err := r.Apply(r.t.Context(), request)
	if err != nil || len(outcome.Failed) > 0 {
		r.t.Fatalf("Apply: %+v, %v", outcome.Failed, err)
	}
	return outcome
}

// planned are the effects on pipelines of what the file says now.
func (r *rig) planned(request plan.Request) map[string]plan.Effect {
	r.t.Helper()
	preview, err := r.Plan(r.t.Context(), request)
	if err != nil {
		r.t.Fatal(err)
	}
	effects := make(map[string]plan.Effect)
	for _, p := range preview.Pipelines {
		effects[p.Name] = p.Effect
	}
	return effects
}

func (r *rig) wantPlanned(want map[string]plan.Effect) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.planned(plan.Request{})); diff != "" {
		r.t.Errorf("what would change (-want +got):\n%s", diff)
	}
}

// The file changes, is planned, applied and taken back, and rows flow on without
// a gap. What was applied last is what the next plan compares with.
func TestApplyAndRollback(t *testing.T) {
	r := begin(t, tuning{})
	r.becomes("1")
	r.wantPlanned(map[string]plan.Effect{})
	if n := r.Configuration(); n != 1 {
		t.Errorf("configuration %d runs, want 1", n)
	}
	r.edit("limit = 7", "limit = 8", `pause = "20ms"`, `pause = "10ms"`)
	r.wantPlanned(map[string]plan.Effect{"p": plan.Swap, "beside": plan.Swap})
	if outcome := r.apply(plan.Request{}); outcome.Configuration != 2 || r.Configuration() != 2 {
		t.Errorf("configuration %d runs, and %d is told, want 2", r.Configuration(), outcome.Configuration)
	}
	r.wantPlanned(map[string]plan.Effect{})
	if err := os.Remove(r.path("p.hcl")); err != nil {
		t.Fatal(err)
	}
	if effects := r.planned(plan.Request{Previous: true}); len(effects) != 2 {
		t.Errorf("the way back changes %v, want both pipelines", effects)
	}
	if outcome := r.apply(plan.Request{Previous: true}); outcome.Configuration != 1 || r.Configuration() != 1 {
		t.Errorf("configuration %d runs, and %d is told, want 1", r.Configuration(), outcome.Configuration)
	}
	if _, err := r.Apply(t.Context(), plan.Request{Previous: true}); err == nil || !strings.Contains(err.Error(), "nothing is known of a configuration before") {
		t.Errorf("a way back from the first one: %v", err)
	}
	if _, err := r.Plan(t.Context(), plan.Request{}); !isInvalid(err) {
		t.Errorf("a plan of a file that is not there: %v", err)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.gapless()
	var told []string
	for _, ev := range r.events {
		if ev.Kind == engine.EventConfig {
			told = append(told, strings.TrimSpace(fmt.Sprintf("%s %s -> %s", ev.Pipeline, ev.From, ev.To)))
		}
	}
	want := []string{
		"p configuration 1 -> configuration 2", "beside configuration 1 -> configuration 2", "configuration 1 -> configuration 2",
		"p configuration 2 -> configuration 1", "beside configuration 2 -> configuration 1", "configuration 2 -> configuration 1",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func isInvalid(err error) bool { return errors.As(err, new(*plan.InvalidError)) }

// A plan is carried out as it was shown or not at all: not when the file has
// changed since, nor when a plugin was swapped.
func TestApplyOfAPlanThatIsOld(t *testing.T) {
	r := begin(t, tuning{})
	r.becomes("1")
	r.edit("limit = 7", "limit = 8")
	shown, err := r.Plan(t.Context(), plan.Request{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.Plan(t.Context(), plan.Request{})
	if err != nil || again.Digest != shown.Digest {
		t.Errorf("the same plan has the digests %s and %s, %v", shown.Digest, again.Digest, err)
	}
	stale := func(why string) {
		t.Helper()
		if _, err := r.Apply(t.Context(), plan.Request{Digest: shown.Digest}); !errors.As(err, new(*plan.StaleError)) {
			t.Errorf("%s: %v, want a StaleError", why, err)
		}
		if n := r.Configuration(); n != 1 {
			t.Errorf("%s: configuration %d runs", why, n)
		}
	}
	r.edit("limit = 8", "limit = 9")
	stale("the file is another")
	r.edit("limit = 9", "limit = 8")
	r.swap("2")
	stale("a plugin was swapped")
	if shown, err = r.Plan(t.Context(), plan.Request{}); err != nil {
		t.Fatal(err)
	}
	r.apply(plan.Request{Digest: shown.Digest})
}

// Bytes that were swapped stay in force when a configuration is applied, whatever
// lies in the plugin directory meanwhile, and a plugin is swapped with the settings
// that were applied.
func TestApplyGoesOnWithSwappedBytes(t *testing.T) {
	r := begin(t, tuning{})
	r.becomes("1")
	r.swap("2")
	r.becomes("2")
	r.edit("limit = 7", "limit = 8")
	r.apply(plan.Request{})
	r.becomes("2")
	place(t, r.installed(), "3") // nobody has asked for it
	r.edit("limit = 8", "limit = 9", `pipeline "p" {`, "pipeline \"p\" {\n  to = 1000000")
	r.wantPlanned(map[string]plan.Effect{"p": plan.Restart})
	r.apply(plan.Request{})
	r.becomes("2")
	r.rollback()
	r.becomes("1")
	r.wantPlanned(map[string]plan.Effect{})
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.gapless()
	if p := r.engine.Processes(); !strings.Contains(string(p[1].Step.Settings), "9") {
		t.Errorf("the step runs with %s", p[1].Step.Settings)
	}
}

// A pipeline that cannot take a configuration over stays what it was, the other
// one does not. Until that is settled no plugin is swapped.
func TestApplyOfHalf(t *testing.T) {
	r := begin(t, tuning{})
	r.becomes("1")
	if err := os.WriteFile(r.path("stop2"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.edit(r.path("stop")+`"`, r.path("stop2")+`"`, `pause = "20ms"`, `pause = "10ms"`, `pipeline "p" {`, "pipeline \"p\" {\n  to = 1000000")
	outcome, err := r.Apply(t.Context(), plan.Request{})
	if err != nil || len(outcome.Failed) != 1 || outcome.Failed[0].Pipeline != "p" || !strings.Contains(outcome.Failed[0].Cause, "stop2 is there") || outcome.Configuration != 2 {
		t.Fatalf("Apply: %+v, %v", outcome, err)
	}
	r.becomes("1")
	r.wantPlanned(map[string]plan.Effect{"p": plan.Restart})
	r.refused(r.quick("2"), "pipeline p runs what it ran before configuration 2")
	if err := os.Remove(r.path("stop2")); err != nil {
		t.Fatal(err)
	}
	r.apply(plan.Request{})
	r.wantPlanned(map[string]plan.Effect{})
	r.swap("2")
	r.becomes("2")
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.gapless()
}

// Who applies while a plugin is being swapped waits for it, as long as he wants
// to; so do two who apply at once.
func TestApplyWaitsInLine(t *testing.T) {
	r := begin(t, tuning{})
	r.becomes("1")
	request := r.quick("2")
	cut, goOn := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(cut) })
	request.Progress = func(ev engine.Event) {
		if ev.To == string(engine.SwapCut) {
			once()
			<-goOn
		}
	}
	var swapped sync.WaitGroup
	swapped.Go(func() {
		if _, err := r.Swap(t.Context(), request); err != nil {
			t.Errorf("swap: %v", err)
		}
	})
	<-cut
	r.edit("limit = 7", "limit = 8")
	hasty, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.Apply(hasty, plan.Request{}); err == nil || !strings.Contains(err.Error(), "swap of plugin math") {
		t.Errorf("an apply that did not wait: %v, want it to say what for", err)
	}
	var applied sync.WaitGroup
	for range 2 {
		applied.Go(func() {
			if outcome, err := r.Apply(t.Context(), plan.Request{}); err != nil || len(outcome.Failed) > 0 {
				t.Errorf("Apply: %+v, %v", outcome.Failed, err)
			}
		})
	}
	close(goOn)
	applied.Wait()
	swapped.Wait()
	if n := r.Configuration(); n != 2 {
		t.Errorf("configuration %d runs, want 2: the second apply had nothing to do", n)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.gapless()
	if _, err := r.Apply(t.Context(), plan.Request{}); err == nil || !strings.Contains(err.Error(), "ending") {
		t.Errorf("Apply after the end: %v", err)
	}
}

// Another file may be applied than the one that the host was started with, under
// the name that a person has typed; mistakes have that name too.
func TestApplyOfAnotherFile(t *testing.T) {
	r := begin(t, tuning{})
	r.becomes("1")
	other := filepath.Join(t.TempDir(), "other.hcl")
	text, err := os.ReadFile(r.path("p.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(other, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Replace(string(text), "limit = 7", "limits = 8", 1))
	_, err = r.Plan(t.Context(), plan.Request{Path: other, Name: "../other.hcl"})
	invalid := (*plan.InvalidError)(nil)
	if !errors.As(err, &invalid) || invalid.Mistakes[0].File != "../other.hcl" || invalid.Mistakes[0].Start.Line == 0 {
		t.Fatalf("a file with a mistake: %v", err)
	}
	write(string(text))
	if effects := r.planned(plan.Request{Path: other}); len(effects) != 0 {
		t.Errorf("the same text in another place would change %v", effects)
	}
	write("variable \"limit\" {\n  default = 1\n  type = number\n}\n" + strings.Replace(string(text), "limit = 7", "limit = var.limit", 1))
	r.apply(plan.Request{Path: other, Name: "other.hcl", Vars: map[string]string{"limit": "5"}})
	r.wantPlanned(map[string]plan.Effect{}) // of the file that runs now, with its variables
	if effects := r.planned(plan.Request{Path: r.path("p.hcl")}); len(effects) != 1 {
		t.Errorf("the first file, which has no variables, would change %v, want p", effects)
	}
	if p := r.engine.Processes(); !slices.ContainsFunc(r.names(), func(name string) bool { return name == "p/times" }) || !strings.Contains(string(p[1].Step.Settings), "5") {
		t.Errorf("the step runs with %s", p[1].Step.Settings)
	}
}

func (r *rig) names() []string {
	var out []string
	for _, p := range r.engine.Processes() {
		out = append(out, p.Name())
	}
	return out
}

// A host keeps the files of its newest configurations, not more, and goes on with
// the number that it had where the files are the same.
func TestConfigurationsAreKept(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	r := begin(t, tuning{})
	r.edit(`pipeline "beside" {`, "pipeline \"beside\" {\n  hang_after = \"100s\"")
	for n := range 12 {
		r.edit(fmt.Sprintf("%ds", 100+n), fmt.Sprintf("%ds", 101+n))
		if outcome := r.apply(plan.Request{}); outcome.Configuration != uint64(2+n) {
			t.Fatalf("configuration %d runs, want %d", outcome.Configuration, 2+n)
		}
	}
	entries, err := os.ReadDir(r.path("data/configurations"))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 11 { // with the name of the current one
		t.Errorf("%d configurations are kept, want 10", len(entries)-1)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	kept := r.path("data/configurations/12/000-p.hcl")
	if err := os.WriteFile(kept, []byte("edited"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = begin(t, tuning{dir: r.dir})
	if n := r.Configuration(); n != 13 {
		t.Errorf("configuration %d runs after a restart on the same files, want 13", n)
	}
	if _, err := r.Apply(t.Context(), plan.Request{Previous: true}); err == nil || !strings.Contains(err.Error(), "configuration 12 was changed after it was kept") {
		t.Errorf("a rollback to files that somebody has edited: %v", err)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{string(r.project.Sources[0].Bytes): false, "another": true} {
		p, log := *r.project, new(bytes.Buffer)
		p.Sources = []config.Source{{Name: "elsewhere/p.hcl", Bytes: []byte(text)}}
		change.TellOfFiles(&p, project.Options{}, hclog.New(&hclog.LoggerOptions{Output: log}))
		if got := strings.Contains(log.String(), "the files are not what ran last"); got != want {
			t.Errorf("files that are others %t: the log says %q", want, log)
		}
	}
}
