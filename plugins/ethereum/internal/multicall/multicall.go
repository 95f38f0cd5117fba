// Package multicall asks contracts and accounts many things in one call of a node.
//
// Where Multicall3 is deployed at the block in question it is asked to make the calls. Where it is not, a small program of our own is put
// somewhere for the time of the call, which most nodes let their clients do (a state override). Otherwise every call is made by itself. The
// answers are the same but for one thing: who is asked sees another sender.
package multicall

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
)

// Address is where Multicall3 is on every chain that has it.
var Address = common.HexToAddress("0xcA11bde05977b3631167028862bE2a173976CA11")

const (
	mostCalls = 500 // in one, at first
	fewCalls  = 8   // in one: where a node objects to so few, it objects to the way
	alone     = 8   // calls by themselves under way at once
)

// Call is what a contract is asked.
type Call struct {
	To   common.Address
	Data []byte
}

// Result is what became of a call.
type Result struct {
	Success bool
	Output  []byte // what it reverted with, if it did
	Reason  string // why it failed, in words
}

// Caller makes calls about one network. It is safe for concurrent use.
type Caller struct {
	States *place.States
	Plain  bool // every call by itself
	Log    hclog.Logger

	mu         sync.Mutex // protects the fields below
	narrowed   int        // most calls in one; 0: mostCalls
	deployed   *uint64    // the oldest block known to have Multicall3
	absent     *uint64    // the newest block known not to
	noOverride bool       // the node runs no programs of ours
	noProgram  uint64     // the blocks before it have rules that are too old for them
}

// way is how calls are made.
type way uint8

const (
	byItself way = iota
	byProgram
	byMulticall3
)

// Call makes calls on the state after a block. That one fails is no error.
func (c *Caller) Call(ctx context.Context, block view.Ref, final bool, calls []Call) ([]Result, error) {
	how := byItself
	if len(calls) > 1 {
		var err error
		if how, err = c.way(ctx, block, final); err != nil {
			return nil, err
		}
	}
	out := make([]Result, len(calls))
	if how == byItself {
		return out, c.each(ctx, block, final, calls, out)
	}
	err := c.many(ctx, block, final, how, len(calls), func(from, to int) packed {
		return packCalls(how, calls[from:to], out[from:to])
	})
	if errors.Is(err, errAnother) {
		return c.Call(ctx, block, final, calls)
	}
	if err != nil {
		return nil, err
	}
	return out, c.doubtful(ctx, block, final, calls, out)
}

// Balances looks up what accounts have after a block, in wei.
func (c *Caller) Balances(ctx context.Context, block view.Ref, final bool, addresses []common.Address) ([]uint256.Int, error) {
	how := byItself
	if len(addresses) > 1 {
		var err error
		if how, err = c.way(ctx, block, final); err != nil {
			return nil, err
		}
	}
	out := make([]uint256.Int, len(addresses))
	if how == byItself {
		return out, c.eachBalance(ctx, block, final, addresses, out)
	}
	err := c.many(ctx, block, final, how, len(addresses), func(from, to int) packed {
		return packBalances(how, addresses[from:to], out[from:to])
	})
	if errors.Is(err, errAnother) {
		return c.Balances(ctx, block, final, addresses)
	}
	return out, err
}

// way finds out how calls about a block are made.
func (c *Caller) way(ctx context.Context, block view.Ref, final bool) (way, error) {
	if c.Plain {
		return byItself, nil
	}
	has, err := c.hasMulticall3(ctx, block, final)
	if err != nil {
		return byItself, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case has:
		return byMulticall3, nil
	case c.noOverride || block.Number < c.noProgram:
		return byItself, nil
	}
	return byProgram, nil
}

func (c *Caller) hasMulticall3(ctx context.Context, block view.Ref, final bool) (bool, error) {
	c.mu.Lock()
	deployed, absent := c.deployed, c.absent
	c.mu.Unlock()
	switch {
	case deployed != nil && block.Number >= *deployed:
		return true, nil
	case absent != nil && block.Number <= *absent:
		return false, nil
	}
	has := false
	err := c.States.Ask(ctx, block, final, func(state any) []chain.Call {
		return []chain.Call{{Method: "eth_getCode", Params: []any{Address, state}, Decode: func(raw []byte) error {
			code, err := bytesOf(raw)
			has = len(code) > 0
			return err
		}}}
	})
	if err != nil {
		return false, fmt.Errorf("look for Multicall3 at block %d: %w", block.Number, err)
	}
	c.found(block.Number, has)
	return has, nil
}

