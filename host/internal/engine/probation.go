package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/remote"
)

// In its probation a plugin has everything but trust. The checkpoint of the cut
// is pinned: it is neither pruned nor does anything after it become final, so
// that loaders and journals can go back to it; a note says so to the next run of
// the host. If the new plugin breaks, or what reads from it does, or it puts too
// much aside or is too slow, the path goes back there, on the old plugin.

// fewRows is up to how many rows a share is not one yet.
const fewRows = 100

// slowAnswer is what the answer to a barrier may take whatever it took before.
const slowAnswer = 100 * time.Millisecond

// backError ends a generation because its swap is to be taken back.
type backError struct{ cause error }

func (e *backError) Error() string { return e.cause.Error() }
func (e *backError) Unwrap() error { return e.cause }

// startProbation begins the probation: from now on the path goes back to the
// checkpoint of the cut if anything goes wrong, also in the next run of the host.
func (d *domain) startProbation(t *takeover, checkpoint uint64) error {
	note, err := json.Marshal(swapNote{Plugin: t.swap.Plugin, Number: t.swap.Number, Checkpoint: checkpoint, Basis: t.basis()})
	if err == nil {
		err = d.memory.SetNote(noteSwapped, note)
	}
	if err != nil {
		return &recordError{err: err}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pinned, t.pin = true, checkpoint
	if !t.anew { // then the path does the rest when its streams are closed
		t.begin()
	}
	return nil
}

// begin makes the path what it is to be. t.mu is held.
func (t *takeover) begin() {
	t.domain.install(t.next)
	for _, h := range t.handovers {
		h.p.launcher = h.launcher
		h.p.former.Store(nil)
		if h.attached {
			h.before.detached = h.detached
			h.p.former.Store(&h.before)
		}
	}
	t.stage = stageProbation
	if !t.anew { // then it is watched once the streams are open
		close(t.watched)
	}
}

// count notes what the old plugins have done. t.mu is held.
func (t *takeover) count() {
	t.then = make(map[*process]tally)
	for _, p := range t.judged() {
		t.then[p] = p.tally()
		p.slowest.Store(0)
	}
}

// judged are the processes that are replaced, and all that read from them.
func (t *takeover) judged() []*process {
	reached := make(map[string]bool)
	var out []*process
	for _, p := range t.domain.processes { // producers first
		spec := p.spec()
		hit := t.of(p) != nil
		for _, e := range spec.Inputs {
			hit = hit || reached[e.From.Name()]
		}
		if hit {
			reached[spec.Name()] = true
			out = append(out, p)
		}
	}
	return out
}

// tally is what a process has done so far.
type tally struct {
	rows, bad, batches uint64
	answers            time.Duration // to barriers, on average
}

func (p *process) tally() tally {
	return tally{rows: p.rowsIn.Load(), bad: p.poisoned.Load(), batches: p.batches.Load(), answers: time.Duration(p.answers.Load())}
}

// answered notes how long the process took to answer a barrier once it had
// nothing else to say.
func (p *process) answered() {
	since := time.Unix(0, p.askedAt.Load())
	if p.listens.After(since) {
		since = p.listens
	}
	took := int64(time.Since(since))
	p.slowest.Store(max(p.slowest.Load(), took))
	if before := p.answers.Load(); before > 0 {
		took = (7*before + took) / 8
	}
	p.answers.Store(took)
}

// tryOut watches the new plugins until they are trusted, or have failed.
func (x *exchange) tryOut() error {
	x.tell(SwapProbation, "")
	began := time.Now()
	tick := time.NewTicker(min(max(x.swap.Probation.For/8, time.Millisecond), 100*time.Millisecond))
	defer tick.Stop()
	for {
		for _, t := range x.takeovers {
			if err, back := t.outcome(); back {
				x.takeBack(errOthers)
				return x.failed(err)
			}
		}
		if x.trusted(time.Since(began)) {
			if done, err := x.commit(); done {
				return err
			}
			continue
		}
		select {
		case <-x.wake:
		case <-tick.C:
			x.judge()
		}
	}
}

// trusted tells whether the probation is over.
func (x *exchange) trusted(since time.Duration) bool {
	limit := x.swap.Probation
	if limit.Off {
		return true
	}
	for _, t := range x.takeovers {
		t.mu.Lock()
		ends := t.ends
		t.mu.Unlock()
		if ends || since >= 10*limit.For {
			continue
		}
		if since < limit.For {
			return false
		}
		for _, h := range t.handovers {
			if h.p.batches.Load()-t.then[h.p].batches < limit.Batches {
				return false
			}
		}
	}
	return true
}

// judge looks for signs that the new plugins do worse than the old ones.
func (x *exchange) judge() {
	for _, t := range x.takeovers {
		if !t.at(stageProbation) {
			continue
		}
		for _, p := range t.judged() {
			if err := t.judge(p); err != nil {
				t.breaks(err)
			}
		}
	}
}

func (t *takeover) judge(p *process) error {
	limit, then, now := t.swap.Probation, t.then[p], p.tally()
	share := limit.MaxPoison
	if then.rows > 0 {
		share += float64(then.bad) / float64(then.rows)
	}
	rows, bad := now.rows-then.rows, now.bad-min(then.bad, now.bad)
	if float64(bad) > share*float64(max(rows, fewRows)) {
		return fmt.Errorf("step %s put %d of %d rows aside since the cut, more than %.3g %%", p.spec().Step.Name, bad, rows, 100*share)
	}
	most := slowAnswer + time.Duration(limit.MaxSlower*float64(then.answers))
	slowest := time.Duration(p.slowest.Load())
	if t.of(p) != nil && !p.is(registry.Reader) && slowest > most {
		return fmt.Errorf("step %s took %s to answer a barrier, and the old one %s", p.spec().Step.Name,
			slowest.Round(time.Millisecond), then.answers.Round(10*time.Microsecond))
	}
	return nil
}

// breaks asks the path to take the swap back.
func (t *takeover) breaks(err error) {
	select {
	case t.breach <- err:
	default: // somebody has asked already
	}
}

// breached tells the path that its swap is to be taken back.
func (d *domain) breached() <-chan error {
	if t := d.takeover.Load(); t != nil {
		return t.breach
	}
	return nil
}

// errNotTrusted takes a swap back whose path is to rest.
var errNotTrusted = errors.New("the path was asked to end, to pause or to go back before it was trusted")

// onProbation is the path's share of a swap that may still be taken back, nil if
// there is none.
func (d *domain) onProbation() *takeover {
	if t := d.takeover.Load(); t != nil && t.at(stageProbation) {
		return t
	}
	return nil
}

// pinnedTo is the checkpoint that the path may have to go back to, whatever else
// it needs.
func (d *domain) pinnedTo() (number uint64, ok bool) {
	t := d.takeover.Load()
	if t == nil {
		return 0, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pin, t.pinned && t.stage != stageOver
}

// repin moves the pin with a path that has gone back to before it.
func (d *domain) repin(number uint64) error {
	pin, ok := d.pinnedTo()
	if !ok || pin <= number {
		return nil
	}
	t := d.takeover.Load()
	t.mu.Lock()
	t.pin = number
	t.mu.Unlock()
	note, err := json.Marshal(swapNote{Plugin: t.swap.Plugin, Number: t.swap.Number, Checkpoint: number, Basis: t.basis()})
	if err == nil {
		err = d.memory.SetNote(noteSwapped, note)
	}
	if err != nil {
		return &recordError{err: err}
	}
	return nil
}

// endsOnProbation has a path that has come to its end trust the new plugins:
// they have done all there was to do.
func (c *coordinator) endsOnProbation(ctx context.Context) error {
	t := c.domain.takeover.Load()
	if t == nil || t.at(stageWarm) || t.at(stageArmed) {
		return nil
	}
	t.mu.Lock()
	t.ends = true
	t.mu.Unlock()
	signal(t.wake)
	select {
	case <-t.over:
		return nil
	case err := <-t.breach:
		return &backError{cause: err}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// afterSwap settles what the end of a generation means for a swap. again: the
// next generation begins at once, at no cost. The error is final.
func (d *domain) afterSwap(err error) (again bool, failed error) {
	t := d.takeover.Load()
	if t == nil {
		return d.detach(err), nil
	}
	t.mu.Lock()
	stage := t.stage
	t.mu.Unlock()
	switch stage {
	case stageArmed:
		t.refuse(brokeOff(err))
	case stageSwitched:
		if errors.Is(err, errBegun) && !d.draining() {
			t.beginAnew()
			return true, nil
		}
		blamed := t.blames(err)
		return blamed, t.takeBack(brokeOff(err))
	case stageProbation:
		if t.blames(err) || d.draining() {
			return true, t.takeBack(err)
		}
	case stageWarm, stageCommitting, stageOver: // it is a failure like any other
	}
	return d.detach(err), nil
}

// brokeOff tells why a cut was not made. A reorganisation is no reason to give up.
func brokeOff(err error) error {
	if errors.As(err, new(*reorgError)) {
		return err
	}
	if err == nil {
		return errEnds
	}
	if errors.Is(err, errBegun) {
		return errors.New("the path was asked to end or to pause")
	}
	return fmt.Errorf("the path broke before the cut was done: %w", err)
}

// blames tells whether the new plugins, or what reads from them, are behind a
// failure.
func (t *takeover) blames(err error) bool {
	if errors.As(err, new(*backError)) {
		return true
	}
	if errors.As(err, new(*reorgError)) || errors.As(err, new(*recordError)) {
		return false
	}
	step := stepOf(err)
	for _, p := range t.judged() {
		if p.spec().Step.Name == step {
			return true
		}
	}
	return false
}

// beginAnew puts the new plugins in their places while no stream is open.
func (t *takeover) beginAnew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.handovers {
		if h.alone { // it may not have let go yet of what the new one needs
			h.p.stop(context.Background(), "") //nolint:contextcheck // bounded by itself
		}
		h.exchange()
	}
	t.count()
	t.begin()
	t.domain.why = fmt.Sprintf("another plugin %s takes over", t.swap.Plugin)
}

// openedAnew measures how long the edges of a path stood still that began anew
// with other plugins.
func (d *domain) openedAnew() {
	t := d.onProbation()
	if t == nil || !t.anew || t.pause() > 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paused = time.Since(t.broke)
	close(t.watched)
}

// recallSwap goes back to where a swap was cut over that was not trusted yet when
// the host ended.
func (d *domain) recallSwap() error {
	text, ok := d.memory.Note(noteSwapped)
	if !ok {
		return nil
	}
	var note swapNote
	if err := json.Unmarshal(text, &note); err != nil {
		return fmt.Errorf("pipeline %s: read which swap was under way: %w", d.name, err)
	}
	number := uint64(0)
	for _, c := range d.memory.Kept() {
		if c.Number <= note.Checkpoint {
			number = c.Number
		}
	}
	d.cfg.Logger.Warn("the host ended while another version of a plugin was in its probation: the path goes back to the checkpoint before it",
		"pipeline", d.name, "plugin", note.Plugin, "swap", note.Number, "checkpoint", number)
	return d.memory.Rewind(number, false)
}

// swappedBasis is what checkpoints go with if that swap was committed and the
// host ended before it had noted that; nothing if there was none.
func (d *domain) swappedBasis() map[string]map[string]string {
	text, ok := d.memory.Note(noteSwapped)
	var note swapNote
	if !ok || json.Unmarshal(text, &note) != nil {
		return nil
	}
	return note.Basis
}

// exchange puts the plugin that is not in use in the place of the one that is.
func (h *handover) exchange() {
	h.switched = !h.switched
	h.p.plugin, h.plugin = h.plugin, h.p.plugin
	h.p.showPID()
}

// takeBack puts the old plugins in their places again and goes back to the
// checkpoint of the cut, where it was recorded. No stream is open.
func (t *takeover) takeBack(cause error) error {
	d := t.domain
	t.mu.Lock()
	pin, pinned := t.pin, t.pinned
	for _, h := range t.handovers {
		if !h.switched {
			continue
		}
		h.exchange()
		if h.alone && h.plugin != nil { // the old one needs what it holds
			h.p.stopPlugin(context.Background(), h.plugin) //nolint:contextcheck // bounded by itself
			h.plugin = nil
		}
		h.p.launcher = h.before.launcher
		h.p.former.Store(h.before.former)
	}
	d.install(t.before)
	for p, then := range t.then {
		p.poisoned.Store(then.bad)
	}
	t.mu.Unlock()
	d.forgetSuspicions(t)
	var err error
	if pinned {
		if err = d.goBack(pin, false); err == nil {
			err = d.memory.SetNote(noteSwapped, nil)
		}
	}
	d.why = fmt.Sprintf("plugin %s was put back: %v", t.swap.Plugin, cause)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err, t.back = cause, true
	t.close()
	return err
}

// forgetSuspicions lets rows go that were under suspicion with the new plugins.
func (d *domain) forgetSuspicions(t *takeover) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range t.judged() {
		p.suspicion = nil
	}
}

// leaveSwap settles the swap of a path that rests.
func (d *domain) leaveSwap() {
	t := d.takeover.Load()
	if t == nil || t.refuse(errors.New("the path does not run any more")) || t.at(stageCommitting) || t.at(stageOver) {
		return
	}
	cause := fmt.Errorf("pipeline %s stopped running before it was trusted", d.name)
	if err := t.takeBack(cause); err != nil {
		d.cfg.Logger.Error("a swap could not be taken back: the next start of the host does it", "pipeline", d.name, "plugin", t.swap.Plugin, "error", err)
	}
}

// takeBack has every path go back, and waits until it has. What was not begun
// does not.
func (x *exchange) takeBack(cause error) {
	for _, t := range x.takeovers {
		if t.refuse(cause) {
			t.leave()
			continue
		}
		t.breaks(cause)
		t.awaitEnd()
	}
	for _, t := range x.takeovers {
		t.domain.takeover.CompareAndSwap(t, nil)
	}
}

// awaitEnd waits until the path has taken the swap back. A path that has come to
// rest meanwhile does not do so by itself.
func (t *takeover) awaitEnd() {
	d := t.domain
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-t.over:
			return
		case <-tick.C:
		}
		if state := d.pathState(); state != PathBackfill && state != PathLive {
			d.control <- struct{}{}
			d.leaveSwap()
			<-d.control
			return
		}
	}
}

