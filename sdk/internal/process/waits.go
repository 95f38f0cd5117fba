package process

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

const (
	// waitSoon is how long something may be waited for without a word.
	waitSoon = 250 * time.Millisecond
	// waitEvery is how often it is said again: a host that hears nothing takes a
	// process for hung, whatever it said before.
	waitEvery = time.Second
)

// waits tells the host what a process waits for, between OPENED and the end of
// its generation.
type waits struct {
	out    *Sender
	newest atomic.Pointer[string]

	mu   sync.Mutex
	open bool
	what []*string     // all that is waited for, in the order in which it began
	stop chan struct{} // ends the goroutine that tells; nil: there is none
	told chan struct{} // closed when it has ended
}

type waitsKey struct{}

// WaitsFor tells the host that the process waits for something outside of it,
// until over is called, which may be done more than once. It blocks while the
// host does not listen.
func WaitsFor(ctx context.Context, what string) (over func()) {
	w, ok := ctx.Value(waitsKey{}).(*waits)
	if !ok {
		return func() {}
	}
	return w.begin(sendable(what))
}

func (w *waits) begin(what string) (over func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.what = append(w.what, &what)
	w.newest.Store(&what)
	w.tellLocked()
	return sync.OnceFunc(func() { w.end(&what) })
}

// tellLocked sees to it that somebody tells.
func (w *waits) tellLocked() {
	if !w.open || w.stop != nil || len(w.what) == 0 {
		return
	}
	stop, told := make(chan struct{}), make(chan struct{})
	w.stop, w.told = stop, told
	go func() {
		defer close(told)
		w.tell(stop)
	}()
}

// tell says what is waited for until it is stopped, and then that nothing is.
func (w *waits) tell(stop <-chan struct{}) {
	pause := time.NewTimer(waitSoon)
	defer pause.Stop()
	for said := false; ; said = true {
		select {
		case <-stop:
			if said {
				_ = w.say("") // a stream that broke is noticed by whoever reads it
			}
			return
		case <-pause.C:
		}
		if w.say(*w.newest.Load()) != nil {
			return
		}
		pause.Reset(waitEvery)
	}
}

func (w *waits) say(what string) error {
	return w.out.Send(&wire.Frame{Kind: pluginv1.Kind_KIND_PROGRESS, Progress: &pluginv1.Progress{Cause: what}})
}

func (w *waits) end(what *string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.what = slices.DeleteFunc(w.what, func(one *string) bool { return one == what })
	if n := len(w.what); n > 0 {
		w.newest.Store(w.what[n-1])
		return
	}
	w.endLocked()
}

// endLocked ends the goroutine that tells, so that its last word comes before
// whatever the process says next.
func (w *waits) endLocked() {
	if w.stop != nil {
		close(w.stop)
		<-w.told
		w.stop, w.told = nil, nil
	}
}

// opened lets the host be told.
func (w *waits) opened() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = true
	w.tellLocked()
}

// close ends it: nothing is said any more.
func (w *waits) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = false
	w.endLocked()
}
