package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// causes are what became of a step that crashed.
func (r *rig) causes(step string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, ev := range r.events {
		if ev.Step == step && ev.To == string(engine.ProcessCrashed) {
			out = append(out, ev.Cause)
		}
	}
	return out
}

// wantCauses checks what steps crashed of, one cause for each time.
func (r *rig) wantCauses(step string, causes ...string) {
	r.t.Helper()
	got := r.causes(step)
	if !slices.EqualFunc(got, causes, strings.Contains) {
		r.t.Errorf("step %s crashed of %q, want %q", step, got, causes)
	}
}

// A step that stays in its code for ever is killed when its time is over, the
// event says so, and its path goes on without a loss. Nobody else is disturbed.
func TestHang(t *testing.T) {
	long(t)
	t.Parallel()
	for _, c := range []struct {
		name, step  string
		sum, loader string
		policy      string // of an aggregator in the place of the subscriber
		joined      bool
	}{
		{name: "a subscriber", step: "sums", sum: "at = 50\n how = \"hang\""},
		{name: "a loader", step: "out", loader: "at = 50\n how = \"hang\""},
		{name: "a loader that commits", step: "out", loader: "at = 50\n stays = \"commit\""},
		{name: "a loader that commits at the end", step: "out", loader: "at = 300\n stays = \"commit\""},
		{name: "a loader that closes", step: "out", loader: "stays = \"close\""},
		{name: "an aggregator", step: "pass", joined: true},
		{name: "an aggregator by rows", step: "pass", joined: true, policy: "trigger"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSums(t)
			s.sum, s.loader = c.sum, c.loader
			source := s.String()
			if c.joined {
				source = s.joined(c.policy, fmt.Sprintf("at = 50\n how = \"hang\"\n mark = %q", s.dir))
			}
			r := newRig(t, source, on(t, t.TempDir(), quick))
			if err := r.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.wantCauses(c.step, "it hangs: ")
			if c.joined {
				wantAll(t, lines(t, s.out()), rowsOf(t, s.dir, 1, 300, 3))
				return
			}
			s.want(t, 1, 300)
		})
	}
}

// A step that is slow is left alone as long as it gets on, also while it says
// nothing because it is looked for a row that breaks it. So is one whose
// consumers are full.
func TestSlowIsNoHang(t *testing.T) {
	long(t)
	t.Parallel()
	t.Run("a loader", func(t *testing.T) {
		t.Parallel()
		s := newSums(t)
		s.head, s.loader = "from = 1\n to = 40", "slow = \"100ms\"" // which is longer than a hang
		r := newRig(t, s.String(), on(t, t.TempDir(), quick))
		if err := r.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.wantCauses("out")
		s.want(t, 1, 40)
	})
	t.Run("a search", func(t *testing.T) {
		t.Parallel()
		s, data := newSums(t), t.TempDir()
		s.head, s.reader = "from = 1\n to = 1", "per_block = 300"
		s.loader = "slow = \"20ms\"\n bad = [1299]\n fate = \"error\""
		r := newRig(t, s.with("test.double", "test.file"), on(t, data, quick))
		if err := r.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, cause := range r.causes("out") {
			if strings.Contains(cause, "hangs") {
				t.Error(cause)
			}
		}
	})
	t.Run("full consumers", func(t *testing.T) {
		t.Parallel()
		s := newSums(t)
		s.head, s.reader = "from = 1", "per_block = 3000\n head = 1000000"
		s.loader = "slow = \"300ms\""
		r := newRig(t, s.String(), on(t, t.TempDir(), func(c *engine.Config) {
			quick(c)
			c.HardTerminateAfter = time.Millisecond
		}))
		end := r.begin()
		waitFor(t, "full edges", func() bool {
			in := r.path().Processes[1].Inputs
			return len(in) > 0 && in[0].Breaches > 0
		})
		since := time.Now()
		waitFor(t, "twice the time of a hang", func() bool { return time.Since(since) > 2*hang })
		if err := end(); err == nil {
			t.Error("the path ended although its loader has work for hours")
		}
		for _, step := range []string{"blocks", "sums", "out"} {
			r.wantCauses(step)
		}
	})
}

// A process that stands still for a moment is waited for; one that does for
// longer than the time of a hang is killed.
func TestStoppedProcess(t *testing.T) {
	long(t)
	t.Parallel()
	for _, step := range []string{"blocks", "sums", "out"} {
		for _, long := range []bool{false, true} {
			t.Run(fmt.Sprint(step, " long ", long), func(t *testing.T) {
				t.Parallel()
				s := newLive(t)
				r := newRig(t, s.String(), on(t, t.TempDir(), quick))
				end := r.begin()
				r.waitCommitted(30)
				i := slices.Index([]string{"blocks", "sums", "out"}, step)
				pid := r.path().Processes[i].PID
				do(t, "stop it", syscall.Kill(pid, syscall.SIGSTOP))
				since := time.Now()
				var causes []string
				if long {
					waitFor(t, "it to be killed", func() bool { return r.path().Processes[i].PID != pid })
					causes = []string{"it hangs: "}
				} else {
					waitFor(t, "a moment", func() bool { return time.Since(since) > 300*time.Millisecond })
					do(t, "continue it", syscall.Kill(pid, syscall.SIGCONT))
				}
				r.waitCommitted(r.block() + 30)
				s.ended(t, r, end, 1)
				r.wantCauses(step, causes...)
			})
		}
	}
}

// A reader that is silent is killed once another reader of the network has come
// further, and not before.
func TestSilentReader(t *testing.T) {
	t.Parallel()
	s := newSums(t)
	source := strings.Replace(s.joined("", ""), fmt.Sprintf(`"right" { mark = %q }`, s.dir),
		fmt.Sprintf("\"right\" {\n mark = %q\n at = 50\n how = \"hang\"\n }", s.dir), 1)
	r := newRig(t, source, on(t, t.TempDir(), quick))
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wantCauses("right", "it has been silent ")
	wantAll(t, lines(t, s.out()), rowsOf(t, s.dir, 1, 300, 3))

	quiet := newLive(t)
	quiet.reader = "pause = \"1ms\"\n until = 30"
	r = newRig(t, quiet.String(), on(t, t.TempDir(), quick))
	end := r.begin()
	r.waitCommitted(30)
	since := time.Now()
	waitFor(t, "more than the time of a hang", func() bool { return time.Since(since) > hang+hang/2 })
	quiet.ended(t, r, end, 1)
	r.wantCauses("blocks")
}