// commit makes the new plugins the ones that run. done is false where a path has
// gone back in the same moment, or is about to.
func (x *exchange) commit() (done bool, err error) {
	for i, t := range x.takeovers {
		if t.move(stageProbation, stageCommitting) {
			continue
		}
		for _, before := range x.takeovers[:i] {
			before.move(stageCommitting, stageProbation)
		}
		<-t.over // it has just gone back
		return false, nil
	}
	if err := x.keep(); err != nil {
		err = fmt.Errorf("it did well, but that could not be kept: %w", err)
		for _, t := range x.takeovers {
			t.move(stageCommitting, stageProbation)
		}
		x.takeBack(err)
		return true, x.failed(err)
	}
	for _, t := range x.takeovers {
		t.mu.Lock()
		t.close()
		t.mu.Unlock()
		t.domain.takeover.CompareAndSwap(t, nil)
		for _, h := range t.handovers {
			if former := h.before.former; former != nil && former.detached != nil {
				former.detached(fmt.Sprintf("another plugin %s has taken its place", x.swap.Plugin))
			}
		}
	}
	x.tell(SwapCommitted, "")
	return true, nil
}

// keep makes it durable that the new plugins run.
func (x *exchange) keep() error {
	if x.swap.Commit != nil {
		if err := x.swap.Commit(); err != nil {
			return err
		}
	}
	for _, t := range x.takeovers {
		d := t.domain
		before, _ := d.memory.Note(noteBasis)
		if err := d.noteBasis(t.basis(), before); err != nil {
			return err
		}
		if err := d.memory.SetNote(noteSwapped, nil); err != nil {
			return err
		}
	}
	return nil
}

