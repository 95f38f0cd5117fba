package hostlink

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/shared"
)

// most is how many requests of a plugin are under way at once; more wait in its
// stream, which slows it down.
const most = 256

// Services are what a host does for its plugins. A nil field is refused with a
// sentence.
type Services struct {
	Chain  chain.Service
	Shared shared.Service
}

// Serve answers what a plugin asks until its stream or ctx ends, and returns when
// everything it has begun has ended.
func (s Services) Serve(ctx context.Context, plugin string, stream wire.HostClientStream) {
	ctx, cancel := context.WithCancel(ctx)
	v := &server{
		services: s, plugin: plugin, stream: stream,
		slots: make(chan struct{}, most), under: make(map[uint64]context.CancelFunc),
	}
	defer v.all.Wait()
	defer cancel()
	for {
		r, err := stream.Recv()
		if err != nil {
			return
		}
		if c, ok := r.Ask.(*pluginv1.HostRequest_Cancel); ok {
			v.cancel(c.Cancel)
			continue
		}
		select {
		case v.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		v.begin(ctx, r)
	}
}

type server struct {
	services Services
	plugin   string
	stream   wire.HostClientStream
	slots    chan struct{}
	all      sync.WaitGroup

	sending sync.Mutex // held while something is sent

	mu    sync.Mutex // protects under
	under map[uint64]context.CancelFunc
}

// begin answers a request beside others.
func (v *server) begin(ctx context.Context, r *pluginv1.HostRequest) {
	ctx, cancel := context.WithCancel(ctx)
	v.mu.Lock()
	v.under[r.Id] = cancel
	v.mu.Unlock()
	v.all.Go(func() {
		defer func() {
			cancel()
			v.mu.Lock()
			delete(v.under, r.Id)
			v.mu.Unlock()
			<-v.slots
		}()
		a, err := v.answer(ctx, r)
		if ctx.Err() != nil {
			return // nobody waits for it
		}
		if err != nil {
			a = &pluginv1.HostAnswer{Error: err.Error()}
		}
		a.Id = r.Id
		_ = v.send(a) // that the plugin has gone is told by Recv
	})
}

func (v *server) cancel(id uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if cancel := v.under[id]; cancel != nil {
		cancel()
	}
}

func (v *server) send(a *pluginv1.HostAnswer) error {
	v.sending.Lock()
	defer v.sending.Unlock()
	return v.stream.Send(a)
}

func (v *server) answer(ctx context.Context, r *pluginv1.HostRequest) (*pluginv1.HostAnswer, error) {
	asker := chain.Asker{Plugin: v.plugin, Step: r.Step}
	if w, ok := r.Ask.(*pluginv1.HostRequest_Shared); ok {
		return v.watch(ctx, r.Id, shared.Query{Plugin: v.plugin, Step: r.Step, Key: w.Shared.GetKey()})
	}
	if v.services.Chain == nil {
		return nil, errors.New("this host has no Chain service")
	}
	switch ask := r.Ask.(type) {
	case *pluginv1.HostRequest_Chain:
		return v.exchange(ctx, asker, ask.Chain)
	case *pluginv1.HostRequest_Subscribe:
		s := chain.Subscription{Asker: asker, Network: ask.Subscribe.GetNetwork(), Params: ask.Subscribe.GetParams()}
		err := v.services.Chain.Subscribe(ctx, s, func(event []byte) error {
			return v.send(&pluginv1.HostAnswer{Id: r.Id, More: true, Event: event})
		})
		return nil, ended(err)
	case *pluginv1.HostRequest_Known:
		known, err := v.services.Chain.Known(ctx, ask.Known.GetNetwork())
		return &pluginv1.HostAnswer{Known: known}, err
	case *pluginv1.HostRequest_Learn:
		return &pluginv1.HostAnswer{}, v.services.Chain.Learn(ctx, ask.Learn.GetNetwork(), ask.Learn.GetName(), ask.Learn.GetValue())
	default:
		return nil, errors.New("this host does not know what plugin " + v.plugin + " asks for: it is older than the plugin's SDK")
	}
}

// ended is why something that goes on for ever is over.
func ended(err error) error {
	if err == nil {
		return errors.New("the host has ended it")
	}
	return err
}

func (v *server) watch(ctx context.Context, id uint64, q shared.Query) (*pluginv1.HostAnswer, error) {
	if v.services.Shared == nil {
		return nil, errors.New("this host has no shared state")
	}
	err := v.services.Shared.Watch(ctx, q, func(s shared.Value) error {
		return v.send(&pluginv1.HostAnswer{Id: id, More: true, Shared: &pluginv1.SharedValue{Version: s.Version, Members: s.Members}})
	})
	return nil, ended(err)
}

func (v *server) exchange(ctx context.Context, asker chain.Asker, ask *pluginv1.ChainRequest) (*pluginv1.HostAnswer, error) {
	r := chain.Request{Asker: asker, Network: ask.GetNetwork(), Together: ask.GetTogether(), ReadOnly: true, Calls: make([]chain.Query, len(ask.GetCalls()))}
	for i, call := range ask.GetCalls() {
		r.Calls[i] = chain.Query{Method: call.GetMethod(), Params: call.GetParams(), Once: call.GetOnce(), Never: call.GetNever()}
		for _, no := range call.GetRejected() {
			r.Calls[i].Rejected = append(r.Calls[i].Rejected, chain.Rejection{Endpoint: no.GetEndpoint(), Reason: no.GetReason()})
		}
	}
	results, err := v.services.Chain.Exchange(ctx, r)
	if err != nil {
		return nil, err
	}
	a := &pluginv1.HostAnswer{Results: make([]*pluginv1.ChainResult, len(results))}
	size := 0
	for i, result := range results {
		a.Results[i] = &pluginv1.ChainResult{Result: result.Raw, Endpoint: result.Endpoint, Error: messageOf(result.Err)}
		size += len(result.Raw)
	}
	if size > wire.MaxMessage-1<<20 {
		tooMuch(a, ask, size)
	}
	return a, nil
}

// tooMuch puts an error in the place of answers that do not fit one message.
func tooMuch(a *pluginv1.HostAnswer, ask *pluginv1.ChainRequest, size int) {
	for i, call := range ask.GetCalls() {
		a.Results[i] = &pluginv1.ChainResult{Endpoint: a.Results[i].Endpoint, Error: messageOf(&chain.Error{
			Kind: chain.TooMuch, Endpoint: a.Results[i].Endpoint, What: chain.Describe(call.GetMethod(), call.GetParams()), Tries: 1,
			Err: fmt.Errorf("the answers to %d calls have %d bytes together, more than fits one message: ask for less at once", len(a.Results), size),
		})}
	}
}

func messageOf(e *chain.Error) *pluginv1.ChainError {
	if e == nil {
		return nil
	}
	m := &pluginv1.ChainError{
		Kind: uint32(e.Kind), Endpoint: e.Endpoint, What: e.What, Tries: uint32(e.Tries), SpentNs: int64(e.Spent), Message: e.Err.Error(),
		LimitBlocks: e.Limit.Blocks, LimitFrom: e.Limit.From, LimitTo: e.Limit.To,
	}
	if told, ok := errors.AsType[*chain.RPCError](e.Err); ok {
		m.Told, m.Code, m.Message, m.Data = true, int64(told.Code), told.Message, told.Data
	}
	return m
}