// found remembers whether Multicall3 is there at a block. It stays where it is.
func (c *Caller) found(number uint64, has bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case has && (c.deployed == nil || number < *c.deployed):
		c.deployed = &number
	case !has && (c.absent == nil || number > *c.absent):
		c.absent = &number
	}
}

// packed is many calls in one.
type packed struct {
	request map[string]any
	more    []any // parameters after the block
	unpack  func(raw []byte) error
}

var (
	// errAnother says that another way is to be tried.
	errAnother = errors.New("it has to be done in another way")

	// foreign is what nodes say that let nobody change the state of a call.
	foreign = regexp.MustCompile(`(?i)too many (arguments|param)|override|at most 2|unexpected (argument|param)|invalid (params|arguments|number of)`)
	// tooOld is what they say of code whose operations the block did not know.
	tooOld = regexp.MustCompile(`(?i)invalid opcode|bad instruction|undefined instruction|invalid instruction`)
)

// many makes n calls in as few as the node takes; pack puts those from one to before another together.
func (c *Caller) many(ctx context.Context, block view.Ref, final bool, how way, n int, pack func(from, to int) packed) error {
	for {
		most := c.most()
		raws := make([][]byte, (n+most-1)/most)
		parts := make([]packed, len(raws))
		for i := range parts {
			parts[i] = pack(i*most, min(n, (i+1)*most))
		}
		err := c.States.Ask(ctx, block, final, func(state any) []chain.Call {
			calls := make([]chain.Call, len(parts))
			for i, p := range parts {
				calls[i] = chain.Call{Method: "eth_call", Params: append([]any{p.request, state}, p.more...), Once: true, Decode: func(raw []byte) (err error) {
					raws[i], err = bytesOf(raw)
					return err
				}}
			}
			return calls
		})
		if err == nil {
			return c.unpackAll(block, how, parts, raws)
		}
		if err := c.learn(block, how, min(most, n), err); err != nil {
			return err
		}
	}
}

// unpackAll reads answers. What is none of ours means that the way is not open.
func (c *Caller) unpackAll(block view.Ref, how way, parts []packed, raws [][]byte) error {
	for i, p := range parts {
		err := p.unpack(raws[i])
		if err == nil {
			continue
		}
		c.Log.Warn("many calls in one do not work here: making them in another way", "block", block.Number, "error", err)
		c.close(block, how)
		return errAnother
	}
	return nil
}

// close takes a way out.
func (c *Caller) close(block view.Ref, how way) {
	if how == byMulticall3 {
		c.mu.Lock()
		c.deployed = nil
		c.mu.Unlock()
		c.found(block.Number, false)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noOverride = true
}

// learn makes of an error what is to be done about it: nil is to try again with fewer calls in one.
func (c *Caller) learn(block view.Ref, how way, size int, err error) error {
	told, _ := errors.AsType[*chain.RPCError](err)
	switch kind := chain.KindOf(err); {
	case how == byProgram && told != nil && tooOld.MatchString(told.Message):
		c.mu.Lock()
		defer c.mu.Unlock()
		c.noProgram = max(c.noProgram, block.Number+1)
		return errAnother
	case how == byProgram && told != nil && foreign.MatchString(told.Message):
		c.Log.Info("the node runs no programs that are not on the chain: making calls one by one", "error", err)
		c.close(block, how)
		return errAnother
	case told == nil && kind != chain.TimedOut && kind != chain.TooMuch:
		return err
	case kind == chain.Pruned || kind == chain.NoMethod || kind == chain.WrongChain || kind == chain.Transient || kind == chain.Refused:
		return err
	case size <= fewCalls:
		c.Log.Info("the node makes no calls in one: making them one by one", "error", err)
		c.close(block, how)
		return errAnother
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.narrowed = size / 2
	return nil
}

func (c *Caller) most() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.narrowed == 0 {
		return mostCalls
	}
	return c.narrowed
}
