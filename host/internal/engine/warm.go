package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// Up to the cut a swap only looks: the new plugins are started beside the old
// ones, and are shown the newest checkpoint, so that what would go wrong at the
// cut goes wrong here.

// cutPatience is how much longer than in rehearsal the opening of a process may
// take at the cut, while its edge waits.
const cutPatience = 5 * time.Second

// find finds the processes that are to be replaced.
func (x *exchange) find() error {
	if len(x.swap.Replacements) == 0 {
		return errors.New("no step of the pipelines that run uses it: there is nothing to replace")
	}
	taken := make(map[*process]bool)
	shares := make(map[*domain]*takeover)
	for _, r := range x.swap.Replacements {
		d, p := x.engine.named(r.Spec.Name())
		if p == nil {
			return fmt.Errorf("there is no step %s: penstock status shows those that run", r.Spec.Name())
		}
		if taken[p] {
			return fmt.Errorf("step %s is to be replaced twice", r.Spec.Name())
		}
		taken[p] = true
		if shares[d] == nil {
			shares[d] = newTakeover(d, &x.swap, x.wake)
		}
		shares[d].add(&handover{p: p, spec: r.Spec, launcher: r.Launch, attached: r.Attached, detached: r.Detached})
	}
	for _, d := range x.engine.all() {
		if t := shares[d]; t != nil {
			x.takeovers = append(x.takeovers, t)
		}
	}
	return nil
}

// named finds a process.
func (e *Engine) named(process string) (*domain, *process) {
	for _, d := range e.all() {
		if p := d.named(process); p != nil {
			return d, p
		}
	}
	return nil, nil
}

// queue waits until no other swap of the same paths is under way. Everybody
// stands in line in the order of the graph, so that nobody waits in a circle.
func (x *exchange) queue(ctx context.Context) (leave func(), err error) {
	var held []*domain
	leave = func() {
		for _, d := range held {
			<-d.swaps
		}
	}
	for _, t := range x.takeovers {
		d := t.domain
		select {
		case d.swaps <- struct{}{}:
			held = append(held, d)
		case <-d.gone:
			return leave, errEnding
		case <-ctx.Done():
			d.mu.Lock()
			s := d.swapped
			d.mu.Unlock()
			what := "another swap"
			if s != nil {
				what = fmt.Sprintf("the swap of plugin %s (%s since %s)", s.Plugin, s.Phase, s.Since.Format(time.TimeOnly))
			}
			return leave, fmt.Errorf("it waited in vain for %s in pipeline %s: %w; try again when that is over", what, d.name, context.Cause(ctx))
		}
	}
	return leave, nil
}

// prepare checks that the replacements can take their places, and works out what
// the paths look like with them.
func (x *exchange) prepare() error {
	for _, t := range x.takeovers {
		if err := t.canBegin(); err != nil {
			return err
		}
		for _, h := range t.handovers {
			if err := h.fits(); err != nil {
				return err
			}
		}
		t.rewire()
		for _, h := range t.handovers {
			old := h.p.spec()
			h.spec = t.next[h.p]
			t.anew = t.anew || h.needsNewStreams(old)
			typ := old.Register.Type
			h.alone = old.Register.Exclusive || h.spec.Register.Exclusive || typ == registry.Loader || h.spec.Register.Unrepeatable
			h.before = launching{launcher: h.p.launcher, former: h.p.former.Load(), spec: old}
		}
	}
	return nil
}

// canBegin tells whether the path is in a state for it.
func (t *takeover) canBegin() error {
	d := t.domain
	refused := func(state PathState, format string, args ...any) error {
		return &StateError{Pipeline: d.name, State: state, Wanted: fmt.Sprintf("given another plugin %s: ", t.swap.Plugin) + fmt.Sprintf(format, args...)}
	}
	if d.hasLeft() {
		return fmt.Errorf("pipeline %s was configured anew meanwhile: try again", d.name)
	}
	switch state := d.pathState(); {
	case state == PathInactive:
		return refused(state, "its host has not started it yet, or ends")
	case state == PathError && t.swap.Revive:
		if step := d.failedStep(); !t.mayMend(step) {
			return refused(state, "what it failed in%s is another plugin's; mend that, and resume it first, with penstock resume %s", named(step), d.name)
		}
		return nil
	case state != PathBackfill && state != PathLive:
		return refused(state, "resume it first, with penstock resume %s", d.name)
	case d.draining():
		return refused(state, "it is about to end or pause; try again when it runs")
	}
	return nil
}

