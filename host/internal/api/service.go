package api

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
)

// errEnding answers calls that come too late.
var errEnding = errors.New("the host is ending")

// service answers the calls of control.proto.
type service struct{ *Server }

// Status tells what runs.
func (s *service) Status(_ context.Context, r *connect.Request[hostv1.StatusRequest]) (*connect.Response[hostv1.StatusResponse], error) {
	paths, err := s.paths(r.Msg.Pipeline)
	if err != nil {
		return nil, explained(err)
	}
	host := &hostv1.Host{Version: s.cfg.Version, Pid: int64(os.Getpid()), Started: timestamppb.New(s.started), DataDir: s.cfg.DataDir}
	if s.cfg.Configuration != nil {
		host.Configuration = s.cfg.Configuration.Configuration()
	}
	return connect.NewResponse(&hostv1.StatusResponse{Host: host, Paths: paths}), nil
}

// Pause stops a pipeline at a checkpoint.
func (s *service) Pause(ctx context.Context, r *connect.Request[hostv1.PauseRequest]) (*connect.Response[hostv1.PauseResponse], error) {
	paths, err := s.act(ctx, r.Msg.Pipeline, s.cfg.Engine.Pause)
	return answer(&hostv1.PauseResponse{Paths: paths}, err)
}

// Resume lets a pipeline run again.
func (s *service) Resume(ctx context.Context, r *connect.Request[hostv1.ResumeRequest]) (*connect.Response[hostv1.ResumeResponse], error) {
	paths, err := s.act(ctx, r.Msg.Pipeline, s.begun(atRest, s.cfg.Engine.Resume))
	return answer(&hostv1.ResumeResponse{Paths: paths}, err)
}

// Stop ends a pipeline, which begins anew later.
func (s *service) Stop(ctx context.Context, r *connect.Request[hostv1.StopRequest]) (*connect.Response[hostv1.StopResponse], error) {
	paths, err := s.act(ctx, r.Msg.Pipeline, s.cfg.Engine.Stop)
	return answer(&hostv1.StopResponse{Paths: paths}, err)
}

// Checkpoint takes a checkpoint now.
func (s *service) Checkpoint(ctx context.Context, r *connect.Request[hostv1.CheckpointRequest]) (*connect.Response[hostv1.CheckpointResponse], error) {
	paths, err := s.act(ctx, r.Msg.Pipeline, s.cfg.Engine.Checkpoint)
	return answer(&hostv1.CheckpointResponse{Paths: paths}, err)
}

// Rewind goes back to a block.
func (s *service) Rewind(ctx context.Context, r *connect.Request[hostv1.RewindRequest]) (*connect.Response[hostv1.RewindResponse], error) {
	paths, err := s.act(ctx, r.Msg.Pipeline, s.begun(runs, func(ctx context.Context, pipeline string) error {
		return s.cfg.Engine.Rewind(ctx, pipeline, r.Msg.Block)
	}))
	return answer(&hostv1.RewindResponse{Paths: paths}, err)
}

// deed is something that is done to a pipeline.
type deed func(ctx context.Context, pipeline string) error

func runs(state engine.PathState) bool {
	return state == engine.PathBackfill || state == engine.PathLive
}

func atRest(state engine.PathState) bool { return !runs(state) }

// begun makes of a deed after which paths begin to run one that also waits until
// they have, so that the answer shows them as they are then. concerns tells
// which paths these are, by the state that they are in before.
func (s *service) begun(concerns func(engine.PathState) bool, do deed) deed {
	return func(ctx context.Context, pipeline string) error {
		before := s.cfg.Events.last()
		missing := 0
		for _, p := range s.cfg.Engine.Status() {
			if named(p, pipeline) && concerns(p.State) {
				missing++
			}
		}
		if err := do(ctx, pipeline); err != nil {
			return err
		}
		name, _, _ := strings.Cut(pipeline, "/") // events name no path
		return s.cfg.Events.await(ctx, before, missing, func(ev engine.Event) bool {
			return ev.Pipeline == name && ev.Step == "" && ev.To == string(engine.PathBackfill)
		})
	}
}

// named tells whether a path is meant by the name of its pipeline, or its own.
func named(p engine.PathStatus, name string) bool { return name == p.Pipeline || name == PathName(p) }

