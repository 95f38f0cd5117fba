// Package balance reads what accounts have after blocks, in ether or in a token.
package balance

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/hashicorp/go-hclog"
	"github.com/holiman/uint256"
	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/multicall"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/eth"
)

const (
	plenty = 1000 // balances in a span of history
	most   = 50   // blocks in it that balances are read of
	few    = 20   // addresses: so few are asked for one by one, for all blocks of a span together
	apart  = 8    // blocks at once otherwise
)

// Source reads balances: a row for each address at each block that is due, ascending.
type Source struct {
	Client   *chain.Client
	States   *place.States
	Calls    *multicall.Caller
	ChainID  uint64
	Set      *Set // what is in it when a span is read counts
	Schedule place.Schedule
	Token    *common.Address // nil: ether
	Nonce    bool            // with the nonces of the accounts
	Log      hclog.Logger

	empty sync.Once // the token was found not to be there
}

// Size is how many blocks the next span should have.
func (s *Source) Size(final bool) uint64 {
	if !final {
		return most
	}
	return s.Schedule.Blocks(uint64(max(1, min(most, plenty/max(1, len(s.Set.Addresses()))))))
}

// Span reads the balances at the blocks of an extent that are due.
func (s *Source) Span(ctx context.Context, e follow.Extent) (follow.Span[eth.Balance], error) {
	none := follow.Span[eth.Balance]{}
	span, err := place.Read(ctx, s.Client, e, s.Schedule)
	if err != nil {
		return none, err
	}
	addresses := s.Set.Addresses()
	rows, end := make([]eth.Balance, len(span.Due)*len(addresses)), make([]int, len(span.Due))
	for i, at := range span.Due {
		end[i] = (i + 1) * len(addresses)
		for k, address := range addresses {
			rows[i*len(addresses)+k] = eth.Balance{
				BlockNumber: at.Number, BlockHash: at.Hash, Timestamp: at.Time, Address: address, Token: s.Token, ChainID: s.ChainID,
			}
		}
	}
	if len(rows) == 0 {
		return place.Build(span, rows, end), nil
	}
	if err := s.fill(ctx, span, rows, len(addresses)); err != nil {
		return none, err
	}
	return place.Build(span, rows, end), nil
}

// fill reads what belongs into rows, n for each block.
func (s *Source) fill(ctx context.Context, span *place.Span, rows []eth.Balance, n int) error {
	if s.Token == nil && span.Final && n <= few {
		return s.together(ctx, span, rows, n)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(apart)
	for i, at := range span.Due {
		g.Go(func() error { return s.block(ctx, at, span.Final, rows[i*n:(i+1)*n]) })
	}
	return g.Wait()
}

// together asks for a few balances at many blocks.
func (s *Source) together(ctx context.Context, span *place.Span, rows []eth.Balance, n int) error {
	var calls []chain.Call
	for i, at := range span.Due {
		for k := range n {
			row := &rows[i*n+k]
			calls = append(calls, chain.Call{Method: "eth_getBalance", Params: []any{row.Address, chain.Hex(at.Number)}, Decode: func(raw []byte) (err error) {
				row.Balance, err = place.Word(raw)
				return err
			}})
			if s.Nonce {
				calls = append(calls, nonceCall(row, chain.Hex(at.Number)))
			}
		}
	}
	err := place.Archived(span.Due[0], s.Client.Do(ctx, calls))
	if err != nil {
		return fmt.Errorf("read balances at blocks %d to %d: %w", span.Due[0].Number, span.Due[len(span.Due)-1].Number, err)
	}
	return nil
}

// block reads the balances at one block.
func (s *Source) block(ctx context.Context, at view.Ref, final bool, rows []eth.Balance) error {
	err := s.balances(ctx, at, final, rows)
	if err == nil && s.Nonce {
		err = s.States.Ask(ctx, at, final, func(state any) []chain.Call {
			calls := make([]chain.Call, len(rows))
			for i := range rows {
				calls[i] = nonceCall(&rows[i], state)
			}
			return calls
		})
	}
	if err != nil {
		return fmt.Errorf("read %d balances at block %d: %w", len(rows), at.Number, err)
	}
	return nil
}

func (s *Source) balances(ctx context.Context, at view.Ref, final bool, rows []eth.Balance) error {
	addresses := make([]common.Address, len(rows))
	for i := range rows {
		addresses[i] = rows[i].Address
	}
	read := s.Calls.Balances
	if s.Token != nil {
		read = s.tokens
	}
	words, err := read(ctx, at, final, addresses)
	for i := range words {
		rows[i].Balance = words[i]
	}
	return err
}

func nonceCall(row *eth.Balance, state any) chain.Call {
	return chain.Call{Method: "eth_getTransactionCount", Params: []any{row.Address, state}, Decode: func(raw []byte) error {
		nonce, err := strconv.ParseUint(strings.Trim(string(raw), `"`), 0, 64)
		if err != nil {
			return fmt.Errorf("the node answered %s, which is no nonce", chain.Short(string(raw)))
		}
		row.Nonce = &nonce
		return nil
	}}
}

// tokens asks a token for balances. Before it was deployed nobody had any.
func (s *Source) tokens(ctx context.Context, at view.Ref, final bool, addresses []common.Address) ([]uint256.Int, error) {
	balanceOf := crypto.Keccak256([]byte("balanceOf(address)"))[:4]
	calls := make([]multicall.Call, len(addresses))
	for i, address := range addresses {
		calls[i] = multicall.Call{To: *s.Token, Data: append(balanceOf[:4:4], common.LeftPadBytes(address[:], 32)...)}
	}
	results, err := s.Calls.Call(ctx, at, final, calls)
	if err != nil {
		return nil, err
	}
	out := make([]uint256.Int, len(addresses))
	for i, r := range results {
		switch {
		case !r.Success:
			return nil, sdk.Stop(fmt.Errorf("token %s does not tell what %s has (%s): is it an ERC-20? eth.calls reads what may fail", s.Token, addresses[i], r.Reason))
		case len(r.Output) == 0:
			s.empty.Do(func() {
				s.Log.Warn("there is no code at the address of the token: all have none of it until it is deployed", "token", s.Token, "block", at.Number)
			})
		case len(r.Output) < 32:
			return nil, sdk.Stop(fmt.Errorf("token %s answers %#x where a balance should be: is it an ERC-20?", s.Token, r.Output))
		default:
			out[i].SetBytes32(r.Output)
		}
	}
	return out, nil
}

// ErrNobody says that there are no addresses and nobody can bring any.
var ErrNobody = errors.New("no addresses are named, and the host has none to share")
