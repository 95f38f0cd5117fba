package engine

import (
	"fmt"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
)

// Waiting is what a process says that it waits for outside of it.
type Waiting struct {
	For   string    `json:"for"` // ends the sentence "it waits for ..."
	Since time.Time `json:"since"`
}

// restates is how often a process that waits says so, at least, on a machine
// that has time for it.
const restates = 3 * time.Second

// waitError is a process that has waited for too long, which no row is to blame
// for.
type waitError struct {
	what string
	late time.Duration
	stop bool // the path is to stop
}

func (e *waitError) Error() string {
	late := e.late.Round(time.Second / 10)
	if e.stop {
		return fmt.Sprintf("it has waited %s for %s, and the path is to stop", late, e.what)
	}
	return fmt.Sprintf("it has waited %s for %s; raise wait_at_most if that may take longer", late, e.what)
}

// waits notes what the process waits for, and tells.
func (p *process) waits(f *remote.Frame) {
	defer f.Free()
	what, before := f.Progress.GetCause(), p.waiting.Load()
	if what == "" {
		if p.waiting.Store(nil); before != nil {
			p.tellWaiting(stateWaiting, string(ProcessLive), fmt.Sprintf("after %s", time.Since(before.Since).Round(time.Second/10)))
		}
		return
	}
	if before != nil {
		if before.For != what {
			p.waiting.Store(&Waiting{For: what, Since: before.Since})
		}
		return
	}
	p.waiting.Store(&Waiting{For: what, Since: time.Now()})
	p.tellWaiting(string(ProcessLive), stateWaiting, "it waits for "+what)
}

// stateWaiting stands in events for a live process that waits.
const stateWaiting = "waiting"

func (p *process) tellWaiting(from, to, cause string) {
	p.domain.engine.tell(Event{Pipeline: p.domain.name, Step: p.spec().Step.Name, From: from, To: to, Cause: cause})
}

// waitsTooLong tells whether a process that waits, and has owed something since
// some time, has done so for too long, or has said so too long ago to be believed.
// One that owes nothing may wait beside its work for as long as it likes.
func (p *process) waitsTooLong(w *Waiting, since, now time.Time, hang time.Duration) error {
	if w.Since.After(since) {
		since = w.Since
	}
	most, stop := p.domain.settings().WaitAtMost, p.domain.draining()
	if stop {
		most = min(most, hang)
	}
	if late := now.Sub(since); late > most {
		return p.failed(&waitError{what: w.For, late: late, stop: stop})
	}
	if silent := now.Sub(time.Unix(0, p.heardAt.Load())); silent > max(hang, restates) {
		return p.failed(&hangError{since: silent, what: "it waits for " + w.For + ", and has not said so again"})
	}
	return nil
}
