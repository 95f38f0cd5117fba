package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/fetch"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/transit"
)

// unruly is a node whose chain grows and is reorganised while it is asked, and that fails, lags and is cut off now and then.
type unruly struct {
	mu     sync.Mutex // protects random
	random *rand.Rand
	chain  *nodetest.Chain
	goal   uint64
	tricks []nodetest.Trick
}

func newUnruly(seed uint64) *unruly {
	random := rand.New(rand.NewPCG(seed, 2))
	u := &unruly{random: random, chain: nodetest.NewChain(uint64(50 + random.IntN(150))), goal: 300, tricks: nodetest.Tricks()}
	u.chain.Finalize(u.chain.Height() / 2)
	return u
}

// move lets the world go on, and reports whether it still does.
func (u *unruly) move() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	height := u.chain.Height()
	if height >= u.goal {
		return false
	}
	switch u.random.IntN(60) {
	case 0, 1, 2:
		u.chain.Mine(1 + u.random.IntN(4))
	case 3:
		depth := min(1+u.random.IntN(6), int(height-u.chain.Final()))
		u.chain.Reorg(depth, depth+u.random.IntN(3))
	case 4:
		u.chain.Finalize(max(u.chain.Final(), height-min(height, 30)))
	}
	return true
}

// goOn moves the world until it rests, so that a reader that only listens has something to hear.
func (u *unruly) goOn(ctx context.Context) {
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for u.move() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// before moves the world at every call, and fails a few of them.
func (u *unruly) before(string, ...any) error {
	u.move()
	u.mu.Lock()
	defer u.mu.Unlock()
	switch u.random.IntN(40) {
	case 0:
		return &nodetest.Error{Code: -32000, Message: "busy"}
	case 1:
		return &nodetest.Error{Code: -32000, Message: "header not found"}
	}
	return nil
}

func (u *unruly) lag() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	height := u.chain.Height()
	if height < u.goal && u.random.IntN(20) == 0 {
		return height - min(height, uint64(u.random.IntN(3)))
	}
	return height
}

// lie plays a trick on a few answers. Some cannot be noticed where only some logs are asked for.
func (u *unruly) lie(method string, answer []byte) []byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.random.IntN(25) > 0 {
		return answer
	}
	trick := u.tricks[u.random.IntN(len(u.tricks))]
	if trick.Method != method {
		return answer
	}
	return trick.Spoil(u.random, answer)
}

// cut spoils a few answers over HTTP.
func (u *unruly) cut(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		trouble := u.random.IntN(50)
		u.mu.Unlock()
		switch {
		case r.Header.Get("Upgrade") != "" || trouble > 2:
			next.ServeHTTP(w, r)
		case trouble == 0:
			w.WriteHeader(http.StatusBadGateway)
		case trouble == 1:
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
		default:
			panic(http.ErrAbortHandler)
		}
	})
}

// rows is what a host keeps of them: it goes back to a safe point when it is told of a reorg.
type rows[T transit.Row] struct {
	all    []T
	points []struct {
		sdk.SafePoint
		rows int
	}
	fork  *sdk.Cursor
	after func(sdk.SafePoint)
}

func (r *rows[T]) EmitAll(more []T) error {
	r.all = append(r.all, more...)
	return nil
}

func (r *rows[T]) SafePoint(p sdk.SafePoint) error {
	r.points = append(r.points, struct {
		sdk.SafePoint
		rows int
	}{p, len(r.all)})
	r.after(p)
	return nil
}

func (r *rows[T]) Reorg(fork sdk.Cursor) error {
	r.fork = &fork
	return nil
}

func (r *rows[T]) rewind() *sdk.Cursor {
	for len(r.points) > 0 && r.points[len(r.points)-1].Cursor.Block > r.fork.Block {
		r.points = r.points[:len(r.points)-1]
	}
	r.fork = nil
	if len(r.points) == 0 {
		r.all = nil
		return nil
	}
	last := r.points[len(r.points)-1]
	r.all = r.all[:last.rows]
	return &last.Cursor
}

// settle reads an unruly node until it rests and all its blocks have been read.
func settle[T transit.Row](t *testing.T, u *unruly, url string, from uint64, open opener[T]) []T {
	t.Helper()
	arrived := errors.New("arrived")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := &rows[T]{after: func(p sdk.SafePoint) {
		if head := u.chain.Head(); head.Number >= u.goal && head.Hash == p.Cursor.Hash {
			stop(arrived)
		}
	}}
	var world sync.WaitGroup
	defer world.Wait()
	world.Go(func() { u.goOn(ctx) })
	c := connection{Concurrency: 3, Verify: true, Poll: 10 * time.Millisecond, pause: time.Microsecond}
	start := sdk.Start{From: from, Network: sdk.Network{Name: "test"}}
	service := &nodetest.Service{URL: url, Tries: 30, Batch: 12}
	defer service.Close()
	client := chain.NewClient(service, "test", chain.Asker{})
	for {
		err := runOn(ctx, client, hclog.NewNullLogger(), c, start, out, open)
		if errors.Is(err, arrived) {
			return out.all
		}
		if err != nil || out.fork == nil {
			t.Fatalf("run: %v, fork %v", err, out.fork)
		}
		start.Cursor = out.rewind()
	}
}

// From history over the seam to the head, whatever the node and the chain do meanwhile: every log and transaction once, and in order.
func TestNothingIsLostOrComesTwice(t *testing.T) {
	seeds := 40
	if testing.Short() {
		seeds = 6
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			u := newUnruly(seed)
			served := &nodetest.Node{
				Chain: u.chain, Before: u.before, After: u.lie, Height: u.lag, NoFinal: seed%3 == 0, NoTimes: seed%5 == 0, MostBlocks: 40 * (seed % 2), BatchItems: 12,
			}
			server := httptest.NewServer(u.cut(served.Handler(t)))
			defer server.Close()
			url, from := server.URL, seed%30
			if seed%4 < 2 {
				url = nodetest.WebSocket(url)
			}
			var got, want []string
			if seed%4 == 0 || seed%4 == 3 {
				filter := fetch.Everything()
				if seed%4 == 3 {
					filter = fetch.Filter{{Addresses: []common.Address{nodetest.Address(0)}}, {Topics: [][]common.Hash{{nodetest.Topic(1)}}}}
					u.tricks = slices.DeleteFunc(u.tricks, func(t nodetest.Trick) bool { return t.Silent })
				}
				got = texts(settle(t, u, url, from, func(ctx context.Context, n *fetch.Node, heads *view.Heads) follow.Source[eth.Log] {
					return fetch.NewLogs(ctx, n, filter, fetch.LogsConfig{Head: heads.Announced})
				}))
				want = texts(truth(u.chain, from, u.chain.Height(), func(l nodetest.Log) bool {
					return slices.ContainsFunc(filter, func(g fetch.Group) bool { return nodetest.Query{Address: g.Addresses, Topics: g.Topics}.Takes(l) })
				}))
			} else {
				for _, tx := range settle(t, u, url, from, (&transactions{Receipts: true, Batch: 7}).source) {
					got = append(got, nodetest.Key(tx.BlockNumber, tx.BlockHash, tx.TransactionIndex), fmt.Sprint(tx.TransactionHash, *tx.CumulativeGasUsed, *tx.LogCount))
				}
				for _, b := range u.chain.Range(from, u.chain.Height()) {
					for i, hash := range b.Transactions {
						want = append(want, nodetest.Key(b.Number, b.Hash, uint64(i)), fmt.Sprint(hash, b.Receipt(i).CumulativeGasUsed, len(b.Receipt(i).Logs)))
					}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
