package trace

import (
	"context"
	"fmt"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
)

// speaks finds out which dialect the node speaks, by asking it for a block.
func (s *Source) speaks(ctx context.Context, b *block) (Dialect, error) {
	if s.Dialect == Parity || s.Dialect == Geth {
		return s.Dialect, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spoken != "" {
		return s.spoken, nil
	}
	parity := s.knows(ctx, s.probe("trace_block", chain.Hex(b.BlockNumber)))
	if parity == nil {
		return s.found(Parity), nil
	}
	if !unknown(parity) {
		return "", fmt.Errorf("find out how the node tells of traces: %w", parity)
	}
	geth := s.knows(ctx, s.probe("debug_traceBlockByHash", b.BlockHash, s.tracer()))
	if unknown(geth) {
		geth = s.knows(ctx, s.probe("debug_traceBlockByNumber", chain.Hex(b.BlockNumber), s.tracer()))
	}
	if geth == nil {
		return s.found(Geth), nil
	}
	if unknown(geth) {
		return "", sdk.Stop(fmt.Errorf("no endpoint of the network tells of traces (enable the trace or debug namespace of the node, or name an endpoint that has it): "+
			"%w; %w", parity, geth))
	}
	return "", fmt.Errorf("find out how the node tells of traces: %w", geth)
}

func (s *Source) found(d Dialect) Dialect {
	s.Log.Info("the node tells of traces", "dialect", string(d))
	s.spoken = d
	return d
}

// probe asks for a block to see whether the node knows how. What it answers is asked for again.
func (s *Source) probe(method string, params ...any) chain.Call {
	return chain.Call{Method: method, Params: params, Once: true, Decode: func([]byte) error { return nil }}
}

// knows is nil if a node knows a method, whatever else is wrong.
func (s *Source) knows(ctx context.Context, call chain.Call) error {
	within, cancel := context.WithTimeoutCause(ctx, s.Timeout, errSlow)
	defer cancel()
	err := s.Client.Do(within, []chain.Call{call})
	if ctx.Err() == nil && (heavy(err) || chain.KindOf(err) == chain.Pruned) {
		return nil
	}
	return err
}

// unknown reports whether an error means that another method has to be asked for.
func unknown(err error) bool {
	switch chain.KindOf(err) {
	case chain.NoMethod, chain.Refused:
		return err != nil
	default:
		return false
	}
}