// fits compares a replacement with the process whose place it is to take.
func (h *handover) fits() error {
	old, now := h.p.spec(), h.spec
	name := old.Name()
	switch {
	case old.Register.Name != now.Register.Name || old.Register.Type != now.Register.Type:
		return fmt.Errorf("step %s is %s %s, and was to become %s %s: that is another step, not another version",
			name, old.Register.Type, old.Register.Name, now.Register.Type, now.Register.Name)
	case len(old.Inputs) != len(now.Inputs):
		return fmt.Errorf("step %s has %d inputs, and was to have %d: restart the pipeline for that", name, len(old.Inputs), len(now.Inputs))
	}
	for i, e := range old.Inputs {
		other := now.Inputs[i]
		if e.From.Name() != other.From.Name() || e.Port != other.Port {
			return fmt.Errorf("input %d of step %s is port %q from %s, and was to be port %q from %s: restart the pipeline for that",
				i+1, name, e.Port, e.From.Name(), other.Port, other.From.Name())
		}
		if err := takes(now.Register, e.Port, h.takeover.outputOf(e.From)); err != nil {
			return fmt.Errorf("what %s gives does not fit the new %s: %w", e.From.Name(), name, err)
		}
	}
	for _, e := range old.Outputs {
		if h.takeover.replaces(e.To) {
			continue // which looks at it itself
		}
		if err := takes(e.To.Register, e.Port, now.Register); err != nil {
			return fmt.Errorf("what the new %s gives does not fit %s: %w", name, e.To.Name(), err)
		}
	}
	return nil
}

// replaces tells whether a process is replaced too.
func (t *takeover) replaces(spec *graph.Process) bool {
	return slices.ContainsFunc(t.handovers, func(h *handover) bool { return h.p.spec().Name() == spec.Name() })
}

// outputOf is the register whose rows a process gives once the swap is made.
func (t *takeover) outputOf(spec *graph.Process) registry.Register {
	for _, h := range t.handovers {
		if h.p.spec().Name() == spec.Name() {
			return h.spec.Register
		}
	}
	return spec.Register
}

// takes tells whether a port of a register can read what another gives.
func takes(consumer registry.Register, port string, producer registry.Register) error {
	for _, in := range consumer.Inputs {
		if in.Name == port && !in.Any {
			return producer.Output.Fits(in.Type)
		}
	}
	return nil
}

// needsNewStreams tells whether the process cannot be replaced while the streams
// around it stay open.
func (h *handover) needsNewStreams(old *graph.Process) bool {
	now := h.spec
	return old.Register.Output.Name != now.Register.Output.Name ||
		!bytes.Equal(old.Register.Output.MarshalSchema(), now.Register.Output.MarshalSchema()) ||
		old.Register.Unrepeatable != now.Register.Unrepeatable ||
		old.Step.After != now.Step.After || h.p.holds() ||
		!reflect.DeepEqual(policyOf(old.Step.Policy, old.Pipeline), policyOf(now.Step.Policy, now.Pipeline)) ||
		!reflect.DeepEqual(old.Pipeline.Epoch, now.Pipeline.Epoch)
}

// rewire works out what the path looks like with the replacements.
func (t *takeover) rewire() {
	t.before = make(map[*process]*graph.Process)
	others := make(map[*process]*graph.Process)
	for _, p := range t.domain.processes {
		t.before[p] = p.spec()
	}
	for _, h := range t.handovers {
		others[h.p] = h.spec
	}
	t.next = t.domain.rewired(others)
}

// warm starts the new plugins and has them rehearse, all at once.
func (x *exchange) warm(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer stop(nil)
	for _, t := range x.takeovers {
		if t.domain.pathState() == PathError {
			continue // it has got what was wished for
		}
		wished := t.domain.wished()
		watch.Go(func() {
			select {
			case <-wished:
				stop(&StateError{Pipeline: t.domain.name, State: t.domain.pathState(), Wanted: "given another plugin any more: it is about to end or pause"})
			case <-ctx.Done():
			}
		})
	}
	group, within := errgroup.WithContext(ctx)
	for _, t := range x.takeovers {
		base, _, err := t.domain.memory.Newest()
		if err != nil {
			return err
		}
		for _, h := range t.handovers {
			group.Go(func() error { return h.warm(within, base) })
		}
	}
	err := group.Wait()
	if ctx.Err() != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	return err
}

