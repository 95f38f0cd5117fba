// Package nodetest has a chain and a node to test readers with, and to measure them against.
//
// The blocks of a Chain are made up from a seed, but real: headers recompute to their hashes, transactions of every type and receipts to
// their roots, logs to their blooms; only signatures are of nobody. Heads move and reorgs happen when told.
//
// A Node serves a chain over HTTP, WebSocket, or without a transport as a chain.Service. It can be made to misbehave as nodes do, and
// answers fast: what blocks have in common is kept as JSON.
package nodetest

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// Config says what the blocks of a chain have in them. Zero values mean the defaults.
type Config struct {
	Seed    uint64
	ChainID uint64 // that transactions are signed for; 1
	// Transactions of a block and Logs of a transaction, the fewest and the most; 0 to 3 and 0 to 2. For none at all both are -1.
	Transactions, Logs [2]int
	// Contracts is how many addresses logs are from; 3. They are Address(0) and so on.
	Contracts int
	// Data is how many bytes the data of a log has; 2.
	Data int
	// Bodies is how many different blocks there are besides their headers: with a few of them even a large chain is made at once. 0: no two
	// blocks have the same transactions.
	Bodies int
	// Alike makes blocks and transactions all of one size: the greatest.
	Alike bool
}

// Block is a block of a Chain. Nothing in it changes.
type Block struct {
	decode.Ref
	Header       *types.Header
	Transactions []common.Hash
	Logs         []Log // ascending by Index
	body         *body
	words        words
}

// Log is a log of a block.
type Log struct {
	Index       uint64
	Transaction int
	Address     common.Address
	Topics      []common.Hash
	Data        []byte
}

// Chain is a chain of made-up blocks. It is safe for concurrent use.
type Chain struct {
	config Config
	pool   []*body // nil: every block has a body of its own

	mu     sync.Mutex // protects the fields below
	salt   uint64     // makes the blocks of each fork differ
	blocks []*Block   // by number
	known  map[common.Hash]*Block
	owners map[common.Hash]*Block // of transactions, by their hash; blocks of shared bodies are not in it
	final  uint64
	wake   chan struct{} // closed when the head moves
}

// NewChain makes a chain of small blocks with a head; block 0 is there always.
func NewChain(head uint64) *Chain { return Make(Config{}, head) }

// Make makes a chain with a head.
func Make(c Config, head uint64) *Chain {
	c = c.withDefaults()
	made := &Chain{config: c, known: map[common.Hash]*Block{}, owners: map[common.Hash]*Block{}, wake: make(chan struct{})}
	if c.Bodies > 0 {
		made.pool = make([]*body, c.Bodies)
		var all sync.WaitGroup
		for i := range made.pool {
			all.Go(func() { made.pool[i] = c.body(rand.NewPCG(c.Seed, uint64(i)), uint64(i)) })
		}
		all.Wait()
	}
	made.Mine(int(head) + 1)
	return made
}

func (c Config) withDefaults() Config {
	c.ChainID = max(1, c.ChainID)
	c.Transactions, c.Logs = span(c.Transactions, 3), span(c.Logs, 2)
	if c.Contracts == 0 {
		c.Contracts = 3
	}
	if c.Data == 0 {
		c.Data = 2
	}
	return c
}

// span is the bounds of a number that may be left to the default.
func span(bounds [2]int, most int) [2]int {
	switch bounds {
	case [2]int{}:
		return [2]int{0, most}
	case [2]int{-1, -1}:
		return [2]int{}
	}
	return bounds
}

// Address is one of the addresses that logs are from.
func Address(i int) common.Address { return common.Address{0xad, byte(i), byte(i >> 8)} }

// Topic is one of the first topics that logs have.
func Topic(i int) common.Hash { return common.Hash{0x70, byte(i)} }

// Mark is the second topic of the logs of blocks with a number, where every block has a body of its own.
func Mark(number uint64) common.Hash {
	return common.BigToHash(new(big.Int).SetUint64(number + 1))
}

// Mine adds blocks.
func (c *Chain) Mine(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range n {
		c.mine()
	}
	c.moved()
}

func (c *Chain) mine() {
	number := uint64(len(c.blocks))
	var parent common.Hash
	if number > 0 {
		parent = c.blocks[number-1].Hash
	}
	var made *body
	if c.pool != nil {
		made = c.pool[(number+c.salt)%uint64(len(c.pool))]
	} else {
		made = c.config.body(rand.NewPCG(c.config.Seed^number<<20, c.salt), number)
	}
	b := made.block(number, parent, c.salt)
	c.blocks = append(c.blocks, b)
	c.known[b.Hash] = b
	if c.pool == nil {
		for _, hash := range b.Transactions {
			c.owners[hash] = b
		}
	}
}

// Reorg replaces the newest blocks by others.
func (c *Chain) Reorg(depth, others int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.salt++
	c.blocks = c.blocks[:max(1, len(c.blocks)-depth)]
	for range others {
		c.mine()
	}
	c.moved()
}

// Forget makes the node lose blocks that are no longer on the chain.
func (c *Chain) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.known)
	for _, b := range c.blocks {
		c.known[b.Hash] = b
	}
}

// Finalize makes a block final.
func (c *Chain) Finalize(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.final = number
}

func (c *Chain) moved() {
	close(c.wake)
	c.wake = make(chan struct{})
}

// Moved is closed when the head moves next.
func (c *Chain) Moved() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wake
}

// Head is the newest block.
func (c *Chain) Head() *Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocks[len(c.blocks)-1]
}

// Height is the number of the newest block.
func (c *Chain) Height() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(len(c.blocks) - 1)
}

// Final is the newest final block; 0 if there is none.
func (c *Chain) Final() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.final
}

// At is the block at a height, nil if there is none.
func (c *Chain) At(number uint64) *Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	if number >= uint64(len(c.blocks)) {
		return nil
	}
	return c.blocks[number]
}

// By finds a block by hash, whether it is on the chain or not.
func (c *Chain) By(hash common.Hash) *Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[hash]
}

// Range is the blocks from one to another, both inclusive, as they are at one moment.
func (c *Chain) Range(from, to uint64) []*Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to >= uint64(len(c.blocks)) || from > to {
		return nil
	}
	return slices.Clone(c.blocks[from : to+1])
}

// owner finds the block of a transaction and its place there; nil if no block has it. With shared bodies it is the first block that does.
func (c *Chain) owner(hash common.Hash) (*Block, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.owners[hash]
	if b == nil && c.pool != nil {
		for _, one := range c.blocks {
			if slices.Contains(one.Transactions, hash) {
				b = one
				break
			}
		}
	}
	if b == nil || b.Number >= uint64(len(c.blocks)) || c.blocks[b.Number] != b {
		return nil, 0
	}
	return b, slices.Index(b.Transactions, hash)
}

// genesis is the second in which block 0 was made; later ones follow by the second.
const genesis = 1_700_000_000

// Key names a log or block uniquely over all forks.
func Key(number uint64, hash common.Hash, index uint64) string {
	return fmt.Sprintf("%d %x %d", number, hash[:4], index)
}
