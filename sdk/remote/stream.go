package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Open says which process a stream is to be.
type Open struct {
	Register   string
	Pipeline   string
	Step       string
	ProcessID  string // tells processes apart that share a plugin
	Domain     string // the same on every run of a host
	Checkpoint uint64 // what Cursor and Snapshot belong to, 0 for the beginning
	Forks      uint64 // how often a reorganisation has taken the domain back
	Fresh      bool   // somebody wants the domain to begin anew
	Generation uint64
	Settings   []byte // a JSON object
	Network    Network
	Cursor     *Cursor // everything up to and including it is done; nil: begin at From
	From       uint64
	FromLatest bool
	To         *uint64 // the last block, inclusive; nil: for ever
	Inputs     []Input
	Policy     *Policy   // for an aggregator
	Snapshot   *Snapshot // the state to begin with
}

// Network is the chain the process works on.
type Network struct {
	Name      string
	ChainID   uint64
	Endpoints []Endpoint
	Finality  string
}

// Endpoint is a node of a network.
type Endpoint struct{ Name, URL, Rate string }

// Input is what flows into the process, in order.
type Input struct {
	Name string
	Port string // the port of the register it is wired to
	Type transit.Type
	Rows uint64 // that lie before the checkpoint, since the beginning
}

// Policy says when an aggregator's tuple is complete.
type Policy struct {
	Kind        PolicyKind
	Size, First uint64 // PolicyEpoch: blocks per epoch, counted from First
	Offset      uint64 // PolicyEpoch: blocks between an epoch's end and the head that releases it
	On          string // PolicyTrigger: the port whose rows make tuples
	Latest      bool   // keep only the newest row of each other port
	Require     bool   // hold the trigger back until every other port has a row
	Max         uint64 // the most rows held back, 0 for the default
	Timeout     time.Duration
}

// Stream is the conversation with one process. One goroutine may send while
// another receives; Cancel may be called from anywhere. A stream holds resources
// until Recv has returned an error or Cancel was called.
type Stream struct {
	plugin *Plugin
	wire   wire.ClientStream
	cancel context.CancelFunc
	step   string
	output transit.Type

	observer atomic.Pointer[func(*Frame)]
}

// ErrEnded is what Send returns when the stream has ended. Recv tells why.
var ErrEnded = errors.New("the stream has ended")

// Open opens a stream and waits until the process has opened. ctx bounds the
// opening alone; the stream lives until Cancel, its end, or the end of the
// plugin. What the process refuses is a *Failure.
func (p *Plugin) Open(ctx context.Context, open Open) (*Stream, error) {
	opening, done := p.callContext(ctx)
	defer done()
	living, cancel := context.WithCancel(context.WithoutCancel(ctx))
	detach := context.AfterFunc(opening, cancel)
	s := &Stream{plugin: p, cancel: cancel, step: open.Step}
	err := s.open(living, open)
	if err == nil && detach() {
		return s, nil
	}
	if err == nil || living.Err() != nil {
		err = p.cause(opening, err)
	}
	cancel()
	return nil, fmt.Errorf("open %s in plugin %s: %w", open.Step, p.Name(), err)
}

func (s *Stream) open(ctx context.Context, open Open) (err error) {
	if s.wire, err = s.plugin.wire.Process(ctx); err != nil {
		return s.plugin.cause(ctx, err)
	}
	first := &Frame{Kind: KindOpen, Generation: open.Generation, Open: open.message(), Snapshot: open.Snapshot}
	if err := s.wire.Send(first); err != nil && !errors.Is(err, io.EOF) { // EOF: the answer tells why
		return s.plugin.cause(ctx, err)
	}
	f, err := s.wire.Recv()
	if errors.Is(err, io.EOF) {
		return errors.New("it ended the stream without an answer")
	}
	if err != nil {
		return s.plugin.cause(ctx, err)
	}
	defer f.Free()
	switch f.Kind {
	case KindFailed:
		return s.plugin.reported(newFailure(f.Failed, f.Cursor))
	case KindOpened:
		s.output, err = newType(f.Opened.GetOutput())
		if err != nil {
			return fmt.Errorf("read the type of its output: %w", err)
		}
		return nil
	default:
		return fmt.Errorf("it answered %s, want %s", f.Kind, KindOpened)
	}
}

// Output is the type of what the process sends, the zero Type for a loader.
func (s *Stream) Output() transit.Type { return s.output }

