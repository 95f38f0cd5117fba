package chain

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Branch says what a reorganisation replaced: the blocks of Old by those of New, both oldest first, on top of Fork.
type Branch struct {
	ForkNumber uint64        `json:"fork_number"`
	Fork       common.Hash   `json:"fork"`
	Old        []common.Hash `json:"old"`
	New        []common.Hash `json:"new"`
}

// Reorg replaces the newest depth blocks by depth+1 other ones, as when the network has settled on another branch:
// the transactions are mined again, cut into blocks in another way and after swaps that change their outcome. The
// branch becomes canonical at once. Subscribers see the old logs removed and the new ones, and one new head, whose
// parent they do not know when depth is 1 or more.
//
// Final blocks and the blocks that deploy the contracts are not replaced; a depth that would do so is refused.
func (c *Chain) Reorg(ctx context.Context, depth uint64) (Branch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return Branch{}, err
	}
	head := c.Head().Number.Uint64()
	floor := max(finalized(head), c.setup)
	if depth < 1 || depth > head-floor {
		return Branch{}, fmt.Errorf("replace %d blocks: want 1 to %d: block %d and those before it stay, and the head is %d",
			depth, head-floor, floor, head)
	}
	return c.replace(ctx, c.backend.BlockChain().GetHeaderByNumber(head-depth), depth)
}

func (c *Chain) replace(ctx context.Context, fork *types.Header, depth uint64) (Branch, error) {
	txs, err := c.traffic.intrude()
	if err != nil {
		return Branch{}, err
	}
	fresh, err := c.pending()
	if err != nil {
		return Branch{}, err
	}
	// If the branch fails, these are mined on the old one.
	c.backlog = slices.Concat(txs, fresh)

	out := Branch{ForkNumber: fork.Number.Uint64(), Fork: fork.Hash()}
	times := make([]uint64, 0, depth+1)
	for i := range depth {
		block := c.backend.BlockChain().GetBlockByNumber(out.ForkNumber + 1 + i)
		out.Old, times = append(out.Old, block.Hash()), append(times, block.Time())
		txs = append(txs, block.Transactions()...)
	}
	txs, times = append(txs, fresh...), append(times, c.now())
	if err := c.inTurn(txs); err != nil {
		return Branch{}, fmt.Errorf("replace the blocks after %d: %w", out.ForkNumber, err)
	}

	c.branches++
	parent := fork
	var tip *types.Block
	for i, part := range cut(txs, len(times)) {
		if tip, err = c.build(ctx, parent, times[i], part); err != nil {
			return Branch{}, fmt.Errorf("replace the blocks after %d: %w", out.ForkNumber, err)
		}
		parent, out.New = tip.Header(), append(out.New, tip.Hash())
	}
	if err := c.adopt(tip); err != nil {
		return Branch{}, err
	}
	c.backlog = nil
	c.log.Info("branch replaced", "fork", out.ForkNumber, "old", len(out.Old), "new", len(out.New), "head", tip.NumberU64())
	return out, nil
}

// inTurn has the transactions of each sender change places so that their nonces rise: what an earlier reorganisation
// added stands among the old blocks, and comes before what is added now.
func (c *Chain) inTurn(txs []*types.Transaction) error {
	places := make(map[common.Address][]int)
	for i, tx := range txs {
		sender, err := types.Sender(c.world.signer, tx)
		if err != nil {
			return fmt.Errorf("find the sender of transaction %s: %w", tx.Hash(), err)
		}
		places[sender] = append(places[sender], i)
	}
	for _, at := range places {
		own := make([]*types.Transaction, len(at))
		for k, i := range at {
			own[k] = txs[i]
		}
		slices.SortStableFunc(own, func(a, b *types.Transaction) int { return cmp.Compare(a.Nonce(), b.Nonce()) })
		for k, i := range at {
			txs[i] = own[k]
		}
	}
	return nil
}

// cut splits the transactions into n parts: the first half as long as the others, the last half as long again. So
// they do not end up in the blocks that they were in.
func cut(txs []*types.Transaction, n int) [][]*types.Transaction {
	out, from := make([][]*types.Transaction, n), 0
	for i := range out {
		to := len(txs) * (2*i + 1) / (2 * n)
		if i == n-1 {
			to = len(txs)
		}
		out[i], from = txs[from:to], to
	}
	return out
}
