package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"connectrpc.com/connect"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/api/hostv1/hostv1connect"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/shared"
)

// wordsAtOnce is how many words of a set one message has. They fit a request
// whatever their length.
const wordsAtOnce = 256

// Sets are the shared state of pipelines, as *store.Sets keeps it.
type Sets interface {
	List(pipeline string) ([]store.SetSize, error)
	Read(of store.SetOf) (shared.Value, error)
	Change(of store.SetOf, c store.SetChange) (now shared.Value, added, removed int, err error)
}

// Words writes words the way a set of a pipeline is to have them, or says what is
// wrong with one. registers are those of the pipeline.
type Words func(registers []string, key string, words []string) ([]string, error)

// stateService answers the calls of shared.proto.
type stateService struct{ *Server }

// handle adds the service to a server, if its host has shared state.
func (s *stateService) handle(mux *http.ServeMux, usual connect.HandlerOption) {
	if s.cfg.Sets != nil {
		mux.Handle(hostv1connect.NewStateServiceHandler(s, usual))
	}
}

// ListSets tells which sets there are.
func (s *stateService) ListSets(_ context.Context, r *connect.Request[hostv1.ListSetsRequest]) (*connect.Response[hostv1.ListSetsResponse], error) {
	if r.Msg.Pipeline != "" {
		if _, err := s.registers(r.Msg.Pipeline); err != nil {
			return nil, explained(err)
		}
	}
	sizes, err := s.cfg.Sets.List(r.Msg.Pipeline)
	out := &hostv1.ListSetsResponse{}
	if damage := (*store.DamageError)(nil); errors.As(err, &damage) {
		out.Damage = bounded(err.Error())
	} else if err != nil {
		return nil, explained(err)
	}
	for _, size := range sizes {
		out.Sets = append(out.Sets, &hostv1.SetSize{Pipeline: size.Pipeline, Key: size.Key, Version: size.Version, Words: uint64(size.Words)})
	}
	return connect.NewResponse(out), nil
}

// ReadSet tells the words of a set.
func (s *stateService) ReadSet(_ context.Context, r *connect.Request[hostv1.ReadSetRequest], stream *connect.ServerStream[hostv1.ReadSetResponse]) error {
	if _, err := s.registers(r.Msg.Pipeline); err != nil {
		return explained(err)
	}
	now, err := s.cfg.Sets.Read(store.SetOf{Pipeline: r.Msg.Pipeline, Key: r.Msg.Key})
	if err != nil {
		return refusedSet(err)
	}
	if err := stream.Send(&hostv1.ReadSetResponse{Version: now.Version}); err != nil {
		return err
	}
	for some := range slices.Chunk(now.Members, wordsAtOnce) {
		if err := stream.Send(&hostv1.ReadSetResponse{Version: now.Version, Words: some}); err != nil {
			return err
		}
	}
	return nil
}

// ChangeSet changes a set as a whole.
func (s *stateService) ChangeSet(_ context.Context, stream *connect.ClientStream[hostv1.ChangeSetRequest]) (*connect.Response[hostv1.ChangeSetResponse], error) {
	var of store.SetOf
	var c store.SetChange
	for first := true; stream.Receive(); first = false {
		m := stream.Msg()
		if first {
			of, c.Clear = store.SetOf{Pipeline: m.Pipeline, Key: m.Key}, m.Clear
		}
		c.Add, c.Remove = append(c.Add, m.Add...), append(c.Remove, m.Remove...)
		if most := 2 * store.MaxSetWords; len(c.Add)+len(c.Remove) > most {
			return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("change %s: more than %d words are named", of, most))
		}
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	registers, err := s.registers(of.Pipeline)
	if err != nil {
		return nil, explained(err)
	}
	if s.cfg.Words != nil {
		var broken [2]error
		c.Add, broken[0] = s.cfg.Words(registers, of.Key, c.Add)
		c.Remove, broken[1] = s.cfg.Words(registers, of.Key, c.Remove)
		if err := errors.Join(broken[:]...); err != nil {
			return nil, connect.NewError(connect.CodeInvalidArgument, err)
		}
	}
	now, added, removed, err := s.cfg.Sets.Change(of, c)
	if err != nil {
		return nil, refusedSet(err)
	}
	return connect.NewResponse(&hostv1.ChangeSetResponse{
		Version: now.Version, Words: uint64(len(now.Members)), Added: uint64(added), Removed: uint64(removed),
	}), nil
}

