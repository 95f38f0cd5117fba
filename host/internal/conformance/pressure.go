package conformance

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
)

const (
	// windows is what may be on its way in one direction: gRPC's windows, the
	// frames that a plugin has read ahead, and the one that it works on.
	windows = 8 << 20
	// mostSent bounds what is made up to fill them.
	mostSent = 256 << 20
	// stuck is how long nothing has to move before it has stopped.
	stuck = time.Second
	// mostGrowth is what a plugin may take more while it waits.
	mostGrowth = 256 << 20
)

// checkPressure stops reading what it sends. It has to stop taking rows then, and
// to go on when reading does.
func checkPressure(ctx context.Context, b *bench) error {
	k, err := b.learn(ctx)
	if err != nil {
		return err
	}
	if k.out == 0 {
		return skip("it sends nothing for %d made-up rows: other settings (--set) or another --seed may make it", rows(k.before)+rows(k.after))
	}
	share := float64(k.out) / float64(k.in)
	limit := 2 * (windows + int(float64(windows)/share))
	if limit > mostSent {
		return skip("it sends %.1f %% of what it takes, too little to fill what lies between", 100*share)
	}
	s, err := b.fresh(ctx, opening{})
	if err != nil {
		return err
	}
	defer s.hangUp()
	s.counted = true
	before, _ := memoryOf(s.plugin.PID()) // 0 where it cannot be told
	s.hold()
	f, err := b.feed()
	if err != nil {
		return err
	}
	p := &pump{session: s, feed: f, limit: limit}
	if err := p.run(ctx); err != nil {
		return err
	}
	mend := "let emit block, and work on one row after the other: what is gathered by a goroutine of its own needs a bound"
	if p.sent >= limit {
		return wrong(fmt.Sprintf("it took %d MiB while nobody read what it sends", p.sent>>20), fmt.Sprintf("an end before %d MiB: what cannot be sent on must not be taken", limit>>20), mend)
	}
	if after, err := memoryOf(s.plugin.PID()); err == nil && after-before > mostGrowth {
		return wrong(fmt.Sprintf("it grew by %d MiB while nobody read what it sends", (after-before)>>20), fmt.Sprintf("less than %d MiB", mostGrowth>>20), mend)
	} else if err == nil {
		b.note("it stopped after %.1f MiB and grew by %d MiB", float64(p.sent)/(1<<20), max(after-before, 0)>>20)
	}
	return p.finish(ctx)
}

// pump sends rows until they are not taken any more.
type pump struct {
	session *session
	feed    *feed
	limit   int // bytes

	sent    int // bytes that were taken
	batches int
	blocked chan error // the frames that are on their way; nil: none are
}

// pumped is the shape of what is sent.
var pumped = batchOf{10, 100}

// run returns when nothing was taken for a while, or the limit is reached.
func (p *pump) run(ctx context.Context) error {
	for p.sent < p.limit {
		frames, err := p.feed.batch(pumped)
		if err != nil {
			return err
		}
		p.blocked = make(chan error, 1)
		go func(taken chan<- error) { taken <- p.session.sendAll(ctx, frames) }(p.blocked)
		p.batches++
		select {
		case err := <-p.blocked:
			p.blocked = nil
			if err != nil {
				return err
			}
		case <-time.After(stuck):
			return nil
		}
		for _, f := range frames {
			p.sent += f.Body.Len()
		}
	}
	return nil
}

// finish reads again, and compares how many rows come with how many come of the
// same rows where nobody stops reading.
func (p *pump) finish(ctx context.Context) error {
	p.session.release()
	if p.blocked != nil {
		if err := <-p.blocked; err != nil { // it ends with ctx
			return wrong(fmt.Sprintf("once it was read again, it did not go on: %v", err), "the rows that waited, and those after them", "look for a lock that is held while emit blocks")
		}
	}
	got, err := p.drained(ctx, p.session)
	if err != nil {
		return err
	}
	again, err := p.again(ctx)
	if err != nil {
		return err
	}
	if got != again {
		return wrong(fmt.Sprintf("%d rows came of %d batches where nobody read for a while", got, p.batches), fmt.Sprintf("%d rows, as where somebody reads all the time", again),
			"drop nothing where emit blocks, and return the error that it gives")
	}
	return nil
}

// again sends the same to another process, and counts what comes of it.
func (p *pump) again(ctx context.Context) (int, error) {
	s, err := p.session.bench.fresh(ctx, opening{})
	if err != nil {
		return 0, err
	}
	defer s.hangUp()
	s.counted = true
	f, err := p.session.bench.feed()
	if err != nil {
		return 0, err
	}
	for range p.batches {
		frames, err := f.batch(pumped)
		if err != nil {
			return 0, err
		}
		if err := s.sendAll(ctx, frames); err != nil {
			return 0, err
		}
	}
	return p.drained(ctx, s)
}

// drained ends a process and counts its rows.
func (p *pump) drained(ctx context.Context, s *session) (n int, err error) {
	if err := s.end(ctx, remote.KindEnded); err != nil {
		return 0, err
	}
	events, err := s.until(ctx, remote.KindEnded, 3*patience)
	if err != nil {
		return 0, err
	}
	next := uint64(1)
	for _, e := range events {
		if e.kind != remote.KindBatch {
			continue
		}
		if e.sequence != next {
			return 0, wrong(fmt.Sprintf("batch %d came where %d was due", e.sequence, next), "batches that are numbered from 1, without gaps", "number what is sent, in the order in which it is")
		}
		next++
		n += e.rows
	}
	return n, nil
}
