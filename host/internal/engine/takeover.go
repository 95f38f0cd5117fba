package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/sdk/remote"
)

// takeover is the share of a swap that one path has. It is made by whoever
// carries the swap out; the path's own goroutines bring it from stage to stage.
type takeover struct {
	domain    *domain
	swap      *Swap
	handovers []*handover
	next      map[*process]*graph.Process // what all processes of the path are after it
	before    map[*process]*graph.Process // and were before it
	// anew: what flows or how it is joined changes, so that all streams are opened
	// once more, with a new generation.
	anew   bool
	relief bool          // the old plugins failed before a cut could be made
	gaveUp *stillError   // what the path gave up for, before it began again for the swap; of the path
	wake   chan struct{} // the exchange's

	breach  chan error    // asks the path to take the swap back; capacity 1
	verdict chan struct{} // closed when it is decided whether the streams are switched
	through chan struct{} // closed when every process has acted on the verdict
	watched chan struct{} // closed when the probation begins
	over    chan struct{} // closed when nothing will happen to it any more

	backing sync.Mutex // held while it is taken back; taken before mu
	mu      sync.Mutex
	stage   stageOfSwap
	attempt *attempt // the checkpoint of the cut
	ready   int      // handovers whose new stream is open
	entered int      // handovers that have come to the barrier
	passed  int      // and those that have acted on the verdict
	pinned  bool     // the path goes back to pin, whatever happens
	pin     uint64
	ends    bool               // the path has come to its end
	err     error              // why it was refused or taken back
	back    bool               // it was taken back
	broke   time.Time          // when the streams were closed, where they are opened anew
	paused  time.Duration      // of the edge, the longest
	then    map[*process]tally // what the processes that are judged had done at the cut; constant after watched
}

// stageOfSwap is how far a takeover has come.
type stageOfSwap uint8

const (
	stageWarm       stageOfSwap = iota
	stageArmed                  // the barrier is under way
	stageSwitched               // rows go through the new plugins; the checkpoint may not be recorded
	stageProbation              // it is
	stageCommitting             // the new plugins stay, whatever happens
	stageOver
)

// handover is what one process becomes.
type handover struct {
	takeover *takeover
	p        *process
	spec     *graph.Process
	launcher func(ctx context.Context) (*remote.Plugin, error) // nil: the engine's own
	attached bool
	detached func(why string)
	alone    bool          // the old stream has to end before the new one opens
	patience time.Duration // of the opening at the cut; 0: for ever

	// plugin is the one that is not in use: the new one up to the cut, then the old
	// one. It belongs to whoever carries the swap out up to the cut and after the end,
	// and to the path in between.
	plugin *remote.Plugin

	before     launching     // how the process was started before
	switched   bool          // the new plugin is in use; of the path
	checkpoint uint64        // of the cut; set before the barrier is asked for
	held       chan struct{} // closed when the goroutine that sends stands aside
	heldAt     time.Time     // set before held is closed
	over       chan struct{} // closed when it may go on
}

// launching is how a process is started.
type launching struct {
	launcher func(ctx context.Context) (*remote.Plugin, error)
	former   *launching       // what it goes back to when a plugin that was attached ends
	detached func(why string) // is told when it does
	spec     *graph.Process
}

// errOthers takes back what is well by itself.
var errOthers = errors.New("the swap was taken back in another pipeline")

func newTakeover(d *domain, s *Swap, wake chan struct{}) *takeover {
	return &takeover{
		domain: d, swap: s, wake: wake, breach: make(chan error, 1),
		verdict: make(chan struct{}), through: make(chan struct{}), watched: make(chan struct{}), over: make(chan struct{}),
	}
}

// again is the same takeover once more, after it was refused through no fault of
// the new plugins.
func (t *takeover) again() *takeover {
	next := newTakeover(t.domain, t.swap, t.wake)
	next.next, next.before, next.anew = t.next, t.before, t.anew
	for _, h := range t.handovers {
		next.add(&handover{
			p: h.p, spec: h.spec, launcher: h.launcher, attached: h.attached, detached: h.detached, alone: h.alone, patience: h.patience,
			plugin: h.plugin, before: h.before,
		})
	}
	return next
}

