// Package engine runs a graph: it starts a plugin process for every step, moves
// frames along the edges, and keeps a path alive when one of its processes is
// not.
//
// The unit of recovery is the domain, a connected piece of the graph. A domain
// runs in generations: streams are opened, consumers before producers, frames
// flow, and a coordinator takes checkpoints of the whole. When anything in it
// breaks, or the chain is reorganised, all streams are closed and the next
// generation begins at a checkpoint: readers at its cursors, states restored,
// loaders without the rows that came after it. So does the next run of a host.
// Plugin processes that are still healthy are kept from one generation to the
// next.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// Config is what an engine needs. Graph, Launch, Store and Logger are required.
type Config struct {
	Graph *graph.Graph
	// Launch starts the plugin of a process. The plugin is the engine's to stop.
	Launch func(ctx context.Context, p *graph.Process) (*remote.Plugin, error)
	Logger hclog.Logger
	// Store keeps the checkpoints.
	Store *store.Store
	// Fresh begins anew: what earlier runs have left is forgotten.
	Fresh bool
	// AcceptChanges goes on from checkpoints that were taken of a pipeline which
	// has changed since; without it that is a *ChangedError.
	AcceptChanges bool
	// HardTerminateAfter is how long a path may take to end once it was asked
	// to; after it everything is cut off, and the next start goes on from the
	// last checkpoint. 0: 30 minutes.
	HardTerminateAfter time.Duration
	// OpenTimeout is how long a plugin may take to open a process. 0: 30 seconds.
	OpenTimeout time.Duration
	// HangAfter is how long a process may make no progress while nothing keeps
	// it from making some; then it is killed. 0: one minute.
	HangAfter time.Duration
	// WaitAtMost is how long a process may make no progress while it says that it
	// waits for something outside of it; then it is killed. While the path is to
	// stop that is HangAfter, if it is less. 0: 15 minutes.
	WaitAtMost time.Duration
	Restart    Restart
	Checkpoint CheckpointConfig
	Poison     Poison
	// Events is told of every change of state, one call at a time; it must not
	// block. nil: nobody listens.
	Events func(Event)
}

// Restart bounds how often a domain may begin again.
type Restart struct {
	Max    int           // how often a domain may begin again within Within before it gives up; 0: 6
	Within time.Duration // 0: one minute
	// First is the pause after a first failure; it doubles up to Longest, with
	// jitter. 0: 500 ms and 30 s, so that what fails steadily is tried for half a minute.
	First, Longest time.Duration
}

// Poison says what is done about rows that processes cannot use.
type Poison struct {
	// Attempts is how often a row must break a process before it is left out; 0: 3.
	Attempts int
	// MaxShare of the rows that a process was given in a run may be put aside
	// before its path gives up. Up to MinRows nobody minds. 0: 0.01 and 20.
	MaxShare float64
	MinRows  uint64
}

// CheckpointConfig says how checkpoints are taken.
type CheckpointConfig struct {
	// Every is the time between two over history; at the head there is one an
	// epoch, or a block. 0: half a second.
	Every time.Duration
	// Timeout is how long a process may owe the answer to a barrier while nothing
	// keeps it from giving one. 0: one minute.
	Timeout time.Duration
	// MaxState bounds the snapshot of one process, in bytes. 0: what a message
	// can hold.
	MaxState uint64
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.HardTerminateAfter, 30*time.Minute)
	set(&c.Checkpoint.Every, 500*time.Millisecond)
	set(&c.Checkpoint.Timeout, time.Minute)
	c.Checkpoint.MaxState = cmp.Or(c.Checkpoint.MaxState, math.MaxUint64)
	set(&c.OpenTimeout, 30*time.Second)
	set(&c.Restart.Within, time.Minute)
	set(&c.Restart.First, 500*time.Millisecond)
	set(&c.Restart.Longest, 30*time.Second)
	set(&c.HangAfter, time.Minute)
	set(&c.WaitAtMost, 15*time.Minute)
	c.Restart.Max = cmp.Or(c.Restart.Max, 6)
	c.Poison.Attempts = cmp.Or(c.Poison.Attempts, 3)
	c.Poison.MaxShare = cmp.Or(c.Poison.MaxShare, 0.01)
	c.Poison.MinRows = cmp.Or(c.Poison.MinRows, 20)
	return c
}

