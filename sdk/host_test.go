package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/shared"
)

// heights emits a number for every head that its host tells it of.
type heights struct{}

func (heights) Read(ctx context.Context, _ sdk.Start, out *sdk.Output[number]) error {
	client := sdk.Chain(ctx)
	var answer string
	calls := []chain.Call{
		{Method: "eth_chainId", Decode: func(raw []byte) error { answer = string(raw); return nil }},
		{Method: "eth_getBlockByNumber", Params: []any{chain.Hex(7), false}, Decode: func(raw []byte) error {
			if string(raw) == `"bad"` {
				return chain.ErrMismatch
			}
			return nil
		}},
	}
	if err := client.Do(ctx, calls); err != nil {
		return sdk.Stop(err)
	}
	if err := out.Emit(number{N: int64(len(answer))}); err != nil {
		return err
	}
	heads := 0
	err := client.Subscribe(ctx, []any{"newHeads"}, func([]byte) error {
		if heads++; heads == 2 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		return sdk.Stop(fmt.Errorf("heads: %w", err))
	}
	err = sdk.Shared(ctx, "addresses", func(v shared.Value) error {
		if err := out.Emit(number{N: int64(100*v.Version) + int64(len(v.Members))}); err != nil {
			return err
		}
		if v.Version == 2 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		return sdk.Stop(fmt.Errorf("shared: %w", err))
	}
	if _, err := client.Known(ctx); err == nil {
		return sdk.Stop(errors.New("a network that is not known is known"))
	}
	return client.Learn(ctx, "range", 5)
}

var errEnough = errors.New("enough")

// network answers once badly and then well.
type network struct {
	t      *testing.T
	asked  int
	learnt uint64
}

func (n *network) Exchange(_ context.Context, r chain.Request) ([]chain.Result, error) {
	if r.Plugin != "test" || r.Step != "p/s" || r.Network != "main" {
		n.t.Errorf("asked by %+v about %q", r.Asker, r.Network)
	}
	n.asked++
	if n.asked == 1 {
		return []chain.Result{{Raw: []byte(`"0x1"`)}, {Raw: []byte(`"bad"`), Endpoint: "a"}}, nil
	}
	want := []chain.Query{{Method: "eth_getBlockByNumber", Params: []byte(`["0x7",false]`), Rejected: []chain.Rejection{{Endpoint: "a", Reason: "it cannot be true"}}}}
	if len(r.Calls) != 1 || fmt.Sprint(r.Calls) != fmt.Sprint(want) {
		n.t.Errorf("asked again for %v, want %v", r.Calls, want)
	}
	return []chain.Result{{Raw: []byte(`"good"`), Endpoint: "b"}}, nil
}

func (n *network) Subscribe(ctx context.Context, s chain.Subscription, take func([]byte) error) error {
	if string(s.Params) != `["newHeads"]` {
		n.t.Errorf("subscribed to %s", s.Params)
	}
	for range 3 {
		if err := take([]byte(`{}`)); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (n *network) Known(context.Context, string) (map[string]uint64, error) {
	return nil, errors.New("nothing is known")
}

func (n *network) Learn(_ context.Context, _, _ string, value uint64) error {
	n.learnt = value
	return nil
}

type sets struct{}

func (sets) Watch(ctx context.Context, q shared.Query, take func(shared.Value) error) error {
	if q != (shared.Query{Plugin: "test", Step: "p/s", Key: "addresses"}) {
		return fmt.Errorf("asked for %+v", q)
	}
	for version := range uint64(2) {
		if err := take(shared.Value{Version: version + 1, Members: slices.Repeat([]string{"x"}, int(version)+1)}); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestAProcessAsksItsHost(t *testing.T) {
	p := plugintest.Run(t, sdk.Reader[number]("test.heights", &heights{}))
	n := &network{t: t}
	p.Host(t, n, sets{})
	start := sdk.Start{Pipeline: "p", Step: "s", Network: sdk.Network{Name: "main"}}
	got := plugintest.Read[number](t, p, "test.heights", nil, start)
	if want := []number{{N: 5}, {N: 101}, {N: 202}}; !slices.Equal(got.Rows, want) {
		t.Errorf("read %v, want %v", got.Rows, want)
	}
	if n.asked != 2 || n.learnt != 5 {
		t.Errorf("asked %d times, learnt %d", n.asked, n.learnt)
	}
}

type number struct{ N int64 }

func (number) TransitType() string { return "test.number" }
