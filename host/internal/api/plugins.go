package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// Plugins changes which bytes steps run, as *change.Changes does it.
type Plugins interface {
	// Swap and Rollback return when the swap is committed, or is not to be.
	Swap(ctx context.Context, r SwapRequest) (store.SwapRecord, error)
	Rollback(ctx context.Context, r RollbackRequest) (store.SwapRecord, error)
	// History tells swaps, oldest first, with the one under way.
	History(plugin string, limit int) ([]store.SwapRecord, error)
	// Attach returns when the attachment is over, which ctx may end.
	Attach(ctx context.Context, a Attachment) error
}

// SwapRequest says which bytes are to run.
type SwapRequest struct {
	Plugin, Path string
	Steps        []string // only these; nil: all of the plugin
	Lock         bool     // put the bytes into the lock file
	NoProbation  bool
	Probation    time.Duration // 0: ten seconds
	Timeout      time.Duration // of everything before the cut; 0: one minute
	// Progress is told of every phase. It must not block.
	Progress func(engine.Event)
}

// RollbackRequest says whose newest swap is taken back. Its fields are those of
// a SwapRequest.
type RollbackRequest struct {
	Plugin      string
	Lock        bool
	NoProbation bool
	Probation   time.Duration
	Timeout     time.Duration
	Progress    func(engine.Event)
}

// pluginService answers the calls of plugins.proto.
type pluginService struct{ *Server }

// Swap puts other bytes in the place of those that run.
func (s *pluginService) Swap(ctx context.Context, r *connect.Request[hostv1.SwapRequest], stream *connect.ServerStream[hostv1.SwapResponse]) error {
	m := r.Msg
	return s.narrate(ctx, func(ctx context.Context, progress func(engine.Event)) (store.SwapRecord, error) {
		return s.cfg.Plugins.Swap(ctx, SwapRequest{
			Plugin: m.Plugin, Path: m.Path, Steps: m.Steps, Lock: m.Lock, NoProbation: m.NoProbation,
			Probation: fromDuration(m.Probation), Timeout: fromDuration(m.Timeout), Progress: progress,
		})
	}, func(ev *hostv1.Event) error {
		return stream.Send(&hostv1.SwapResponse{What: &hostv1.SwapResponse_Phase{Phase: ev}})
	}, func(record *hostv1.SwapRecord) error {
		return stream.Send(&hostv1.SwapResponse{What: &hostv1.SwapResponse_Record{Record: record}})
	})
}

// Rollback takes the newest committed swap of a plugin back.
func (s *pluginService) Rollback(ctx context.Context, r *connect.Request[hostv1.RollbackRequest], stream *connect.ServerStream[hostv1.RollbackResponse]) error {
	m := r.Msg
	return s.narrate(ctx, func(ctx context.Context, progress func(engine.Event)) (store.SwapRecord, error) {
		return s.cfg.Plugins.Rollback(ctx, RollbackRequest{
			Plugin: m.Plugin, Lock: m.Lock, NoProbation: m.NoProbation,
			Probation: fromDuration(m.Probation), Timeout: fromDuration(m.Timeout), Progress: progress,
		})
	}, func(ev *hostv1.Event) error {
		return stream.Send(&hostv1.RollbackResponse{What: &hostv1.RollbackResponse_Phase{Phase: ev}})
	}, func(record *hostv1.SwapRecord) error {
		return stream.Send(&hostv1.RollbackResponse{What: &hostv1.RollbackResponse_Record{Record: record}})
	})
}

// phasesAtOnce is how many phases may wait for a client that reads slowly; more
// than a swap has, unless it is of very many steps. What does not fit is in the
// events all the same.
const phasesAtOnce = 256