// Engine runs one graph once.
type Engine struct {
	cfg    Config
	events sync.Mutex     // one event at a time
	joins  chan *domain   // paths that are to run from now on
	deeds  sync.WaitGroup // what changes the engine while it runs; added to under mu, unless over

	mu      sync.Mutex
	domains []*domain     // in the order of the graph; replaced as a whole, never changed
	tuned   Config        // cfg, with what was changed since
	active  int           // paths that run or are paused, and changes of what runs
	idle    chan struct{} // closed when there are none
	over    bool          // Run ends: nothing may be changed any more
	ended   chan struct{} // closed with it
}

// all are the paths that there are now.
func (e *Engine) all() []*domain {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.domains
}

// New prepares a graph to be run. It fails if what an earlier run has left does
// not go with it.
func New(cfg Config) (*Engine, error) {
	e := &Engine{cfg: cfg.withDefaults(), idle: make(chan struct{}), joins: make(chan *domain), ended: make(chan struct{})}
	e.tuned = e.cfg
	var errs []error
	for _, spec := range cfg.Graph.Domains {
		d, err := newDomain(e, spec)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		e.domains = append(e.domains, d)
	}
	e.active = len(e.domains)
	return e, errors.Join(errs...)
}

// rests notes that a path neither runs nor is paused, unless somebody has asked
// for more of it. Where none is left the engine ends.
func (e *Engine) rests(d *domain) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d.rests || d.wakes {
		return
	}
	d.rests = true
	if e.active--; e.active == 0 {
		close(e.idle)
	}
}

// wakes notes that a path is to run again; false: it is too late.
func (e *Engine) wakes(d *domain) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.active == 0 {
		return false
	}
	if d.rests {
		e.active++
	}
	d.rests, d.wakes = false, true
	return true
}

// woken notes that a path runs.
func (e *Engine) woken(d *domain) {
	e.mu.Lock()
	defer e.mu.Unlock()
	d.wakes = false
}

// Run runs every path until all have ended: a backtest by itself, the others
// when ctx ends. Then readers are stopped at a checkpoint and what is before it
// is drained; it returns once every plugin process is gone. The error names the
// paths that gave up; the others were not disturbed by them.
func (e *Engine) Run(ctx context.Context) error {
	type end struct {
		path int
		err  error
	}
	ends := make(chan end)
	var paths sync.WaitGroup
	var errs []error // of the paths, in the order in which they began
	lead := func(d *domain) {
		path := len(errs)
		errs = append(errs, nil)
		paths.Go(func() { ends <- end{path, d.live(ctx)} })
	}
	for _, d := range e.all() {
		lead(d)
	}
	for ended := 0; ended < len(errs); {
		select {
		case d := <-e.joins:
			lead(d)
		case one := <-ends:
			errs[one.path] = one.err
			ended++
		}
	}
	paths.Wait()
	e.mu.Lock()
	e.over = true
	close(e.ended)
	e.mu.Unlock()
	e.deeds.Wait()
	return errors.Join(errs...)
}

// Status is a picture of every domain, in the order of the graph.
func (e *Engine) Status() []PathStatus {
	domains := e.all()
	out := make([]PathStatus, len(domains))
	for i, d := range domains {
		out[i] = d.status()
	}
	return out
}

// tell logs an event and passes it on.
func (e *Engine) tell(ev Event) {
	e.events.Lock()
	defer e.events.Unlock()
	ev.Time = time.Now()
	ev.Kind = cmp.Or(ev.Kind, EventState)
	ev.log(e.cfg.Logger)
	if e.cfg.Events != nil {
		e.cfg.Events(ev)
	}
}

// Failure is why a domain gave up.
type Failure struct {
	Pipeline string
	Step     string // the process that failed last, "" if none in particular
	Err      error
}

func (f *Failure) Error() string {
	if f.Step == "" {
		return fmt.Sprintf("pipeline %s: %v", f.Pipeline, f.Err)
	}
	return fmt.Sprintf("pipeline %s, step %s: %v", f.Pipeline, f.Step, f.Err)
}

func (f *Failure) Unwrap() error { return f.Err }
