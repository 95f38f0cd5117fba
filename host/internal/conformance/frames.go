package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
	"github.com/penstock-io/penstock/sdk/transit"
)

// oddFrame is one that a plugin should not take.
type oddFrame struct {
	what  string
	frame remote.Frame
	takes bool // it may take it, as long as it lives
}

// oddFrames are all of those that a host in disorder may send.
func (b *bench) oddFrames() ([]oddFrame, error) {
	odd := []oddFrame{
		{what: "a frame of the unknown kind 99", frame: remote.Frame{Kind: 99}},
		{what: "OPENED, which only plugins say", frame: remote.Frame{Kind: remote.KindOpened}},
	}
	if b.register.Type == remote.Reader {
		return append(odd, oddFrame{what: "rows for a reader", frame: remote.Frame{Kind: remote.KindBatch, Rows: 1, Body: remote.Bytes([]byte("rows"))}}), nil
	}
	f, err := b.feed()
	if err != nil {
		return nil, err
	}
	frames, err := f.batch(batchOf{1, 5})
	if err != nil {
		return nil, err
	}
	body := frames[0].Bytes()
	stranger, err := newEncoder(transit.Type{Name: "conformance.stranger", Schema: strangers()})
	if err != nil {
		return nil, err
	}
	other, _, err := stranger.encode(f.world, "stranger", 1, batchOf{1, 3})
	if err != nil {
		return nil, err
	}
	batch := func(what string, input, rows uint32, body []byte) oddFrame {
		return oddFrame{what: what, frame: remote.Frame{Kind: remote.KindBatch, Input: input, Rows: rows, Body: remote.Bytes(body)}}
	}
	lie := batch("a batch of 5 rows that is called one of 4000000000", 0, 4_000_000_000, body)
	lie.takes = true // what counts is the body
	return append(odd,
		batch("a body that is no Arrow", 0, 5, []byte("this is no record batch, whatever it may look like")),
		batch("a body that is cut off", 0, 5, body[:len(body)*2/3]),
		batch("a body of nothing", 0, 5, nil),
		batch("a batch of another type", 0, 3, other),
		batch("a batch for input 99", 99, 5, body),
		lie,
		oddFrame{what: "a safe point without a cursor", frame: remote.Frame{Kind: remote.KindSafePoint}},
		oddFrame{what: "a safe point of input 99", frame: remote.Frame{Kind: remote.KindSafePoint, Input: 99, Cursor: f.place()}},
	), nil
}

const mendFrames = "answer FAILED with class stop to what cannot be understood, and end that process alone: the SDK does"

// checkFrames sends what no host in order would, each to a process of its own.
func checkFrames(ctx context.Context, b *bench) error {
	if err := b.needsSource(); err != nil {
		return err
	}
	odd, err := b.oddFrames()
	if err != nil {
		return err
	}
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	for _, o := range odd {
		if err := b.refuses(ctx, p, o); err != nil {
			return err
		}
	}
	if err := b.oddOpenings(ctx, p); err != nil {
		return err
	}
	b.note("%d frames", len(odd))
	if err := b.idles(ctx, p); err != nil {
		return wrong(fmt.Sprintf("after all that it does not work any more: %v", err), "a plugin that lives on, as other steps may share it", mendFrames)
	}
	return nil
}

// refuses sends one odd frame, and sees what becomes of it.
func (b *bench) refuses(ctx context.Context, p *remote.Plugin, o oddFrame) error {
	s, err := b.open(ctx, p, opening{})
	if err != nil {
		return err
	}
	defer s.hangUp()
	if err := s.send(ctx, &o.frame); err == nil {
		_ = s.send(ctx, &remote.Frame{Kind: remote.KindProbe, Sequence: 1}) // it may have ended already
	}
	ctx, cancel := within(ctx, patience)
	defer cancel()
	for {
		e, err := s.next(ctx)
		if err != nil {
			return wrong(fmt.Sprintf("given %s, it says nothing for %s", o.what, patience), "a refusal", mendFrames)
		}
		exit, failure := (*remote.Exit)(nil), (*remote.Failure)(nil)
		switch {
		case errors.As(e.err, &exit):
			return wrong(fmt.Sprintf("given %s, %v%s", o.what, exit, panicOf(exit)), "a refusal, of that process alone", mendFrames)
		case errors.As(e.err, &failure) && failure.Stack != "":
			return wrong(fmt.Sprintf("given %s, it panics: %v%s", o.what, failure, stackOf(failure)), "a refusal", mendFrames)
		case e.err != nil && !errors.Is(e.err, io.EOF):
			return nil
		case e.err != nil:
			return wrong(fmt.Sprintf("given %s, it ends as if all were well", o.what), "a refusal that says what is wrong", mendFrames)
		case e.kind == remote.KindProbe && o.takes:
			return nil
		case e.kind == remote.KindProbe:
			return wrong(fmt.Sprintf("it takes %s as if it meant something", o.what), "a refusal", mendFrames)
		}
	}
}