// refusedSet gives an error about a set its code: the set or a word of it is none,
// unless the disk is what refuses.
func refusedSet(err error) error {
	if errors.Is(err, store.ErrNoSet) {
		return connect.NewError(connect.CodeInvalidArgument, err)
	}
	return explained(err)
}

// registers are those of the steps of a pipeline that this host runs.
func (s *Server) registers(pipeline string) ([]string, error) {
	all := s.cfg.Engine.Status()
	var out []string
	for _, p := range all {
		for _, process := range p.Processes {
			if p.Pipeline == pipeline {
				out = append(out, process.Register)
			}
		}
	}
	if len(out) == 0 {
		return nil, &engine.UnknownError{Name: pipeline, Known: names(all)}
	}
	return out, nil
}

// states is the service of shared state.
func (c *Client) states() hostv1connect.StateServiceClient {
	return hostv1connect.NewStateServiceClient(&http.Client{Transport: c.transport}, "http://host", connect.WithReadMaxBytes(largestAnswer))
}

// Sets tells the sets of a pipeline, or of all if it is "". Where some cannot be
// read there is an error beside the others.
func (c *Client) Sets(ctx context.Context, pipeline string) ([]store.SetSize, error) {
	r, err := c.states().ListSets(ctx, connect.NewRequest(&hostv1.ListSetsRequest{Pipeline: pipeline}))
	if err != nil {
		return nil, c.told("list", err)
	}
	out := make([]store.SetSize, 0, len(r.Msg.Sets))
	for _, m := range r.Msg.Sets {
		out = append(out, store.SetSize{SetOf: store.SetOf{Pipeline: m.Pipeline, Key: m.Key}, Version: m.Version, Words: int(m.Words)})
	}
	if r.Msg.Damage != "" {
		err = errors.New(r.Msg.Damage)
	}
	return out, err
}

// ReadSet is what a set holds.
func (c *Client) ReadSet(ctx context.Context, of store.SetOf) (v shared.Value, err error) {
	stream, err := c.states().ReadSet(ctx, connect.NewRequest(&hostv1.ReadSetRequest{Pipeline: of.Pipeline, Key: of.Key}))
	if err != nil {
		return v, c.told("read", err)
	}
	defer stream.Close()
	for stream.Receive() {
		v.Version = stream.Msg().Version
		v.Members = append(v.Members, stream.Msg().Words...)
	}
	return v, c.told("read", stream.Err())
}

// ChangeSet changes a set, and tells its size then, and how many words are new
// and how many are gone.
func (c *Client) ChangeSet(ctx context.Context, of store.SetOf, change store.SetChange) (now store.SetSize, added, removed int, err error) {
	stream := c.states().ChangeSet(ctx)
	first := &hostv1.ChangeSetRequest{Pipeline: of.Pipeline, Key: of.Key, Clear: change.Clear}
	broken := stream.Send(first) // where that fails the answer says why
	for some := range slices.Chunk(change.Remove, wordsAtOnce) {
		if broken == nil {
			broken = stream.Send(&hostv1.ChangeSetRequest{Remove: some})
		}
	}
	for some := range slices.Chunk(change.Add, wordsAtOnce) {
		if broken == nil {
			broken = stream.Send(&hostv1.ChangeSetRequest{Add: some})
		}
	}
	r, err := stream.CloseAndReceive()
	if err != nil {
		return now, 0, 0, c.told("change", err)
	}
	m := r.Msg
	return store.SetSize{SetOf: of, Version: m.Version, Words: int(m.Words)}, int(m.Added), int(m.Removed), nil
}
