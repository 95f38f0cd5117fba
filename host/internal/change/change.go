// Package change carries out what people want changed about a host that runs:
// other bytes of a plugin, another configuration.
//
// One change is carried out at a time; others wait for their turn, as long as
// they want to. Whatever can be known to be wrong with a change is found before
// anything happens to what runs, with the same diagnostics that validating the
// files gives.
package change

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// Config is what runs, and with what it was begun. All but Events, Swapped, Watch,
// Services and Networks is required.
type Config struct {
	Project *project.Project
	Options project.Options // that the project was loaded with
	Graph   *graph.Graph    // that the engine runs
	Engine  *engine.Engine
	Store   *store.Store
	Catalog *catalog.Catalog // starts plugins where the engine's are started
	// Events is told of what changes do before and after the engine does its part,
	// which the engine tells itself. It must not block. nil: nobody listens.
	Events func(engine.Event)
	// Swapped is told of every swap that has come to its end. nil: nobody counts.
	Swapped func(Record)
	// Watch swaps every plugin whose binary changes, not only those that the files
	// mark with dev = true.
	Watch bool
	// Services are what an attached plugin may ask of the host; those that the
	// catalog starts may ask the same.
	Services remote.Services
	// Networks is told which networks there are, before a configuration is applied
	// and after. nil: nobody wants to know.
	Networks Networks
	Logger   hclog.Logger
}

// Networks answers for the networks of a configuration.
type Networks interface {
	// Update takes over the networks that there are from now on. After an error
	// they are those that there were.
	Update(networks []*config.Network) error
}

// Changes carries changes out. Its methods may be called concurrently.
type Changes struct {
	cfg  Config
	turn chan struct{} // holds one while a change is carried out
	over chan struct{} // closed when nothing is to begin any more

	byHand attachments // what people have attached

	mu      sync.Mutex // guards what follows
	now     running
	doing   string   // what the change is that has its turn, for those who wait
	current *attempt // the swap that is under way
}

// running is what the host runs now.
type running struct {
	project *project.Project // files, model and registry
	graph   *graph.Graph
	catalog *catalog.Catalog
	// configuration is what was told to run. apart are the plugin blocks of those
	// pipelines that stayed what they were before it, because they could not be
	// changed.
	configuration configuration
	apart         map[string]map[string]*config.Plugin
}

// New prepares for changes of what an engine is about to run.
func New(cfg Config) *Changes {
	c := &Changes{
		cfg: cfg, turn: make(chan struct{}, 1), over: make(chan struct{}),
		now: running{project: cfg.Project, graph: cfg.Graph, catalog: cfg.Catalog},
	}
	c.now.configuration = c.began()
	return c
}

// Run swaps plugins whose binaries change until ctx ends. It returns when no
// change is under way any more; none begins after that. It is called once.
func (c *Changes) Run(ctx context.Context) {
	c.settle()
	c.watch(ctx)
	<-ctx.Done()
	close(c.over)
	c.turn <- struct{}{} // for good
}

// running is what runs now. It must not be changed.
func (c *Changes) running() running {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// became notes what runs from now on. Whoever calls it has the turn.
func (c *Changes) became(now running) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// errEnding tells whoever comes too late.
var errEnding = errors.New("the host is ending: nothing is changed any more")

// begin waits for the turn of a change, such as "the swap of plugin uniswap".
// done lets the next one begin.
func (c *Changes) begin(ctx context.Context, what string) (done func(), err error) {
	select {
	case <-c.over:
		return nil, errEnding
	default:
	}
	select {
	case c.turn <- struct{}{}:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.doing = what
		return func() { <-c.turn }, nil
	case <-c.over:
		return nil, errEnding
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		return nil, fmt.Errorf("%s waited in vain for %s, which is still under way: %w; try again when penstock status does not show it any more",
			what, c.doing, context.Cause(ctx))
	}
}
