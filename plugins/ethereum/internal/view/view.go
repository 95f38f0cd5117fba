// Package view is the chain as a whole as a reader sees it: where its head is, which blocks are final, what it has at a height, and
// when the head moves. Everything is asked of the host.
package view

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// Ref is the place of a block in its chain.
type Ref = decode.Ref

// View asks about one network. It is safe for concurrent use once Read is set.
type View struct {
	// Read decodes a block that lists the hashes of its transactions, and may refuse it; nil: whatever can be decoded is taken. It has to be
	// safe for concurrent use.
	Read func(raw []byte) (Ref, error)

	client   *chain.Client
	finality finality
}

func (v *View) read(raw []byte) (Ref, error) {
	if v.Read != nil && string(raw) != "null" {
		return v.Read(raw)
	}
	var dec decode.Decoder
	return dec.Ref(raw)
}

// New makes a view; finality is "finalized", "safe" or a number of confirmations, and "finalized" where it is empty.
func New(client *chain.Client, finality string) (*View, error) {
	rule, err := parseFinality(finality)
	if err != nil {
		return nil, fmt.Errorf("network %q: %w", client.Network(), err)
	}
	return &View{client: client, finality: rule}, nil
}

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

// ChainID is the id of the chain that the network's nodes serve.
func (v *View) ChainID(ctx context.Context) (uint64, error) {
	var id uint64
	err := v.client.Do(ctx, []chain.Call{{Method: "eth_chainId", Decode: func(raw []byte) (err error) {
		text, err := strconv.Unquote(string(raw))
		if err == nil {
			id, err = strconv.ParseUint(text, 0, 64)
		}
		if err != nil {
			err = fmt.Errorf("the node answered %s, which is no chain id", chain.Short(string(raw)))
		}
		return err
	}}})
	return id, err
}

// Latest is the head of the chain.
func (v *View) Latest(ctx context.Context) (Ref, error) {
	var ref Ref
	err := v.client.Do(ctx, []chain.Call{{Method: "eth_getBlockByNumber", Params: []any{"latest", false}, Decode: func(raw []byte) (err error) {
		ref, err = v.read(raw)
		return err
	}}})
	return ref, err
}

// Final is the newest block that counts as final when the head is at a height. Not every node can tell: then it is not known.
func (v *View) Final(ctx context.Context, head uint64) (block uint64, known bool, err error) {
	if v.finality.tag == "" {
		return head - min(head, v.finality.confirmations), head >= v.finality.confirmations, nil
	}
	var ref Ref
	call := v.orNone(&ref, "eth_getBlockByNumber", v.finality.tag)
	call.Never = true
	err = v.client.Do(ctx, []chain.Call{call})
	if _, told := errors.AsType[*chain.RPCError](err); told {
		return 0, false, nil // none yet, or it does not know the tag
	}
	return ref.Number, err == nil && ref.Hash != common.Hash{}, err
}

// Canonical is what the chain has at some heights now. A height that the node does not have is a zero Ref.
func (v *View) Canonical(ctx context.Context, numbers []uint64) ([]Ref, error) {
	refs := make([]Ref, len(numbers))
	calls := make([]chain.Call, len(numbers))
	for i, number := range numbers {
		calls[i] = v.orNone(&refs[i], "eth_getBlockByNumber", chain.Hex(number))
		taken := calls[i].Decode
		calls[i].Decode = func(raw []byte) error {
			err := taken(raw)
			if ref := refs[i]; err == nil && ref.Hash != (common.Hash{}) && ref.Number != number {
				err = fmt.Errorf("%w: asked for block %d, the node answered with block %d", chain.ErrMismatch, number, ref.Number)
			}
			return err
		}
	}
	return refs, v.client.Do(ctx, calls)
}

// ByHash finds a block whether it is on the chain or not; false if the node does not have it.
func (v *View) ByHash(ctx context.Context, hash common.Hash) (Ref, bool, error) {
	var ref Ref
	err := v.client.Do(ctx, []chain.Call{v.orNone(&ref, "eth_getBlockByHash", hash)})
	return ref, err == nil && ref.Hash == hash, err
}

// orNone asks for a block that need not be there.
func (v *View) orNone(ref *Ref, method string, which any) chain.Call {
	return chain.Call{Method: method, Params: []any{which, false}, Decode: func(raw []byte) (err error) {
		*ref, err = v.read(raw)
		if errors.Is(err, decode.ErrNull) {
			*ref, err = Ref{}, nil
		}
		return err
	}}
}
