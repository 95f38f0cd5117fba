package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// domain is a connected piece of the graph: what is checkpointed and begins
// again together.
type domain struct {
	engine    *Engine
	cfg       Config                 // the engine's, with what the pipeline says of its own, when it began
	tuning    atomic.Pointer[Config] // the same as it is now
	retuned   chan struct{}          // tells the coordinator that it was changed; capacity 1
	name      string                 // of its pipeline
	spec      *graph.Domain
	memory    *store.Domain
	processes []*process

	mu          sync.Mutex
	state       PathState
	cause       error
	generation  uint64
	coordinator *coordinator // of the generation that runs
	newest      *store.Checkpoint
	told        uint64 // the oldest checkpoint that loaders know to be needed
	first       map[*process]uint64
	fresh       bool        // somebody wanted it to begin anew
	why         reason      // it begins again
	failures    []time.Time // of the generations that failed lately, oldest first
	reorgs      []time.Time // of the last minute, oldest first
	wish        *wish       // what the path is to become
	wishes      chan struct{}
	changed     chan struct{} // closed when the state changes

	replays struct {
		sync.Mutex
		open bool // the processes of a generation take dead letters
	}

	takeover atomic.Pointer[takeover] // its share of a swap that is under way
	swapped  *SwapStatus              // the newest swap; under mu
	failedIn string                   // the step that the path gave up in; under mu
	relief   *takeover                // for which the path begins again after it gave up; under mu

	swaps   chan struct{} // held by whoever swaps a plugin of the path; capacity 1
	control chan struct{} // held by whoever changes what the path is to be; capacity 1
	resumed chan struct{} // tells that somebody has resumed the path; capacity 1
	gone    chan struct{} // closed when nothing will run the path any more
	begun   chan struct{} // closed when all processes have opened for the first time
	broke   chan error    // why a generation has failed, the first that nobody has taken; capacity 1
	leaving chan struct{} // closed when the engine does not run the path any more

	recovery  config.Recovery // what the pipeline says of its own; guarded by mu
	successor *domain         // what took its place, if something did; set before leaving is closed

	rests, wakes bool // of the engine, under its lock
}

// wish is what somebody wants a path to become.
type wish struct {
	to      PathState
	cause   string
	passing bool // for a moment only: nothing of it is remembered
}

// settings are what people can change while the path runs. What must not change
// in the middle of something is asked for once.
func (d *domain) settings() *Config { return d.tuning.Load() }

// newDomain makes a path that goes on from what an earlier run has left, or
// begins anew.
func newDomain(e *Engine, spec *graph.Domain) (*domain, error) {
	d, err := planDomain(e, spec, e.cfg)
	if err != nil {
		return nil, err
	}
	if e.cfg.Fresh {
		err = d.forget()
	} else if err = d.recallSwap(); err == nil {
		err = d.recall()
	}
	if err == nil {
		err = d.checkBasis()
	}
	if err == nil {
		err = d.memory.SetNote(noteSwapped, nil)
	}
	return d, err
}

// planDomain makes a path that nothing has happened to, and does nothing to what
// is remembered.
func planDomain(e *Engine, spec *graph.Domain, cfg Config) (*domain, error) {
	d := &domain{
		engine: e, spec: spec, state: PathInactive, first: make(map[*process]uint64),
		wishes: make(chan struct{}), changed: make(chan struct{}), retuned: make(chan struct{}, 1),
		swaps: make(chan struct{}, 1), control: make(chan struct{}, 1), resumed: make(chan struct{}, 1), gone: make(chan struct{}),
		begun: make(chan struct{}), broke: make(chan error, 1), leaving: make(chan struct{}),
	}
	d.name, d.recovery = spec.Processes[0].Pipeline.Name, spec.Processes[0].Pipeline.Recovery
	d.cfg = cfg.withPipeline(d.recovery)
	d.tuning.Store(&d.cfg)
	for _, p := range spec.Processes {
		d.processes = append(d.processes, newProcess(d, p))
	}
	var err error
	if d.memory, err = e.cfg.Store.Domain(spec.Name); err != nil {
		return nil, fmt.Errorf("pipeline %s: %w", d.name, err)
	}
	return d, nil
}

