package conformance

import (
	"context"
	"fmt"

	"github.com/penstock-io/penstock/sdk/remote"
)

const (
	// warmUp and rounds are how many processes are opened and closed: first those
	// that may leave something behind once, then those that must not.
	warmUp = 16
	rounds = 64
	// filesSlack and memorySlack are what may be there more after that: less than
	// a file for each, and less than what a collector takes its time with.
	filesSlack  = rounds / 4
	memorySlack = 40 << 20
)

// checkLeaks opens and closes many processes in one plugin.
func checkLeaks(ctx context.Context, b *bench) error {
	if err := b.needsSource(); err != nil {
		return err
	}
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	if _, err := usageOf(p.PID()); err != nil {
		return skip("this system does not tell what a process holds (%v)", err)
	}
	if err := b.openMany(ctx, p, warmUp, 0); err != nil {
		return err
	}
	before, err := usageOf(p.PID())
	if err != nil {
		return err
	}
	if err := b.openMany(ctx, p, rounds, warmUp); err != nil {
		return err
	}
	after, err := usageOf(p.PID())
	if err != nil {
		return err
	}
	b.note("%d processes: %+d files, %+.1f MiB", rounds, after.files-before.files, float64(after.memory-before.memory)/(1<<20))
	if more := after.files - before.files; more > filesSlack {
		return wrong(fmt.Sprintf("after %d processes it holds %d files more: %d, not %d", rounds, more, after.files, before.files), "as many files as before",
			"close in Close what Start and the rows have opened: files, connections, sockets")
	}
	if after.memory-before.memory < memorySlack {
		return nil
	}
	return b.stillGrows(ctx, p, before, after)
}

// stillGrows tells what leaks from what a collector has not got round to: that
// does not grow any more.
func (b *bench) stillGrows(ctx context.Context, p *remote.Plugin, before, after usage) error {
	if err := b.openMany(ctx, p, rounds, warmUp+rounds); err != nil {
		return err
	}
	last, err := usageOf(p.PID())
	if err != nil {
		return err
	}
	b.note("after as many again: %+.1f MiB", float64(last.memory-after.memory)/(1<<20))
	if last.memory-after.memory < memorySlack/2 {
		return nil
	}
	return wrong(fmt.Sprintf("after %d processes it takes %d MiB more", 2*rounds, (last.memory-before.memory)>>20), fmt.Sprintf("no more than %d MiB", memorySlack>>20),
		"keep what belongs to a process in its struct, not in package variables, and end its goroutines when its context ends")
}

// openMany opens processes one after the other, gives each a few rows and hangs
// up on it, as a host does that begins again.
func (b *bench) openMany(ctx context.Context, p *remote.Plugin, n, from int) error {
	for i := range n {
		s, err := b.open(ctx, p, opening{})
		if err != nil {
			return err
		}
		err = b.few(ctx, s, uint64(from+i+1))
		s.hangUp()
		if err != nil {
			return err
		}
	}
	return nil
}

// few sends a few rows and waits until they are done with.
func (b *bench) few(ctx context.Context, s *session, checkpoint uint64) error {
	if len(s.step.inputs) == 0 {
		_, err := s.probe(ctx, checkpoint)
		return err
	}
	f, err := b.feed()
	if err != nil {
		return err
	}
	frames, err := f.frames([]batchOf{{1, 3}, {1, 20}})
	if err != nil {
		return err
	}
	if err := s.sendAll(ctx, frames); err != nil {
		return err
	}
	_, err = s.probe(ctx, checkpoint)
	return err
}
