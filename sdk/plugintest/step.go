package plugintest

import (
	"context"
	"math"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Step says which process is to be opened.
type Step struct {
	Register string
	// Settings are nil, a JSON object as a string or bytes, or anything that
	// becomes one, such as a map.
	Settings any
	// Start is what the process is told. Its Inputs are the streams that are
	// wired to it, as Wire makes them; its Generation is 1 unless it says more.
	// Where it has a Domain, the process waits for the one that was opened for
	// the same domain and step before to have closed.
	Start sdk.Start
	// Policy is an aggregator's.
	Policy Policy
	// State is a snapshot to begin with; nil: there is none.
	State []byte
}

// Policy says when an aggregator's tuple is complete. The zero Policy makes one
// for every block.
type Policy struct {
	Size, First, Offset uint64        // epochs of Size blocks, counted from First, released Offset blocks later
	Trigger             string        // the input whose rows make tuples
	Latest              bool          // with Trigger: keep the newest row of each other input
	Require             bool          // with Trigger: wait for a row of every input
	Max                 uint64        // the most rows held back; 0: the default
	Timeout             time.Duration // how long a tuple waits; 0: for ever
}

// Wire is a stream of rows of type T that is wired to the port of a register.
func Wire[T transit.Row](t TB, port string) sdk.Input {
	t.Helper()
	typ, err := transit.TypeOf[T]()
	if err != nil {
		t.Fatalf("plugintest: %v", err)
	}
	return sdk.Input{Name: "test." + port, Port: port, Type: typ}
}

// WireFrom is Wire of rows that come from the step of that name, which is what
// loaders call their tables and files by.
func WireFrom[T transit.Row](t TB, step, port string) sdk.Input {
	t.Helper()
	in := Wire[T](t, port)
	in.Name = step
	return in
}

// Open opens a process and fails the test if it is refused.
func Open(t TB, p *Plugin, step Step) *Process {
	t.Helper()
	opened, failure := TryOpen(t, p, step)
	if failure != nil {
		t.Fatalf("plugintest: open %s: %s", step.Register, failure)
	}
	return opened
}

// TryOpen opens a process, or returns why it refuses to.
func TryOpen(t TB, p *Plugin, step Step) (*Process, *Failure) {
	t.Helper()
	if step.Start.Pipeline == "" {
		step.Start.Pipeline = "test"
	}
	if step.Start.Step == "" {
		step.Start.Step = step.Register
	}
	ctx, cancel := context.WithCancel(context.Background()) // Cleanup ends it
	stream, err := p.client.Process(ctx)
	if err != nil {
		cancel()
		t.Fatalf("plugintest: open %s: %v", step.Register, err)
	}
	opened := &Process{
		t: t, step: step, stream: stream, cancel: cancel, generation: max(step.Start.Generation, 1),
		received: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go opened.receive()
	t.Cleanup(opened.hangUp)
	opened.send(&wire.Frame{Kind: pluginv1.Kind_KIND_OPEN, Open: step.message(encode(t, step.Settings)), Snapshot: snapshotOf(step.State)})
	switch e := opened.Next(); e.What {
	case Opened:
		return opened, nil
	case Failed:
		return nil, e.Failure
	default:
		opened.failf("it answered with %s before it said that it is open %s", e.What, e.Cause)
		return nil, nil
	}
}

func (s Step) message(settings []byte) *pluginv1.Open {
	open := &pluginv1.Open{
		Register: s.Register, Pipeline: s.Start.Pipeline, Step: s.Start.Step, Settings: settings,
		Cursor: wireCursor(s.Start.Cursor).Proto(), From: s.Start.From, FromLatest: s.Start.FromLatest, To: s.Start.To,
		Network: &pluginv1.Network{Name: s.Start.Network.Name, ChainId: s.Start.Network.ChainID, Finality: s.Start.Network.Finality},
		Policy:  s.Policy.message(),
		Domain:  s.Start.Domain, Checkpoint: s.Start.Checkpoint, Forks: s.Start.Forks, Fresh: s.Start.Fresh,
	}
	if s.Start.Domain != "" {
		open.ProcessId = s.Start.Domain + "/" + s.Start.Step
	}
	for _, e := range s.Start.Network.Endpoints {
		open.Network.Endpoints = append(open.Network.Endpoints, &pluginv1.Endpoint{Name: e.Name, Url: e.URL, Rate: e.Rate})
	}
	for _, in := range s.Start.Inputs {
		open.Inputs = append(open.Inputs, &pluginv1.Input{
			Name: in.Name, Port: in.Port, Rows: in.Rows, Type: &pluginv1.DataType{Name: in.Type.Name, Schema: in.Type.MarshalSchema()},
		})
	}
	return open
}

func (p Policy) message() *pluginv1.Policy {
	m := &pluginv1.Policy{
		Kind: pluginv1.Policy_KIND_BLOCK, Size: p.Size, First: p.First, Offset: p.Offset, On: p.Trigger,
		Latest: p.Latest, Require: p.Require, Max: p.Max, TimeoutNs: int64(p.Timeout),
	}
	switch {
	case p.Trigger != "":
		m.Kind = pluginv1.Policy_KIND_TRIGGER
	case p.Size > 0:
		m.Kind = pluginv1.Policy_KIND_EPOCH
	}
	return m
}

func snapshotOf(state []byte) *pluginv1.Snapshot {
	if state == nil {
		return nil
	}
	return &pluginv1.Snapshot{State: state}
}

func wireCursor(c *sdk.Cursor) *wire.Cursor {
	if c == nil {
		return nil
	}
	return &wire.Cursor{ChainID: c.ChainID, Block: c.Block, Hash: c.Hash, Position: c.Position}
}

func cursorOf(c *wire.Cursor) *sdk.Cursor {
	if c == nil {
		return nil
	}
	return &sdk.Cursor{ChainID: c.ChainID, Block: c.Block, Hash: c.Hash, Position: c.Position}
}

// input finds a stream by its port, or by its name where several are wired to
// one port.
func (p *Process) input(name string) uint32 {
	p.t.Helper()
	for i, in := range p.step.Start.Inputs {
		if in.Name == name || in.Port == name {
			return uint32(i)
		}
	}
	p.failf("nothing is wired to input %q", name)
	return math.MaxUint32
}
