package sdk

import (
	"context"

	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/internal/hostlink"
	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/shared"
)

// Chain asks the nodes of the network of the process that ctx belongs to. The
// host does it, for all plugins together: a process needs no network of its own.
// It panics where ctx is not of a process: those that methods are given are.
func Chain(ctx context.Context) *chain.Client {
	home := mustHome(ctx)
	return chain.NewClient(home.Link, home.Network, chain.Asker{Step: home.Step})
}

// Shared calls take with a set of the pipeline's shared state, at once and
// whenever people or programs have changed it. It blocks until ctx ends or take
// returns an error.
func Shared(ctx context.Context, key string, take func(shared.Value) error) error {
	home := mustHome(ctx)
	return hostlink.Sets{Link: home.Link}.Watch(ctx, shared.Query{Step: home.Step, Key: key}, take)
}

func mustHome(ctx context.Context) process.Home {
	home, ok := process.HomeOf(ctx)
	if !ok {
		panic("sdk: this context is not that of a process: pass on the ctx that your method was given")
	}
	return home
}

// Digester is a loader that can tell what it holds, so that it can be compared
// with others and with the chain. Digest is called on a copy that was never
// started, beside one that may be at work: it reads what was committed, and
// writes nothing. It answers the ranges of q in their order. Start names the
// domain, step and inputs whose rows are meant.
type Digester interface {
	Digest(ctx context.Context, start Start, q digest.Query) ([]digest.Range, error)
}

// Digest asks the author's loader.
func (w *loadWorker) Digest(ctx context.Context, open *pluginv1.Open, q digest.Query) ([]digest.Range, error) {
	d, ok := w.instance.(Digester)
	if !ok {
		return nil, process.Stopf("this loader cannot tell what it holds")
	}
	start, err := startOf(open, 0)
	if err != nil {
		return nil, err
	}
	return d.Digest(ctx, start, q)
}