// act does something to a pipeline and tells how it stands then.
func (s *service) act(ctx context.Context, pipeline string, do deed) ([]*hostv1.Path, error) {
	if pipeline == "" {
		return nil, connect.NewError(connect.CodeInvalidArgument,
			fmt.Errorf("name a pipeline: this host runs %s", strings.Join(names(s.cfg.Engine.Status()), ", ")))
	}
	if err := do(ctx, pipeline); err != nil {
		if s.isEnding() && errors.Is(err, context.Canceled) {
			return nil, connect.NewError(connect.CodeUnavailable, fmt.Errorf("%w: %w", errEnding, err))
		}
		return nil, explained(err)
	}
	paths, err := s.paths(pipeline)
	return paths, explained(err)
}

// answer is what a call returns.
func answer[T any](message *T, err error) (*connect.Response[T], error) {
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(message), nil
}

// paths are pictures of the paths of a pipeline, of all if it is "".
func (s *service) paths(pipeline string) ([]*hostv1.Path, error) {
	all := s.cfg.Engine.Status()
	var out []*hostv1.Path
	for _, p := range all {
		if pipeline == "" || named(p, pipeline) {
			out = append(out, toPath(p))
		}
	}
	if len(out) == 0 && pipeline != "" {
		return nil, &engine.UnknownError{Name: pipeline, Known: names(all)}
	}
	return out, nil
}

// names are those of all pipelines.
func names(paths []engine.PathStatus) []string {
	var out []string
	for _, p := range paths {
		if !slices.Contains(out, p.Pipeline) {
			out = append(out, p.Pipeline)
		}
	}
	return out
}

// explained gives an error of the engine its code.
func explained(err error) error {
	unknown, state, coded := (*engine.UnknownError)(nil), (*engine.StateError)(nil), (*connect.Error)(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded):
		return err
	case errors.As(err, &unknown):
		if near := registry.Nearest(unknown.Name, unknown.Known); near != "" {
			err = fmt.Errorf("%w; did you mean %q?", err, near)
		}
		return connect.NewError(connect.CodeNotFound, err)
	case errors.Is(err, store.ErrNoLetter):
		return connect.NewError(connect.CodeNotFound, err)
	case errors.As(err, &state):
		return connect.NewError(connect.CodeFailedPrecondition, err)
	case errors.Is(err, context.DeadlineExceeded):
		return connect.NewError(connect.CodeDeadlineExceeded, err)
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, err)
	}
	return connect.NewError(connect.CodeUnknown, err)
}

// Watch tells every event.
func (s *service) Watch(ctx context.Context, r *connect.Request[hostv1.WatchRequest], stream *connect.ServerStream[hostv1.WatchResponse]) error {
	select {
	case s.watchers <- struct{}{}:
		defer func() { <-s.watchers }()
	default:
		return connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("%d watch this host already, which is as many as may", watchersAtOnce))
	}
	at, newest, err := s.cfg.Events.begin(r.Msg.After)
	if err != nil {
		return connect.NewError(connect.CodeOutOfRange, err)
	}
	err = stream.Send(&hostv1.WatchResponse{What: &hostv1.WatchResponse_Watching{Watching: &hostv1.Watching{Newest: newest}}})
	for err == nil && (at < newest || !r.Msg.EndAtNewest) {
		p := s.cfg.Events.after(at)
		if p.missed == 0 && len(p.events) == 0 {
			if p.ended {
				return nil
			}
			select {
			case <-p.more:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		at, err = send(stream, at, p)
	}
	return err
}

// send sends a page and returns the sequence number that it ends with.
func send(stream *connect.ServerStream[hostv1.WatchResponse], at uint64, p page) (uint64, error) {
	if p.missed > 0 {
		at += p.missed
		if err := stream.Send(&hostv1.WatchResponse{What: &hostv1.WatchResponse_Missed{Missed: &hostv1.Missed{Events: p.missed}}}); err != nil {
			return at, err
		}
	}
	for _, ev := range p.events {
		at = ev.Sequence
		if err := stream.Send(&hostv1.WatchResponse{What: &hostv1.WatchResponse_Event{Event: toEvent(ev)}}); err != nil {
			return at, err
		}
	}
	return at, nil
}
