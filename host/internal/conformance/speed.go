package conformance

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
)

const (
	// speedBatches are the batches of one round, each of speedShape.
	speedBatches = 24
	speedRounds  = 3
	// A plugin is slow below this share of a plain copy of the same rows, and far
	// too slow below the other.
	slowShare    = 1.0 / 2000
	tooSlowShare = 1.0 / 50_000
)

var speedShape = batchOf{10, 100}

// checkSpeed measures how many rows it takes a second, beside a plain copy of
// the same bytes.
func checkSpeed(ctx context.Context, b *bench) error {
	if b.register.Type != remote.Loader {
		if _, err := b.learn(ctx); err != nil {
			return err
		}
	}
	s, err := b.fresh(ctx, opening{})
	if err != nil {
		return err
	}
	defer s.hangUp()
	s.counted = true
	f, err := b.feed()
	if err != nil {
		return err
	}
	best, copied := 0.0, 0.0
	for round := range speedRounds {
		taken, plain, err := b.round(ctx, s, f, uint64(round+1))
		if err != nil {
			return err
		}
		best, copied = max(best, taken), max(copied, plain)
	}
	return b.judge(best, copied)
}

// round measures once: rows a second that the process takes, and that a plain
// copy of them takes.
func (b *bench) round(ctx context.Context, s *session, f *feed, checkpoint uint64) (taken, plain float64, err error) {
	var frames []*remote.Frame
	for range speedBatches {
		made, err := f.batch(speedShape)
		if err != nil {
			return 0, 0, err
		}
		frames = append(frames, made...)
	}
	n := float64(rows(frames))
	begun := time.Now()
	if err := s.sendAll(ctx, frames); err != nil {
		return 0, 0, err
	}
	if err := s.send(ctx, &remote.Frame{Kind: remote.KindBarrier, Checkpoint: checkpoint}); err != nil {
		return 0, 0, err
	}
	if _, err := s.until(ctx, remote.KindBarrier, b.suite.cfg.Deadline); err != nil {
		return 0, 0, err
	}
	took := time.Since(begun)
	copied, err := copyFrames(b.suite.dir, frames)
	return n / took.Seconds(), n / copied.Seconds(), err
}

// judge tells a plugin that is slow from one that is not.
func (b *bench) judge(best, copied float64) error {
	share := best / copied
	b.note("%s rows/s, 1/%.0f of a plain copy (%s rows/s)", thousands(best), 1/share, thousands(copied))
	mend := "profile it; work on many rows at once (TransformBatch), and ask others for many things at once"
	switch {
	case share < tooSlowShare:
		return wrong(fmt.Sprintf("it takes %s rows a second", thousands(best)), fmt.Sprintf("%s at least, 1/%.0f of a plain copy", thousands(copied*tooSlowShare), 1/tooSlowShare), mend)
	case share < slowShare:
		return doubtful(fmt.Sprintf("it takes %s rows a second", thousands(best)), fmt.Sprintf("%s or more, 1/%.0f of a plain copy, or it holds its path up", thousands(copied*slowShare), 1/slowShare), mend)
	}
	return nil
}

// thousands is a number that people can read.
func thousands(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f M", n/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.0f k", n/1e3)
	default:
		return fmt.Sprintf("%.0f", n)
	}
}

// copyFrames measures how long it takes to send the bodies of frames through a
// socket of this machine, and to read them into memory at the other end.
func copyFrames(dir string, frames []*remote.Frame) (time.Duration, error) {
	listener, err := net.Listen("unix", filepath.Join(dir, "copy"))
	if err != nil {
		return 0, fmt.Errorf("measure a plain copy: %w", err)
	}
	defer listener.Close()
	var body []byte
	for _, f := range frames {
		body = append(body, f.Bytes()...)
	}
	begun := time.Now()
	read := make(chan error, 1)
	go func() { read <- readAll(listener, len(body)) }()
	out, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		return 0, fmt.Errorf("measure a plain copy: %w", err)
	}
	_, err = out.Write(body)
	_ = out.Close() // what was written counts
	if readErr := <-read; err == nil {
		err = readErr
	}
	_ = os.Remove(listener.Addr().String()) // the next one is made anew
	return time.Since(begun), err
}

// readAll reads so many bytes from whoever connects first.
func readAll(listener net.Listener, n int) error {
	in, err := listener.Accept()
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.ReadFull(in, make([]byte, n))
	return err
}
