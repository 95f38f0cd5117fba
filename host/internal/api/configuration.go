package api

import (
	"cmp"
	"context"
	"errors"

	"connectrpc.com/connect"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/plan"
)

// Configuration changes what a host is told to run, as *change.Changes does it.
type Configuration interface {
	// Configuration is the number of what runs.
	Configuration() uint64
	Plan(ctx context.Context, r plan.Request) (plan.Preview, error)
	// Apply returns when a plan is carried out. What has begun is, whatever ctx does.
	Apply(ctx context.Context, r plan.Request) (plan.Outcome, error)
}

// configurationService answers the calls of configuration.proto.
type configurationService struct{ *Server }

// Plan tells what would become of what runs.
func (s *configurationService) Plan(ctx context.Context, r *connect.Request[hostv1.PlanRequest]) (*connect.Response[hostv1.PlanResponse], error) {
	wanted := fromWanted(r.Msg.Wanted)
	wanted.Previous = r.Msg.Previous
	preview, err := s.cfg.Configuration.Plan(ctx, wanted)
	if mistakes := mistakesOf(err); mistakes != nil {
		return connect.NewResponse(&hostv1.PlanResponse{Mistakes: mistakes}), nil
	}
	if err != nil {
		return nil, s.notApplied(err)
	}
	return connect.NewResponse(&hostv1.PlanResponse{Preview: toPreview(preview)}), nil
}

// Apply carries a plan out.
func (s *configurationService) Apply(ctx context.Context, r *connect.Request[hostv1.ApplyRequest]) (*connect.Response[hostv1.ApplyResponse], error) {
	wanted := fromWanted(r.Msg.Wanted)
	wanted.Digest = r.Msg.Digest
	outcome, mistakes, err := s.apply(ctx, wanted)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&hostv1.ApplyResponse{Outcome: outcome, Mistakes: mistakes}), nil
}

// RollbackConfiguration goes back to the configuration before.
func (s *configurationService) RollbackConfiguration(
	ctx context.Context, r *connect.Request[hostv1.RollbackConfigurationRequest],
) (*connect.Response[hostv1.RollbackConfigurationResponse], error) {
	outcome, mistakes, err := s.apply(ctx, plan.Request{
		Previous: true, Digest: r.Msg.Digest, Fresh: r.Msg.Fresh, AcceptChanges: r.Msg.AcceptChanges,
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&hostv1.RollbackConfigurationResponse{Outcome: outcome, Mistakes: mistakes}), nil
}

func (s *configurationService) apply(ctx context.Context, r plan.Request) (*hostv1.Outcome, []*hostv1.Mistake, error) {
	outcome, err := s.cfg.Configuration.Apply(ctx, r)
	if mistakes := mistakesOf(err); mistakes != nil {
		return nil, mistakes, nil
	}
	if err != nil {
		return nil, nil, s.notApplied(err)
	}
	return toOutcome(outcome), nil, nil
}

// mistakesOf are those that an error tells of, nil if it is about something else.
func mistakesOf(err error) []*hostv1.Mistake {
	if invalid := (*plan.InvalidError)(nil); errors.As(err, &invalid) {
		return toMistakes(invalid.Mistakes)
	}
	return nil
}

// notApplied gives an error its code.
func (s *configurationService) notApplied(err error) error {
	stale, unmet := (*plan.StaleError)(nil), (*plan.UnmetError)(nil)
	switch {
	case errors.As(err, &stale), errors.As(err, &unmet):
		return connect.NewError(connect.CodeFailedPrecondition, err)
	case s.isEnding():
		return connect.NewError(connect.CodeUnavailable, err)
	}
	return explained(err)
}

// Plan asks what would become of what runs. Mistakes in the files are a
// *plan.InvalidError.
func (c *Client) Plan(ctx context.Context, r plan.Request) (plan.Preview, error) {
	answer, err := c.configuration.Plan(ctx, connect.NewRequest(&hostv1.PlanRequest{Wanted: toWanted(r), Previous: r.Previous}))
	if err != nil {
		return plan.Preview{}, c.told("plan", err)
	}
	if m := answer.Msg.Mistakes; len(m) > 0 {
		return plan.Preview{}, invalid(r, m)
	}
	return fromPreview(answer.Msg.Preview), nil
}

// invalid is the error of files with mistakes.
func invalid(r plan.Request, mistakes []*hostv1.Mistake) error {
	err := &plan.InvalidError{Source: r.Name, Mistakes: fromMistakes(mistakes)}
	for _, m := range err.Mistakes {
		err.Source = cmp.Or(err.Source, m.File)
	}
	return err
}

// Apply has the host carry a plan out, or go back to the configuration before.
// Mistakes in the files are a *plan.InvalidError.
func (c *Client) Apply(ctx context.Context, r plan.Request) (plan.Outcome, error) {
	var answer interface {
		GetOutcome() *hostv1.Outcome
		GetMistakes() []*hostv1.Mistake
	}
	if r.Previous {
		a, err := c.configuration.RollbackConfiguration(ctx, connect.NewRequest(&hostv1.RollbackConfigurationRequest{
			Digest: r.Digest, Fresh: r.Fresh, AcceptChanges: r.AcceptChanges,
		}))
		if err != nil {
			return plan.Outcome{}, c.told("rollback", err)
		}
		answer = a.Msg
	} else {
		a, err := c.configuration.Apply(ctx, connect.NewRequest(&hostv1.ApplyRequest{Wanted: toWanted(r), Digest: r.Digest}))
		if err != nil {
			return plan.Outcome{}, c.told("apply", err)
		}
		answer = a.Msg
	}
	if m := answer.GetMistakes(); len(m) > 0 {
		return plan.Outcome{}, invalid(r, m)
	}
	return fromOutcome(answer.GetOutcome()), nil
}
