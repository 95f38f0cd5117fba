package main

import (
	"context"
	"errors"
	"time"

	"github.com/penstock-io/penstock/host/internal/bench/mark"
	"github.com/penstock-io/penstock/host/internal/bench/sample"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
)

// paced reads so many rows a second, a block of them at a time. The timestamp of
// each block's last row says when it left. What could not leave in time, because
// nobody took it, leaves as soon as it can.
type paced struct {
	Rate int `hcl:"rate" doc:"rows a second"`
	Rows int `hcl:"rows" doc:"rows of a block"`
}

func (p *paced) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Log]) error {
	rows := sample.Logs(p.Rows)
	every := time.Second * time.Duration(p.Rows) / time.Duration(p.Rate)
	due := time.Now()
	for block := first(start); ; block++ {
		if wait := time.Until(due); wait > 0 {
			timer := time.NewTimer(wait)
			if err := await(ctx, timer.C); err != nil {
				return err
			}
		}
		due = due.Add(every)
		for i := range rows {
			rows[i].BlockNumber = block
		}
		rows[len(rows)-1].Timestamp = time.Now()
		if err := out.EmitAll(rows); err != nil {
			return err
		}
		if block%sample.SafeEvery != 0 {
			continue
		}
		if err := out.SafePoint(sdk.SafePoint{Cursor: sdk.Cursor{ChainID: 1, Block: block}, Head: block}); err != nil {
			return err
		}
	}
}

// pulse is a loader that tells the benchmark of all rows that it is given, and
// how long the last of them was under way.
type pulse struct {
	Tell string `hcl:"tell" doc:"the socket of the benchmark"`

	generation uint64
	teller     mark.Teller
}

func (p *pulse) Start(_ context.Context, start sdk.Start) (err error) {
	p.generation = start.Generation
	p.teller, err = mark.Dial(p.Tell)
	return err
}

func (p *pulse) Load(_ context.Context, rows []eth.Log) error {
	last := rows[len(rows)-1]
	return p.teller.Pulse(p.generation, uint64(len(rows)), time.Since(last.Timestamp))
}

func (p *pulse) Close() error { return p.teller.Close() }

// Start refuses to, where that is asked for: a new version that is no good.
func (c *copies) Start(context.Context, sdk.Start) error {
	if c.Refuse {
		return sdk.Stop(errors.New("it was told to refuse"))
	}
	return nil
}
