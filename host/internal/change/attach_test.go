package change_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/change"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// control answers on the control socket of the rig's data directory, as a host
// does.
func (r *rig) control() {
	r.t.Helper()
	sockets, err := r.store.RunDir()
	if err != nil {
		r.t.Fatal(err)
	}
	l, err := api.Listen(r.project.DataDir, sockets)
	if err != nil {
		r.t.Fatal(err)
	}
	server := api.New(api.Config{Plugins: byHand{r.Changes}, Events: api.NewEvents(), DataDir: r.project.DataDir, Version: "test", Logger: hclog.NewNullLogger()})
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	r.t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			r.t.Error(err)
		}
	})
}

// byHand is the part of the API that a plugin asks which is run by hand.
type byHand struct{ *change.Changes }

func (b byHand) Swap(context.Context, api.SwapRequest) (store.SwapRecord, error) {
	return store.SwapRecord{}, errors.ErrUnsupported
}

func (b byHand) Rollback(context.Context, api.RollbackRequest) (store.SwapRecord, error) {
	return store.SwapRecord{}, errors.ErrUnsupported
}

func (b byHand) Attach(ctx context.Context, a api.Attachment) error {
	return b.Changes.Attach(ctx, change.Attachment{
		Plugin: a.Plugin, Steps: a.Steps, Address: a.Address, PID: a.PID, Protocol: a.Protocol, SDKVersion: a.SDKVersion, Progress: a.Progress,
		Attached: func(steps []change.AttachedStep) {
			out := make([]api.AttachedStep, len(steps))
			for i, s := range steps {
				out[i] = api.AttachedStep(s)
			}
			a.Attached(out)
		},
	})
}

// person is a plugin that somebody runs by hand.
type person struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan error

	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes what the plugin tells its person.
func (p *person) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *person) reads() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// byHand runs a variant with --attach.
func (r *rig) byHand(variant string, args ...string) *person {
	r.t.Helper()
	p := &person{t: r.t, ended: make(chan error, 1)}
	args = append([]string{"--attach=" + r.project.DataDir, "--attach-name", "math"}, args...)
	p.cmd = exec.Command(r.variant(variant), args...) //nolint:gosec // this test's own binary
	p.cmd.Stderr = p
	p.cmd.Env = []string{"GORACE=atexit_sleep_ms=0"}
	if err := p.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	r.t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// says waits until the person has read something.
func (p *person) says(text string) {
	p.t.Helper()
	waitFor(p.t, fmt.Sprintf("%q", text), func() bool { return strings.Contains(p.reads(), text) })
}

func (p *person) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// fails waits for the end, which has to be one with an error that says something.
func (p *person) fails(texts ...string) {
	p.t.Helper()
	err := p.end()
	if err == nil {
		p.t.Errorf("it ended well, having said\n%s", p.reads())
	}
	for _, text := range texts {
		if !strings.Contains(p.reads(), text) {
			p.t.Errorf("it does not say %q, but\n%s", text, p.reads())
		}
	}
}

func (p *person) end() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(3 * time.Minute):
		p.t.Fatalf("it does not end; it said\n%s", p.reads())
		return nil
	}
}

// impatient has the engine suspect everybody who is silent for a moment.
func impatient(cfg *engine.Config) {
	cfg.HangAfter = 3 * time.Second
	cfg.Checkpoint.Timeout = 3 * time.Second
}

// A person takes over, holds the plugin for longer than any other may be silent,
// lets it go on, and kills it: its rows are seen, what ran before is back, and no
// row is lost, repeated or out of order.
func TestAttach(t *testing.T) {
	r := begin(t, tuning{tune: impatient})
	r.control()
	r.becomes("1")
	restarts := r.restarts()
	p := r.byHand("2")
	p.says("attached to p/times at checkpoint ")
	p.says("Ctrl-C")
	r.becomes("2")
	if pid := r.engine.Status()[0].Processes[1].PID; pid != p.cmd.Process.Pid {
		t.Errorf("the step runs in process %d, want %d", pid, p.cmd.Process.Pid)
	}

	p.signal(syscall.SIGSTOP)
	for since := time.Now(); time.Since(since) < 7*time.Second; time.Sleep(20 * time.Millisecond) { // more than twice what anybody else may take
		path := r.engine.Status()[0]
		if path.State != engine.PathLive && path.State != engine.PathBackfill || path.Processes[1].PID != p.cmd.Process.Pid || r.restarts() != restarts {
			t.Fatalf("the path is in state %s after %d restarts and runs process %d: it should not mind: %+v", path.State, r.restarts()-restarts, path.Processes[1].PID, r.told())
		}
	}
	during := len(r.rows())
	p.signal(syscall.SIGCONT)
	waitFor(t, "rows of a plugin that goes on", func() bool { return len(r.rows()) > during+30 })
	if got := r.runs(); got != "2" {
		t.Errorf("rows are those of variant %s, want 2", got)
	}

	p.signal(syscall.SIGKILL)
	_ = p.end()
	r.becomes("1")
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.gapless()
}