// warm starts one plugin.
func (h *handover) warm(ctx context.Context, base store.Checkpoint) error {
	name := h.p.spec().Step.Name
	if err := h.reads(base); err != nil {
		return fmt.Errorf("step %s: %w", name, err)
	}
	launch := h.launcher
	if launch == nil {
		launch = func(ctx context.Context) (*remote.Plugin, error) { return h.p.domain.settings().Launch(ctx, h.spec) }
	}
	plugin, err := launch(ctx)
	if err != nil {
		return fmt.Errorf("start it for step %s: %w", name, err)
	}
	h.plugin = plugin
	h.patience = h.p.domain.settings().OpenTimeout
	switch {
	case h.attached:
		h.patience = 0
		return nil
	case h.alone || h.p.is(registry.Reader):
		return nil // two at once might not get along, or would read twice
	}
	began := time.Now()
	if err := h.rehearse(ctx, base); err != nil {
		return fmt.Errorf("step %s would not open with checkpoint %d: %w", name, base.Number, err)
	}
	h.patience = min(h.patience, 3*time.Since(began)+cutPatience)
	return nil
}

// reads tells whether the new register can begin with the snapshots of the old.
func (h *handover) reads(base store.Checkpoint) error {
	state, ok := base.States[h.p.spec().Name()]
	if !ok {
		return nil
	}
	version := max(state.Version, 1)
	newest := max(h.spec.Register.Snapshot, 1)
	oldest := cmp.Or(h.spec.Register.OldestSnapshot, newest)
	switch {
	case version > newest:
		return fmt.Errorf("its state is of version %d, and the new one only knows versions up to %d: it is older than what runs", version, newest)
	case version < oldest:
		return fmt.Errorf("its state is of version %d, and the new one, which writes version %d, can begin with version %d or later: "+
			"give it an upgrade from version %d, or begin anew with penstock run --fresh", version, newest, oldest, version)
	}
	return nil
}

// rehearse opens the process as the cut will, and hangs up.
func (h *handover) rehearse(ctx context.Context, base store.Checkpoint) error {
	p := h.p
	open, err := p.domain.openOf(h.spec, p.domain.current(), base)
	if err != nil {
		return err
	}
	stream, err := openWithin(ctx, h.plugin, open, h.patience)
	if err != nil {
		return err
	}
	farewell(stream)
	got, want := stream.Output(), h.spec.Register.Output
	if got.Name != want.Name || !bytes.Equal(got.MarshalSchema(), want.MarshalSchema()) {
		return fmt.Errorf("it gives %s, and its register says that it gives %s", got, want)
	}
	return nil
}

// openWithin opens a process of a plugin; patience 0: however long it takes.
func openWithin(ctx context.Context, plugin *remote.Plugin, open remote.Open, patience time.Duration) (*remote.Stream, error) {
	if patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, patience, errors.New("the plugin did not open the process in time"))
		defer cancel()
	}
	return plugin.Open(ctx, open)
}

// farewell ends a stream in order and waits until the process has closed, within
// bounds. True: it has.
func farewell(stream *remote.Stream) bool {
	late := time.AfterFunc(stopTimeout, stream.Cancel)
	defer late.Stop()
	defer stream.Cancel()
	if err := stream.CloseSend(); err != nil {
		return false
	}
	for {
		f, err := stream.Recv()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		f.Free()
	}
}

// stopSpares stops the plugins that are not in use.
func (x *exchange) stopSpares(ctx context.Context) {
	var wg sync.WaitGroup
	for _, t := range x.takeovers {
		for _, h := range t.handovers {
			if h.plugin == nil {
				continue
			}
			wg.Go(func() {
				h.p.stopPlugin(ctx, h.plugin)
				h.plugin = nil
			})
		}
	}
	wg.Wait()
}
