package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/remote"
)

// domain is a connected piece of the graph: what begins again together.
type domain struct {
	engine    *Engine
	name      string // of its pipeline
	processes []*process
	drain     chan struct{} // closed when the domain is to end

	mu         sync.Mutex
	state      PathState
	cause      error
	generation uint64
	committed  *remote.Cursor // newest place that every loader has committed
	failures   []time.Time    // of the generations that failed lately, oldest first
}

func newDomain(e *Engine, spec *graph.Domain) *domain {
	d := &domain{engine: e, state: PathInactive, drain: make(chan struct{})}
	for _, p := range spec.Processes {
		d.name = p.Pipeline.Name
		d.processes = append(d.processes, newProcess(d, p))
	}
	return d
}

// run runs generations until one ends well, the budget is used up, or ctx ends
// and the domain has drained. No plugin process is left when it returns.
func (d *domain) run(ctx context.Context) error {
	// Streams outlive ctx: its end is where draining begins.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer d.stopPlugins(work)
	release := context.AfterFunc(ctx, func() {
		close(d.drain)
		select {
		case <-time.After(d.engine.cfg.DrainTimeout):
			stop()
		case <-work.Done(): // it has drained
		}
	})
	defer release()

	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = d.engine.cfg.Restart.First
	pause.MaxInterval = d.engine.cfg.Restart.Longest
	pause.Multiplier = 2
	for {
		began := time.Now()
		d.move(PathBackfill, "")
		err := d.runGeneration(work)
		if err == nil || d.draining() {
			return d.end(work, err)
		}
		if d.reorganised(err) && time.Since(began) > d.engine.cfg.Restart.First {
			continue // the chain's doing, not a failure, unless it never ends
		}
		if err := d.spend(err); err != nil {
			return err
		}
		if time.Since(began) > d.engine.cfg.Restart.Within {
			pause.Reset()
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-d.drain:
			return d.end(work, nil)
		}
	}
}

// reorganised takes back what a reorg has taken off the chain, if that is what
// ended a generation.
func (d *domain) reorganised(err error) bool {
	reorg := (*reorgError)(nil)
	if !errors.As(err, &reorg) {
		return false
	}
	d.engine.cfg.Logger.Info("the chain was reorganised", "pipeline", d.name, "fork", reorg.fork.Block)
	d.rewind(reorg.fork)
	return true
}

// end settles a domain that has drained or come to its last block.
func (d *domain) end(work context.Context, err error) error {
	if err != nil && work.Err() != nil {
		err = fmt.Errorf("it did not drain within %s and was cut off at block %s: %s had not ended",
			d.engine.cfg.DrainTimeout, d.committedText(), d.unfinished())
		d.move(PathStopped, err.Error())
		return &Failure{Pipeline: d.name, Err: err}
	}
	cause := "it came to its end"
	if d.draining() {
		cause = "the host stops"
	}
	if err != nil {
		cause = err.Error()
	}
	d.move(PathStopped, cause)
	return nil
}

// unfinished names the steps that have not said that they ended.
func (d *domain) unfinished() string {
	var steps []string
	for _, p := range d.processes {
		select {
		case <-p.ended:
		default:
			steps = append(steps, p.spec.Step.Name)
		}
	}
	return strings.Join(steps, ", ")
}

func (d *domain) draining() bool {
	select {
	case <-d.drain:
		return true
	default:
		return false
	}
}

// spend takes one restart out of the budget. It returns an error when there is
// none left, or when trying again is of no use.
func (d *domain) spend(err error) error {
	budget := d.engine.cfg.Restart
	d.mu.Lock()
	d.cause = err
	now := time.Now()
	d.failures = append(d.failures, now)
	for now.Sub(d.failures[0]) > budget.Within {
		d.failures = d.failures[1:]
	}
	spent := len(d.failures) > budget.Max
	d.mu.Unlock()

	failed := &Failure{Pipeline: d.name, Err: err}
	if at := (*stepError)(nil); errors.As(err, &at) {
		failed.Step, failed.Err = at.step, at.err
	}
	refused := (*remote.Failure)(nil)
	if errors.As(err, &refused) && refused.Stack != "" {
		d.engine.cfg.Logger.Error("a plugin panicked", "pipeline", d.name, "step", failed.Step, "cause", refused.Message, "stack", refused.Stack)
	}
	if refused != nil && refused.Class == remote.ClassRewind && refused.Cursor != nil {
		d.rewind(refused.Cursor)
	}
	switch {
	case refused != nil && refused.Class == remote.ClassStop:
	case spent:
		failed.Err = fmt.Errorf("it failed %d times within %s, last in step %s: %w", budget.Max+1, budget.Within, failed.Step, failed.Err)
		failed.Step = ""
	default:
		d.engine.cfg.Logger.Warn("the path begins again at its last committed block", "pipeline", d.name, "step", failed.Step,
			"block", d.committedText(), "cause", failed.Err)
		return nil
	}
	d.move(PathError, failed.Error())
	return failed
}

// rewind takes back what was committed after a place. Loaders hear of it when
// they open.
func (d *domain) rewind(to *remote.Cursor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.committed != nil && d.committed.Block > to.Block {
		d.committed = to
	}
}

func (d *domain) committedText() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.committed == nil {
		return "none"
	}
	return fmt.Sprint(d.committed.Block)
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
	d.mu.Unlock()
	d.engine.tell(Event{Pipeline: d.name, From: string(from), To: string(to), Cause: cause})
}

// stopPlugins ends every plugin process, at once.
func (d *domain) stopPlugins(ctx context.Context) {
	var wg sync.WaitGroup
	for _, p := range d.processes {
		wg.Go(func() { p.stop(context.WithoutCancel(ctx), "the path has ended") })
	}
	wg.Wait()
}

// follow makes the path live once every reader has come to the head: all that
// is left to read is the newest block, or nothing.
func (d *domain) follow() {
	if d.draining() {
		return
	}
	var head uint64
	for _, p := range d.processes {
		if p.spec.Register.Type != registry.Reader {
			continue
		}
		read, newest := p.block.Load(), p.head.Load()
		if newest == 0 || read < newest {
			return
		}
		head = max(head, newest)
	}
	d.move(PathLive, fmt.Sprintf("its readers have come to the head, block %d", head))
}

// commit works out the newest place that every loader has committed.
func (d *domain) commit() {
	var least *remote.Cursor
	for _, p := range d.processes {
		for _, c := range p.commits() {
			if c == nil {
				return
			}
			if least == nil || c.Block < least.Block {
				least = c
			}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if least != nil {
		d.committed = least
	}
}

func (d *domain) status() PathStatus {
	d.mu.Lock()
	s := PathStatus{Pipeline: d.name, State: d.state, Generation: d.generation}
	if d.state == PathError && d.cause != nil {
		s.Cause = d.cause.Error()
	}
	if d.committed != nil {
		block := d.committed.Block
		s.Committed = &block
	}
	d.mu.Unlock()
	for _, p := range d.processes {
		s.Head = max(s.Head, p.head.Load())
	}
	for _, p := range d.processes {
		s.Processes = append(s.Processes, p.status(s.Head))
	}
	return s
}

// stepError says which process an error came from.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return fmt.Sprintf("step %s: %v", e.step, e.err) }
func (e *stepError) Unwrap() error { return e.err }

// reorgError ends a generation whose reader has seen the chain change its mind.
type reorgError struct{ fork *remote.Cursor }

func (e *reorgError) Error() string {
	return fmt.Sprintf("the chain was reorganised after block %d", e.fork.Block)
}
