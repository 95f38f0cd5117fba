package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/api/hostv1/hostv1connect"
	"github.com/penstock-io/penstock/host/internal/engine"
)

// TapRequest says which rows are to be shown.
type TapRequest struct {
	Step          string
	Input         string // "": what comes out of the step
	Every         uint64 // one row of so many; 0: all
	RowsPerSecond uint32 // 0: any number
}

// Tapper is told of rows. All fields are required.
type Tapper struct {
	Type func(name string, schema []byte) error
	Rows func(rows engine.TapRows) error
	News func(news engine.TapNews) error
}

// tapCalls is the service of taps, whose messages may be large.
func (c *Client) tapCalls() hostv1connect.TapServiceClient {
	return hostv1connect.NewTapServiceClient(&http.Client{Transport: c.transport}, "http://host", connect.WithReadMaxBytes(largestRows))
}

// Tap tells of rows while they flow, until ctx ends, a function of the tapper
// returns an error, or nothing will come any more: then seen and shown say how
// many rows there were.
func (c *Client) Tap(ctx context.Context, r TapRequest, t Tapper) (seen, shown uint64, err error) {
	stream, err := c.tapCalls().Tap(ctx, connect.NewRequest(&hostv1.TapRequest{
		Step: r.Step, Input: r.Input, Every: r.Every, RowsPerSecond: r.RowsPerSecond,
	}))
	if err != nil {
		return 0, 0, c.told("tap", err)
	}
	defer stream.Close()
	for stream.Receive() {
		switch what := stream.Msg().What.(type) {
		case *hostv1.TapResponse_Type:
			err = t.Type(what.Type.GetName(), what.Type.GetSchema())
		case *hostv1.TapResponse_Rows:
			m := what.Rows
			err = t.Rows(engine.TapRows{Missed: m.GetMissed(), First: m.GetFirst(), Count: int(m.GetCount()), Generation: m.GetGeneration(), Body: m.GetBody()})
		case *hostv1.TapResponse_News:
			m := what.News
			err = t.News(engine.TapNews{
				Kind: engine.NewsKind(m.GetKind()), Generation: m.GetGeneration(), Block: m.Block, State: engine.PathState(m.GetState()), Cause: m.GetCause(),
			})
		case *hostv1.TapResponse_End:
			seen, shown = what.End.GetSeen(), what.End.GetShown()
		}
		if err != nil {
			return seen, shown, err
		}
	}
	return seen, shown, c.told("tap", stream.Err())
}

// RecordingError tells that a recording ended before it was long enough. What came
// before is good up to the last barrier that was answered.
type RecordingError struct{ Cause string }

func (e *RecordingError) Error() string { return e.Cause }

// Record gives the records of a step to take, in order, until the recording is
// long enough. begun is called when the host has begun to wait for a checkpoint. A
// *RecordingError tells that it has ended before.
func (c *Client) Record(ctx context.Context, step string, l engine.RecordLimits, begun func(), take func(record []byte) error) error {
	stream, err := c.tapCalls().Record(ctx, connect.NewRequest(&hostv1.RecordRequest{
		Step: step, ForMs: uint64(max(l.For/time.Millisecond, 0)), Rows: l.Rows, Checkpoints: uint32(max(l.Checkpoints, 0)),
	}))
	if err != nil {
		return c.told("record", err)
	}
	defer stream.Close()
	for stream.Receive() {
		switch what := stream.Msg().What.(type) {
		case *hostv1.RecordResponse_Record:
			if len(what.Record) == 0 {
				begun()
				continue
			}
			if err := take(what.Record); err != nil {
				return err
			}
		case *hostv1.RecordResponse_End:
			if cause := what.End.GetCause(); cause != "" {
				return &RecordingError{Cause: cause}
			}
			return nil
		}
	}
	if err := c.told("record", stream.Err()); err != nil {
		return err
	}
	return errors.New("record: the host ended the recording without a word")
}
