package change

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
)

// attempt is a swap that is under way. It has the turn.
type attempt struct {
	changes *Changes
	now     running
	request SwapRequest
	targets []target
	digests map[string]string // what each step of the plugin runs afterwards
	next    running           // once it is known that it fits

	mu     sync.Mutex // guards what follows
	record Record     // its number and its plugin do not change
	isCut  bool
	isOver bool // everybody was told that it was refused or taken back
}

// target is a step, the bytes that it runs and those that it is to run.
type target struct {
	process  *graph.Process
	from, to catalog.Artifact
}

// attempt begins the record of a swap. Whoever calls it has the turn.
func (c *Changes) attempt(now running, r SwapRequest) (*attempt, error) {
	number, err := c.cfg.Store.NextSwap()
	if err != nil {
		return nil, err
	}
	return &attempt{
		changes: c, now: now, request: r,
		record: Record{Number: number, Time: time.Now(), Plugin: r.Plugin, Source: r.Path},
	}, nil
}

// carryOut does everything once aim has said which step is to run what. aim may
// return an error after it has set targets.
func (a *attempt) carryOut(ctx context.Context, aim func(context.Context) error) (Record, error) {
	c := a.changes
	c.setCurrent(a)
	defer c.setCurrent(nil)
	// What was cut goes on without whoever has asked for it.
	going, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	release := context.AfterFunc(ctx, func() {
		if !a.wasCut() {
			cancel(context.Cause(ctx))
		}
	})
	defer release()
	err := a.prepare(going, aim)
	switch {
	case err == nil && len(a.targets) == 0:
		return a.unchanged(), nil
	case err == nil:
		err = a.exchange(going)
	}
	return a.finish(going, err)
}

// prepare finds everything out that can be known before something happens.
func (a *attempt) prepare(ctx context.Context, aim func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, orElse(a.request.Timeout, usualTimeout), errSlow)
	defer cancel()
	err := aim(ctx)
	if err == nil {
		err = a.compare()
	}
	if err != nil || len(a.targets) == 0 {
		return err
	}
	for i, t := range a.targets {
		if i == 0 || t.to != a.targets[0].to {
			a.phase(engine.SwapStaged, size(t.to.Size)+", "+catalog.Short(t.to.Digest))
		}
	}
	fitting := make(map[string]running)
	for _, t := range slices.Clone(a.targets) {
		if _, done := fitting[t.to.Digest]; done {
			continue
		}
		if fitting[t.to.Digest], err = a.fits(ctx, t.to); err != nil {
			return err
		}
	}
	a.noteTargets()
	if a.next, err = a.join(fitting); err != nil {
		return err
	}
	a.phase(engine.SwapValidated, plural(len(a.targets), "step"))
	return nil
}

var errSlow = errors.New("the new binary was not ready in time; give it longer with --timeout")

// stage brings bytes into the host's store. Where they are not locked, they are to
// be once they are trusted, if that was asked for.
func (a *attempt) stage(ctx context.Context, path string) (catalog.Artifact, error) {
	to, err := a.now.catalog.Stage(ctx, a.record.Plugin, path)
	unlocked := (*catalog.LockError)(nil)
	if !errors.As(err, &unlocked) || unlocked.Gone {
		return to, err
	}
	to = unlocked.Artifact
	if !a.request.Lock {
		return to, fmt.Errorf("%s is %s, which is not in %s: if these bytes are yours, penstock plugin swap %s %s --lock swaps to them and locks them",
			path, catalog.Short(to.Digest), unlocked.File, a.record.Plugin, path)
	}
	a.mu.Lock()
	a.record.Locked = true
	a.mu.Unlock()
	return to, a.now.catalog.Permit(ctx, to)
}

// compare finds what the steps of the plugin run now, and drops targets that run
// what they are to run.
func (a *attempt) compare() error {
	running := make(map[string]catalog.Artifact)
	a.digests = make(map[string]string)
	for _, p := range a.now.graph.Processes {
		if p.Register.Plugin != a.record.Plugin {
			continue
		}
		from, err := a.now.catalog.Current(a.record.Plugin, p.Name())
		if err != nil {
			return fmt.Errorf("find out what step %s runs: %w", p.Name(), err)
		}
		running[p.Name()], a.digests[p.Name()] = from, from.Digest
	}
	for i := range a.targets {
		t := &a.targets[i]
		if t.from = running[t.process.Name()]; t.from.Digest == t.to.Digest {
			t.to = t.from // whose version is known
		}
		a.digests[t.process.Name()] = t.to.Digest
	}
	a.noteTargets()
	a.targets = slices.DeleteFunc(a.targets, func(t target) bool { return t.from.Digest == t.to.Digest })
	return nil
}

// uniform tells whether all steps of the plugin run the same bytes afterwards.
func (a *attempt) uniform() bool {
	var digest string
	for _, d := range a.digests {
		if digest != "" && d != digest {
			return false
		}
		digest = d
	}
	return true
}

// fits asks a binary what it offers and finds what the host runs when it is that
// of the whole plugin.
func (a *attempt) fits(ctx context.Context, to catalog.Artifact) (running, error) {
	said := a.now.catalog.DescribeArtifact(ctx, to)
	if said.Err != nil {
		return a.now, said.Err
	}
	var steps []*graph.Process
	for i := range a.targets {
		if t := &a.targets[i]; t.to.Digest == to.Digest {
			t.to.Version = said.Version
			steps = append(steps, t.process)
		}
	}
	a.phase(engine.SwapDescribed, fmt.Sprintf("%s %s, %s", a.record.Plugin, cmp.Or(said.Version, "without a version"), plural(len(said.Registers), "register")))
	if err := offers(said, a.record.Plugin, steps, a.now.project.Registry); err != nil {
		return a.now, err
	}
	next, err := fit(a.now, a.changes.cfg.Store, catalog.Registers(said))
	if err != nil {
		return a.now, err
	}
	fresh := byName(next.graph)
	for i, p := range steps {
		steps[i] = fresh[p.Name()]
	}
	return next, a.checkSettings(ctx, to, steps)
}

// join is what the host runs when each step of the plugin runs its own bytes.
func (a *attempt) join(fitting map[string]running) (running, error) {
	as, swapped := byName(a.now.graph), make(map[string]bool)
	var next running
	for _, t := range a.targets {
		name := t.process.Name()
		next = fitting[t.to.Digest]
		swapped[name] = true
		p := *byName(next.graph)[name]
		step := *p.Step // which mix is about to change in one of the graphs
		p.Step = &step
		as[name] = &p
	}
	if !a.uniform() {
		next.project = with(a.now.project, next.project.Model, a.now.project.Registry, next.graph)
	}
	return next, mix(next.graph, as, swapped, a.now.project.File)
}
