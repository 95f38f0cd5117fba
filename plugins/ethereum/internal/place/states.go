package place

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// States asks about the state after blocks. It is safe for concurrent use.
type States struct {
	Client *chain.Client
	Log    hclog.Logger

	byNumber atomic.Bool // the node takes no block hashes in the place of numbers (EIP-1898)
}

// Ask makes the calls about a block that build returns, given what names the state after it. Of final blocks that is their number, of others
// their hash. Where a node takes numbers only, it has to say in the same breath that the block is still the one that is meant.
func (s *States) Ask(ctx context.Context, block view.Ref, final bool, build func(state any) []chain.Call) error {
	if final {
		return Archived(block, s.Client.Do(ctx, build(chain.Hex(block.Number))))
	}
	if !s.byNumber.Load() {
		err := Ask(ctx, s.Client, []view.Ref{block}, false, build(map[string]any{"blockHash": block.Hash}))
		if !noHashes(err) {
			return Archived(block, err)
		}
		if !s.byNumber.Swap(true) {
			s.Log.Info("the node takes no block hashes in the place of numbers: asking by number, and for the block before and after", "error", err)
		}
	}
	return Archived(block, s.Guarded(ctx, block, build(chain.Hex(block.Number))))
}

// Archived says what is missing where a node has forgotten the state after a block.
func Archived(block view.Ref, err error) error {
	if chain.KindOf(err) != chain.Pruned {
		return err
	}
	return fmt.Errorf("the state after block %d is needed, which only an archive node has (write an endpoint with role = \"archive\" into the network block, or begin later): %w",
		block.Number, err)
}

// Guarded makes calls between two looks at a block, in one exchange: what they tell is of the chain that has it, or the error is
// follow.ErrUnlinked.
func (s *States) Guarded(ctx context.Context, block view.Ref, calls []chain.Call) error {
	var before, after view.Ref
	look := func(into *view.Ref) chain.Call {
		return chain.Call{Method: "eth_getBlockByNumber", Params: []any{chain.Hex(block.Number), false}, Decode: func(raw []byte) (err error) {
			var dec decode.Decoder
			if *into, err = dec.Ref(raw); errors.Is(err, decode.ErrNull) {
				*into, err = view.Ref{}, nil // the chain is shorter
			}
			return err
		}}
	}
	all := append([]chain.Call{look(&before)}, calls...)
	if err := s.Client.Together(ctx, append(all, look(&after))); err != nil {
		if settled(err) {
			return err
		}
		if moved := Moved(ctx, s.Client, []view.Ref{block}); moved != nil {
			return moved
		}
		return err
	}
	if before.Hash != block.Hash || after.Hash != block.Hash {
		return fmt.Errorf("%w: block %d was %s and is %s now", follow.ErrUnlinked, block.Number, block.Hash, after.Hash)
	}
	return nil
}

// unreadable is what nodes say to an object where they want a string.
var unreadable = regexp.MustCompile(`(?i)unmarshal|invalid (argument|param|type|block)|expected.*(string|hex)|wrong type|not a string`)

// noHashes reports whether a node could not read an object that names a block.
func noHashes(err error) bool {
	told, ok := errors.AsType[*chain.RPCError](err)
	return ok && told.Code <= -32000 && unreadable.MatchString(told.Message)
}
