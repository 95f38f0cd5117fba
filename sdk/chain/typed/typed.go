// Package typed asks a network for rows of package eth instead of JSON: decoded,
// and verified against what the chain commits to. What does not fit is asked for
// again, of another endpoint if there is one, and never returned.
//
// It is for plugins that want a block or a balance here and there. Who reads many
// makes batches of calls with chain.Client itself.
package typed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
	"github.com/penstock-io/penstock/sdk/eth/verify"
)

// Client asks for rows. It is safe for concurrent use.
type Client struct {
	*chain.Client
	ChainID uint64 // every row says it; that of the step's network
}

// At names a block: a height as Number, or a tag.
type At string

// The tags that nodes know.
const (
	Latest    At = "latest"
	Safe      At = "safe"
	Finalized At = "finalized"
)

// Number names the block at a height.
func Number(height uint64) At { return At(chain.Hex(height)) }

// ErrNoBlock tells that there is no such block, or not yet.
var ErrNoBlock = errors.New("there is no such block")

// Header is a block without its transactions, and their hashes.
func (c *Client) Header(ctx context.Context, at At) (h eth.Header, hashes []common.Hash, err error) {
	err = c.one(ctx, "eth_getBlockByNumber", []any{at, false}, func(raw []byte) error {
		d := c.decoder()
		if h, hashes, err = d.Header(raw); err != nil {
			return there(err)
		}
		return c.sound(new(verify.Verifier).Header(&h, d.Extra()...), meant(at, &h))
	})
	return h, hashes, found(err, &h, at)
}

// Block is a block with its transactions and withdrawals.
func (c *Client) Block(ctx context.Context, at At) (b eth.Block, err error) {
	err = c.one(ctx, "eth_getBlockByNumber", []any{at, true}, func(raw []byte) error {
		d := c.decoder()
		if b, err = d.Block(raw); err != nil {
			return there(err)
		}
		return c.sound(new(verify.Verifier).Block(&b, d.Extra()...), meant(at, &b.Header))
	})
	return b, found(err, &b.Header, at)
}

// Receipts are those of a block that Header or Block has given, with its logs.
func (c *Client) Receipts(ctx context.Context, of *eth.Header, transactions []common.Hash) (receipts []eth.Receipt, logs []eth.Log, err error) {
	err = c.one(ctx, "eth_getBlockReceipts", []any{of.BlockHash}, func(raw []byte) error {
		d := c.decoder()
		if receipts, logs, err = d.ReceiptsWithLogs(raw, of, transactions, nil); err != nil {
			return err
		}
		return c.sound(new(verify.Verifier).Receipts(of, receipts, logs), nil)
	})
	return receipts, logs, err
}

// Logs are those of blocks from one height to another, both inclusive, of any of
// the addresses, whose topics are any of those in the same place; nil is all. They
// come in the order of the chain. That none is missing is not verified: a
// reader of logs does that.
func (c *Client) Logs(ctx context.Context, from, to uint64, addresses []common.Address, topics [][]common.Hash) (logs []eth.Log, err error) {
	filter := map[string]any{"fromBlock": Number(from), "toBlock": Number(to)}
	if len(addresses) > 0 {
		filter["address"] = addresses
	}
	if len(topics) > 0 {
		filter["topics"] = topics
	}
	err = c.one(ctx, "eth_getLogs", []any{filter}, func(raw []byte) error {
		d := c.decoder()
		if logs, err = d.Logs(raw); err != nil {
			return err
		}
		return decode.InOrder(logs, from, to)
	})
	return logs, err
}

// Balance is what an address has, in wei. It cannot be verified.
func (c *Client) Balance(ctx context.Context, of common.Address, at At) (wei uint256.Int, err error) {
	err = c.one(ctx, "eth_getBalance", []any{of, at}, func(raw []byte) error {
		text := ""
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		return wei.SetFromHex(text)
	})
	return wei, err
}

// Message is a call of a contract.
type Message struct {
	To   common.Address
	Data []byte // the function and its arguments
	From *common.Address
}

// CallContract is what a contract answers. Where it reverts, the *chain.Error has
// the kind Reverted, and the *chain.RPCError within it the data.
func (c *Client) CallContract(ctx context.Context, m Message, at At) (answer []byte, err error) {
	call := map[string]any{"to": m.To, "data": hexutil.Bytes(m.Data)}
	if m.From != nil {
		call["from"] = *m.From
	}
	err = c.one(ctx, "eth_call", []any{call, at}, func(raw []byte) error {
		return (*hexutil.Bytes)(&answer).UnmarshalJSON(raw)
	})
	return answer, err
}

// Latest is the height of the newest block.
func (c *Client) Latest(ctx context.Context) (height uint64, err error) {
	err = c.one(ctx, "eth_blockNumber", nil, func(raw []byte) error {
		return (*hexutil.Uint64)(&height).UnmarshalJSON(raw)
	})
	return height, err
}

// Final is the height up to which blocks are final by the finality of the network,
// as a step is told it: "finalized", "safe", or a number of confirmations.
func (c *Client) Final(ctx context.Context, finality string) (uint64, error) {
	if depth, err := strconv.ParseUint(finality, 10, 64); err == nil {
		newest, err := c.Latest(ctx)
		return newest - min(newest, depth), err
	}
	h, _, err := c.Header(ctx, At(finality))
	return h.BlockNumber, err
}

func (c *Client) one(ctx context.Context, method string, params []any, take func(raw []byte) error) error {
	return c.Do(ctx, []chain.Call{{Method: method, Params: params, Decode: take}})
}

func (c *Client) decoder() *decode.Decoder { return &decode.Decoder{ChainID: c.ChainID} }

// there takes null for an answer: the host has asked others already that may have
// what one lacks.
func there(err error) error {
	if errors.Is(err, decode.ErrNull) {
		return nil
	}
	return err
}

// found tells that there was no block in an answer.
func found(err error, h *eth.Header, at At) error {
	if err == nil && h.BlockHash == (common.Hash{}) {
		return fmt.Errorf("%w: %s", ErrNoBlock, at)
	}
	return err
}

// meant refuses another height than the one that was asked for.
func meant(at At, h *eth.Header) error {
	if want, err := strconv.ParseUint(string(at), 0, 64); err == nil && h.BlockNumber != want {
		return fmt.Errorf("asked for block %d, the node answered with block %d", want, h.BlockNumber)
	}
	return nil
}

// sound makes of what is wrong with an answer why it is refused. What cannot be
// verified is nothing against it, but on Ethereum itself.
func (c *Client) sound(verified, wrong error) error {
	if un := (*verify.Unverifiable)(nil); errors.As(verified, &un) && !verify.Ethereum(c.ChainID) {
		verified = nil
	}
	if err := errors.Join(wrong, verified); err != nil {
		return fmt.Errorf("%w: %w", chain.ErrMismatch, err)
	}
	return nil
}
