package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/penstock-io/penstock/host/internal/chaos/proxy"
)

// stage is where a plan is carried out.
type stage struct {
	plan     Plan
	chain    *chain
	proxy    *proxy.Proxy
	host     *host
	journal  *journal
	finality []string // by which rules pipelines take blocks for final
	loaders  []string // the plugins that load
	pauses   sync.WaitGroup
}

// ratesEvery is how often the share of the requests that go wrong is set.
const ratesEvery = 250 * time.Millisecond

// play carries out the plan and returns when its time is over: then nothing
// goes wrong any more. The error is about the chain or ctx, never about the
// pipeline.
func (s *stage) play(ctx context.Context) error {
	defer s.pauses.Wait()
	defer s.proxy.SetRate(0)
	began := time.Now()
	events := s.plan.Events
	for {
		at := time.Since(began)
		if at >= s.plan.Duration && len(events) == 0 {
			return nil
		}
		if s.host.gaveUp() {
			return nil // there is nobody left to harm; it is reported
		}
		s.proxy.SetRate(s.plan.rate(at))
		wait := ratesEvery
		if len(events) > 0 {
			wait = min(wait, events[0].At-at)
		}
		if wait > 0 {
			if err := sleep(ctx, min(wait, max(s.plan.Duration-at, time.Millisecond))); err != nil {
				return err
			}
			continue
		}
		if err := s.act(ctx, events[0]); err != nil {
			return err
		}
		events = events[1:]
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *stage) act(ctx context.Context, e Event) error {
	switch e.Actor {
	case Miner:
		return s.mine(ctx, e)
	case Brancher:
		return s.reorg(ctx, e)
	case HostKiller:
		if s.host.kill(e.Pause) {
			s.note(e, "host killed", "the host is killed, and comes again after %s", e.Pause.Round(time.Millisecond))
		}
	case PluginKiller:
		s.pick(e, "plugin killed", nil, func(host int, c child) bool {
			return harm(host, c, os.Kill)
		}, "is killed")
	case Staller:
		s.pick(e, "plugin stopped", nil, s.halt(ctx, e), "stands still for "+e.Pause.Round(time.Millisecond).String())
	case LoaderDelay:
		s.pick(e, "loader stopped", s.loaders, s.halt(ctx, e), "stands still for "+e.Pause.Round(time.Millisecond).String())
	}
	return nil
}

func (s *stage) note(e Event, kind, format string, args ...any) {
	s.journal.note(string(e.Actor), uint64(e.Number), kind, format, args...)
}

// mine mines what an event says. Only its first block is later than it would be.
func (s *stage) mine(ctx context.Context, e Event) error {
	jump := e.Jump
	var last uint64
	for range e.Blocks {
		n, err := s.chain.mine(ctx, jump)
		if err != nil {
			return err
		}
		last, jump = n, 0
	}
	kind := ""
	switch {
	case e.Jump > 0:
		kind = "clock jumped"
	case e.Blocks > 1:
		kind = "burst of blocks"
	}
	s.note(e, kind, "%d blocks up to %d, %s later than the clock says", e.Blocks, last, e.Jump)
	return nil
}

func (s *stage) reorg(ctx context.Context, e Event) error {
	most, err := s.chain.mayReplace(ctx, s.finality)
	if err != nil {
		return err
	}
	depth := min(e.Blocks, most)
	if depth == 0 {
		s.note(e, "", "nothing to replace: every block is final")
		return nil
	}
	b, err := s.chain.reorg(ctx, depth)
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		s.note(e, "", "%s", refused.message) // the blocks that deploy contracts stay, for example
		return nil
	}
	if err != nil {
		return err
	}
	s.note(e, "reorganisation", "%d blocks after %d replaced by %d", len(b.Old), b.ForkNumber, len(b.New))
	return nil
}

// pick does something to a process of a plugin, one of those named if names are
// given.
func (s *stage) pick(e Event, kind string, names []string, do func(host int, c child) bool, what string) {
	pid := s.host.pid()
	if pid == 0 {
		return
	}
	found := children(pid)
	if names != nil {
		found = slices.DeleteFunc(found, func(c child) bool { return !slices.Contains(names, c.name) })
	}
	if len(found) == 0 {
		s.note(e, "", "no process is there to harm")
		return
	}
	c := found[e.Pick%uint64(len(found))]
	if do(pid, c) {
		s.note(e, kind, "%s %s", c, what)
	}
}

func (c child) String() string { return fmt.Sprintf("%s (process %d)", c.name, c.pid) }

// halt stops a process and has it go on after a while.
func (s *stage) halt(ctx context.Context, e Event) func(host int, c child) bool {
	return func(host int, c child) bool {
		if !harm(host, c, stopSignal) {
			return false
		}
		s.pauses.Go(func() {
			_ = sleep(ctx, e.Pause) // it goes on in any case
			harm(host, c, goOnSignal)
		})
		return true
	}
}
