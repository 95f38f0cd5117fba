package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// queuedFrames is how many frames wait inside the plugin while one is worked
// on: enough to know whether there is more to read.
const queuedFrames = 4

// Process runs one process from OPEN to ENDED or FAILED. What goes wrong in
// the author's code is told to the host in a FAILED frame; the error returned
// is about the conversation itself.
func (s *Service) Process(ctx context.Context, stream wire.Stream) error {
	first, err := stream.Recv()
	if err != nil {
		return fmt.Errorf("wait to be opened: %w", err)
	}
	out := &Sender{stream: stream, generation: first.Generation}
	if first.Kind != pluginv1.Kind_KIND_OPEN {
		return out.fail(Stopf("the first frame must be %s, not %s", pluginv1.Kind_KIND_OPEN, first.Kind), nil)
	}
	if first.Open == nil {
		return out.fail(Stopf("%s does not say what to open", first.Kind), nil)
	}
	register, err := s.register(first.Open.Register)
	if err != nil {
		return out.fail(Stop(err), nil)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	leave, err := s.turns.enter(ctx, first.Open.ProcessId)
	if err != nil {
		return err
	}
	defer leave()
	ctx = s.atHome(ctx, first.Open)
	queue := make(chan *wire.Frame, queuedFrames)
	// Recv cannot be interrupted from this side: the goroutine ends when the
	// stream does, which is when this function has returned.
	go receive(ctx, stream, queue)
	for begin := first; ; {
		g := &generation{
			register: register, open: first.Open, begin: begin, out: out, queue: queue,
			inputs: make([]bool, len(first.Open.Inputs)), aside: &aside{out: out}, waits: &waits{out: out},
		}
		again, err := g.run(context.WithValue(context.WithValue(ctx, asideKey{}, g.aside), waitsKey{}, g.waits))
		if again == nil || err != nil {
			return err
		}
		begin = again
		first.Open.Cursor, first.Open.Checkpoint = again.Cursor.Proto(), again.Checkpoint
		out.restart(again.Generation)
	}
}

// receive moves frames from the stream to the queue, and closes the queue when
// the stream is over.
func receive(ctx context.Context, stream wire.Stream, queue chan<- *wire.Frame) {
	defer close(queue)
	for {
		f, err := stream.Recv()
		if err != nil {
			return // the host has hung up, in whatever way
		}
		select {
		case queue <- f:
		case <-ctx.Done():
			f.Free()
			return
		}
	}
}

// generation is a process between two rewinds: one worker and what it is told.
type generation struct {
	register Register
	open     *pluginv1.Open
	begin    *wire.Frame // OPEN or REWIND
	out      *Sender
	queue    <-chan *wire.Frame
	inputs   []bool // by index: over
	aside    *aside
	waits    *waits

	worker Worker
	opened bool   // Close has to be called
	fault  *fault // the batch that it failed at; nil: at none
}

// run works until the process has ended or the host has hung up, which is nil,
// or until the host rewinds it: then the frame that says so is returned.
func (g *generation) run(ctx context.Context) (again *wire.Frame, err error) {
	again, err = g.live(ctx)
	g.waits.close()
	if err == nil {
		err = g.close()
	}
	if err != nil {
		// The host is told first: after a panic Close may wait for ever.
		err = g.out.fail(err, g.fault)
		if closeErr := g.close(); closeErr != nil {
			Logger(ctx).Error("close after a failure", "error", closeErr)
		}
		return nil, err
	}
	return again, nil
}

func (g *generation) live(ctx context.Context) (again *wire.Frame, err error) {
	if err := guard(func() error { return g.start(ctx) }); err != nil {
		return nil, err
	}
	opened := &wire.Frame{Kind: pluginv1.Kind_KIND_OPENED, Opened: &pluginv1.Opened{Output: g.register.outputMessage()}}
	if err := g.out.Send(opened); err != nil {
		return nil, err
	}
	g.waits.opened()
	switch w := g.worker.(type) {
	case Producer:
		return g.produce(ctx, w)
	case Consumer:
		return g.consume(ctx, w)
	}
	panic("a worker that neither produces nor consumes") // unreachable: package sdk makes no other
}

// start makes a worker ready for its first row.
func (g *generation) start(ctx context.Context) error {
	worker, mistakes := g.register.New(g.open.Settings)
	if len(mistakes) > 0 {
		return Stop(mistakesError(mistakes))
	}
	if err := g.register.checkInputs(g.open.Inputs); err != nil {
		return Stop(err)
	}
	g.worker, g.opened = worker, true
	if err := worker.Open(ctx, g.open, g.out); err != nil {
		return err
	}
	if g.begin.Snapshot == nil {
		return nil
	}
	if err := g.register.checkVersion(g.begin.Snapshot.Version); err != nil {
		return Stop(err)
	}
	return worker.Restore(max(g.begin.Snapshot.Version, 1), g.begin.Snapshot.State)
}

// close closes the worker, once.
func (g *generation) close() error {
	if !g.opened {
		return nil
	}
	g.opened = false
	return guard(func() error {
		if err := g.worker.Close(); err != nil {
			return fmt.Errorf("close: %w", err)
		}
		return nil
	})
}

// end closes the worker and says that nothing more will come.
func (g *generation) end(ctx context.Context) error {
	if err := errors.Join(g.aside.report(ctx, g.out), g.close()); err != nil {
		return err
	}
	return g.out.Send(&wire.Frame{Kind: pluginv1.Kind_KIND_ENDED})
}

var _ wire.Service = (*Service)(nil)
