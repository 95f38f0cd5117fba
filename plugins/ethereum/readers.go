package main

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/fetch"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
)

// How much is asked for at once unless a pipeline says otherwise.
const (
	manyBlocks = 100    // in a JSON-RPC batch, of headers
	fewBlocks  = 10     // in a JSON-RPC batch, with what is in them
	mostBlocks = 10_000 // in one eth_getLogs
)

// headers emits eth.header.
type headers struct {
	Batch int `hcl:"batch,optional" doc:"blocks asked for in one JSON-RPC batch"`
	connection
}

func (h *headers) Validate() error { return h.validate(h.Batch) }

// Read follows the chain and emits its headers.
func (h *headers) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Header]) error {
	return run(ctx, h.connection, start, out, h.source)
}

func (h *headers) source(client *chain.Client, log hclog.Logger) follow.Source[eth.Header] {
	return &fetch.Blocks[eth.Header]{
		Client: client, Batch: uint64(h.Batch), Log: log,
		Rows: func(dst []eth.Header, b *fetch.Block) []eth.Header { return append(dst, b.Header) },
	}
}

// blocks emits eth.block.
type blocks struct {
	Receipts bool `hcl:"receipts,optional" doc:"fetch receipts and fill the columns that are from them"`
	Batch    int  `hcl:"batch,optional" doc:"blocks asked for in one JSON-RPC batch"`
	connection
}

func (b *blocks) Validate() error { return b.validate(b.Batch) }

// Read follows the chain and emits its blocks.
func (b *blocks) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Block]) error {
	return run(ctx, b.connection, start, out, b.source)
}

func (b *blocks) source(client *chain.Client, log hclog.Logger) follow.Source[eth.Block] {
	return &fetch.Blocks[eth.Block]{
		Client: client, Batch: uint64(b.Batch), Full: true, Receipts: b.Receipts, Log: log,
		Rows: func(dst []eth.Block, f *fetch.Block) []eth.Block {
			f.AttachReceipts()
			return append(dst, f.Block)
		},
	}
}

// transactions emits eth.transaction.
type transactions struct {
	Receipts bool `hcl:"receipts,optional" doc:"fetch receipts and fill the columns that are from them"`
	Batch    int  `hcl:"batch,optional" doc:"blocks asked for in one JSON-RPC batch"`
	connection
}

func (t *transactions) Validate() error { return t.validate(t.Batch) }

// Read follows the chain and emits the transactions of its blocks.
func (t *transactions) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Transaction]) error {
	return run(ctx, t.connection, start, out, t.source)
}

func (t *transactions) source(client *chain.Client, log hclog.Logger) follow.Source[eth.Transaction] {
	return &fetch.Blocks[eth.Transaction]{
		Client: client, Batch: uint64(t.Batch), Full: true, Receipts: t.Receipts, Log: log,
		Rows: func(dst []eth.Transaction, f *fetch.Block) []eth.Transaction {
			f.AttachReceipts()
			return append(dst, f.Transactions...)
		},
	}
}

// receipts emits eth.receipt.
type receipts struct {
	Batch int `hcl:"batch,optional" doc:"blocks asked for in one JSON-RPC batch"`
	connection
}

func (r *receipts) Validate() error { return r.validate(r.Batch) }

// Read follows the chain and emits the receipts of its blocks.
func (r *receipts) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Receipt]) error {
	return run(ctx, r.connection, start, out, r.source)
}

func (r *receipts) source(client *chain.Client, log hclog.Logger) follow.Source[eth.Receipt] {
	return &fetch.Blocks[eth.Receipt]{
		Client: client, Batch: uint64(r.Batch), Receipts: true, Log: log,
		Rows: func(dst []eth.Receipt, f *fetch.Block) []eth.Receipt { return append(dst, f.Receipts...) },
	}
}

// logs emits eth.log.
type logs struct {
	Addresses []common.Address `hcl:"addresses,optional" doc:"only logs of these contracts; none: of all"`
	Events    []string         `hcl:"events,optional" doc:"only these events, by signature, such as Transfer(address,address,uint256)"`
	Topics    [][]common.Hash  `hcl:"topics,optional" doc:"only logs with one of the hashes listed for each position; an empty list takes any"`
	Range     uint64           `hcl:"range,optional" doc:"most blocks asked for in one eth_getLogs; fewer are asked for where the node wants it"`
	connection
}

// Validate checks the events too.
func (l *logs) Validate() error {
	if _, err := l.filter(); err != nil {
		return err
	}
	return l.validate(manyBlocks)
}

// Read follows the chain and emits the logs that the settings choose.
func (l *logs) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Log]) error {
	filter, err := l.filter()
	if err != nil {
		return sdk.Stop(err)
	}
	return run(ctx, l.connection, start, out, func(client *chain.Client, log hclog.Logger) follow.Source[eth.Log] {
		return fetch.NewLogs(client, filter, l.Range, log)
	})
}
