package sdk

import (
	"context"
	"reflect"
)

// fire makes the tuples of all triggers that wait for nothing, when rows have
// come on a port.
func (w *joinWorker[Out]) fire(ctx context.Context, port int) error {
	if h := &w.held[port]; port != w.policy.trigger && w.policy.latest && h.len() > 1 {
		h.drop(h.len() - 1)
	}
	on := &w.held[w.policy.trigger]
	waited := on.len() > 0 && port != w.policy.trigger
	for on.len() > 0 && w.ready() {
		if err := w.makeTrigger(ctx, true); err != nil {
			return err
		}
	}
	if waited {
		return w.advanceTrigger(ctx) // its safe point may have waited too
	}
	return nil
}

// ready tells whether a trigger may fire now.
func (w *joinWorker[Out]) ready() bool {
	if !w.policy.require {
		return true
	}
	for i := range w.held {
		if w.held[i].len() == 0 {
			return false
		}
	}
	return true
}

// makeTrigger hands the tuple of the oldest trigger to the author.
func (w *joinWorker[Out]) makeTrigger(ctx context.Context, complete bool) error {
	on := &w.held[w.policy.trigger]
	block := on.block(0)
	tuple := reflect.New(w.shape.tuple).Elem()
	for i := range w.held {
		h := &w.held[i]
		n := h.len()
		if i == w.policy.trigger {
			n = 1
		}
		keep := w.policy.latest && i != w.policy.trigger
		h.fill(tuple.Field(w.shape.fields[i]), n, keep)
		if !keep {
			h.drop(n)
		}
	}
	return w.hand(ctx, tuple, Span{Begin: block, End: block, Complete: complete})
}

// advanceTrigger passes the trigger's safe points on, once all of its rows have
// fired: the output goes as far as the trigger does. When all inputs have ended
// triggers do not wait any longer.
func (w *joinWorker[Out]) advanceTrigger(ctx context.Context) error {
	for w.reached.done() && w.held[w.policy.trigger].len() > 0 {
		if err := w.makeTrigger(ctx, false); err != nil {
			return err
		}
	}
	if w.held[w.policy.trigger].len() > 0 {
		return nil
	}
	for input, port := range w.ports {
		p := w.reached.points[input]
		if port != w.policy.trigger || p == nil {
			continue
		}
		w.reached.points[input] = nil
		return w.tell(*p)
	}
	return nil
}