// oddOpenings opens processes that there cannot be.
func (b *bench) oddOpenings(ctx context.Context, p *remote.Plugin) error {
	inputs := b.inputs()
	odd := []struct {
		what string
		o    opening
	}{
		{"a register that it does not have", opening{register: "no.such.register"}},
		{"settings that are no JSON", opening{settings: []byte("{{{")}},
	}
	add := func(what string, o opening) {
		odd = append(odd, struct {
			what string
			o    opening
		}{what, o})
	}
	if len(inputs) > 0 {
		add("an input that is wired to no port of it", opening{inputs: append(b.inputs(), remote.Input{Name: "x", Port: "no_such_port", Type: inputs[0].Type})})
		add("no input at all", opening{noInputs: true})
		if !b.register.Inputs[0].Any {
			misfits := b.inputs()
			misfits[0].Type = transit.Type{Name: misfits[0].Type.Name, Schema: strangers()}
			add("an input without the columns that it needs", opening{inputs: misfits})
		}
	}
	for _, try := range odd {
		s, err := b.open(ctx, p, try.o)
		if err == nil {
			s.hangUp()
			return wrong("it opens a process with "+try.what, "a refusal that says what is wrong", mendFrames)
		}
		if failure := (*remote.Failure)(nil); errors.As(err, &failure) && failure.Stack != "" {
			return wrong(fmt.Sprintf("opened with %s, it panics: %v%s", try.what, err, stackOf(err)), "a refusal that says what is wrong", mendFrames)
		}
		if err := survives(p, "opening it with "+try.what); err != nil {
			return err
		}
	}
	return nil
}

// idles opens a process and takes a checkpoint of it.
func (b *bench) idles(ctx context.Context, p *remote.Plugin) error {
	s, err := b.open(ctx, p, opening{})
	if err != nil {
		return err
	}
	defer s.hangUp()
	_, err = s.barrier(ctx, 1)
	return err
}

// large is the body of a large frame. Those beyond 256 MiB never leave a host:
// gRPC refuses them on its side, and those that arrive on the plugin's.
const large = 64 << 20

// checkOversize sends a frame that is large and means nothing, and a batch that
// is large and right.
func checkOversize(ctx context.Context, b *bench) error {
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	garbage := make([]byte, large)
	copy(garbage, "\xff\xff\xff\xff\xf8\xff\xff\x7f")
	frame := oddFrame{what: fmt.Sprintf("a body of %d MiB that is no Arrow", large>>20)}
	frame.frame = remote.Frame{Kind: remote.KindBatch, Rows: 1, Body: remote.Bytes(garbage)}
	if err := b.refuses(ctx, p, frame); err != nil {
		return err
	}
	s, err := b.open(ctx, p, opening{})
	if err != nil {
		return err
	}
	defer s.hangUp()
	f, err := b.feed()
	if err != nil {
		return err
	}
	frames, err := f.batch(batchOf{100, 100})
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := s.sendAll(ctx, frames); err != nil {
		return err
	}
	if err := s.send(ctx, &remote.Frame{Kind: remote.KindBarrier, Checkpoint: 1}); err != nil {
		return err
	}
	if _, err := s.until(ctx, remote.KindBarrier, 3*patience); err != nil {
		return err
	}
	b.note("%d rows at once in %s", rows(frames), time.Since(begun).Round(time.Millisecond))
	return survives(p, "a large batch")
}
