package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// stopTimeout is how long a plugin may take to end when nothing is asked of it
// any more; after it its process group is killed.
const stopTimeout = 3 * time.Second

// process is one node of the graph and the plugin that runs it.
type process struct {
	domain *domain
	node   atomic.Pointer[graph.Process] // what it is; a swap puts another in its place
	log    hclog.Logger

	// Of the goroutine that runs the domain, and constant within a generation:
	plugin      *remote.Plugin // nil: not running
	generation  uint64
	coordinator *coordinator
	base        store.Place // of a reader: where the generation began
	inputs      *inbox
	outputs     []*edge
	ended       chan struct{} // closed when the process has said that it ended
	barrier     chan struct{} // tells that a reader was asked for a barrier; capacity 1
	poked       chan struct{} // tells that a reader is asked whether it lives; capacity 1
	stopped     chan struct{} // closed when a reader is to stop

	// stream is nil where it is not open. A swap puts another in its place while
	// the goroutine that sends stands aside.
	stream atomic.Pointer[remote.Stream]

	watchers watchers // those who look at what it says

	// handover is what a swap is about to do with the process at a barrier.
	handover atomic.Pointer[handover]
	launcher func(ctx context.Context) (*remote.Plugin, error) // how a swap wants it started; nil: as the engine does
	former   atomic.Pointer[launching]                         // set while a person runs the plugin: what it was before

	flight *flight
	care   *care   // nil: rows are simply passed on
	keeper *keeper // of a reader whose source cannot be read again
	hold   *hold   // of a loader that takes final rows only

	// Of the goroutine that sends:
	left [][]byte // the rows that are left out on trial, those that have come by
	good uint64   // rows that the process was given in this generation

	// Of the goroutine that receives:
	counted   uint64    // rows that went out since the beginning of the domain
	unsettled bool      // of a reader: rows came after its last safe point
	cut       bool      // of a reader: it has stopped at a barrier, nothing after it counts
	listens   time.Time // since when it waits for the process to say something

	rowsIn, rowsOut, bytesIn, bytesOut atomic.Uint64
	poisoned, restarts, batches        atomic.Uint64
	block                              atomic.Uint64 // newest safe point, as block number + 1
	head, finalized                    atomic.Uint64
	stateBytes                         atomic.Uint64 // of its newest snapshot
	atBarrier                          atomic.Uint64 // rowsOut when it last answered a barrier

	answers, slowest atomic.Int64 // what an answer to a barrier takes on average, and took at most since the cut of a swap

	asked      atomic.Uint64 // the checkpoint of the newest barrier that was asked for or sent
	askedAt    atomic.Int64  // Unix nanoseconds
	heardAt    atomic.Int64  // when a frame last came
	publishing atomic.Int64  // since when a frame waits for room at a consumer; 0: none does
	sending    atomic.Int64  // since when the process is being sent a frame; 0: it is not
	handed     atomic.Int64  // since when it has been given everything; 0: it has not

	waiting atomic.Pointer[Waiting] // what it says that it waits for; nil: for nothing

	// Guarded by the domain's mu:
	suspicion *suspicion
	acquitted bool // leaving rows out was tried in vain since the last checkpoint

	mu       sync.Mutex
	state    ProcessState
	osPID    int
	edges    []*edge // inputs.edges, for those who watch
	launched bool
	replays  []string    // dead letters that it was given since the last barrier
	before   []string    // those before the barrier that it has not answered
	told     store.Place // of a reader: its newest safe point in this generation
}

func newProcess(d *domain, spec *graph.Process) *process {
	p := &process{domain: d, state: ProcessInactive, ended: make(chan struct{}), inputs: &inbox{}}
	p.node.Store(spec)
	p.log = d.cfg.Logger.With("pipeline", spec.Pipeline.Name, "step", spec.Step.Name)
	return p
}

// spec is what the process is now. Its name, its kind and what it is joined to
// never change.
func (p *process) spec() *graph.Process { return p.node.Load() }

func (p *process) is(t registry.ProcessType) bool { return p.spec().Register.Type == t }

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
	plugin, err := p.start(ctx)
	if err != nil {
		return err
	}
	p.plugin = plugin
	p.showPID()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.launched {
		p.restarts.Add(1)
	}
	p.launched = true
	return nil
}

