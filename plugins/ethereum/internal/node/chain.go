package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// Ref is the place of a block in its chain.
type Ref = decode.Ref

// Hex writes a number the way nodes want it.
func Hex(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }

// finality is the rule by which a block counts as final.
type finality struct {
	tag           string // asked of the node; "": by confirmations
	confirmations uint64
}

func parseFinality(text string) (finality, error) {
	switch text {
	case "", "finalized":
		return finality{tag: "finalized"}, nil
	case "safe":
		return finality{tag: "safe"}, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return finality{}, fmt.Errorf("finality %q is not understood: write \"finalized\", \"safe\" or a number of confirmations", text)
	}
	return finality{confirmations: n}, nil
}

// Latest is the head of the chain.
func (n *Node) Latest(ctx context.Context) (Ref, error) {
	var (
		ref Ref
		dec decode.Decoder
	)
	err := n.Do(ctx, []Call{{Method: "eth_getBlockByNumber", Params: []any{"latest", false}, Decode: func(raw []byte) (err error) {
		ref, err = dec.Ref(raw)
		return err
	}}})
	return ref, err
}

// Final is the newest block that counts as final when the head is at a height. Not every node can tell: then it is not known.
func (n *Node) Final(ctx context.Context, head uint64) (block uint64, known bool, err error) {
	if n.finality.tag == "" {
		return head - min(head, n.finality.confirmations), head >= n.finality.confirmations, nil
	}
	var (
		ref Ref
		dec decode.Decoder
	)
	call := Call{Method: "eth_getBlockByNumber", Params: []any{n.finality.tag, false}, Never: true, Decode: func(raw []byte) (err error) {
		ref, err = dec.Ref(raw)
		if errors.Is(err, decode.ErrNull) {
			ref, err = Ref{}, nil
		}
		return err
	}}
	err = n.Do(ctx, []Call{call})
	if _, told := errors.AsType[*RPCError](err); told {
		return 0, false, nil // none yet, or it does not know the tag
	}
	return ref.Number, err == nil && ref.Hash != common.Hash{}, err
}

// Canonical is what the chain has at some heights now. A height that the node does not have is a zero Ref.
func (n *Node) Canonical(ctx context.Context, numbers []uint64) ([]Ref, error) {
	refs := make([]Ref, len(numbers))
	calls := make([]Call, len(numbers))
	for i, number := range numbers {
		calls[i] = orNone(&refs[i], "eth_getBlockByNumber", Hex(number))
	}
	if err := n.Do(ctx, calls); err != nil {
		return nil, err
	}
	for i, ref := range refs {
		if ref.Hash != (common.Hash{}) && ref.Number != numbers[i] {
			return nil, fmt.Errorf("asked for block %d, the node answered with block %d", numbers[i], ref.Number)
		}
	}
	return refs, nil
}

// ByHash finds a block whether it is on the chain or not; false if the node does not have it.
func (n *Node) ByHash(ctx context.Context, hash common.Hash) (Ref, bool, error) {
	var ref Ref
	err := n.Do(ctx, []Call{orNone(&ref, "eth_getBlockByHash", hash)})
	return ref, err == nil && ref.Hash == hash, err
}

// orNone asks for a block that need not be there.
func orNone(ref *Ref, method string, which any) Call {
	var dec decode.Decoder
	return Call{Method: method, Params: []any{which, false}, Decode: func(raw []byte) (err error) {
		*ref, err = dec.Ref(raw)
		if errors.Is(err, decode.ErrNull) {
			*ref, err = Ref{}, nil
		}
		return err
	}}
}
