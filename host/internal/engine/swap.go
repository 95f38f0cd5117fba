package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/sdk/remote"
)

// Phase is how far a swap has come.
type Phase string

// The phases of a swap, in their order. Up to SwapWarm nothing has happened to
// what runs. The first three are not the engine's.
const (
	SwapStaged     Phase = "staged"      // the bytes are in the host's store
	SwapDescribed  Phase = "handshaked"  // the new plugin has started and said what it offers
	SwapValidated  Phase = "validated"   // it fits the pipelines
	SwapWarm       Phase = "warm"        // its processes run beside those of the old one
	SwapCut        Phase = "cut"         // at a checkpoint rows began to flow through it
	SwapProbation  Phase = "probation"   // it is being watched; the old one is still warm
	SwapCommitted  Phase = "committed"   // the old one is gone
	SwapRefused    Phase = "refused"     // nothing has happened to what runs
	SwapRolledBack Phase = "rolled back" // the path went back to the checkpoint of the cut, on the old one
)

// Swap says what is to take the place of what.
type Swap struct {
	Number       uint64 // names the swap in events
	Plugin       string // the same for all replacements
	Replacements []Replacement
	Probation    Probation
	// Timeout bounds everything before the cut, also the wait for another swap. 0:
	// one minute.
	Timeout time.Duration
	// Commit makes the choice outlive the host, such as which bytes its next start
	// runs. It is called once, at the end of the probation; until it has returned
	// nil, a host that dies goes back to what was before. An error takes the swap
	// back. nil: there is nothing to keep.
	Commit func() error
	// Tell is told of every phase that the engine brings the swap to, in order, also
	// after whoever called Engine.Swap has left. It must not block. nil: nobody listens.
	Tell func(phase Phase, cause string)
	// Revive: a path in error takes part. It begins again with the new plugins, at
	// its last checkpoint, and is in error again if the swap is taken back.
	Revive bool
}

// Replacement is what one process is to become.
type Replacement struct {
	// Spec is the process as it is to be. Its name says which one it replaces; its
	// edges join the same processes in the same order.
	Spec *graph.Process
	// Launch starts its plugin, also when it has to be started again later. nil:
	// the engine's own, with Spec.
	Launch func(ctx context.Context) (*remote.Plugin, error)
	// Attached: a person runs the plugin by hand. Deadlines are off for the process
	// and there is no probation; when it ends, the process goes back to what it was.
	Attached bool
	// Detached is told, once, why an attached plugin has lost the process again. It
	// must not block. nil: nobody listens.
	Detached func(why string)
}

// Probation says when a plugin that has taken over is trusted: after For, and
// after it was given Batches.
type Probation struct {
	Off     bool          // it is trusted at once
	For     time.Duration // 0: ten seconds
	Batches uint64        // 0: 16; a path on which so little flows is trusted after ten times For
	// MaxPoison is the share of rows that it may refuse, or others may refuse of its
	// own; 0: 0.01, beyond what the old one refused. One row is nobody's undoing.
	MaxPoison float64
	// MaxSlower is how many times longer than the old one it may take to answer a
	// barrier, beyond 100 milliseconds on average and 500 at most. 0: 10. Readers are free to wait for their source.
	MaxSlower float64
}

// SwapStatus is a picture of the newest swap of a path.
type SwapStatus struct {
	Plugin string        `json:"plugin"`
	Number uint64        `json:"number"`
	Phase  Phase         `json:"phase"`
	Since  time.Time     `json:"since"`              // of the phase
	Pause  time.Duration `json:"pause_ns,omitempty"` // of the edge at the cut; 0: there was none yet
	Steps  []string      `json:"steps"`
	Cause  string        `json:"cause,omitempty"` // why it was refused or taken back
}

// SwapError tells why a swap was not made, or was taken back.
type SwapError struct {
	Plugin     string
	Phase      Phase // how far it had come
	RolledBack bool  // the old plugin runs again, from the checkpoint of the cut
	Err        error
}

func (e *SwapError) Error() string {
	if e.RolledBack {
		return fmt.Sprintf("plugin %s was put back, because the swap failed in its %s: %v", e.Plugin, e.Phase, e.Err)
	}
	return fmt.Sprintf("plugin %s was not swapped and runs on as it was: %v", e.Plugin, e.Err)
}

func (e *SwapError) Unwrap() error { return e.Err }

func (s Swap) withDefaults() Swap {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&s.Timeout, time.Minute)
	set(&s.Probation.For, 10*time.Second)
	if s.Probation.Batches == 0 {
		s.Probation.Batches = 16
	}
	if s.Probation.MaxPoison == 0 {
		s.Probation.MaxPoison = 0.01
	}
	if s.Probation.MaxSlower == 0 {
		s.Probation.MaxSlower = 10
	}
	for _, r := range s.Replacements {
		s.Probation.Off = s.Probation.Off || r.Attached
	}
	return s
}

