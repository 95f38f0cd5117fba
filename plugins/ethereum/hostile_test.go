package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/transit"
)

// twoFaced is a host with two endpoints. The first plays a trick on every answer to a method; the second is honest, if there is one. It is
// asked only what the first was found out about.
type twoFaced struct {
	nodetest.Memory
	trick  nodetest.Trick
	honest bool

	mu     sync.Mutex // protects random
	random *rand.Rand
}

func (s *twoFaced) Exchange(ctx context.Context, r chain.Request) ([]chain.Result, error) {
	calls := slices.Clone(r.Calls)
	rejected := make([][]chain.Rejection, len(calls))
	for i := range calls {
		rejected[i], calls[i].Rejected = calls[i].Rejected, nil
	}
	r.Calls = calls
	results, err := s.Memory.Exchange(ctx, r)
	for i := range results {
		q, asked := &calls[i], len(rejected[i])
		results[i].Endpoint = "second"
		if asked > 0 && s.honest || q.Method != s.trick.Method || results[i].Err != nil {
			continue
		}
		results[i].Endpoint = "first"
		if asked >= 3 {
			results[i] = chain.Result{Endpoint: "first", Err: &chain.Error{
				Kind: chain.Mismatch, Endpoint: "first", What: chain.Describe(q.Method, q.Params), Tries: asked, Spent: time.Second, Err: errors.New(rejected[i][asked-1].Reason),
			}}
			continue
		}
		s.mu.Lock()
		results[i].Raw = s.trick.Spoil(s.random, results[i].Raw)
		s.mu.Unlock()
	}
	return results, err
}

// reading runs a register's source over a host, and returns its rows.
func reading[T transit.Row](t *testing.T, service chain.Service, to uint64, open opener[T]) ([]T, error) {
	t.Helper()
	out := &rows[T]{after: func(sdk.SafePoint) {}}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := defaults()
	c.pause = time.Microsecond
	start := sdk.Start{Network: sdk.Network{Name: "test", ChainID: 1}, To: &to}
	err := runOn(ctx, chain.NewClient(service, "test", chain.Asker{}), hclog.NewNullLogger(), c, start, out, open)
	return out.all, err
}

func (s *twoFaced) logs(t *testing.T, to uint64, settings *logs) ([]string, error) {
	t.Helper()
	settings.connection = defaults()
	chosen, err := settings.filter(nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := reading(t, s, to, settings.source(chosen, nil))
	return texts(all), err
}

// texts writes rows so that they can be compared, with all that they point to.
func texts(all []eth.Log) (out []string) {
	for _, l := range all {
		out = append(out, fmt.Sprintf("%d %s %s %d %d %s %s %v %x", l.BlockNumber, l.BlockHash, l.Timestamp, l.TransactionIndex, l.LogIndex, l.TransactionHash, l.Address, l.Topics, l.Data))
	}
	return out
}

// truth is the logs of a chain.
func truth(made *nodetest.Chain, from, to uint64, takes func(nodetest.Log) bool) (all []eth.Log) {
	for _, b := range made.Range(from, to) {
		for _, l := range b.Logs {
			if takes(l) {
				all = append(all, eth.Log{
					BlockNumber: b.Number, BlockHash: b.Hash, Timestamp: b.Time, TransactionIndex: uint64(l.Transaction), LogIndex: l.Index,
					TransactionHash: b.Transactions[l.Transaction], Address: l.Address, Topics: l.Topics, Data: l.Data,
				})
			}
		}
	}
	return all
}

// Whatever a node answers: where another is there to ask, all rows are right; where none is, the error says who said what, and no row is
// wrong.
func TestHostileAnswers(t *testing.T) {
	made := nodetest.Make(nodetest.Config{Seed: 5}, 140)
	made.Finalize(100)
	for _, trick := range nodetest.Tricks() {
		for _, honest := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%s/honest=%v", trick.Method, trick.Name, honest), func(t *testing.T) {
				t.Parallel()
				service := func() *twoFaced {
					return &twoFaced{Memory: nodetest.Memory{Node: &nodetest.Node{Chain: made}}, trick: trick, honest: honest, random: rand.New(rand.NewPCG(1, 2))}
				}
				hostileBlocks(t, made, service())
				hostileLogs(t, made, service(), &logs{})
				hostileLogs(t, made, service(), &logs{Complete: true})
				if !trick.Silent {
					hostileLogs(t, made, service(), &logs{Addresses: []common.Address{nodetest.Address(0), nodetest.Address(2)}})
				}
				hostileLogs(t, made, service(), &logs{Addresses: []common.Address{nodetest.Address(1)}, Complete: true})
			})
		}
	}
}

func hostileBlocks(t *testing.T, made *nodetest.Chain, s *twoFaced) {
	t.Helper()
	got, err := reading(t, s, 139, (&blocks{Receipts: true, Batch: 20}).source)
	var have, want []string
	for _, b := range got {
		have = append(have, fmt.Sprint(b.BlockNumber, b.BlockHash))
		for _, tx := range b.Transactions {
			have = append(have, fmt.Sprint(tx.TransactionHash, *tx.Status, *tx.CumulativeGasUsed, *tx.LogCount))
		}
	}
	for _, b := range made.Range(0, 139) {
		want = append(want, fmt.Sprint(b.Number, b.Hash))
		for i, hash := range b.Transactions {
			r := b.Receipt(i)
			want = append(want, fmt.Sprint(hash, r.Status, r.CumulativeGasUsed, len(r.Logs)))
		}
	}
	settled(t, "blocks", s, want, have, err)
}

func hostileLogs(t *testing.T, made *nodetest.Chain, s *twoFaced, settings *logs) {
	t.Helper()
	got, err := s.logs(t, 139, settings)
	want := texts(truth(made, 0, 139, func(l nodetest.Log) bool {
		return len(settings.Addresses) == 0 || slices.Contains(settings.Addresses, l.Address)
	}))
	settled(t, fmt.Sprintf("logs of %v, complete=%v", settings.Addresses, settings.Complete), s, want, got, err)
}

// settled checks what reading came to: everything, or the beginning of it and an error that tells who, what, which block and what was wrong.
func settled(t *testing.T, what string, s *twoFaced, want, got []string, err error) {
	t.Helper()
	if err == nil {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: rows (-want +got):\n%s", what, diff)
		}
		return
	}
	if s.honest {
		t.Errorf("%s: %v", what, err)
		return
	}
	if len(got) > len(want) || !slices.Equal(want[:len(got)], got) {
		t.Errorf("%s: rows that are not the chain's came before the error:\n%s", what, cmp.Diff(want[:min(len(got), len(want))], got))
	}
	for _, part := range []string{"ask first for " + s.trick.Method + "[", "tried 3 times in 1s: "} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: the error does not say %q: %v", what, part, err)
		}
	}
}
