package chain

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/miner"
	"github.com/holiman/uint256"
)

const (
	extraData = "penstock devchain"

	// epoch is the number of blocks after which finality moves on.
	epoch = 32

	// maxJump is how far the time of one block can be ahead: a year, of which there can be many before times cannot be
	// represented any more.
	maxJump = 365 * 24 * time.Hour

	// gasPerTx is more than a generated transaction uses on average.
	gasPerTx = 130_000
)

// Mine mines one block now, out of generated transactions and of those in the pool, and returns its header. The
// block is the head, and is announced to subscribers, when Mine returns.
func (c *Chain) Mine(ctx context.Context) (*types.Header, error) {
	return c.MineLater(ctx, 0)
}

// MineLater is Mine with a clock that has jumped: the block's time is so much later than it would be, in whole seconds.
// Times never go back, so the blocks after it are a second apart until the clock has caught up.
func (c *Chain) MineLater(ctx context.Context, by time.Duration) (*types.Header, error) {
	if by < 0 || by > maxJump {
		return nil, fmt.Errorf("mine a block %s later: want 0 to %s", by, maxJump)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	// Transactions that were accepted before this call are in the pool only after it has caught up with the head.
	if err := c.backend.TxPool().Sync(); err != nil {
		return nil, fmt.Errorf("wait for the pool: %w", err)
	}
	header, err := c.extend(ctx, c.now()+uint64(by/time.Second), gasLimit/2)
	if err != nil {
		return nil, err
	}
	c.log.Info("block mined", "number", header.Number, "gas", header.GasUsed)
	return header, nil
}

// usable says whether the chain may be changed. It needs the lock.
func (c *Chain) usable(ctx context.Context) error {
	if c.closed {
		return ErrClosed
	}
	return ctx.Err()
}

// now is the time for the next block: the clock's, unless the chain is ahead of the clock.
func (c *Chain) now() uint64 {
	return max(uint64(c.cfg.Now().Unix()), c.Head().Time+1)
}

// extend mines a block on the head. With the generated transactions it shall use at most gas; what they leave is for
// the transactions of the pool.
func (c *Chain) extend(ctx context.Context, at, gas uint64) (*types.Header, error) {
	txs, err := c.pending()
	if err != nil {
		return nil, err
	}
	head := c.Head()
	var guests []*types.Transaction
	if used := uint64(len(txs)) * gasPerTx; used < gas {
		guests = c.guests(head, gas-used)
	}
	block, err := c.build(ctx, head, at, slices.Concat(txs, guests))
	if err != nil && len(guests) > 0 {
		c.log.Warn("a transaction of the pool cannot be mined; leaving the pool out", "error", err)
		block, err = c.build(ctx, head, at, txs)
	}
	if err != nil {
		return nil, err
	}
	if err := c.adopt(block); err != nil {
		return nil, err
	}
	c.backlog = nil
	return block.Header(), nil
}

// pending are the generated transactions to be mined next. They stay in the backlog until a block has them: one that
// is lost would make all later ones of its sender invalid.
func (c *Chain) pending() ([]*types.Transaction, error) {
	if len(c.backlog) > 0 {
		return c.backlog, nil
	}
	txs, err := c.traffic.next(c.cfg.TxPerBlock)
	if err != nil {
		return nil, err
	}
	c.backlog = txs
	return txs, nil
}

// guests are transactions that somebody sent to the node, as many as fit into gas.
func (c *Chain) guests(parent *types.Header, gas uint64) []*types.Transaction {
	bySender, _ := c.backend.TxPool().Pending(txpool.PendingFilter{
		MinTip:      uint256.NewInt(0),
		BaseFee:     uint256.MustFromBig(eip1559.CalcBaseFee(c.backend.BlockChain().Config(), parent)),
		GasLimitCap: gas,
	})
	var out []*types.Transaction
	for _, sender := range slices.SortedFunc(maps.Keys(bySender), common.Address.Cmp) {
		for _, lazy := range bySender[sender] {
			tx := lazy.Resolve()
			if tx == nil || tx.Gas() > gas {
				break // the sender's later ones need this one first
			}
			gas -= tx.Gas()
			out = append(out, tx)
		}
	}
	return out
}

// build executes the transactions on the parent and stores the block, without making it the head.
func (c *Chain) build(ctx context.Context, parent *types.Header, at uint64, txs []*types.Transaction) (*types.Block, error) {
	number := parent.Number.Uint64() + 1
	randao, beacon := c.entropy("randao", number), c.entropy("beacon", number)
	args := &miner.BuildPayloadArgs{
		Parent:       parent.Hash(),
		Timestamp:    at,
		FeeRecipient: common.BytesToAddress(crypto.Keccak256([]byte("validator"), []byte{byte(number % 5)})),
		Random:       randao,
		BeaconRoot:   &beacon,
		Withdrawals:  types.Withdrawals{},
	}
	block, _, err := c.backend.Miner().BuildTestingPayload(args, txs, len(txs) == 0, []byte(extraData))
	if err != nil {
		return nil, fmt.Errorf("build block %d: %w", number, err)
	}
	if _, err := c.backend.BlockChain().InsertBlockWithoutSetHead(ctx, block, false); err != nil {
		return nil, fmt.Errorf("insert block %d: %w", number, err)
	}
	return block, nil
}

// entropy is what a validator would contribute. It differs between branches.
func (c *Chain) entropy(what string, number uint64) common.Hash {
	var b bytes.Buffer
	b.WriteString(what)
	for _, n := range []uint64{c.cfg.Seed, number, c.branches} {
		b.Write(binary.BigEndian.AppendUint64(nil, n))
	}
	return crypto.Keccak256Hash(b.Bytes())
}

// adopt makes the block the head and moves finality along: safe is the newest block whose number is a multiple of
// the epoch, final the one an epoch before.
func (c *Chain) adopt(block *types.Block) error {
	chain := c.backend.BlockChain()
	if _, err := chain.SetCanonical(block); err != nil {
		return fmt.Errorf("make block %d the head: %w", block.NumberU64(), err)
	}
	safe := block.NumberU64() / epoch * epoch
	chain.SetSafe(chain.GetHeaderByNumber(safe))
	chain.SetFinalized(chain.GetHeaderByNumber(finalized(block.NumberU64())))
	return nil
}

// finalized is the number of the newest final block below a head.
func finalized(head uint64) uint64 {
	return max(head/epoch*epoch, epoch) - epoch
}