// showPID shows which program runs the process.
func (p *process) showPID() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.osPID = 0
	if p.plugin != nil {
		p.osPID = p.plugin.PID()
	}
}

// openPatience is how long the plugin may take to open the process; 0: as long as
// it likes.
func (p *process) openPatience() time.Duration {
	if p.former.Load() != nil {
		return 0
	}
	return p.domain.settings().OpenTimeout
}

// wire makes fresh queues for the inputs.
func (p *process) wire() {
	ready := make(chan struct{}, 1)
	p.inputs = &inbox{ready: ready}
	for _, spec := range p.spec().Inputs {
		p.inputs.edges = append(p.inputs.edges, newEdge(spec, ready))
	}
	policy := p.spec().Step.Policy
	p.inputs.joined = p.is(registry.Aggregator) && (policy == nil || policy.Kind != "trigger")
	p.inputs.hasty = policy != nil && policy.Timeout > 0
	p.ended, p.stopped, p.barrier = make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
	p.poked, p.flight, p.left, p.good = make(chan struct{}, 1), newFlight(), nil, 0
	p.handover.Store(nil)
	p.publishing.Store(0)
	p.sending.Store(0)
	p.handed.Store(0)
	p.waiting.Store(nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.edges = p.inputs.edges
}

// open begins the process's stream at a checkpoint.
func (p *process) open(ctx context.Context, generation uint64, c *coordinator) error {
	from := c.base
	p.generation, p.coordinator = generation, c
	p.counted, p.unsettled, p.cut = from.Counts[p.spec().Name()], false, false
	p.asked.Store(0)
	p.atBarrier.Store(p.rowsOut.Load())
	if err := errors.Join(p.openHold(from), p.openKeeper(from.Positions[p.spec().Name()])); err != nil {
		return err
	}
	open, err := p.domain.openOf(p.spec(), generation, p.opensAt(from))
	if err != nil {
		return err
	}
	open.Cursor = p.goesOnAfter(open.Cursor)
	stream, err := openWithin(ctx, p.plugin, open, p.openPatience())
	if err != nil {
		return err
	}
	p.stream.Store(stream)
	if p.care, err = p.careful(); err != nil {
		return err
	}
	p.inputs.beginAt(from)
	p.base = from.Readers[p.spec().Name()]
	p.block.Store(0)
	if at := p.domain.cursorOf(p.spec(), from); at != nil {
		p.block.Store(after(at.Block))
	}
	p.mu.Lock()
	p.told, p.replays, p.before = store.Place{}, nil, nil
	p.mu.Unlock()
	p.heardAt.Store(time.Now().UnixNano())
	p.move(ProcessLive, "")
	return nil
}

// after is a block number as it is kept where 0 means that there is none.
func after(block uint64) uint64 {
	if block == math.MaxUint64 {
		return block
	}
	return block + 1
}

// place is where a reader would begin again. It is not known of one that begins
// at the head and has not said yet where that is.
func (p *process) place() (at store.Place, known bool) {
	p.mu.Lock()
	told := p.told
	p.mu.Unlock()
	switch {
	case told.Known:
		return told, true
	case p.base.Known:
		return p.base, true
	}
	return p.base, !p.spec().Pipeline.FromLatest
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// placeOf is a reader's answer to a barrier.
func (p *process) placeOf(at *remote.Cursor) store.Place {
	place := store.Place{From: p.domain.firstBlock(p)}
	if at != nil {
		place.Known, place.ChainID, place.Block, place.Hash, place.Position = true, at.ChainID, at.Block, at.Hash, at.Position
	}
	return place
}

// nextEpoch tells whether a block lies in a later epoch than another, where
// every block is one if the pipeline has none.
func (p *process) nextEpoch(before, now uint64) bool {
	e, from := p.spec().Pipeline.Epoch, p.spec().Pipeline.From
	if e == nil || e.Size <= 1 || now < from || before < from {
		return now != before
	}
	return now < before || (now-from+1)/e.Size > (before-from+1)/e.Size
}

// ask asks a reader for a barrier at its next safe point. It never blocks.
func (p *process) ask(checkpoint uint64) {
	p.note(checkpoint)
	signal(p.barrier)
}

// note remembers when a barrier was asked for.
func (p *process) note(checkpoint uint64) {
	p.askedAt.Store(time.Now().UnixNano())
	p.asked.Store(checkpoint)
}

// stopReading ends a reader. It never blocks.
func (p *process) stopReading() {
	select {
	case <-p.stopped:
	default:
		close(p.stopped)
	}
}

// lateFor is how long a process has owed an answer to a barrier while nothing
// kept it from giving one.
func (p *process) lateFor(checkpoint uint64, now time.Time) time.Duration {
	if p.asked.Load() != checkpoint || p.publishing.Load() != 0 || p.waiting.Load() != nil {
		return 0
	}
	asked := time.Unix(0, p.askedAt.Load())
	if heard := time.Unix(0, p.heardAt.Load()); heard.After(asked) {
		asked = heard
	}
	return now.Sub(asked)
}

// hangUp ends the stream without waiting for the plugin.
func (p *process) hangUp() {
	if stream := p.stream.Load(); stream != nil {
		stream.Cancel()
	}
}

// closed lets go of what the generation held. No goroutine uses it any more.
func (p *process) closed() {
	p.stream.Store(nil)
	p.waiting.Store(nil)
	if err := p.closeJournal(); err != nil {
		p.log.Warn("a journal could not be closed", "error", err)
	}
	for _, e := range p.inputs.edges {
		e.drop()
	}
}

// crashed puts the process to rest after it broke its generation. The plugin
// is stopped: whatever state it is in, the next generation does not trust it.
func (p *process) crashed(cause error) {
	text := cause.Error()
	if at := p.block.Load(); at > 0 && at < math.MaxUint64 {
		text = fmt.Sprintf("%s; it had come to block %d", text, at-1)
	}
	p.move(ProcessCrashed, text)
	p.stop(context.Background(), "") //nolint:contextcheck // a plugin that broke is stopped whatever happens to its host's work
}

// stop ends the plugin, if it runs.
func (p *process) stop(ctx context.Context, cause string) {
	if p.plugin == nil {
		return
	}
	p.stopPlugin(ctx, p.plugin)
	p.plugin = nil
	p.showPID()
	if cause != "" {
		p.move(ProcessTerminated, cause)
	}
}

// stopPlugin ends a plugin of the process, within bounds.
func (p *process) stopPlugin(ctx context.Context, plugin *remote.Plugin) {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := plugin.Stop(ctx); err != nil {
		p.log.Debug("the plugin did not end cleanly", "error", err)
	}
}

// move changes the state of the process, and tells.
func (p *process) move(to ProcessState, cause string) {
	p.mu.Lock()
	from := p.state
	p.state = to
	p.mu.Unlock()
	if from != to {
		p.domain.engine.tell(Event{
			Pipeline: p.domain.name, Step: p.spec().Step.Name, From: string(from), To: string(to), Cause: cause,
		})
	}
}

func (p *process) status(head uint64) ProcessStatus {
	s := ProcessStatus{
		Step: p.spec().Step.Name, ID: p.spec().ID, Type: p.spec().Register.Type, Kind: p.spec().Register.Type.String(),
		Register: p.spec().Register.Name, Plugin: p.spec().Register.Plugin, Attached: p.former.Load() != nil,
		RowsIn: p.rowsIn.Load(), RowsOut: p.rowsOut.Load(), BytesIn: p.bytesIn.Load(), BytesOut: p.bytesOut.Load(),
		Poisoned: p.poisoned.Load(), Restarts: p.restarts.Load(), StateBytes: p.stateBytes.Load(), Waiting: p.waiting.Load(),
	}
	p.mu.Lock()
	s.State, s.PID = p.state, p.osPID
	edges := p.edges
	p.mu.Unlock()
	for _, e := range edges {
		s.Inputs = append(s.Inputs, e.status())
	}
	if after := p.block.Load(); after > 0 && after < math.MaxUint64 {
		block := after - 1
		lag := uint64(0)
		if head > block {
			lag = head - block
		}
		s.Block, s.Lag = &block, &lag
	}
	return s
}
