package hostlink

import (
	"context"
	"errors"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/shared"
)

var (
	_ chain.Service  = (*Link)(nil)
	_ shared.Service = Sets{}
)

// Exchange makes calls to the nodes of a network.
func (l *Link) Exchange(ctx context.Context, r chain.Request) ([]chain.Result, error) {
	ask := &pluginv1.ChainRequest{Network: r.Network, Together: r.Together, Calls: make([]*pluginv1.ChainCall, len(r.Calls))}
	for i, q := range r.Calls {
		call := &pluginv1.ChainCall{Method: q.Method, Params: q.Params, Once: q.Once, Never: q.Never}
		for _, no := range q.Rejected {
			call.Rejected = append(call.Rejected, &pluginv1.ChainRejection{Endpoint: no.Endpoint, Reason: no.Reason})
		}
		ask.Calls[i] = call
	}
	a, err := l.one(ctx, &pluginv1.HostRequest{Step: r.Step, Ask: &pluginv1.HostRequest_Chain{Chain: ask}})
	if err != nil {
		return nil, err
	}
	results := make([]chain.Result, len(a.Results))
	for i, m := range a.Results {
		results[i] = chain.Result{Raw: m.Result, Endpoint: m.Endpoint, Err: errorOf(m.Error)}
	}
	return results, nil
}

func errorOf(m *pluginv1.ChainError) *chain.Error {
	if m == nil {
		return nil
	}
	e := &chain.Error{
		Kind: chain.Kind(m.Kind), Endpoint: m.Endpoint, What: m.What, Tries: int(m.Tries), Spent: time.Duration(m.SpentNs),
		Limit: chain.Limit{Blocks: m.LimitBlocks, From: m.LimitFrom, To: m.LimitTo},
	}
	if m.Told {
		e.Err = &chain.RPCError{Code: int(m.Code), Message: m.Message, Data: m.Data}
	} else {
		e.Err = errors.New(m.Message)
	}
	return e
}

// Subscribe takes one event after another.
func (l *Link) Subscribe(ctx context.Context, s chain.Subscription, take func(event []byte) error) error {
	ask := &pluginv1.ChainSubscribe{Network: s.Network, Params: s.Params}
	return l.each(ctx, &pluginv1.HostRequest{Step: s.Step, Ask: &pluginv1.HostRequest_Subscribe{Subscribe: ask}}, func(a *pluginv1.HostAnswer) error {
		return take(a.Event)
	})
}

// Known asks for what was learned about a network.
func (l *Link) Known(ctx context.Context, network string) (map[string]uint64, error) {
	a, err := l.one(ctx, &pluginv1.HostRequest{Ask: &pluginv1.HostRequest_Known{Known: &pluginv1.ChainKnown{Network: network}}})
	if err != nil {
		return nil, err
	}
	return a.Known, nil
}

// Learn keeps a number.
func (l *Link) Learn(ctx context.Context, network, name string, value uint64) error {
	ask := &pluginv1.ChainLearn{Network: network, Name: name, Value: value}
	_, err := l.one(ctx, &pluginv1.HostRequest{Ask: &pluginv1.HostRequest_Learn{Learn: ask}})
	return err
}

// Sets is the part of a link that tells of shared state.
type Sets struct{ Link *Link }

// Watch takes a set whenever it changes.
func (s Sets) Watch(ctx context.Context, q shared.Query, take func(shared.Value) error) error {
	ask := &pluginv1.HostRequest{Step: q.Step, Ask: &pluginv1.HostRequest_Shared{Shared: &pluginv1.SharedWatch{Key: q.Key}}}
	return s.Link.each(ctx, ask, func(a *pluginv1.HostAnswer) error {
		return take(shared.Value{Version: a.Shared.GetVersion(), Members: a.Shared.GetMembers()})
	})
}