// move brings the takeover from one stage to another, if it is there.
func (t *takeover) move(from, to stageOfSwap) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stage != from {
		return false
	}
	t.stage = to
	return true
}

// basis is what checkpoints of the path go with after the swap. What a plugin
// that is attached for a while is set to is not remembered.
func (t *takeover) basis() map[string]map[string]string {
	out := make(map[string]map[string]string)
	for p, spec := range t.next {
		if h := t.of(p); h != nil && h.attached {
			spec = h.before.spec
		}
		out[spec.Name()] = spec.Basis()
	}
	return out
}

// detach puts a process back to what it was before a plugin was attached to it
// that has ended. True: it was one.
func (d *domain) detach(err error) bool {
	p := d.find(stepOf(err))
	if p == nil || d.draining() {
		return false
	}
	return p.detach(fmt.Sprintf("the plugin that was attached has ended: %v", withoutStep(err)))
}

// detachDead does so where the plugin has ended while nobody was looking.
func (p *process) detachDead() {
	if p.former.Load() == nil {
		return
	}
	if p.plugin != nil {
		select {
		case <-p.plugin.Done():
		default:
			return
		}
	}
	p.detach("the plugin that was attached has ended")
}

func (p *process) detach(why string) bool {
	former := p.former.Load()
	if former == nil {
		return false
	}
	p.stop(context.Background(), "") //nolint:contextcheck // bounded by itself
	p.domain.install(p.domain.rewired(map[*process]*graph.Process{p: former.spec}))
	p.launcher = former.launcher
	p.former.Store(former.former)
	p.domain.why = why
	if former.detached != nil {
		former.detached(why)
	}
	return true
}

// start starts the plugin that runs the process now.
func (p *process) start(ctx context.Context) (*remote.Plugin, error) {
	if p.launcher != nil {
		return p.launcher(ctx)
	}
	return p.domain.settings().Launch(ctx, p.spec())
}