// told are the newest events.
func (r *rig) told() []engine.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[max(0, len(r.events)-8):]
}

// restarts is how often processes of the path were started once more.
func (r *rig) restarts() uint64 {
	n := uint64(0)
	for _, p := range r.engine.Status()[0].Processes {
		n += p.Restarts
	}
	return n
}

// Ctrl-C ends it in order.
func TestAttachedPluginIsInterrupted(t *testing.T) {
	r := begin(t, tuning{})
	r.control()
	for range 3 {
		p := r.byHand("2", "--attach-step", "times")
		p.says("attached to p/times")
		r.becomes("2")
		p.signal(os.Interrupt)
		if err := p.end(); err != nil {
			t.Errorf("%v:\n%s", err, p.reads())
		}
		p.says("math has ended")
		r.becomes("1")
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.gapless()
	phases := r.phases(1)
	if len(phases) < 3 || phases[0] != "handshaked" || phases[1] != "validated" || phases[2] != "warm" {
		t.Errorf("phases: got %v, want those of a swap", phases)
	}
}

// One of two is told that the other is there; afterwards it gets its turn.
func TestTwoAttach(t *testing.T) {
	r := begin(t, tuning{})
	r.control()
	first := r.byHand("2")
	first.says("attached to")
	r.byHand("3", "--attach-step", "p/times").fails(fmt.Sprintf("process %d is attached to step p/times: end that first", first.cmd.Process.Pid))
	if _, err := r.Swap(t.Context(), r.quick("3")); err == nil || !strings.Contains(err.Error(), "is attached to step p/") {
		t.Errorf("a swap of what is attached: got %v, want that it is refused", err)
	}
	if got := r.runs(); got != "2" {
		t.Errorf("rows are those of variant %s, want 2", got)
	}
	first.signal(os.Interrupt)
	if err := first.end(); err != nil {
		t.Error(err)
	}
	second := r.byHand("3", "--attach-step", "p/times")
	second.says("attached to")
	r.becomes("3")
}

// What does not fit changes nothing, and says why.
func TestAttachIsRefused(t *testing.T) {
	r := begin(t, tuning{})
	r.control()
	for _, c := range []struct {
		variant string
		args    []string
		says    []string
	}{
		{"2", []string{"--attach-name", "maths"}, []string{`"maths"; did you mean "math"?`}},
		{"2", []string{"--attach-step", "time"}, []string{`plugin math runs no step "time"`, `p/times`}},
		{"few", nil, []string{"it lacks math.plus"}},
		{"type", nil, []string{"p.hcl:", "value         uint64  string"}},
		{"strict", nil, []string{"limit is 7: write 100 or more"}},
		{"other", nil, []string{"is not one of plugin math"}},
		{"newer", nil, []string{"snapshots of step p/times would have version 3", "which writes version 1"}},
		{"upgrade", nil, []string{"would have version 2", "swap to the new version first"}},
	} {
		t.Run(c.variant+strings.Join(c.args, " "), func(t *testing.T) {
			r.t = t
			r.byHand(c.variant, c.args...).fails(c.says...)
			if got := r.runs(); got != "1" {
				t.Errorf("rows are those of variant %s, want 1", got)
			}
		})
	}
	r.t = t
}

// Nobody attaches to a path that rests.
func TestAttachToAPausedPath(t *testing.T) {
	r := begin(t, tuning{})
	r.control()
	if err := r.engine.Pause(t.Context(), "p"); err != nil {
		t.Fatal(err)
	}
	r.byHand("2").fails("paused", "resume it first")
	if err := r.engine.Resume(t.Context(), "p"); err != nil {
		t.Fatal(err)
	}
	r.becomes("1")
}

// A plugin that fails while it is attached is put back, and its person is told
// with what.
func TestAttachedPluginFails(t *testing.T) {
	r := begin(t, tuning{})
	r.control()
	p := r.byHand("crash", "--attach-step", "times")
	_ = p.end()
	r.becomes("1")
	p = r.byHand("fails", "--attach-step", "times")
	p.says("attached to p/times")
	p.fails("the attachment of plugin math is over", "it was told to fail")
	r.becomes("1")
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.gapless()
}

// The host may end while a plugin is attached.
func TestHostEndsWithAnAttachedPlugin(t *testing.T) {
	r := begin(t, tuning{})
	r.control()
	p := r.byHand("2")
	p.says("attached to")
	r.becomes("2")
	if err := r.end(); err != nil {
		t.Error(err)
	}
	p.fails("is over")
	r.gapless()
}
