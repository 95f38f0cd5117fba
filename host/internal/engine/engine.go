// Package engine runs a graph: it starts a plugin process for every step, moves
// frames along the edges, and keeps a path alive when one of its processes is
// not.
//
// The unit of recovery is the domain, a connected piece of the graph. A domain
// runs in generations: streams are opened, consumers before producers, frames
// flow, and when anything in it breaks all streams are closed and the next
// generation begins at the newest safe point that every loader has committed.
// Plugin processes that are still healthy are kept from one generation to the
// next.
package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/sdk/remote"
)

// Config is what an engine needs. Graph, Launch and Logger are required.
type Config struct {
	Graph *graph.Graph
	// Launch starts the plugin of a process. The plugin is the engine's to stop.
	Launch func(ctx context.Context, p *graph.Process) (*remote.Plugin, error)
	Logger hclog.Logger
	// DrainTimeout is how long a domain may take to end once it was asked to;
	// after it everything is cut off. 0: 10 seconds.
	DrainTimeout time.Duration
	// OpenTimeout is how long a plugin may take to open a process. 0: 30 seconds.
	OpenTimeout time.Duration
	Restart     Restart
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

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.DrainTimeout, 10*time.Second)
	set(&c.OpenTimeout, 30*time.Second)
	set(&c.Restart.Within, time.Minute)
	set(&c.Restart.First, 500*time.Millisecond)
	set(&c.Restart.Longest, 30*time.Second)
	if c.Restart.Max == 0 {
		c.Restart.Max = 6
	}
	return c
}

// Engine runs one graph once.
type Engine struct {
	cfg     Config
	domains []*domain
	events  sync.Mutex // one event at a time
}

// New prepares a graph to be run.
func New(cfg Config) *Engine {
	e := &Engine{cfg: cfg.withDefaults()}
	for _, d := range cfg.Graph.Domains {
		e.domains = append(e.domains, newDomain(e, d))
	}
	return e
}

// Run runs every domain until all have ended: a backtest by itself, the others
// when ctx ends. Then readers are stopped first and what is on its way is
// drained; it returns once every plugin process is gone. The error names the
// domains that gave up; the others were not disturbed by them.
func (e *Engine) Run(ctx context.Context) error {
	errs := make([]error, len(e.domains))
	var wg sync.WaitGroup
	for i, d := range e.domains {
		wg.Go(func() { errs[i] = d.run(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Status is a picture of every domain, in the order of the graph.
func (e *Engine) Status() []PathStatus {
	out := make([]PathStatus, len(e.domains))
	for i, d := range e.domains {
		out[i] = d.status()
	}
	return out
}

// tell logs an event and passes it on.
func (e *Engine) tell(ev Event) {
	e.events.Lock()
	defer e.events.Unlock()
	ev.Time = time.Now()
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
