package process

import (
	"context"
	"fmt"

	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/internal/hostlink"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Host carries what processes want of their host.
func (s *Service) Host(_ context.Context, stream wire.HostStream) error { return s.link.Serve(stream) }

// Home is where a process lives: what it needs to ask its host for things.
type Home struct {
	Link    *hostlink.Link
	Network string
	Step    string // pipeline/step
}

type homeKey struct{}

// HomeOf is the home of the process that ctx belongs to.
func HomeOf(ctx context.Context) (Home, bool) {
	h, ok := ctx.Value(homeKey{}).(Home)
	return h, ok
}

func (s *Service) atHome(ctx context.Context, open *pluginv1.Open) context.Context {
	home := Home{Link: s.link, Network: open.GetNetwork().GetName(), Step: open.GetPipeline() + "/" + open.GetStep()}
	ctx = context.WithValue(ctx, homeKey{}, home)
	return context.WithValue(ctx, loggerKey{}, s.logger.Named(open.GetPipeline()+"."+open.GetStep()))
}

// Digester is a worker of a loader that can tell what it holds. It was not
// opened, and is not opened afterwards.
type Digester interface {
	Digest(ctx context.Context, open *pluginv1.Open, q digest.Query) ([]digest.Range, error)
}

// Digest asks a loader what it holds, on a worker that is thrown away.
func (s *Service) Digest(ctx context.Context, req *pluginv1.DigestRequest) (*pluginv1.DigestResponse, error) {
	register, err := s.register(req.GetOpen().GetRegister())
	if err != nil {
		return nil, err
	}
	worker, mistakes := register.New(req.Open.Settings)
	if len(mistakes) > 0 {
		return nil, mistakesError(mistakes)
	}
	d, ok := worker.(Digester)
	if !ok {
		return nil, fmt.Errorf("register %s cannot tell what it holds", register.Name)
	}
	q, err := queryOf(req)
	if err != nil {
		return nil, err
	}
	ranges, err := d.Digest(s.atHome(ctx, req.Open), req.Open, q)
	if err != nil {
		return nil, err
	}
	res := &pluginv1.DigestResponse{}
	for _, r := range ranges {
		res.Ranges = append(res.Ranges, &pluginv1.DigestRange{From: r.From, To: r.To, Rows: r.Rows, Sum: r.Sum[:]})
	}
	return res, nil
}

func queryOf(req *pluginv1.DigestRequest) (digest.Query, error) {
	q := digest.Query{Input: int(req.Input), Column: req.Column}
	if q.Input >= len(req.Open.Inputs) {
		return q, fmt.Errorf("it has no input %d", q.Input)
	}
	in := req.Open.Inputs[q.Input].GetType()
	var err error
	if q.Type, err = transit.ParseType(in.GetName(), in.GetSchema()); err != nil {
		return q, fmt.Errorf("input %d: %w", q.Input, err)
	}
	for _, r := range req.Ranges {
		q.Ranges = append(q.Ranges, digest.Range{From: r.From, To: r.To})
	}
	return q, nil
}