// work runs generations until one ends well, somebody wishes for something
// else, the budget is used up, or ctx ends. No plugin process is left when it
// returns. The error is why it gave up.
func (d *domain) work(ctx context.Context) error {
	defer d.stopPlugins(ctx)
	defer d.leaveSwap()
	if err := d.beginRelieved(); err != nil {
		return err
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = d.cfg.Restart.First
	pause.MaxInterval = d.cfg.Restart.Longest
	pause.Multiplier = 2
	for {
		began := time.Now()
		next, over, err := d.round(ctx)
		switch {
		case over || err != nil:
			return err
		case next == atOnce:
			continue
		case next == soon || time.Since(began) > d.settings().Restart.Within:
			pause.Reset()
		}
		if wished, err := d.pause(ctx, pause.NextBackOff()); wished || err != nil {
			return err
		}
	}
}

// round runs one generation, and goes back to where the next one begins.
func (d *domain) round(ctx context.Context) (next int, over bool, err error) {
	d.move(PathBackfill, d.why.what)
	base, _, err := d.memory.Newest()
	if err != nil {
		return 0, true, d.fail(&recordError{number: base.Number, err: err}, false)
	}
	err = d.runGeneration(ctx, base)
	again, failed := d.afterSwap(err)
	switch {
	case failed != nil:
		return 0, true, d.fail(failed, false)
	case again:
		return atOnce, d.draining(), nil
	case err == nil, d.draining():
		return 0, true, err
	}
	next, err = d.recover(err)
	return next, false, err
}

// pause waits before the next generation, unless somebody wishes for something
// else.
func (d *domain) pause(ctx context.Context, length time.Duration) (wished bool, err error) {
	select {
	case <-time.After(length):
		return false, nil
	case <-d.wished():
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// When the next generation begins.
const (
	withBackoff = iota
	soon        // the search for a bad row has come closer
	atOnce      // it was the chain's doing and no failure
)

// recover goes back to where the next generation begins. The error is final.
func (d *domain) recover(cause error) (next int, err error) {
	reorg, refused := (*reorgError)(nil), (*remote.Failure)(nil)
	if err := d.killedBy(cause); err != nil {
		return 0, d.fail(err, false)
	}
	switch {
	case errors.As(cause, &reorg):
		d.why = reason{what: fmt.Sprintf("the chain was reorganised after block %d", reorg.fork.Block)}
		if err := d.reorganised(reorg); err != nil {
			return 0, d.fail(err, false)
		}
		if d.countReorg() <= mostReorgs {
			return atOnce, nil // unless it never ends
		}
	case errors.As(cause, &refused) && refused.Class == remote.ClassRewind && refused.Cursor != nil:
		if err := d.rewind(refused.Cursor, false); err != nil {
			return 0, d.fail(err, false)
		}
	default:
		progress, err := d.blame(cause)
		if err != nil {
			return 0, d.fail(err, false)
		}
		if progress {
			d.comesCloser(cause)
			return soon, nil
		}
	}
	d.why = reason{what: cause.Error()}
	if step := stepOf(cause); step != "" {
		d.why = reason{what: fmt.Sprintf("step %s failed", step), because: withoutStep(cause)}
	}
	return withBackoff, d.spend(cause)
}

// mostReorgs is how many reorganisations a minute are the chain's doing.
const mostReorgs = 60

// countReorg counts the reorganisations of the last minute with one more.
func (d *domain) countReorg() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.reorgs = append(d.reorgs, now)
	for now.Sub(d.reorgs[0]) > time.Minute {
		d.reorgs = d.reorgs[1:]
	}
	return len(d.reorgs)
}

// spend takes one restart out of the budget. It returns an error when there is
// none left, or when trying again is of no use.
func (d *domain) spend(err error) error {
	d.breaks(err)
	budget := d.settings().Restart
	d.mu.Lock()
	now := time.Now()
	d.failures = append(d.failures, now)
	for now.Sub(d.failures[0]) > budget.Within {
		d.failures = d.failures[1:]
	}
	spent := len(d.failures) > budget.Max
	d.mu.Unlock()

	refused, kept := (*remote.Failure)(nil), (*recordError)(nil)
	if errors.As(err, &refused) && refused.Stack != "" {
		d.cfg.Logger.Error("a plugin panicked", "pipeline", d.name, "step", stepOf(err), "cause", refused.Message, "stack", refused.Stack)
	}
	switch {
	case refused != nil && refused.Class == remote.ClassStop, errors.As(err, &kept):
		return d.fail(err, false)
	case spent:
		return d.fail(err, true)
	}
	d.mu.Lock()
	d.cause = err
	d.mu.Unlock()
	if stepOf(err) == "" { // otherwise that was told when the step broke
		d.cfg.Logger.Warn("the path broke", "pipeline", d.name, "cause", err)
	}
	d.cfg.Logger.Info("the path begins again at its last checkpoint", "pipeline", d.name, "step", stepOf(err), "block", d.committedText())
	return nil
}

// fail gives the path up; spent: because its budget is.
func (d *domain) fail(err error, spent bool) error {
	step := stepOf(err)
	failed := &Failure{Pipeline: d.name, Step: step, Err: withoutStep(err)}
	if still := (*stillError)(nil); errors.As(err, &still) {
		failed, step = still.failure, still.step
	}
	if spent {
		budget := d.settings().Restart
		failed.Err = fmt.Errorf("it failed %d times within %s, last in step %s: %w", budget.Max+1, budget.Within, failed.Step, failed.Err)
		failed.Step = ""
	}
	d.mu.Lock()
	d.cause, d.failedIn = failed, step
	d.mu.Unlock()
	d.breaks(failed)
	d.move(PathError, failed.Error())
	return failed
}

// unfinished names the steps that have not said that they ended.
func (d *domain) unfinished() string {
	var steps []string
	for _, p := range d.processes {
		if !p.hasEnded() {
			steps = append(steps, p.spec().Step.Name)
		}
	}
	return strings.Join(steps, ", ")
}

func (d *domain) committedText() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return blockText(committed(d.newest))
}

// move changes the state of the path, and tells.
func (d *domain) move(to PathState, cause string) {
	d.mu.Lock()
	from := d.state
	if from == to {
		d.mu.Unlock()
		return
	}
	if err := from.move(to); err != nil {
		d.mu.Unlock()
		panic(err) // unreachable: every caller knows where it stands
	}
	d.state = to
	close(d.changed)
	d.changed = make(chan struct{})
	d.mu.Unlock()
	d.engine.tell(Event{Pipeline: d.name, From: string(from), To: string(to), Cause: cause})
}

func (d *domain) pathState() PathState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

// stopPlugins ends every plugin process, at once.
func (d *domain) stopPlugins(ctx context.Context) {
	for _, p := range d.processes {
		p.detach("the path has ended")
	}
	var wg sync.WaitGroup
	for _, p := range d.processes {
		wg.Go(func() { p.stop(context.WithoutCancel(ctx), "the path has ended") })
	}
	wg.Wait()
}

func (d *domain) readers() []*process {
	var out []*process
	for _, p := range d.processes {
		if p.is(registry.Reader) {
			out = append(out, p)
		}
	}
	return out
}

func (d *domain) current() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.generation
}

// follow makes the path live once every reader has come to the head: all that
// is left to read is the newest block, or nothing.
func (d *domain) follow() {
	if d.draining() || d.pathState() == PathLive {
		return
	}
	var head uint64
	for _, p := range d.readers() {
		read, newest := p.block.Load(), p.head.Load()
		if newest == 0 || read < newest {
			return
		}
		head = max(head, newest)
	}
	d.move(PathLive, fmt.Sprintf("its readers have come to the head, block %d", head))
}