// Swap puts other plugins in the place of processes while rows flow. The new
// ones are started beside the old ones; then every path takes a checkpoint, at
// which the new ones take over; then they are watched, and the old ones stay
// warm. It returns nil once the old ones are gone. The error is a *SwapError if
// the swap was refused, which leaves everything as it was, or was taken back,
// which means that the paths went back to the checkpoint on the old ones: all is
// as if it had never been tried.
//
// Another swap of the same path waits for its turn, within its Timeout. Until
// the new ones have taken over, the end of ctx refuses the swap. After that it
// goes on whether anybody waits for it or not: ctx is only who waits, and its
// error says so. A path that is paused, stopped or rewound meanwhile, and a host
// that ends, take the swap back. What becomes of it is told by events of kind
// EventSwap, and by Swap.Tell.
func (e *Engine) Swap(ctx context.Context, s Swap) error {
	x := &exchange{
		engine: e, swap: s.withDefaults(), phase: SwapValidated,
		cut: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	done := make(chan error, 1)
	if !e.deed(func() { done <- x.run(ctx) }) {
		return &SwapError{Plugin: s.Plugin, Phase: x.phase, Err: errEnding}
	}
	select {
	case err := <-done: // which comes soon once ctx has ended
		return err
	case <-x.cut:
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the swap of plugin %s is in its probation and goes on; nobody waits for it any more: %w", s.Plugin, context.Cause(ctx))
	}
}

// Processes are what runs, as it is now: swaps put others in the place of what
// the engine was given. The order is that of the graph.
func (e *Engine) Processes() []*graph.Process {
	var out []*graph.Process
	for _, d := range e.all() {
		for _, p := range d.processes {
			out = append(out, p.spec())
		}
	}
	return out
}

// deed does something beside the paths, and keeps Run from returning until it
// is done. False: it is too late.
func (e *Engine) deed(do func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return false
	}
	e.deeds.Go(do)
	return true
}

// exchange is a swap that is carried out, over all of its paths.
type exchange struct {
	engine    *Engine
	swap      Swap
	phase     Phase         // of the goroutine that carries it out
	cut       chan struct{} // closed once every path is cut over
	wake      chan struct{} // tells that something has become of a path's share; capacity 1
	takeovers []*takeover   // its share of each path, in the order of the graph
}

// run carries the swap out.
func (x *exchange) run(ctx context.Context) error {
	before, cancel := context.WithTimeoutCause(ctx, x.swap.Timeout, fmt.Errorf("it has not come to its cut within %s", x.swap.Timeout))
	defer cancel()
	if err := x.find(); err != nil {
		return x.refused(err)
	}
	leave, err := x.queue(before)
	defer leave()
	if err != nil {
		return x.refused(err)
	}
	defer x.stopSpares(context.WithoutCancel(ctx))
	if err := x.prepare(); err != nil {
		return x.refused(err)
	}
	if err := x.warm(before); err != nil {
		return x.refused(err)
	}
	x.tell(SwapWarm, "")
	for i := range x.takeovers {
		if err := x.cutOver(before, i); err != nil {
			x.takeBack(err)
			return x.failed(err)
		}
	}
	x.tell(SwapCut, x.pauses())
	close(x.cut)
	return x.tryOut()
}

// refused tells that nothing has happened.
func (x *exchange) refused(err error) error {
	x.tell(SwapRefused, err.Error())
	return &SwapError{Plugin: x.swap.Plugin, Phase: x.phase, Err: err}
}

// failed tells what became of a swap that was not made.
func (x *exchange) failed(err error) error {
	for _, t := range x.takeovers {
		if cause, back := t.outcome(); back {
			if x.phase == SwapWarm {
				x.phase = SwapCut // it had come that far in one path
			}
			if cause == nil || errors.Is(cause, errOthers) {
				cause = err
			}
			x.tell(SwapRolledBack, cause.Error())
			return &SwapError{Plugin: x.swap.Plugin, Phase: x.phase, RolledBack: true, Err: cause}
		}
	}
	return x.refused(err)
}

// tell tells that the swap has come to a phase, path by path.
func (x *exchange) tell(to Phase, cause string) {
	from := x.phase
	if to != SwapRefused && to != SwapRolledBack {
		x.phase = to
	}
	for _, t := range x.takeovers {
		t.domain.noteSwap(t, to, cause)
		step := ""
		if len(t.handovers) == 1 {
			step = t.handovers[0].p.spec().Step.Name
		}
		x.engine.tell(Event{
			Kind: EventSwap, Plugin: x.swap.Plugin, Swap: x.swap.Number, Pipeline: t.domain.name, Step: step,
			From: string(from), To: string(to), Cause: cause,
		})
	}
	if x.swap.Tell != nil {
		x.swap.Tell(to, cause)
	}
}

// noteSwap keeps what people see of a swap.
func (d *domain) noteSwap(t *takeover, phase Phase, cause string) {
	status := &SwapStatus{Plugin: t.swap.Plugin, Number: t.swap.Number, Phase: phase, Since: time.Now(), Pause: t.pause()}
	if phase == SwapRefused || phase == SwapRolledBack {
		status.Cause = cause
	}
	for _, h := range t.handovers {
		status.Steps = append(status.Steps, h.p.spec().Step.Name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.swapped = status
}
