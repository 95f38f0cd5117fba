package recording

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Generation is the one that a process is to be opened under that a recording is
// played to.
const Generation = 1

// Stream is the host's end of the conversation with a process that was opened as
// the header says. One goroutine sends while another receives; Cancel ends both.
type Stream interface {
	Send(f *wire.Frame) error
	Recv() (*wire.Frame, error)
	Cancel()
}

// Options say how a recording is played.
type Options struct {
	Output   transit.Type  // of what the process says, as it has told when it opened; the zero Type for a loader
	Patience time.Duration // how long a process may neither take nor say anything; 0: 30 seconds
	Most     int           // differences that are told in full; 0: 10
	// Update gets a recording of the same inputs with what the process says now. nil:
	// nobody wants one.
	Update *Writer
}

const (
	usualPatience = 30 * time.Second
	usualMost     = 10
)

// Replay plays a recording to a process, compares every row that it says with the
// recorded ones, in order, and ends the stream. That rows differ stands in the
// result. The error is that of the process, of the file, or that of ctx.
func Replay(ctx context.Context, r *Recording, s Stream, o Options) (*Result, error) {
	if ctx.Err() != nil { // it could be through before it is stopped
		return nil, context.Cause(ctx)
	}
	if o.Patience == 0 {
		o.Patience = usualPatience
	}
	if o.Most == 0 {
		o.Most = usualMost
	}
	p := &player{recording: r, stream: s, options: o}
	var err error
	if p.comparison, err = newComparison(r, o); err != nil {
		return nil, err
	}
	defer p.comparison.stop()
	result := p.comparison.result
	if o.Update != nil {
		if err := p.copyInputs(); err != nil {
			return nil, err
		}
	} else if result.Misfit != nil {
		s.Cancel()
		return result, nil
	}
	if err := p.play(ctx); err != nil {
		return nil, err
	}
	if o.Update != nil {
		return result, o.Update.Finish(r.Reason)
	}
	return result, nil
}

// player plays one recording.
type player struct {
	recording  *Recording
	stream     Stream
	options    Options
	comparison *comparison

	sent    atomic.Uint64 // frames
	silent  atomic.Bool   // the process did nothing for too long
	waiting *time.Timer
}

// play feeds the inputs and listens until the end of the recording has come by.
func (p *player) play(ctx context.Context) error {
	defer context.AfterFunc(ctx, p.stream.Cancel)()
	p.waiting = time.AfterFunc(p.options.Patience, func() {
		p.silent.Store(true)
		p.stream.Cancel()
	})
	defer p.waiting.Stop()
	var feeding sync.WaitGroup
	var fed error
	over := make(chan struct{})
	feeding.Go(func() { fed = p.feed(over) })
	heard := p.listen()
	close(over)
	p.stream.Cancel()
	feeding.Wait()
	switch {
	case heard == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case p.silent.Load():
		return fmt.Errorf("the process neither took nor said anything for %s, after %d frames of the recording: it hangs, or needs more time (--timeout)",
			p.options.Patience, p.sent.Load())
	}
	if format := (*FormatError)(nil); errors.As(fed, &format) {
		return fed
	}
	return fmt.Errorf("after %d frames of the recording: %w", p.sent.Load(), heard)
}

// feed sends what the process was given, in order. That the process has ended is
// told where it is listened to.
func (p *player) feed(over <-chan struct{}) error {
	var bodies wire.Bodies
	sequence := uint64(0)
	for f, err := range p.recording.Frames(false) {
		if err != nil {
			p.stream.Cancel()
			return err
		}
		select {
		case <-over:
			return nil
		default:
		}
		switch {
		case f.Kind == Batch:
			sequence++
		case f.Kind == Final && f.Checkpoint <= p.recording.Header.Checkpoint:
			continue // of what the process has never seen
		}
		out := f.wireFrame(&bodies, Generation, sequence)
		err := p.stream.Send(out)
		out.Free()
		if err != nil {
			return err
		}
		p.sent.Add(1)
		p.progress()
	}
	return nil
}

func (p *player) progress() {
	if p.waiting.Stop() {
		p.waiting.Reset(p.options.Patience)
	}
}

// listen compares what the process says until it has said all.
func (p *player) listen() error {
	for {
		f, err := p.stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the process ended its stream before its time")
		}
		if err != nil {
			return err
		}
		p.progress()
		over, err := p.hear(f)
		f.Free()
		if over || err != nil {
			return err
		}
	}
}

func (p *player) hear(f *wire.Frame) (over bool, err error) {
	if f.Generation != Generation {
		return false, nil
	}
	switch f.Kind {
	case pluginv1.Kind_KIND_FAILED:
		return false, failed(f.Failed)
	case pluginv1.Kind_KIND_PROGRESS:
		n := f.Progress.GetPoisoned()
		p.comparison.result.PutAside += n
		if cause := f.Progress.GetCause(); n > 0 && cause != "" { // else it tells what the process waits for
			p.comparison.result.Cause = cause
		}
		return false, nil
	case pluginv1.Kind_KIND_BATCH:
		if err := p.comparison.got(f); err != nil {
			return false, err
		}
	default: // only its place may matter
	}
	if err := p.update(f); err != nil {
		return false, err
	}
	if !p.recording.end.closes(Frame{Kind: Kind(f.Kind), Checkpoint: f.Checkpoint}) {
		return false, nil
	}
	return true, p.comparison.end()
}

// failed is a failure as the process has told it.
func failed(f *pluginv1.Failed) error {
	text := f.GetMessage()
	if f.GetStack() != "" {
		text += "\n" + f.GetStack()
	}
	return errors.New("the process failed: " + text)
}

// copyInputs begins a recording of the same inputs.
func (p *player) copyInputs() error {
	h := p.recording.Header
	if !h.Loader() {
		output := TypeOf(p.options.Output)
		h.Output = &output
	}
	record, err := HeaderRecord(h)
	if err != nil {
		return err
	}
	if err := p.options.Update.Write(record); err != nil {
		return err
	}
	if s := p.recording.Snapshot; s != nil {
		if err := p.options.Update.Write(SnapshotRecord(*s)); err != nil {
			return err
		}
	}
	var bodies wire.Bodies
	for f, err := range p.recording.Frames(false) {
		if err != nil {
			return err
		}
		out := f.wireFrame(&bodies, Generation, 0)
		record, _ := AppendFrame(nil, out, false)
		out.Free()
		if err := p.options.Update.Write(record); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) update(f *wire.Frame) error {
	if p.options.Update == nil {
		return nil
	}
	if kind := Kind(f.Kind); kind != Batch && kind != Barrier && kind != Ended {
		return nil
	}
	record, ok := AppendFrame(nil, f, true)
	if !ok {
		return nil
	}
	return p.options.Update.Write(record)
}
