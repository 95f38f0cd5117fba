package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// hangError is a process that makes no progress although nothing keeps it from
// making some.
type hangError struct {
	since time.Duration
	what  string
}

func (e *hangError) Error() string {
	return fmt.Sprintf("it hangs: %s for %s; raise hang_after if that is what it takes", e.what, e.since.Round(time.Second/10))
}

// watch finds processes that hang, until ctx ends.
func (d *domain) watch(ctx context.Context, done <-chan struct{}) error {
	limit := d.settings().HangAfter
	tick := time.NewTicker(watchEvery(limit))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-done:
			return nil
		case now := <-tick.C:
			if was := limit; d.settings().HangAfter != was {
				limit = d.settings().HangAfter
				tick.Reset(watchEvery(limit))
			}
			for _, p := range d.processes {
				if err := p.hangs(now, limit); err != nil {
					return err
				}
			}
		}
	}
}

// watchEvery is how often processes are looked at.
func watchEvery(limit time.Duration) time.Duration {
	return max(min(limit/4, time.Second), time.Millisecond)
}

// hangs tells whether the process hangs, and asks it whether it does.
func (p *process) hangs(now time.Time, limit time.Duration) error {
	if p.hasEnded() || p.former.Load() != nil { // in a debugger things may take long
		return nil
	}
	if p.publishing.Load() != 0 {
		return nil // its consumers are full
	}
	heard := time.Unix(0, p.heardAt.Load())
	silent := func(since time.Time) time.Duration {
		if heard.After(since) {
			since = heard
		}
		return now.Sub(since)
	}
	since, what := p.owes()
	waiting := p.waiting.Load()
	if waiting != nil && since.IsZero() && p.owesBarrier() {
		since = time.Unix(0, p.askedAt.Load())
	}
	if !since.IsZero() {
		if waiting != nil {
			return p.waitsTooLong(waiting, since, now, limit)
		}
		if late := silent(since); late > limit {
			return p.failed(&hangError{since: late, what: what})
		}
		return nil
	}
	if p.is(registry.Reader) {
		if err := p.rests(now, silent(time.Time{}), limit); err != nil {
			return err
		}
	}
	p.poke()
	return nil
}

// owes is since when something is expected of the process, and what it has not
// done; zero if nothing is.
func (p *process) owes() (since time.Time, what string) {
	if asked := p.flight.outstanding(); !asked.IsZero() {
		return asked, "it has not come through what it was given"
	}
	if at := p.sending.Load(); at != 0 {
		return time.Unix(0, at), "it takes no rows"
	}
	if at := p.handed.Load(); at != 0 {
		return time.Unix(0, at), "it has been given everything and does not end"
	}
	return time.Time{}, ""
}

// owesBarrier tells whether a checkpoint waits for the process, which was asked.
func (p *process) owesBarrier() bool {
	k := p.asked.Load()
	return k > 0 && p.coordinator.expects(p, k)
}

// rests tells a reader that hangs from one whose source has nothing new.
func (p *process) rests(now time.Time, late, limit time.Duration) error {
	if late > limit && p.behind() {
		return p.failed(&hangError{since: late, what: "it has been silent while another reader found newer blocks"})
	}
	if late := p.lateFor(p.asked.Load(), now); p.owesBarrier() && late > limit {
		return p.failed(&hangError{since: late, what: "it has been silent between its safe points, where a checkpoint waits for it"})
	}
	return nil
}

// poke has the process asked whether it is through, if there is a reason to.
func (p *process) poke() {
	if p.is(registry.Reader) {
		signal(p.poked)
		return
	}
	if f := p.flight.ask(); f != nil {
		p.inputs.command(f)
	}
}

// behind tells whether another reader of the same network knows of a newer
// block.
func (p *process) behind() bool {
	read := p.block.Load()
	if read == 0 {
		return false
	}
	for _, other := range p.domain.readers() {
		if other != p && other.spec().Pipeline.Network == p.spec().Pipeline.Network && other.block.Load() > read {
			return true
		}
	}
	return false
}
