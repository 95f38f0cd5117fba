package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/api/hostv1/hostv1connect"
	"github.com/penstock-io/penstock/host/internal/engine"
)

// largestRows is what one message of a tap or a recording may have: a frame, and
// its head.
const largestRows = 257 << 20

// Taps let people look at rows while they flow, as *engine.Engine does.
type Taps interface {
	Tap(pipelineStep, input string) (*engine.Tap, error)
	Record(pipelineStep, hostVersion string, limits engine.RecordLimits) (*engine.Recorder, error)
}

// tapService answers the calls of tap.proto.
type tapService struct{ *Server }

// handle adds the service to a server, if its host has taps.
func (s *tapService) handle(mux *http.ServeMux, usual connect.HandlerOption) {
	if s.cfg.Taps != nil {
		mux.Handle(hostv1connect.NewTapServiceHandler(s, usual))
	}
}

// lookedAt gives an error about a tap its code.
func lookedAt(err error) error {
	wrong := (*engine.TapError)(nil)
	switch {
	case errors.As(err, &wrong) && wrong.Unknown:
		return connect.NewError(connect.CodeNotFound, err)
	case errors.As(err, &wrong):
		return connect.NewError(connect.CodeFailedPrecondition, err)
	case errors.Is(err, engine.ErrTaps):
		return connect.NewError(connect.CodeResourceExhausted, err)
	}
	return explained(err)
}

// Tap shows rows until whoever looks has gone, or nothing will come any more.
func (s *tapService) Tap(ctx context.Context, r *connect.Request[hostv1.TapRequest], stream *connect.ServerStream[hostv1.TapResponse]) error {
	tap, err := s.cfg.Taps.Tap(r.Msg.Step, r.Msg.Input)
	if err != nil {
		return lookedAt(err)
	}
	defer tap.Close()
	p := pace{rate: float64(r.Msg.RowsPerSecond), left: float64(r.Msg.RowsPerSecond), since: time.Now()}
	for {
		if err := p.wait(ctx); err != nil {
			return s.overOr(err)
		}
		tap.Sample(r.Msg.Every, int(p.left))
		item, err := tap.Next(ctx)
		if errors.Is(err, io.EOF) {
			seen, shown := tap.Counts()
			return stream.Send(&hostv1.TapResponse{What: &hostv1.TapResponse_End{End: &hostv1.TapEnd{Seen: seen, Shown: shown}}})
		}
		if err != nil {
			return s.overOr(err)
		}
		if err := stream.Send(toTapItem(item)); err != nil {
			return err
		}
		p.passed(item)
	}
}

// pace keeps a tap to so many rows a second, with as many at once after a pause.
// Without a rate it lets everything pass.
type pace struct {
	rate, left float64
	since      time.Time
}

// passed notes what was shown.
func (p *pace) passed(item engine.TapItem) {
	if p.rate > 0 && item.Rows != nil {
		p.left -= float64(item.Rows.Count)
	}
}

// wait waits until some rows may be shown.
func (p *pace) wait(ctx context.Context) error {
	if p.rate == 0 {
		return nil
	}
	for {
		now := time.Now()
		p.left = min(p.left+now.Sub(p.since).Seconds()*p.rate, p.rate)
		p.since = now
		some := max(p.rate/4, 1)
		if p.left >= some {
			return nil
		}
		select {
		case <-time.After(time.Duration((some - p.left) / p.rate * float64(time.Second))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// overOr is err, or that the host ends if that is why.
func (s *tapService) overOr(err error) error {
	if s.isEnding() {
		return connect.NewError(connect.CodeUnavailable, errEnding)
	}
	return explained(err)
}

func toTapItem(item engine.TapItem) *hostv1.TapResponse {
	out := &hostv1.TapResponse{}
	switch {
	case item.Type != nil:
		out.What = &hostv1.TapResponse_Type{Type: &hostv1.TapType{Name: item.Type.Name, Schema: item.Type.MarshalSchema()}}
	case item.News != nil:
		n := item.News
		out.What = &hostv1.TapResponse_News{News: &hostv1.TapNews{
			Kind: string(n.Kind), Generation: n.Generation, Block: n.Block, State: string(n.State), Cause: bounded(n.Cause),
		}}
	default:
		r := item.Rows
		out.What = &hostv1.TapResponse_Rows{Rows: &hostv1.TapRows{
			Missed: r.Missed, First: r.First, Count: uint32(r.Count), Generation: r.Generation, Body: r.Body,
		}}
	}
	return out
}

// Record gives the records of a step until the recording is whole, or has to end.
func (s *tapService) Record(ctx context.Context, r *connect.Request[hostv1.RecordRequest], stream *connect.ServerStream[hostv1.RecordResponse]) error {
	limits := engine.RecordLimits{
		For: time.Duration(min(r.Msg.ForMs, uint64(longestTime/time.Millisecond)*24)) * time.Millisecond, Rows: r.Msg.Rows, Checkpoints: int(r.Msg.Checkpoints),
	}
	recorder, err := s.cfg.Taps.Record(r.Msg.Step, s.cfg.Version, limits)
	if err != nil {
		return lookedAt(err)
	}
	defer recorder.Close()
	if err := stream.Send(&hostv1.RecordResponse{What: &hostv1.RecordResponse_Record{}}); err != nil {
		return err
	}
	for {
		record, err := recorder.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return s.overOr(ctx.Err())
		case err != nil:
			end := &hostv1.RecordEnd{}
			if !errors.Is(err, io.EOF) {
				end.Cause = bounded(err.Error())
			}
			return stream.Send(&hostv1.RecordResponse{What: &hostv1.RecordResponse_End{End: end}})
		}
		if err := stream.Send(&hostv1.RecordResponse{What: &hostv1.RecordResponse_Record{Record: record}}); err != nil {
			return fmt.Errorf("send a record: %w", err)
		}
	}
}
