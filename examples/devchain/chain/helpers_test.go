package chain_test

import (
	"context"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/penstock-io/penstock/examples/devchain/chain"
)

// patience is how long a test waits for what must come.
const patience = 2 * time.Minute

func start(t *testing.T, cfg chain.Config) *chain.Chain {
	t.Helper()
	c, err := chain.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

func dial(t *testing.T, url string) *ethclient.Client {
	t.Helper()
	client, err := ethclient.DialContext(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func mine(t *testing.T, c *chain.Chain, n int) (last *types.Header) {
	t.Helper()
	for range n {
		var err error
		if last, err = c.Mine(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

// blocks reads all blocks of the chain and checks that each is the child of the one before.
func blocks(t *testing.T, client *ethclient.Client) []*types.Block {
	t.Helper()
	head, err := client.BlockNumber(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []*types.Block
	for number := range head + 1 {
		block, err := client.BlockByNumber(t.Context(), new(big.Int).SetUint64(number))
		if err != nil {
			t.Fatal(err)
		}
		if number > 0 && block.ParentHash() != out[number-1].Hash() {
			t.Fatalf("block %d: parent %s, want %s", number, block.ParentHash(), out[number-1].Hash())
		}
		if number > 0 && block.Time() <= out[number-1].Time() {
			t.Fatalf("block %d: time %d is not after %d", number, block.Time(), out[number-1].Time())
		}
		out = append(out, block)
	}
	return out
}

// receive takes one item from the channel, and fails the test when none comes.
func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case item := <-from:
		return item
	case <-ctx.Done():
		t.Fatalf("nothing came within %s", patience)
		panic("unreachable: Fatalf ends the test")
	}
}