// narrate tells the phases of a swap as they come, and its record. The swap does
// not wait for whoever listens.
func (s *pluginService) narrate(
	ctx context.Context, swap func(context.Context, func(engine.Event)) (store.SwapRecord, error),
	phase func(*hostv1.Event) error, last func(*hostv1.SwapRecord) error,
) error {
	phases := newTelling[engine.Event](phasesAtOnce)
	var record store.SwapRecord
	var failed error
	go func() {
		defer phases.end()
		record, failed = swap(ctx, phases.tell)
	}()
	var gone error
	for ev := range phases.heard {
		if gone == nil {
			gone = phase(toEvent(Event{Event: ev}))
		}
	}
	if gone == nil && record.Plugin != "" {
		gone = last(toSwap(record))
	}
	if failed != nil {
		return s.whyNot(failed)
	}
	return gone
}

// whyNot gives the error of a swap its code. That something took too long is said
// by the error itself: a swap does not go on after its call.
func (s *pluginService) whyNot(err error) error {
	var missing interface {
		error
		NotFound()
	}
	taken := (*engine.SwapError)(nil)
	switch {
	case s.isEnding() && errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeUnavailable, fmt.Errorf("%w: %w", errEnding, err))
	case errors.As(err, &taken) && taken.RolledBack:
		return connect.NewError(connect.CodeAborted, err)
	case errors.As(err, &missing):
		return connect.NewError(connect.CodeNotFound, err)
	case errors.Is(err, context.Canceled) && taken == nil:
		return connect.NewError(connect.CodeCanceled, err)
	}
	return connect.NewError(connect.CodeFailedPrecondition, err)
}

// History tells what became of swaps.
func (s *pluginService) History(_ context.Context, r *connect.Request[hostv1.HistoryRequest]) (*connect.Response[hostv1.HistoryResponse], error) {
	swaps, err := s.cfg.Plugins.History(r.Msg.Plugin, int(r.Msg.Limit))
	out := &hostv1.HistoryResponse{}
	if damage := (*store.DamageError)(nil); errors.As(err, &damage) {
		out.Damage = damage.Error()
	} else if err != nil {
		return nil, explained(err)
	}
	for _, record := range swaps {
		out.Swaps = append(out.Swaps, toSwap(record))
	}
	return connect.NewResponse(out), nil
}

func toSwap(r store.SwapRecord) *hostv1.SwapRecord {
	out := &hostv1.SwapRecord{
		Number: r.Number, Time: toTime(r.Time), Took: durationpb.New(r.Took), Plugin: r.Plugin, Source: r.Source, Undoes: r.Undoes, Locked: r.Locked,
		Phase: r.Phase, Outcome: string(r.Outcome), Pause: durationpb.New(r.Pause), Cause: bounded(r.Cause),
	}
	for _, step := range r.Steps {
		out.Steps = append(out.Steps, &hostv1.SwapStep{Step: step.Step, From: toBinary(step.From), To: toBinary(step.To)})
	}
	return out
}

func toBinary(b store.SwapBinary) *hostv1.SwapBinary {
	return &hostv1.SwapBinary{Version: bounded(b.Version), Digest: b.Digest, Size: b.Size, Source: b.Source}
}

func fromSwap(r *hostv1.SwapRecord) store.SwapRecord {
	out := store.SwapRecord{
		Number: r.Number, Time: fromTime(r.Time), Took: fromDuration(r.Took), Plugin: r.Plugin, Source: r.Source, Undoes: r.Undoes, Locked: r.Locked,
		Phase: r.Phase, Outcome: store.SwapOutcome(r.Outcome), Pause: fromDuration(r.Pause), Cause: r.Cause,
	}
	for _, step := range r.Steps {
		out.Steps = append(out.Steps, store.SwapStep{Step: step.Step, From: fromBinary(step.From), To: fromBinary(step.To)})
	}
	return out
}

func fromBinary(b *hostv1.SwapBinary) store.SwapBinary {
	return store.SwapBinary{Version: b.GetVersion(), Digest: b.GetDigest(), Size: b.GetSize(), Source: b.GetSource()}
}

// fromDuration is 0 where none is given.
func fromDuration(d *durationpb.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return d.AsDuration()
}