func (t *takeover) add(h *handover) {
	h.takeover, h.held, h.over = t, make(chan struct{}), make(chan struct{})
	t.handovers = append(t.handovers, h)
}

// of finds the handover of a process.
func (t *takeover) of(p *process) *handover {
	for _, h := range t.handovers {
		if h.p == p {
			return h
		}
	}
	return nil
}

// refuse gives the takeover up unless the streams are switched already.
func (t *takeover) refuse(err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stage > stageArmed {
		return t.err != nil && !t.back
	}
	t.decide(err)
	if t.entered == t.passed {
		t.close()
	}
	return true
}

// decide settles whether the streams are switched: nil if they are. t.mu is held.
func (t *takeover) decide(err error) {
	select {
	case <-t.verdict:
		return
	default:
	}
	if t.err = err; err == nil {
		t.stage = stageSwitched
		t.count()
	}
	close(t.verdict)
}

// close ends the takeover. t.mu is held.
func (t *takeover) close() {
	if t.stage == stageOver {
		return
	}
	t.stage = stageOver
	close(t.over)
	signal(t.wake)
}

// isRefused tells whether it was given up before the streams were switched.
func (t *takeover) isRefused() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err != nil
}

// outcome tells why it was given up, if it was, and whether it was taken back.
func (t *takeover) outcome() (cause error, back bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err, t.back
}

// at tells whether it has come to a stage and not beyond.
func (t *takeover) at(s stageOfSwap) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stage == s
}

// pause is how long the edge was held back at the cut.
func (t *takeover) pause() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.paused
}

func (t *takeover) notePause(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paused = max(t.paused, d)
}

// pauses says how long edges were held back.
func (x *exchange) pauses() string {
	longest, alone := time.Duration(0), false
	var relieved []string
	for _, t := range x.takeovers {
		longest = max(longest, t.pause())
		if t.relief {
			relieved = append(relieved, t.domain.name)
			continue
		}
		alone = alone || t.anew
		for _, h := range t.handovers {
			alone = alone || h.alone
		}
	}
	text := fmt.Sprintf("the edge paused for %s", longest.Round(10*time.Microsecond))
	if alone {
		text += ", in which the old one had to end first"
	}
	if len(relieved) > 0 {
		text += fmt.Sprintf("; the old one had failed in pipeline %s, which went back to its last checkpoint", strings.Join(relieved, ", "))
	}
	return text
}

// rewired are the processes of the path with others in the place of some, joined
// as they were.
func (d *domain) rewired(others map[*process]*graph.Process) map[*process]*graph.Process {
	out := make(map[*process]*graph.Process)
	byName := make(map[string]*graph.Process)
	for _, p := range d.processes {
		old := p.spec()
		next := *old
		if other := others[p]; other != nil {
			next = *other
			next.ID = old.ID // it is the same process to whoever looks at it
			next.Register.Number = old.Register.Number
		}
		next.Inputs, next.Outputs = nil, nil
		out[p], byName[old.Name()] = &next, &next
	}
	edges := make(map[*graph.Edge]*graph.Edge)
	for _, p := range d.processes {
		for _, e := range p.spec().Inputs {
			edge := *e
			edge.From, edge.To = byName[e.From.Name()], byName[e.To.Name()]
			edges[e] = &edge
			out[p].Inputs = append(out[p].Inputs, &edge)
		}
	}
	for _, p := range d.processes {
		for _, e := range p.spec().Outputs {
			out[p].Outputs = append(out[p].Outputs, edges[e])
		}
	}
	return out
}

// install makes the processes of the path what they are to be.
func (d *domain) install(specs map[*process]*graph.Process) {
	for p, spec := range specs {
		p.node.Store(spec)
	}
}
