// Package call reads what functions of contracts that change nothing answer after blocks.
package call

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/multicall"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
)

const (
	plenty = 1000 // calls in a span of history
	most   = 50   // blocks in it that are asked about
	apart  = 8    // blocks at once
)

// View is a function of a contract and what it is given.
type View struct {
	To       common.Address
	Function *Function
	Input    []byte
}

// Source reads views: a row for each at each block that is due, in their order.
type Source struct {
	Client   *chain.Client
	Calls    *multicall.Caller
	ChainID  uint64
	Views    []View
	Schedule place.Schedule
	Log      hclog.Logger
}

// Size is how many blocks the next span should have.
func (s *Source) Size(final bool) uint64 {
	if !final {
		return most
	}
	return s.Schedule.Blocks(uint64(max(1, min(most, plenty/max(1, len(s.Views))))))
}

// Span reads the views at the blocks of an extent that are due.
func (s *Source) Span(ctx context.Context, e follow.Extent) (follow.Span[eth.Call], error) {
	none := follow.Span[eth.Call]{}
	span, err := place.Read(ctx, s.Client, e, s.Schedule)
	if err != nil {
		return none, err
	}
	n := len(s.Views)
	rows, end := make([]eth.Call, len(span.Due)*n), make([]int, len(span.Due))
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(apart)
	for i, at := range span.Due {
		end[i] = (i + 1) * n
		g.Go(func() error { return s.block(asking, at, span.Final, rows[i*n:(i+1)*n]) })
	}
	if err := g.Wait(); err != nil {
		return none, err
	}
	return place.Build(span, rows, end), nil
}

// block reads all views after a block.
func (s *Source) block(ctx context.Context, at view.Ref, final bool, rows []eth.Call) error {
	calls := make([]multicall.Call, len(s.Views))
	for i, v := range s.Views {
		calls[i] = multicall.Call{To: v.To, Data: v.Input}
	}
	results, err := s.Calls.Call(ctx, at, final, calls)
	if err != nil {
		return fmt.Errorf("call %d functions at block %d: %w", len(calls), at.Number, err)
	}
	for i := range rows {
		rows[i] = s.row(at, &s.Views[i], results[i])
	}
	return nil
}

func (s *Source) row(at view.Ref, v *View, r multicall.Result) eth.Call {
	row := eth.Call{
		BlockNumber: at.Number, BlockHash: at.Hash, Timestamp: at.Time, Address: v.To, Function: v.Function.Signature, Selector: v.Function.Selector,
		Input: v.Input, Output: r.Output, Success: r.Success, Error: r.Reason, ChainID: s.ChainID,
	}
	switch {
	case !r.Success || len(v.Function.Outputs) == 0:
	case len(r.Output) == 0:
		row.Error = "it returned nothing: there is no contract at this address, or none with this function"
	default:
		values, err := v.Function.Unpack(r.Output)
		if err != nil {
			row.Error = fmt.Sprintf("what it returned is not what %s returns: %v", v.Function.Signature, err)
		}
		row.Values = values
	}
	return row
}
