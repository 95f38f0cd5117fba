package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/sdk/remote"
)

// How a pipeline becomes what it is to be.
type How string

// The ways, the gentlest first.
const (
	Retune  How = "live"    // what can be changed while it runs is
	Replace How = "swap"    // some of its processes are replaced in place
	Rebuild How = "restart" // it ends at a checkpoint and begins again from there, as it is to be
	Add     How = "new"
	Remove  How = "gone"
)

// Change is what becomes of one pipeline.
type Change struct {
	Pipeline string
	How      How
	Steps    []string // those that are replaced
	// Fresh: it begins anew, and loaders replace what they hold. AcceptChanges: it
	// goes on from checkpoints that were taken of another shape. Without them that
	// is a *ChangedError.
	Fresh, AcceptChanges bool
}

// Reconfiguration is what an engine is to run from now on. Graph and Launch are
// required.
type Reconfiguration struct {
	Graph *graph.Graph // all of it, as it is wanted
	// Launch starts the plugin of a process from now on, also of what stays.
	Launch             func(ctx context.Context, p *graph.Process) (*remote.Plugin, error)
	Restart            Restart
	HardTerminateAfter time.Duration
	Changes            []Change // of pipelines that are not here nothing runs otherwise
	Keep               []string // pipelines that stay all that they are, whatever the graph says
	// Settle is how long what begins must not fail for the change to stay. 0: a second.
	Settle time.Duration
}

// Apply makes the engine run something else, all of a pipeline or nothing: one
// whose change fails is put back as it was, and goes on from its last
// checkpoint. What does not change is not touched. The result names what failed,
// and why; the others are done. The error says that nothing was done at all.
//
// ctx bounds how long Apply waits for others who change a pipeline. What has
// begun is carried out.
func (e *Engine) Apply(ctx context.Context, r Reconfiguration) (failed map[string]error, err error) {
	done, err := e.hold()
	if err != nil {
		return nil, err
	}
	defer done()
	a := &application{engine: e, want: r, tuned: e.tunedTo(r), failed: make(map[string]error)}
	a.each(ctx, func(c Change) bool { return c.How != Remove })
	a.each(ctx, func(c Change) bool { return c.How == Remove }) // so that there is always something that runs
	a.tune()
	return a.failed, nil
}

// hold keeps the engine from ending while what it runs is changed.
func (e *Engine) hold() (done func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over || e.active == 0 {
		return nil, errEnding
	}
	e.deeds.Add(1)
	e.active++
	return func() {
		defer e.deeds.Done()
		e.mu.Lock()
		defer e.mu.Unlock()
		e.fewer()
	}, nil
}

// fewer notes that one less runs or is paused. e.mu is held.
func (e *Engine) fewer() {
	if e.active--; e.active == 0 {
		close(e.idle)
	}
}

// tunedTo is the configuration that holds for all paths from now on.
func (e *Engine) tunedTo(r Reconfiguration) Config {
	cfg := e.cfg
	cfg.Launch = r.Launch
	cfg.Restart.Max, cfg.Restart.Within = r.Restart.Max, r.Restart.Within
	cfg.HardTerminateAfter = r.HardTerminateAfter
	cfg.Fresh, cfg.AcceptChanges = false, false
	return cfg.withDefaults()
}

// application is a reconfiguration under way.
type application struct {
	engine *Engine
	want   Reconfiguration
	tuned  Config

	mu     sync.Mutex
	failed map[string]error // by pipeline
}

// atOnce is how many pipelines are changed at the same time.
const changedAtOnce = 4

