// Package nodetest has a chain and a node to test readers with: blocks are made up from a seed, heads move and reorgs happen when told,
// and the node can be made to misbehave as nodes do.
package nodetest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// Block is a block of a Chain.
type Block struct {
	decode.Ref
	Transactions []common.Hash
	Logs         []Log // ascending by Index
}

// Log is a log of a block.
type Log struct {
	Index       uint64
	Transaction int
	Address     common.Address
	Topics      []common.Hash
}

// Chain is a chain of made-up blocks. It is safe for concurrent use.
type Chain struct {
	mu     sync.Mutex // protects the fields below
	salt   uint64     // makes the blocks of each fork differ
	blocks []*Block   // by number
	known  map[common.Hash]*Block
	final  uint64
	wake   chan struct{} // closed when the head moves
}

// NewChain makes a chain with a head; block 0 is there always.
func NewChain(head uint64) *Chain {
	c := &Chain{known: map[common.Hash]*Block{}, wake: make(chan struct{})}
	c.Mine(int(head) + 1)
	return c
}

// Address is one of the addresses that logs are from.
func Address(i int) common.Address { return common.Address{0xad, byte(i)} }

// Topic is one of the topics that logs have.
func Topic(i int) common.Hash { return common.Hash{0x70, byte(i)} }

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
	seed := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(parent.Bytes(), number), c.salt)
	b := &Block{Ref: decode.Ref{
		Number: number, Hash: crypto.Keccak256Hash(seed), Parent: parent, Time: time.Unix(1_700_000_000+int64(number), 0).UTC(),
	}}
	b.fill()
	c.blocks = append(c.blocks, b)
	c.known[b.Hash] = b
}

// fill makes transactions and logs up from the hash.
func (b *Block) fill() {
	for i := range int(b.Hash[0] % 4) {
		b.Transactions = append(b.Transactions, crypto.Keccak256Hash(b.Hash[:], []byte{byte(i)}))
		for k := range int(b.Hash[i+1] % 3) {
			b.Logs = append(b.Logs, Log{
				Index: uint64(len(b.Logs)), Transaction: i, Address: Address(int(b.Hash[i+2+k]) % 3),
				Topics: []common.Hash{Topic(int(b.Hash[i+3+k]) % 2), b.Hash},
			})
		}
	}
	b.Quiet = len(b.Logs) == 0
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

// Key names a log or block uniquely over all forks.
func Key(number uint64, hash common.Hash, index uint64) string {
	return fmt.Sprintf("%d %x %d", number, hash[:4], index)
}
