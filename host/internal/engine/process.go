package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/remote"
)

// stopTimeout is how long a plugin may take to end when nothing is asked of it
// any more; after it its process group is killed.
const stopTimeout = 3 * time.Second

// process is one node of the graph and the plugin that runs it.
type process struct {
	domain *domain
	spec   *graph.Process
	log    hclog.Logger

	// Of the goroutine that runs the domain, and constant within a generation:
	plugin     *remote.Plugin // nil: not running
	stream     *remote.Stream // nil: not open
	generation uint64
	inputs     inbox
	outputs    []*edge
	ended      chan struct{} // closed when the process has said that it ended

	rowsIn, rowsOut, bytesIn, bytesOut atomic.Uint64
	poisoned, restarts                 atomic.Uint64
	block                              atomic.Uint64 // newest safe point, as block number + 1
	head                               atomic.Uint64

	mu       sync.Mutex
	state    ProcessState
	osPID    int
	acks     []*remote.Cursor // of a loader, by input: what it has committed
	edges    []*edge          // inputs.edges, for those who watch
	launched bool
}

func newProcess(d *domain, spec *graph.Process) *process {
	p := &process{domain: d, spec: spec, state: ProcessInactive, ended: make(chan struct{})}
	p.log = d.engine.cfg.Logger.With("pipeline", spec.Pipeline.Name, "step", spec.Step.Name)
	if spec.Register.Type == registry.Loader {
		p.acks = make([]*remote.Cursor, len(spec.Inputs))
	}
	return p
}

// launch starts the plugin unless it is running.
func (p *process) launch(ctx context.Context) error {
	if p.plugin != nil {
		select {
		case <-p.plugin.Done():
			p.stop(ctx, "") // it died while nobody was looking
		default:
			return nil
		}
	}
	plugin, err := p.domain.engine.cfg.Launch(ctx, p.spec)
	if err != nil {
		return err
	}
	p.plugin = plugin
	p.mu.Lock()
	defer p.mu.Unlock()
	p.osPID = plugin.PID()
	if p.launched {
		p.restarts.Add(1)
	}
	p.launched = true
	return nil
}

// wire makes fresh queues for the inputs.
func (p *process) wire() {
	ready := make(chan struct{}, 1)
	p.inputs = inbox{ready: ready}
	for _, spec := range p.spec.Inputs {
		p.inputs.edges = append(p.inputs.edges, newEdge(spec, ready))
	}
	policy := p.spec.Step.Policy
	p.inputs.joined = p.spec.Register.Type == registry.Aggregator && (policy == nil || policy.Kind != "trigger")
	p.ended = make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.edges = p.inputs.edges
}

// open begins the process's stream, from everything up to and including from.
func (p *process) open(ctx context.Context, generation uint64, from *remote.Cursor) error {
	p.generation = generation
	opening, cancel := context.WithTimeoutCause(ctx, p.domain.engine.cfg.OpenTimeout,
		errors.New("the plugin did not open the process in time"))
	defer cancel()
	stream, err := p.plugin.Open(opening, openOf(p.spec, generation, from))
	if err != nil {
		return err
	}
	p.stream = stream
	p.block.Store(0)
	if from != nil {
		p.block.Store(from.Block + 1)
	}
	p.mu.Lock()
	for i := range p.acks { // what was committed after from is gone
		p.acks[i] = from
	}
	p.mu.Unlock()
	p.move(ProcessLive, "")
	return nil
}

// hangUp ends the stream without waiting for the plugin.
func (p *process) hangUp() {
	if p.stream != nil {
		p.stream.Cancel()
	}
}

// closed lets go of what the generation held. No goroutine uses it any more.
func (p *process) closed() {
	p.stream = nil
	for _, e := range p.inputs.edges {
		e.drop()
	}
}

// crashed puts the process to rest after it broke its generation. The plugin
// is stopped: whatever state it is in, the next generation does not trust it.
func (p *process) crashed(cause error) {
	p.move(ProcessCrashed, cause.Error())
	p.stop(context.Background(), "") //nolint:contextcheck // a plugin that broke is stopped whatever happens to its host's work
}

// stop ends the plugin, if it runs.
func (p *process) stop(ctx context.Context, cause string) {
	if p.plugin == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := p.plugin.Stop(ctx); err != nil {
		p.log.Debug("the plugin did not end cleanly", "error", err)
	}
	p.plugin = nil
	p.mu.Lock()
	p.osPID = 0
	p.mu.Unlock()
	if cause != "" {
		p.move(ProcessTerminated, cause)
	}
}

// commit notes what a loader has made durable.
func (p *process) commit(f *remote.Frame) error {
	if int(f.Input) >= len(p.acks) {
		return p.nonsense(f, "a commit for an input that it does not have")
	}
	p.mu.Lock()
	p.acks[f.Input] = f.Cursor
	p.mu.Unlock()
	f.Free()
	p.domain.commit()
	return nil
}

// commits are the places a loader has committed, by input; nothing for others.
func (p *process) commits() []*remote.Cursor {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*remote.Cursor(nil), p.acks...)
}

// move changes the state of the process, and tells.
func (p *process) move(to ProcessState, cause string) {
	p.mu.Lock()
	from := p.state
	p.state = to
	p.mu.Unlock()
	if from != to {
		p.domain.engine.tell(Event{
			Pipeline: p.domain.name, Step: p.spec.Step.Name, From: string(from), To: string(to), Cause: cause,
		})
	}
}

func (p *process) status(head uint64) ProcessStatus {
	s := ProcessStatus{
		Step: p.spec.Step.Name, ID: p.spec.ID, Type: p.spec.Register.Type, Kind: p.spec.Register.Type.String(),
		Register: p.spec.Register.Name, Plugin: p.spec.Register.Plugin,
		RowsIn: p.rowsIn.Load(), RowsOut: p.rowsOut.Load(), BytesIn: p.bytesIn.Load(), BytesOut: p.bytesOut.Load(),
		Poisoned: p.poisoned.Load(), Restarts: p.restarts.Load(),
	}
	p.mu.Lock()
	s.State, s.PID = p.state, p.osPID
	edges := p.edges
	p.mu.Unlock()
	for _, e := range edges {
		s.Inputs = append(s.Inputs, e.status())
	}
	if after := p.block.Load(); after > 0 {
		block := after - 1
		lag := uint64(0)
		if head > block {
			lag = head - block
		}
		s.Block, s.Lag = &block, &lag
	}
	return s
}