// each carries some of the changes out, several at a time.
func (a *application) each(ctx context.Context, which func(Change) bool) {
	room := make(chan struct{}, changedAtOnce)
	var wg sync.WaitGroup
	for _, c := range a.want.Changes {
		if !which(c) {
			continue
		}
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			if err := a.change(ctx, c); err != nil {
				a.mu.Lock()
				a.failed[c.Pipeline] = err
				a.mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func (a *application) change(ctx context.Context, c Change) error {
	switch c.How {
	case Retune:
		return nil // with all the others
	case Replace:
		return a.replace(ctx, c)
	case Remove:
		if a.wouldBeAll(c.Pipeline) {
			return fmt.Errorf("pipeline %s stays: nothing else runs, because what was to run instead has failed", c.Pipeline)
		}
	default: // it is rebuilt
	}
	return a.rebuild(ctx, c)
}

// replace puts other processes in the place of some while rows flow. A pipeline
// that does not run is rebuilt where it rests.
func (a *application) replace(ctx context.Context, c Change) error {
	s := Swap{Probation: Probation{For: cmp.Or(a.want.Settle, time.Second), Batches: 1}}
	var plugins []string
	for _, d := range a.wanted(c.Pipeline) {
		for _, p := range d.Processes {
			if !slices.Contains(c.Steps, p.Step.Name) {
				continue
			}
			s.Replacements = append(s.Replacements, Replacement{Spec: p, Launch: func(ctx context.Context) (*remote.Plugin, error) { return a.want.Launch(ctx, p) }})
			if !slices.Contains(plugins, p.Register.Plugin) {
				plugins = append(plugins, p.Register.Plugin)
			}
		}
	}
	s.Plugin = strings.Join(plugins, ", ")
	err := a.engine.Swap(context.WithoutCancel(ctx), s)
	if atRest := (*StateError)(nil); errors.As(err, &atRest) {
		return a.rebuild(ctx, c)
	}
	if err != nil {
		return err
	}
	return a.engine.alone(context.WithoutCancel(ctx), c.Pipeline, func(d *domain) error {
		text, _ := d.memory.Note(noteBasis)
		return d.noteBasis(d.basis(), text)
	})
}

// wouldBeAll tells whether nothing else runs than a pipeline.
func (a *application) wouldBeAll(pipeline string) bool {
	return !slices.ContainsFunc(a.engine.all(), func(d *domain) bool { return d.name != pipeline })
}

// wanted are the domains that a pipeline is to have.
func (a *application) wanted(pipeline string) []*graph.Domain {
	return domainsOf(a.want.Graph, pipeline)
}

func domainsOf(g *graph.Graph, pipeline string) []*graph.Domain {
	var out []*graph.Domain
	for _, d := range g.Domains {
		if d.Processes[0].Pipeline.Name == pipeline {
			out = append(out, d)
		}
	}
	return out
}

// tune gives all paths what holds for them from now on, and puts them in the
// order of the graph. Those whose change has failed keep what is their own.
func (a *application) tune() {
	e := a.engine
	e.mu.Lock()
	e.tuned = a.tuned
	place := make(map[string]int, len(a.want.Graph.Domains))
	for i, d := range a.want.Graph.Domains {
		place[d.Processes[0].Pipeline.Name+"\x00"+d.Name] = i + 1
	}
	order := func(d *domain) int { return cmp.Or(place[d.name+"\x00"+d.spec.Name], math.MaxInt) }
	domains := slices.Clone(e.domains)
	slices.SortStableFunc(domains, func(x, y *domain) int { return cmp.Compare(order(x), order(y)) })
	e.domains = domains
	e.mu.Unlock()
	for _, d := range domains {
		cfg := a.tuned
		d.mu.Lock()
		if wanted := a.wanted(d.name); len(wanted) > 0 && a.failed[d.name] == nil && !slices.Contains(a.want.Keep, d.name) {
			d.recovery = wanted[0].Processes[0].Pipeline.Recovery
		} else {
			cfg.Launch = d.settings().Launch
		}
		cfg = cfg.withPipeline(d.recovery)
		d.mu.Unlock()
		d.tuning.Store(&cfg)
		signal(d.retuned)
	}
}

// Fits tells whether what a pipeline is to be goes with the checkpoints that are
// kept of it, other settings aside: nil, or for each path that does not a
// *ChangedError or another reason. It changes nothing.
func (e *Engine) Fits(g *graph.Graph, pipeline string) []error {
	var errs []error
	for _, spec := range domainsOf(g, pipeline) {
		d, err := planDomain(e, spec, e.cfg)
		if err == nil {
			err = d.recall()
		}
		if err == nil {
			err = d.goesWith(e.of(pipeline))
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// of are the paths of a pipeline.
func (e *Engine) of(pipeline string) []*domain {
	return slices.DeleteFunc(slices.Clone(e.all()), func(d *domain) bool { return d.name != pipeline })
}
