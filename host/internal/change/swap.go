package change

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
)

// Record is a swap and what became of it.
type Record = store.SwapRecord

// SwapRequest says which bytes are to run. Plugin and Path are required.
type SwapRequest struct {
	Plugin, Path string
	Steps        []string // only these, as pipeline/step or by a name that is unique; nil: all of the plugin
	Lock         bool     // put the bytes into the lock file
	NoProbation  bool
	Probation    time.Duration // 0: ten seconds
	Timeout      time.Duration // of everything before the cut, the wait for its turn too; 0: one minute
	// Progress is told of every phase. It must not block. nil: nobody listens.
	Progress func(engine.Event)
}

const (
	usualTimeout   = time.Minute // of what comes before the cut
	usualProbation = 10 * time.Second
)

// Swap puts other bytes in the place of those that the steps of a plugin run. It
// returns when they are trusted, or when the ones before them run on. The record
// says what became of it, also beside an error, which is an *engine.SwapError
// once there was something to swap. Bytes that run already are no error; nothing
// is remembered of them.
//
// When ctx ends before the cut nothing has happened. After it the swap goes on
// all the same, and so does the call.
func (c *Changes) Swap(ctx context.Context, r SwapRequest) (Record, error) {
	waiting, cancel := context.WithTimeout(ctx, orElse(r.Timeout, usualTimeout))
	defer cancel()
	return c.swap(ctx, waiting, r)
}

// swap is Swap that waits for its turn until another context ends.
func (c *Changes) swap(ctx, waiting context.Context, r SwapRequest) (Record, error) {
	if err := config.CheckPluginName(r.Plugin); err != nil {
		return Record{}, err
	}
	if r.Path == "" {
		return Record{}, fmt.Errorf("swap plugin %s: name the new binary", r.Plugin)
	}
	done, err := c.begin(waiting, "the swap of plugin "+r.Plugin)
	if err != nil {
		return Record{}, err
	}
	defer done()
	now := c.running()
	steps, err := stepsOf(now.graph, r.Plugin, r.Steps)
	if err != nil {
		return Record{}, err
	}
	if err := c.free(steps); err != nil {
		return Record{}, err
	}
	a, err := c.attempt(now, r)
	if err != nil {
		return Record{}, err
	}
	return a.carryOut(ctx, func(ctx context.Context) error {
		to, err := a.stage(ctx, r.Path)
		for _, p := range steps {
			a.targets = append(a.targets, target{process: p, to: to})
		}
		return err
	})
}

// stepsOf are the processes of a plugin, or those of them that are named.
func stepsOf(g *graph.Graph, plugin string, names []string) ([]*graph.Process, error) {
	var all []*graph.Process
	var plugins []string
	for _, p := range g.Processes {
		if p.Register.Plugin == plugin {
			all = append(all, p)
		}
		if !slices.Contains(plugins, p.Register.Plugin) {
			plugins = append(plugins, p.Register.Plugin)
		}
	}
	if len(all) == 0 {
		return nil, unknown("no step of this host runs a plugin", plugin, registry.Nearest(plugin, plugins), plugins)
	}
	if len(names) == 0 {
		return all, nil
	}
	var out []*graph.Process
	for _, name := range names {
		p, err := stepNamed(all, plugin, name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}

// stepNamed finds a step by pipeline/step, or by a name that only one has.
func stepNamed(all []*graph.Process, plugin, name string) (*graph.Process, error) {
	var found []*graph.Process
	var known []string
	for _, p := range all {
		known = append(known, p.Name())
		if p.Name() == name || p.Step.Name == name {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return nil, unknown("plugin "+plugin+" runs no step", name, nearStep(name, all), known)
	case 1:
		return found[0], nil
	}
	known = known[:0]
	for _, p := range found {
		known = append(known, p.Name())
	}
	return nil, fmt.Errorf("%d steps have the name %q: say which one: %s", len(found), name, strings.Join(known, ", "))
}

// UnknownError tells that a host does not run what was named.
type UnknownError struct{ text string }

func (e *UnknownError) Error() string { return e.text }

// NotFound marks the error as one about a name.
func (e *UnknownError) NotFound() {}

func unknown(what, name, near string, known []string) error {
	text := fmt.Sprintf("%s %q", what, name)
	if near != "" {
		return &UnknownError{fmt.Sprintf("%s; did you mean %q?", text, near)}
	}
	return &UnknownError{fmt.Sprintf("%s: it runs %s", text, strings.Join(known, ", "))}
}

// nearStep is the step that was probably meant, with its pipeline or without.
func nearStep(name string, all []*graph.Process) string {
	for _, p := range all {
		if registry.Nearest(name, []string{p.Name()}) != "" || registry.Nearest(name, []string{p.Step.Name}) != "" {
			return p.Name()
		}
	}
	return ""
}

func orElse(d, usual time.Duration) time.Duration {
	if d <= 0 {
		return usual
	}
	return d
}

// binary is what history keeps of bytes.
func (c *Changes) binary(a catalog.Artifact) store.SwapBinary {
	out := store.SwapBinary{Version: a.Version, Digest: a.Digest, Size: a.Size, Source: a.Source}
	for _, d := range c.cfg.Project.Plugins { // what the host began with was asked then
		if out.Version == "" && d.Digest == a.Digest {
			out.Version = d.Version
		}
	}
	return out
}
