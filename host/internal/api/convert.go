package api

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// PathName is the name of a path, unique in its host. The engine knows paths by
// it too.
func PathName(p engine.PathStatus) string {
	if len(p.Processes) == 0 {
		return p.Pipeline
	}
	return p.Pipeline + "/" + p.Processes[0].Step
}

func toPath(p engine.PathStatus) *hostv1.Path {
	out := &hostv1.Path{
		Name: PathName(p), Pipeline: p.Pipeline, State: string(p.State), Cause: bounded(p.Cause), Generation: p.Generation,
		Kept: uint64(p.Kept), Forks: p.Forks, Committed: p.Committed, Head: p.Head, From: p.From, To: p.To,
	}
	if c := p.Checkpoint; c != nil {
		out.Checkpoint = &hostv1.Checkpoint{
			Number: c.Number, Time: toTime(c.Time), Block: c.Block, Took: durationpb.New(c.Took), StateBytes: c.Bytes,
		}
	}
	if c := p.Pending; c != nil {
		out.Pending = &hostv1.Pending{Number: c.Number, Since: toTime(c.Since), WaitingFor: c.Waiting}
	}
	if w := p.Swap; w != nil {
		out.Swap = &hostv1.PathSwap{
			Plugin: w.Plugin, Number: w.Number, Phase: string(w.Phase), Since: toTime(w.Since), Pause: durationpb.New(w.Pause), Steps: w.Steps, Cause: bounded(w.Cause),
		}
	}
	for _, s := range p.Processes {
		out.Processes = append(out.Processes, toProcess(s))
	}
	return out
}

func toProcess(s engine.ProcessStatus) *hostv1.Process {
	out := &hostv1.Process{
		Step: s.Step, Id: s.ID.String(), Kind: s.Kind, Register: s.Register, Plugin: s.Plugin, State: string(s.State), Pid: int64(s.PID),
		RowsIn: s.RowsIn, RowsOut: s.RowsOut, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Poisoned: s.Poisoned, Restarts: s.Restarts, StateBytes: s.StateBytes, Block: s.Block, Lag: s.Lag, Attached: s.Attached,
	}
	if w := s.Waiting; w != nil {
		out.Waiting = &hostv1.Waiting{For: bounded(w.For), Since: toTime(w.Since)}
	}
	for _, e := range s.Inputs {
		out.Inputs = append(out.Inputs, &hostv1.Edge{
			From: e.From, To: e.To, Port: e.Port,
			Depth: uint64(e.Depth), Threshold: uint64(e.Threshold), Bytes: uint64(e.Bytes), Breaches: e.Breaches,
		})
	}
	return out
}

func toEvent(ev Event) *hostv1.Event {
	return &hostv1.Event{
		Kind: string(ev.Kind), Plugin: ev.Plugin, Swap: ev.Swap,
		Sequence: ev.Sequence, Time: toTime(ev.Time), Pipeline: ev.Pipeline, Step: ev.Step, From: ev.From, To: ev.To, Cause: ev.Cause,
	}
}

func fromPaths(paths []*hostv1.Path) ([]engine.PathStatus, error) {
	out := make([]engine.PathStatus, 0, len(paths))
	for _, p := range paths {
		one, err := fromPath(p)
		if err != nil {
			return nil, fmt.Errorf("read what the host says of path %s: %w", p.Name, err)
		}
		out = append(out, one)
	}
	return out, nil
}

func fromPath(p *hostv1.Path) (engine.PathStatus, error) {
	out := engine.PathStatus{
		Pipeline: p.Pipeline, State: engine.PathState(p.State), Cause: p.Cause, Generation: p.Generation,
		Kept: int(p.Kept), Forks: p.Forks, Committed: p.Committed, Head: p.Head, From: p.From, To: p.To,
	}
	if c := p.Checkpoint; c != nil {
		out.Checkpoint = &engine.Checkpoint{
			Number: c.Number, Time: fromTime(c.Time), Block: c.Block, Took: c.Took.AsDuration(), Bytes: c.StateBytes,
		}
	}
	if c := p.Pending; c != nil {
		out.Pending = &engine.Pending{Number: c.Number, Since: fromTime(c.Since), Waiting: c.WaitingFor}
	}
	if w := p.Swap; w != nil {
		out.Swap = &engine.SwapStatus{
			Plugin: w.Plugin, Number: w.Number, Phase: engine.Phase(w.Phase), Since: fromTime(w.Since), Pause: w.Pause.AsDuration(), Steps: w.Steps, Cause: w.Cause,
		}
	}
	for _, s := range p.Processes {
		process, err := fromProcess(s)
		if err != nil {
			return out, err
		}
		out.Processes = append(out.Processes, process)
	}
	return out, nil
}

func fromProcess(s *hostv1.Process) (engine.ProcessStatus, error) {
	out := engine.ProcessStatus{
		Step: s.Step, Kind: s.Kind, Register: s.Register, Plugin: s.Plugin, State: engine.ProcessState(s.State), PID: int(s.Pid),
		RowsIn: s.RowsIn, RowsOut: s.RowsOut, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Poisoned: s.Poisoned, Restarts: s.Restarts, StateBytes: s.StateBytes, Block: s.Block, Lag: s.Lag, Attached: s.Attached,
	}
	var known bool
	if out.Type, known = registry.ParseProcessType(s.Kind); !known {
		return out, fmt.Errorf("step %s is a %q, which is no kind that this penstock knows", s.Step, s.Kind)
	}
	if err := out.ID.UnmarshalText([]byte(s.Id)); err != nil {
		return out, fmt.Errorf("step %s: %w", s.Step, err)
	}
	if w := s.Waiting; w != nil {
		out.Waiting = &engine.Waiting{For: w.For, Since: fromTime(w.Since)}
	}
	for _, e := range s.Inputs {
		out.Inputs = append(out.Inputs, engine.EdgeStatus{
			From: e.From, To: e.To, Port: e.Port, Depth: int(e.Depth), Threshold: int(e.Threshold), Bytes: int(e.Bytes), Breaches: e.Breaches,
		})
	}
	return out, nil
}

func fromEvent(ev *hostv1.Event) Event {
	return Event{Sequence: ev.Sequence, Event: engine.Event{
		Kind: engine.EventKind(ev.Kind), Plugin: ev.Plugin, Swap: ev.Swap,
		Time: fromTime(ev.Time), Pipeline: ev.Pipeline, Step: ev.Step, From: ev.From, To: ev.To, Cause: ev.Cause,
	}}
}

// toTime keeps a time that is not set one.
func toTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func fromTime(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
