// Package chain is a development chain: a go-ethereum node, with tokens and pairs deployed on it and with traffic.
//
// It is a real node behind real endpoints. What it lacks is a network: it decides by itself which block comes next,
// out of which transactions, and can therefore also take blocks back. Everything it makes up follows from a seed.
package chain

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/hashicorp/go-hclog"
)

// ErrClosed is what Mine and Reorg return after Close.
var ErrClosed = errors.New("the chain is closed")

// Chain is a running chain. Its methods may be called from several goroutines at once.
type Chain struct {
	cfg     Config
	log     hclog.Logger
	stack   *node.Node
	backend *eth.Ethereum
	world   *world
	setup   uint64 // blocks up to this one deploy the contracts and stay

	stop   context.CancelFunc // ends the mining goroutine
	mining sync.WaitGroup     // ready when it has ended

	mu       sync.Mutex // held while the chain is changed; protects the fields below
	traffic  *traffic
	backlog  []*types.Transaction // signed but not mined, because a block could not be built
	branches uint64               // reorganisations so far
	closed   bool
}

// Start starts a chain, mines its history and then serves it. It returns when requests are answered; ctx bounds
// only the start. Whoever starts a chain closes it.
func Start(ctx context.Context, cfg Config) (*Chain, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := probe(ctx, cfg); err != nil {
		return nil, err
	}
	c, blocks, err := assemble(cfg)
	if err != nil {
		return nil, err
	}
	if err := c.begin(ctx, blocks); err != nil {
		c.abandon()
		return nil, err
	}
	// A node that does not start closes its database, after which the rest of it cannot be stopped in order: it
	// would end the process. Some idle goroutines are left behind.
	if err := c.stack.Start(); err != nil {
		return nil, fmt.Errorf("serve the chain: %w", err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	if cfg.BlockTime > 0 {
		c.mining.Go(func() { c.mine(run) })
	}
	c.log.Info("chain started", "http", c.HTTPURL(), "ws", c.WSURL(), "head", c.Head().Number)
	return c, nil
}

// assemble returns a chain that has but its genesis block, and the transactions of its first blocks.
func assemble(cfg Config) (*Chain, [][]*types.Transaction, error) {
	w, err := newWorld(cfg.Seed, cfg.Pairs)
	if err != nil {
		return nil, nil, err
	}
	blocks, err := setupBlocks(w)
	if err != nil {
		return nil, nil, fmt.Errorf("deploy the contracts: %w", err)
	}
	rich, err := w.rich()
	if err != nil {
		return nil, nil, err
	}
	// The history ends now.
	history := time.Duration(max(cfg.Blocks, uint64(len(blocks)))) * cfg.spacing()
	stack, backend, err := newNode(cfg, newGenesis(uint64(cfg.Now().Add(-history).Unix()), rich))
	if err != nil {
		return nil, nil, err
	}
	c := &Chain{
		cfg: cfg, log: cfg.Logger, stack: stack, backend: backend, world: w,
		setup: uint64(len(blocks)), traffic: newTraffic(w, cfg.Seed),
	}
	stack.RegisterAPIs([]rpc.API{{Namespace: "dev", Service: &devAPI{c}}})
	return c, blocks, nil
}

// begin mines the contracts and the history, before anybody can see the chain.
func (c *Chain) begin(ctx context.Context, blocks [][]*types.Transaction) error {
	genesis := c.backend.BlockChain().Genesis().Time()
	at := func(number uint64) uint64 {
		return genesis + uint64(time.Duration(number)*c.cfg.spacing()/time.Second)
	}
	for i, txs := range blocks {
		block, err := c.build(ctx, c.Head(), at(uint64(i+1)), txs)
		if err != nil {
			return fmt.Errorf("deploy the contracts: %w", err)
		}
		if err := c.adopt(block); err != nil {
			return err
		}
	}
	for number := c.setup + 1; number <= c.cfg.Blocks; number++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("mine the history: %w", err)
		}
		if _, err := c.extend(ctx, at(number), 0); err != nil {
			return fmt.Errorf("mine the history: %w", err)
		}
	}
	return nil
}

// mine mines a block at every multiple of the block time until ctx ends.
func (c *Chain) mine(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		timer.Reset(now.Truncate(c.cfg.BlockTime).Add(c.cfg.BlockTime).Sub(now))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if _, err := c.Mine(ctx); err != nil && ctx.Err() == nil {
			c.log.Error("no block mined; trying again at the next block time", "error", err)
		}
	}
}

// Close stops mining, ends all connections and releases the chain. It waits for what it stops and may be called
// again, to no effect.
func (c *Chain) Close() error {
	c.stop()
	c.mining.Wait()
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock() // the node waits for calls in progress, which may wait for the lock
	if closed {
		return nil
	}
	if err := c.stack.Close(); err != nil {
		return fmt.Errorf("close the node: %w", err)
	}
	return nil
}

// abandon releases a chain that never served. The node stops only what it has started, so the rest is stopped here.
func (c *Chain) abandon() {
	if err := c.backend.TxPool().Close(); err != nil {
		c.log.Debug("close the pool of a chain that did not start", "error", err)
	}
	c.backend.BlobCache().Stop()
	c.backend.Downloader().Terminate()
	c.backend.BlockChain().Stop()
	if err := c.stack.Close(); err != nil {
		c.log.Debug("close the node of a chain that did not start", "error", err)
	}
}

// HTTPURL is where JSON-RPC over HTTP is served.
func (c *Chain) HTTPURL() string { return c.stack.HTTPEndpoint() }

// WSURL is where JSON-RPC over WebSocket is served.
func (c *Chain) WSURL() string { return c.stack.WSEndpoint() }

// IPCPath is the path of the IPC endpoint, empty when there is none.
func (c *Chain) IPCPath() string { return c.stack.IPCEndpoint() }

// Head is the newest block.
func (c *Chain) Head() *types.Header { return c.backend.BlockChain().CurrentBlock() }

// Contracts are the addresses of what the chain has deployed. The caller must not change the slices.
func (c *Chain) Contracts() Contracts { return c.world.Contracts }