// Observe has f called with every frame from now on that Send is about to send,
// one at a time and in order; nil: nobody is told any more. The frame is only
// lent, and the sender waits for f.
func (s *Stream) Observe(f func(*Frame)) {
	if f == nil {
		s.observer.Store(nil)
		return
	}
	s.observer.Store(&f)
}

// Send sends a frame, which stays the caller's to free. It blocks while the
// process does not read, until Cancel. ErrEnded: the stream has ended, and Recv
// tells why; *Exit: the plugin has.
func (s *Stream) Send(f *Frame) error {
	if observe := s.observer.Load(); observe != nil {
		(*observe)(f)
	}
	err := s.wire.Send(f)
	if err == nil {
		return nil
	}
	if exit := s.plugin.Exit(); exit != nil {
		return exit
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("send to %s: %w", s.step, ErrEnded)
	}
	return fmt.Errorf("send to %s: %w", s.step, s.plugin.broken(err))
}

// maxCause is how much is kept of what a process reports, in bytes: people read it.
const maxCause = 4 << 10

// Recv blocks for the next frame, which becomes the caller's to free. io.EOF:
// the process has ended the stream in order. *Failure: the process failed; the
// stream may still say more. *Exit: the plugin has ended, with the reason.
// context.Canceled: Cancel was called.
func (s *Stream) Recv() (*Frame, error) {
	f, err := s.wire.Recv()
	if errors.Is(err, io.EOF) {
		s.cancel()
		return nil, io.EOF
	}
	if err != nil {
		s.cancel()
		return nil, fmt.Errorf("receive from %s: %w", s.step, s.plugin.broken(err))
	}
	switch f.Kind {
	case KindBatch, KindBarrier, KindSafePoint, KindEnded, KindReorg, KindOpened, KindProbe:
		return f, nil
	case KindProgress:
		if f.Progress != nil {
			f.Progress.Cause = shorten(s.plugin.hides.Text(clean(f.Progress.Cause)), maxCause)
		}
		return f, nil
	case KindFailed:
		failure := s.plugin.reported(failureOf(f))
		f.Free()
		return nil, fmt.Errorf("%s: %w", s.step, failure)
	default:
		kind := f.Kind
		f.Free()
		s.cancel()
		return nil, fmt.Errorf("receive from %s: plugin %s sent a frame of kind %s, which a host of protocol %d does not know: rebuild the plugin with an SDK that fits",
			s.step, s.plugin.Name(), kind, wire.Protocol)
	}
}

// CloseSend tells the process that nothing more will come. It must not be
// called while Send is.
func (s *Stream) CloseSend() error {
	if err := s.wire.CloseSend(); err != nil {
		return fmt.Errorf("close the stream to %s: %w", s.step, err)
	}
	return nil
}

// Cancel ends the stream at once, whatever is under way.
func (s *Stream) Cancel() { s.cancel() }

func (o Open) message() *pluginv1.Open {
	m := &pluginv1.Open{
		Register: o.Register, Pipeline: o.Pipeline, Step: o.Step, ProcessId: o.ProcessID, Settings: o.Settings,
		Network: &pluginv1.Network{Name: o.Network.Name, ChainId: o.Network.ChainID, Finality: o.Network.Finality},
		Cursor:  o.Cursor.Proto(), From: o.From, FromLatest: o.FromLatest, Policy: o.Policy.message(),
		Domain: o.Domain, Checkpoint: o.Checkpoint, Forks: o.Forks, Fresh: o.Fresh,
	}
	if o.To != nil {
		m.To = new(*o.To)
	}
	for _, e := range o.Network.Endpoints {
		m.Network.Endpoints = append(m.Network.Endpoints, &pluginv1.Endpoint{Name: e.Name, Url: e.URL, Rate: e.Rate})
	}
	for _, in := range o.Inputs {
		m.Inputs = append(m.Inputs, &pluginv1.Input{
			Name: in.Name, Port: in.Port, Rows: in.Rows, Type: &pluginv1.DataType{Name: in.Type.Name, Schema: in.Type.MarshalSchema()},
		})
	}
	return m
}

func (p *Policy) message() *pluginv1.Policy {
	if p == nil {
		return nil
	}
	return &pluginv1.Policy{
		Kind: p.Kind, Size: p.Size, First: p.First, Offset: p.Offset, On: p.On, Latest: p.Latest, Require: p.Require, Max: p.Max,
		TimeoutNs: int64(p.Timeout),
	}
}
