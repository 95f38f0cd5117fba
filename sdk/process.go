package sdk

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/internal/settings"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// queuedFrames is how many frames wait inside the plugin while one is worked
// on: enough to know whether there is more to read.
const queuedFrames = 4

// process is one running process: it owns the stream's receiving side and
// hands frames to its worker in order.
type process struct {
	register Register
	open     *pluginv1.Open
	author   any
	worker   worker
	out      *sender
	inputs   []bool // by index: over
}

// serveProcess runs a process from OPEN to ENDED or FAILED. The error it
// returns is about the conversation; what goes wrong in the author's code is
// told to the host in a FAILED frame.
func serveProcess(ctx context.Context, registers map[string]Register, stream wire.Stream, logger hclog.Logger) error {
	f, err := stream.Recv()
	if err != nil {
		return fmt.Errorf("wait to be opened: %w", err)
	}
	out := &sender{stream: stream, generation: f.Generation}
	if f.Kind != pluginv1.Kind_KIND_OPEN || f.Open == nil {
		return out.fail(Stop(fmt.Errorf("the first frame must be OPEN, not %s", f.Kind)))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx = context.WithValue(ctx, loggerKey{}, logger.Named(f.Open.Pipeline+"."+f.Open.Step))
	queue := make(chan *wire.Frame, queuedFrames)
	// Recv cannot be interrupted from this side: the goroutine ends when the
	// stream does, which is when this function returns.
	go receive(ctx, stream, queue)
	for {
		again, err := serveGeneration(ctx, registers, f, queue, out)
		if err != nil {
			return out.fail(err)
		}
		if again == nil {
			return nil
		}
		f.Snapshot, f.Generation = again.Snapshot, again.Generation
		f.Open.Cursor = again.Cursor.Proto()
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

// serveGeneration runs a process until it has ended or the host has hung up
// (nil, nil), or until the host rewinds it: then the frame that says so is
// returned.
func serveGeneration(ctx context.Context, registers map[string]Register, f *wire.Frame, queue <-chan *wire.Frame, out *sender) (again *wire.Frame, err error) {
	p := &process{open: f.Open, out: out, inputs: make([]bool, len(f.Open.Inputs))}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := guard(func() error { return p.start(ctx, registers, f) }); err != nil {
		return nil, err
	}
	opened := &pluginv1.Opened{}
	if p.register.output.Name != "" {
		opened.Output = dataType(p.register.output)
	}
	if err := out.send(&wire.Frame{Kind: pluginv1.Kind_KIND_OPENED, Opened: opened}); err != nil {
		return nil, err
	}
	if s, ok := p.worker.(source); ok {
		return p.produce(ctx, s, queue)
	}
	return p.consume(ctx, queue)
}

// start makes the author's instance ready.
func (p *process) start(ctx context.Context, registers map[string]Register, f *wire.Frame) error {
	r, ok := registers[f.Open.Register]
	if !ok {
		return Stop(fmt.Errorf("this plugin has no register %q", f.Open.Register))
	}
	p.register = r
	author, mistakes := r.configure(f.Open.Settings)
	if len(mistakes) > 0 {
		return Stop(mistakesError(mistakes))
	}
	p.author, p.worker = author, r.worker(author)
	start, err := startOf(f.Open)
	if err != nil {
		return Stop(err)
	}
	if err := r.checkInputs(start.Inputs); err != nil {
		return Stop(err)
	}
	if a, ok := p.worker.(interface{ setPolicy(*pluginv1.Policy) error }); ok {
		if err := a.setPolicy(f.Open.Policy); err != nil {
			return Stop(err)
		}
	}
	if err := p.worker.open(start, p.out); err != nil {
		return err
	}
	if s, ok := author.(Starter); ok {
		if err := s.Start(ctx, start); err != nil {
			return fmt.Errorf("start: %w", err)
		}
	}
	return p.restore(f.Snapshot)
}

func (p *process) restore(snapshot *pluginv1.Snapshot) error {
	if snapshot == nil || len(snapshot.State) == 0 {
		return nil
	}
	if w, ok := p.worker.(interface{ restore([]byte) error }); ok {
		return w.restore(snapshot.State)
	}
	r, ok := p.author.(Restorer)
	if !ok {
		return Stop(errors.New("there is a snapshot to restore, but the register has no Restore method"))
	}
	if err := r.Restore(snapshot.State); err != nil {
		return Stop(fmt.Errorf("restore the snapshot: %w", err))
	}
	return nil
}

// checkInputs holds a host to the register's ports.
func (r Register) checkInputs(inputs []Input) error {
	for _, in := range inputs {
		i := slices.IndexFunc(r.inputs, func(p port) bool { return p.name == in.Port })
		if i < 0 {
			return fmt.Errorf("register %s has no input %q", r.name, in.Port)
		}
		if want := r.inputs[i]; !want.any {
			if err := in.Type.Fits(want.typ); err != nil {
				return fmt.Errorf("input %q: %w", in.Name, err)
			}
		}
	}
	return nil
}

func (p *process) close() error {
	c, ok := p.author.(Closer)
	if !ok {
		return nil
	}
	return guard(func() error {
		if err := c.Close(); err != nil {
			return fmt.Errorf("close: %w", err)
		}
		return nil
	})
}

// produce runs a reader and listens to the host meanwhile.
func (p *process) produce(ctx context.Context, s source, queue <-chan *wire.Frame) (again *wire.Frame, err error) {
	reading, stop := context.WithCancelCause(ctx)
	result := make(chan error, 1) // what Read came to; nil once it was taken
	done := result
	go func() { done <- s.run(reading) }()
	defer func() {
		stop(errDrained)
		if result != nil {
			err = errors.Join(err, ignoreStop(<-result))
		}
	}()
	for {
		select {
		case err := <-result:
			result = nil
			if err != nil {
				return nil, err
			}
			// A reader that has ended still answers barriers.
			if err := p.out.send(&wire.Frame{Kind: pluginv1.Kind_KIND_ENDED}); err != nil {
				return nil, err
			}
		case f, ok := <-queue:
			if !ok {
				return nil, nil
			}
			switch f.Kind {
			case pluginv1.Kind_KIND_BARRIER:
				if err := s.askBarrier(f.Checkpoint); err != nil {
					return nil, err
				}
			case pluginv1.Kind_KIND_REWIND:
				return f, nil
			case pluginv1.Kind_KIND_DRAIN:
				return nil, p.drain(stop, &result)
			case pluginv1.Kind_KIND_FINAL:
			default:
				return nil, Stop(fmt.Errorf("a reader does not understand %s", f.Kind))
			}
		}
	}
}

// drain lets a reader send what it has and ends it, unless it has ended.
func (p *process) drain(stop context.CancelCauseFunc, result *chan error) error {
	if *result == nil {
		return nil
	}
	stop(errDrained)
	err := ignoreStop(<-*result)
	*result = nil
	if err != nil {
		return err
	}
	return p.out.send(&wire.Frame{Kind: pluginv1.Kind_KIND_ENDED})
}

// ignoreStop forgets the error of a Read that was asked to stop.
func ignoreStop(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, errDrained) {
		return nil
	}
	return err
}

// consume works on frames in order, and tells the worker when there are none.
func (p *process) consume(ctx context.Context, queue <-chan *wire.Frame) (*wire.Frame, error) {
	for {
		f, err := p.next(ctx, queue)
		if f == nil || err != nil {
			return nil, err
		}
		if f.Kind == pluginv1.Kind_KIND_REWIND {
			return f, nil
		}
		over, err := p.handle(ctx, f)
		f.Free()
		if err != nil {
			return nil, err
		}
		if over {
			return nil, p.out.send(&wire.Frame{Kind: pluginv1.Kind_KIND_ENDED})
		}
	}
}

// waiter is a worker that has something to do when nothing comes.
type waiter interface {
	// wait is how long to wait before idle is called again; 0: for ever.
	wait() time.Duration
}

// next returns the next frame, nil when the host has hung up. Before it waits
// it lets the worker send what it holds.
func (p *process) next(ctx context.Context, queue <-chan *wire.Frame) (*wire.Frame, error) {
	select {
	case f := <-queue:
		return f, nil
	default:
	}
	for {
		if err := guard(func() error { return p.worker.idle(ctx) }); err != nil {
			return nil, err
		}
		var alarm <-chan time.Time
		if w, ok := p.worker.(waiter); ok {
			if d := w.wait(); d > 0 {
				alarm = time.After(d)
			}
		}
		select {
		case f := <-queue:
			return f, nil
		case <-alarm:
		}
	}
}

// handle works on one frame; over tells that no input is left.
func (p *process) handle(ctx context.Context, f *wire.Frame) (over bool, err error) {
	if f.Generation != p.out.generation {
		return false, nil // from before a rewind
	}
	input := int(f.Input)
	if input >= len(p.inputs) {
		return false, Stop(fmt.Errorf("%s for input %d, but there are %d", f.Kind, input, len(p.inputs)))
	}
	switch f.Kind {
	case pluginv1.Kind_KIND_BATCH:
		body := f.Bytes()
		return false, guard(func() error { return p.worker.batch(ctx, input, body) })
	case pluginv1.Kind_KIND_SAFE_POINT:
		if f.Cursor == nil {
			return false, Stop(errors.New("a safe point without a cursor"))
		}
		point := SafePoint{Cursor: *cursorOf(f.Cursor), Head: f.Head, Finalized: f.Finalized}
		return false, guard(func() error { return p.worker.safePoint(ctx, input, point) })
	case pluginv1.Kind_KIND_BARRIER:
		return false, p.barrier(ctx, f.Checkpoint)
	case pluginv1.Kind_KIND_ENDED, pluginv1.Kind_KIND_DRAIN:
		p.inputs[input] = true
		drained := f.Kind == pluginv1.Kind_KIND_DRAIN
		err := guard(func() error { return p.worker.ended(ctx, input, drained) })
		return !slices.Contains(p.inputs, false), err
	case pluginv1.Kind_KIND_FINAL:
		return false, nil
	default:
		return false, Stop(fmt.Errorf("a %s does not understand %s", p.register.kind, f.Kind))
	}
}

func (p *process) barrier(ctx context.Context, checkpoint uint64) error {
	var state []byte
	err := guard(func() (err error) {
		state, err = p.worker.barrier(ctx, checkpoint)
		return err
	})
	if err != nil {
		return err
	}
	f := &wire.Frame{Kind: pluginv1.Kind_KIND_BARRIER, Checkpoint: checkpoint}
	if state != nil {
		f.Snapshot = &pluginv1.Snapshot{State: state}
	}
	return p.out.send(f)
}

// panicError is what an author's panic becomes.
type panicError struct {
	cause any
	stack string
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.cause) }

// guard runs the author's code and turns a panic into an error with its stack.
func guard(f func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &panicError{cause: cause, stack: string(debug.Stack())}
		}
	}()
	return f()
}

// restart begins a new generation.
func (s *sender) restart(generation uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation, s.sequence = generation, 0
}

// fail tells the host what went wrong, with its class. Where the host cannot
// be told, the error ends the stream.
func (s *sender) fail(err error) error {
	f := &wire.Frame{
		Kind:   pluginv1.Kind_KIND_FAILED,
		Failed: &pluginv1.Failed{Class: pluginv1.Class_CLASS_RETRY, Message: err.Error()},
	}
	if c := (*classError)(nil); errors.As(err, &c) {
		f.Failed.Class = c.class
		if c.cursor != nil {
			f.Cursor = wireCursor(*c.cursor)
		}
	}
	if p := (*panicError)(nil); errors.As(err, &p) {
		f.Failed.Stack = p.stack
	}
	if sendErr := s.send(f); sendErr != nil {
		return err
	}
	return nil
}

func mistakesError(mistakes []settings.Mistake) error {
	errs := make([]error, len(mistakes))
	for i, m := range mistakes {
		errs[i] = errors.New(m.String())
	}
	return fmt.Errorf("settings: %w", errors.Join(errs...))
}
