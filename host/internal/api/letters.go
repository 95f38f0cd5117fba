package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"connectrpc.com/connect"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/store"
)

// lettersAtOnce is how many dead letters a call may name, which keeps it small.
const lettersAtOnce = 1000

// ListDeadLetters tells which rows steps could not work on.
func (s *service) ListDeadLetters(context.Context, *connect.Request[hostv1.ListDeadLettersRequest]) (*connect.Response[hostv1.ListDeadLettersResponse], error) {
	letters, err := s.cfg.Letters.DeadLetters()
	out := &hostv1.ListDeadLettersResponse{}
	damage := (*store.DamageError)(nil)
	switch {
	case errors.As(err, &damage):
		out.Damage = bounded(err.Error())
	case err != nil:
		return nil, explained(err)
	}
	for _, l := range letters {
		l.Stack = "" // which is long
		out.Letters = append(out.Letters, toLetter(l))
	}
	return connect.NewResponse(out), nil
}

// ReadDeadLetter tells all of one.
func (s *service) ReadDeadLetter(_ context.Context, r *connect.Request[hostv1.ReadDeadLetterRequest]) (*connect.Response[hostv1.ReadDeadLetterResponse], error) {
	letter, err := s.cfg.Letters.DeadLetter(r.Msg.Id)
	return answer(&hostv1.ReadDeadLetterResponse{Letter: toLetter(letter)}, explained(err))
}

// ReplayDeadLetters gives rows to their steps again.
func (s *service) ReplayDeadLetters(ctx context.Context, r *connect.Request[hostv1.ReplayDeadLettersRequest]) (*connect.Response[hostv1.ReplayDeadLettersResponse], error) {
	return answer(&hostv1.ReplayDeadLettersResponse{}, explained(s.cfg.Letters.Replay(ctx, r.Msg.Ids...)))
}

// DiscardDeadLetters forgets rows.
func (s *service) DiscardDeadLetters(_ context.Context, r *connect.Request[hostv1.DiscardDeadLettersRequest]) (*connect.Response[hostv1.DiscardDeadLettersResponse], error) {
	return answer(&hostv1.DiscardDeadLettersResponse{}, explained(s.cfg.Letters.Discard(r.Msg.Ids...)))
}

func toLetter(l store.DeadLetter) *hostv1.DeadLetter {
	out := &hostv1.DeadLetter{
		Id: l.ID, Pipeline: l.Pipeline, Step: l.Step, Register: l.Register, Input: l.Input, Row: l.Row, State: l.State,
		Cause: bounded(l.Cause), Attempts: l.Attempts, Generation: l.Generation, First: toTime(l.First), Last: toTime(l.Last),
		Type: l.TypeName, Stack: l.Stack, Schema: l.Schema, Body: l.Body,
	}
	if l.Cursor.Known {
		out.AfterBlock = &l.Cursor.Block
	}
	return out
}

func fromLetter(l *hostv1.DeadLetter) store.DeadLetter {
	out := store.DeadLetter{
		ID: l.GetId(), Pipeline: l.GetPipeline(), Step: l.GetStep(), Register: l.GetRegister(), Input: l.GetInput(), Row: l.GetRow(), State: l.GetState(),
		Cause: l.GetCause(), Attempts: l.GetAttempts(), Generation: l.GetGeneration(), First: fromTime(l.GetFirst()), Last: fromTime(l.GetLast()),
		TypeName: l.GetType(), Stack: l.GetStack(), Schema: l.GetSchema(), Body: l.GetBody(),
	}
	if l != nil && l.AfterBlock != nil {
		out.Cursor = store.Place{Known: true, Block: *l.AfterBlock}
	}
	return out
}

// DeadLetters tells which rows steps could not work on, without the rows. Where
// some cannot be read there is an error beside the others.
func (c *Client) DeadLetters(ctx context.Context) ([]store.DeadLetter, error) {
	r, err := c.calls.ListDeadLetters(ctx, connect.NewRequest(&hostv1.ListDeadLettersRequest{}))
	if err != nil {
		return nil, c.told("status", err)
	}
	var out []store.DeadLetter
	for _, l := range r.Msg.Letters {
		out = append(out, fromLetter(l))
	}
	if r.Msg.Damage != "" {
		err = errors.New(r.Msg.Damage)
	}
	return out, err
}

// DeadLetter reads one with its row. If there is none the error is
// store.ErrNoLetter.
func (c *Client) DeadLetter(ctx context.Context, id string) (store.DeadLetter, error) {
	r, err := c.calls.ReadDeadLetter(ctx, connect.NewRequest(&hostv1.ReadDeadLetterRequest{Id: id}))
	if err != nil {
		return store.DeadLetter{}, c.noLetter("status", err)
	}
	return fromLetter(r.Msg.Letter), nil
}

// Replay gives rows to their steps again, at once where the pipeline runs.
func (c *Client) Replay(ctx context.Context, ids ...string) error {
	for some := range slices.Chunk(ids, lettersAtOnce) {
		if _, err := c.calls.ReplayDeadLetters(ctx, connect.NewRequest(&hostv1.ReplayDeadLettersRequest{Ids: some})); err != nil {
			return c.noLetter("replay", err)
		}
	}
	return nil
}

// Discard forgets rows, of a thousand all or none.
func (c *Client) Discard(ctx context.Context, ids ...string) error {
	for some := range slices.Chunk(ids, lettersAtOnce) {
		if _, err := c.calls.DiscardDeadLetters(ctx, connect.NewRequest(&hostv1.DiscardDeadLettersRequest{Ids: some})); err != nil {
			return c.noLetter("discard", err)
		}
	}
	return nil
}

// noLetter is c.told for calls that name letters.
func (c *Client) noLetter(what string, err error) error {
	coded := (*connect.Error)(nil)
	if errors.As(err, &coded) && coded.Code() == connect.CodeNotFound {
		return fmt.Errorf("%s%w", strings.TrimSuffix(coded.Message(), store.ErrNoLetter.Error()), store.ErrNoLetter)
	}
	return c.told(what, err)
}
