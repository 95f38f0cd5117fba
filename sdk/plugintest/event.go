package plugintest

import (
	"fmt"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// What tells what a process has said.
type What string

// What a process says. The comments name the fields of the Event that go with
// each.
const (
	Opened    What = "opened"     // nothing; again after a rewind
	Rows      What = "rows"       // Count; RowsOf decodes them
	SafePoint What = "safe point" // SafePoint; Input where it is a loader's
	Barrier   What = "barrier"    // Checkpoint, State, Cursor where it is a reader's
	Reorg     What = "reorg"      // Cursor, the fork
	PutAside  What = "put aside"  // Count, Cause
	Waits     What = "waits"      // Cause, what for; empty: for nothing any more
	Probed    What = "probed"     // nothing; it is through with all that was sent before Probe
	Ended     What = "ended"      // nothing
	Failed    What = "failed"     // Failure
	HungUp    What = "hung up"    // Cause: the stream is over
)

// Event is one thing that a process has said.
type Event struct {
	What       What
	Count      int
	SafePoint  sdk.SafePoint
	Input      string
	Checkpoint uint64
	State      []byte // nil: there is none
	Cursor     *sdk.Cursor
	Cause      string
	Failure    *Failure

	body   []byte
	output transit.Type
}

// Failure is an error that a process has reported.
type Failure struct {
	Class   string // retry, rewind, stop or poison
	Message string
	Stack   string      // of a panic
	Cursor  *sdk.Cursor // where to rewind to
}

func (f *Failure) String() string {
	if f.Stack != "" {
		return fmt.Sprintf("%s (%s)\n%s", f.Message, f.Class, f.Stack)
	}
	return fmt.Sprintf("%s (%s)", f.Message, f.Class)
}

// RowsOf decodes the rows of an event. Out may have fewer columns than the
// process emits.
func RowsOf[Out transit.Row](t TB, e Event) []Out {
	t.Helper()
	if e.What != Rows {
		t.Fatalf("plugintest: these are no rows, but %s", e.What)
	}
	d, err := transit.NewDecoder[Out](e.output)
	if err != nil {
		t.Fatalf("plugintest: read rows: %v", err)
	}
	rows, err := d.Append(nil, e.body)
	if err != nil {
		t.Fatalf("plugintest: read rows: %v", err)
	}
	return rows
}

// eventOf reads a frame; ok is false for frames of a kind no process sends.
func (p *Process) eventOf(f *wire.Frame) (e Event, ok bool) {
	switch f.Kind {
	case pluginv1.Kind_KIND_OPENED:
		return Event{What: Opened}, true
	case pluginv1.Kind_KIND_BATCH:
		return Event{What: Rows, Count: int(f.Rows), body: f.Bytes()}, true
	case pluginv1.Kind_KIND_SAFE_POINT:
		e = Event{What: SafePoint, SafePoint: sdk.SafePoint{Head: f.Head, Finalized: f.Finalized}}
		if c := cursorOf(f.Cursor); c != nil {
			e.SafePoint.Cursor = *c
		}
		if inputs := p.step.Start.Inputs; int(f.Input) < len(inputs) {
			e.Input = inputs[f.Input].Name
		}
		return e, true
	case pluginv1.Kind_KIND_BARRIER:
		e = Event{What: Barrier, Checkpoint: f.Checkpoint, Cursor: cursorOf(f.Cursor)}
		if f.Snapshot != nil {
			e.State = append([]byte{}, f.Snapshot.State...)
		}
		return e, true
	case pluginv1.Kind_KIND_REORG:
		return Event{What: Reorg, Cursor: cursorOf(f.Cursor)}, true
	case pluginv1.Kind_KIND_PROGRESS:
		if f.Progress.GetPoisoned() == 0 {
			return Event{What: Waits, Cause: f.Progress.GetCause()}, true
		}
		return Event{What: PutAside, Count: int(f.Progress.GetPoisoned()), Cause: f.Progress.GetCause()}, true
	case pluginv1.Kind_KIND_PROBE:
		return Event{What: Probed}, true
	case pluginv1.Kind_KIND_ENDED:
		return Event{What: Ended}, true
	case pluginv1.Kind_KIND_FAILED:
		return Event{What: Failed, Failure: failureOf(f)}, true
	default:
		return Event{}, false
	}
}

func failureOf(f *wire.Frame) *Failure {
	out := &Failure{Message: f.Failed.GetMessage(), Stack: f.Failed.GetStack(), Cursor: cursorOf(f.Cursor)}
	switch f.Failed.GetClass() {
	case pluginv1.Class_CLASS_REWIND:
		out.Class = "rewind"
	case pluginv1.Class_CLASS_STOP:
		out.Class = "stop"
	case pluginv1.Class_CLASS_POISON:
		out.Class = "poison"
	default:
		out.Class = "retry"
	}
	return out
}
