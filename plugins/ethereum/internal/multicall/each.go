package multicall

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"
	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
)

// doubtful makes those calls again by themselves that failed without a word: they may only have run out of the gas that all share.
func (c *Caller) doubtful(ctx context.Context, block view.Ref, final bool, calls []Call, out []Result) error {
	var some []int
	for i, r := range out {
		if !r.Success && len(r.Output) == 0 {
			some = append(some, i)
		}
		if !r.Success {
			out[i].Reason = reason(r.Output, "")
		}
	}
	return c.byThemselves(ctx, block, final, calls, some, out)
}

// each makes calls by themselves, in batches as long as none fails.
func (c *Caller) each(ctx context.Context, block view.Ref, final bool, calls []Call, out []Result) error {
	done := make([]bool, len(calls))
	err := c.States.Ask(ctx, block, final, func(state any) []chain.Call {
		list := make([]chain.Call, len(calls))
		for i, call := range calls {
			list[i] = callOf(call, state, &out[i], &done[i])
		}
		return list
	})
	if chain.KindOf(err) != chain.Reverted {
		return err
	}
	var open []int
	for i := range done {
		if !done[i] {
			open = append(open, i)
		}
	}
	return c.byThemselves(ctx, block, final, calls, open, out)
}

// byThemselves makes some calls, each of which may fail.
func (c *Caller) byThemselves(ctx context.Context, block view.Ref, final bool, calls []Call, some []int, out []Result) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(alone)
	for _, i := range some {
		g.Go(func() error {
			done := false
			err := c.States.Ask(ctx, block, final, func(state any) []chain.Call { return []chain.Call{callOf(calls[i], state, &out[i], &done)} })
			if chain.KindOf(err) != chain.Reverted {
				return err
			}
			out[i] = failed(err)
			return nil
		})
	}
	return g.Wait()
}

func callOf(call Call, state any, into *Result, done *bool) chain.Call {
	request := map[string]any{"to": call.To, "data": hexutil.Bytes(call.Data)}
	return chain.Call{Method: "eth_call", Params: []any{request, state}, Once: true, Decode: func(raw []byte) error {
		output, err := bytesOf(raw)
		if err == nil {
			*into, *done = Result{Success: true, Output: output}, true
		}
		return err
	}}
}

// failed is what a node says of a call that reverted.
func failed(err error) Result {
	told, ok := errors.AsType[*chain.RPCError](err)
	if !ok {
		return Result{Reason: err.Error()}
	}
	var text string
	output := []byte(nil)
	if json.Unmarshal(told.Data, &text) == nil {
		text = strings.TrimPrefix(text, "Reverted ") // as OpenEthereum has it
		output, _ = hex.DecodeString(strings.TrimPrefix(text, "0x"))
	}
	return Result{Output: output, Reason: reason(output, told.Message)}
}

// reason says why a call failed, by what it reverted with and else in the words of the node.
func reason(output []byte, words string) string {
	if text, err := abi.UnpackRevert(output); err == nil {
		return text
	}
	switch {
	case len(output) >= 4:
		return fmt.Sprintf("an error of the contract's own, %#x", output[:4])
	case words != "":
		return words
	}
	return "it reverted without a reason"
}

// eachBalance asks for every balance by itself.
func (c *Caller) eachBalance(ctx context.Context, block view.Ref, final bool, addresses []common.Address, out []uint256.Int) error {
	return c.States.Ask(ctx, block, final, func(state any) []chain.Call {
		calls := make([]chain.Call, len(addresses))
		for i, address := range addresses {
			calls[i] = chain.Call{Method: "eth_getBalance", Params: []any{address, state}, Decode: func(raw []byte) (err error) {
				out[i], err = place.Word(raw)
				return err
			}}
		}
		return calls
	})
}

// bytesOf reads bytes as nodes write them.
func bytesOf(raw []byte) ([]byte, error) {
	text := strings.Trim(string(raw), `"`)
	digits, ok := strings.CutPrefix(text, "0x")
	out, err := hex.DecodeString(digits)
	if !ok || err != nil {
		return nil, fmt.Errorf("the node answered %s, which is no bytes in hex", chain.Short(string(raw)))
	}
	return out, nil
}
