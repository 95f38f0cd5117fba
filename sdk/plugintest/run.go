package plugintest

import (
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Input is a batch of rows for one input of a process.
type Input struct {
	wire sdk.Input
	send func(p *Process)
}

// In is a batch of rows for the input of that name. There may be several for
// one input, and none of rows.
func In[T transit.Row](t TB, port string, rows ...T) Input {
	t.Helper()
	in := Wire[T](t, port)
	return Input{wire: in, send: func(p *Process) {
		p.t.Helper()
		if len(rows) > 0 {
			Send(p, in.Name, rows...)
		}
	}}
}

// Batch is rows as a loader of columns is given them, for tests that call its
// Load themselves.
func Batch[T transit.Row](t TB, rows ...T) transit.Batch {
	t.Helper()
	e, err := transit.NewEncoder[T]()
	if err != nil {
		t.Fatalf("plugintest: encode rows: %v", err)
	}
	body, err := e.Append(nil, rows)
	if err != nil {
		t.Fatalf("plugintest: encode rows: %v", err)
	}
	b, err := transit.DecodeBatch(e.Type(), body)
	if err != nil {
		t.Fatalf("plugintest: decode rows: %v", err)
	}
	return b
}

// Transform runs a subscriber from its first row to its last and returns what
// it emits.
func Transform[Out, In transit.Row](t TB, p *Plugin, register string, settings any, rows []In) []Out {
	t.Helper()
	return collect[Out](feed(t, p, Step{Register: register, Settings: settings}, batches(t, "input", rows)))
}

// Aggregate runs an aggregator until all of its inputs have ended and returns
// what it emits. The batches go in one after the other, in the order given.
func Aggregate[Out transit.Row](t TB, p *Plugin, register string, settings any, policy Policy, inputs ...Input) []Out {
	t.Helper()
	return collect[Out](feed(t, p, Step{Register: register, Settings: settings, Policy: policy}, inputs))
}

// Load runs a loader until all of its inputs have ended.
func Load(t TB, p *Plugin, register string, settings any, inputs ...Input) {
	t.Helper()
	feed(t, p, Step{Register: register, Settings: settings}, inputs).Until(Ended)
}

// WasRead is what a reader came to.
type WasRead[Out transit.Row] struct {
	Rows       []Out
	SafePoints []sdk.SafePoint
	Reorg      *sdk.Cursor // the fork, if that is how it ended
}

// Read runs a reader until it has ended, or has found a reorg. A reader that
// follows a chain for ever has to be given Start.To, or is used through Open.
func Read[Out transit.Row](t TB, p *Plugin, register string, settings any, start sdk.Start) WasRead[Out] {
	t.Helper()
	var out WasRead[Out]
	reading := Open(t, p, Step{Register: register, Settings: settings, Start: start})
	for {
		switch e := reading.Next(); e.What {
		case Rows:
			out.Rows = append(out.Rows, RowsOf[Out](t, e)...)
		case SafePoint:
			out.SafePoints = append(out.SafePoints, e.SafePoint)
		case Reorg:
			out.Reorg = e.Cursor
			return out
		case Ended:
			return out
		case Failed:
			reading.failf("it failed after %d rows: %s", len(out.Rows), e.Failure)
		case HungUp:
			reading.failf("its stream is over after %d rows: %s", len(out.Rows), e.Cause)
		default: // nothing that rows depend on
		}
	}
}

// batchRows is how many rows go into one batch when a test gives many.
const batchRows = 1024

func batches[T transit.Row](t TB, port string, rows []T) []Input {
	t.Helper()
	all := []Input{In(t, port, rows[:min(len(rows), batchRows)]...)}
	for n := batchRows; n < len(rows); n += batchRows {
		all = append(all, In(t, port, rows[n:min(len(rows), n+batchRows)]...))
	}
	return all
}

// feed opens a process, sends all batches and ends its inputs.
func feed(t TB, p *Plugin, step Step, inputs []Input) *Process {
	t.Helper()
	wired := map[string]bool{}
	for _, in := range inputs {
		if !wired[in.wire.Name] {
			wired[in.wire.Name] = true
			step.Start.Inputs = append(step.Start.Inputs, in.wire)
		}
	}
	opened := Open(t, p, step)
	for _, in := range inputs {
		in.send(opened)
	}
	for _, in := range step.Start.Inputs {
		opened.End(in.Name)
	}
	return opened
}

// collect gathers the rows that a process emits until it has ended.
func collect[Out transit.Row](p *Process) []Out {
	p.t.Helper()
	var rows []Out
	for _, e := range p.Until(Ended) {
		if e.What == Rows {
			rows = append(rows, RowsOf[Out](p.t, e)...)
		}
	}
	return rows
}
