package main

import (
	"context"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/fetch"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
)

// The most that is asked for at once unless a pipeline says otherwise. Less is where answers are large or slow.
const (
	manyBlocks = 500    // headers
	fewBlocks  = 100    // blocks with what is in them
	mostBlocks = 10_000 // in one eth_getLogs
)

// headers emits eth.header.
type headers struct {
	Batch int `hcl:"batch,optional" doc:"most blocks asked for at once; fewer where answers are large or slow"`
	connection
}

func (h *headers) Validate() error { return h.validate(h.Batch) }

// Read follows the chain and emits its headers.
func (h *headers) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Header]) error {
	return run(ctx, h.connection, start, out, h.source)
}

func (h *headers) source(_ context.Context, n *fetch.Node, _ *view.Heads) follow.Source[eth.Header] {
	return fetch.NewBlocks(n, fetch.Part{}, uint64(h.Batch), func(dst []eth.Header, b *fetch.Block) []eth.Header { return append(dst, b.Header) })
}

// blocks emits eth.block.
type blocks struct {
	Receipts bool `hcl:"receipts,optional" doc:"fetch receipts and fill the columns that are from them"`
	Batch    int  `hcl:"batch,optional" doc:"most blocks asked for at once; fewer where answers are large or slow"`
	connection
}

func (b *blocks) Validate() error { return b.validate(b.Batch) }

// Read follows the chain and emits its blocks.
func (b *blocks) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Block]) error {
	return run(ctx, b.connection, start, out, b.source)
}

func (b *blocks) source(_ context.Context, n *fetch.Node, _ *view.Heads) follow.Source[eth.Block] {
	part := fetch.Part{Full: true, Receipts: b.Receipts}
	return fetch.NewBlocks(n, part, uint64(b.Batch), func(dst []eth.Block, f *fetch.Block) []eth.Block {
		f.AttachReceipts()
		return append(dst, f.Block)
	})
}

// transactions emits eth.transaction.
type transactions struct {
	Receipts bool `hcl:"receipts,optional" doc:"fetch receipts and fill the columns that are from them"`
	Batch    int  `hcl:"batch,optional" doc:"most blocks asked for at once; fewer where answers are large or slow"`
	connection
}

func (t *transactions) Validate() error { return t.validate(t.Batch) }

// Read follows the chain and emits the transactions of its blocks.
func (t *transactions) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Transaction]) error {
	return run(ctx, t.connection, start, out, t.source)
}

func (t *transactions) source(_ context.Context, n *fetch.Node, _ *view.Heads) follow.Source[eth.Transaction] {
	part := fetch.Part{Full: true, Receipts: t.Receipts}
	return fetch.NewBlocks(n, part, uint64(t.Batch), func(dst []eth.Transaction, f *fetch.Block) []eth.Transaction {
		f.AttachReceipts()
		return append(dst, f.Transactions...)
	})
}

// receipts emits eth.receipt.
type receipts struct {
	Batch int `hcl:"batch,optional" doc:"most blocks asked for at once; fewer where answers are large or slow"`
	connection
}

func (r *receipts) Validate() error { return r.validate(r.Batch) }

// Read follows the chain and emits the receipts of its blocks.
func (r *receipts) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Receipt]) error {
	return run(ctx, r.connection, start, out, r.source)
}

func (r *receipts) source(_ context.Context, n *fetch.Node, _ *view.Heads) follow.Source[eth.Receipt] {
	return fetch.NewBlocks(n, fetch.Part{Receipts: true}, uint64(r.Batch), func(dst []eth.Receipt, f *fetch.Block) []eth.Receipt {
		return append(dst, f.Receipts...)
	})
}
