package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

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
	case stageWarm, stageArmed:
		if done, final := t.relieves(err); done || final != nil {
			return done, final
		}
		if stage == stageArmed {
			t.refuse(brokeOff(err))
		}
	case stageSwitched:
		if errors.Is(err, errBegun) && !d.draining() {
			t.beginAnew()
			return true, nil
		}
		blamed := t.blames(err)
		return blamed, t.takeBack(brokeOff(err))
	case stageProbation:
		if t.blames(err) || d.draining() {
			return t.failsProbation(err)
		}
	case stageCommitting, stageOver: // it is a failure like any other
	}
	return d.detach(err), nil
}

// failsProbation takes the swap back. A path that gave up before it does so again.
func (t *takeover) failsProbation(cause error) (again bool, failed error) {
	if err := t.takeBack(cause); err != nil {
		return true, err
	}
	if t.gaveUp != nil && !t.domain.draining() {
		return false, t.gaveUp
	}
	return true, nil
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
	t.domain.why = reason{what: fmt.Sprintf("another plugin %s takes over", t.swap.Plugin)}
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

// exchange puts the plugin that is not in use in the place of the one that is.
func (h *handover) exchange() {
	h.switched = !h.switched
	h.p.plugin, h.plugin = h.plugin, h.p.plugin
	h.p.showPID()
}

// takeBack puts the old plugins in their places again and goes back to the
// checkpoint of the cut, where it was recorded. No stream is open.
func (t *takeover) takeBack(cause error) error {
	t.backing.Lock()
	defer t.backing.Unlock()
	if t.at(stageOver) {
		return nil
	}
	if cause == nil {
		cause = errNotTrusted
	}
	d := t.domain
	t.mu.Lock()
	pin, pinned := t.pin, t.pinned
	for _, h := range t.handovers {
		if !h.switched {
			continue
		}
		h.putBack()
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
	d.why = reason{what: fmt.Sprintf("plugin %s was put back: %v", t.swap.Plugin, cause)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err, t.back = cause, true
	t.close()
	return err
}

// putBack puts the old plugin in the place of the new one.
func (h *handover) putBack() {
	h.exchange()
	if h.alone && h.plugin != nil { // the old one needs what it holds
		h.p.stopPlugin(context.Background(), h.plugin)
		h.plugin = nil
	}
	h.p.launcher = h.before.launcher
	h.p.former.Store(h.before.former)
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
