package main

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/shared"
)

// hosted runs the registers with a host that asks a made-up node and has a set.
func hosted(t *testing.T, n *nodetest.Node, sets shared.Service) *plugintest.Plugin {
	t.Helper()
	p := plugintest.Run(t, registers()...)
	p.Host(t, nodetest.Direct(t, n), sets)
	return p
}

func TestContractBlocks(t *testing.T) {
	made := nodetest.NewChain(80)
	p := hosted(t, &nodetest.Node{Chain: made}, nil)
	to := uint64(80)
	start := sdk.Start{Network: sdk.Network{Name: "main", ChainID: 1}, To: &to}
	settings := map[string]any{
		"addresses": []string{nodetest.Address(2).Hex()},
		"contract": []map[string]any{
			{"address": nodetest.Address(0).Hex(), "topics": [][]string{{nodetest.Topic(0).Hex()}}},
			{"addresses": []string{nodetest.Address(1).Hex()}, "topics": [][]string{{nodetest.Topic(1).Hex()}}},
		},
	}
	got := plugintest.Read[eth.Log](t, p, "eth.logs", settings, start).Rows
	want := truth(made, 0, to, func(l nodetest.Log) bool {
		return l.Address == nodetest.Address(2) || l.Address == nodetest.Address(0) && l.Topics[0] == nodetest.Topic(0) ||
			l.Address == nodetest.Address(1) && l.Topics[0] == nodetest.Topic(1)
	})
	if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
}

// set is a set of words that a test changes.
type set struct {
	mu      sync.Mutex // protects the fields below
	value   shared.Value
	changed chan struct{}
}

func newSet(words ...string) *set {
	return &set{value: shared.Value{Version: 1, Members: words}, changed: make(chan struct{})}
}

func (s *set) change(words ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = shared.Value{Version: s.value.Version + 1, Members: words}
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *set) Watch(ctx context.Context, q shared.Query, take func(shared.Value) error) error {
	for {
		s.mu.Lock()
		value, changed := s.value, s.changed
		s.mu.Unlock()
		if q.Key != "pools" {
			value = shared.Value{}
		}
		if err := take(value); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Addresses come from the pipeline's shared state and change while a reader follows the head; words that are none are left out.
func TestAddressesThatPeopleChange(t *testing.T) {
	made := nodetest.NewChain(40)
	made.Finalize(20)
	sets := newSet("0x12", nodetest.Address(1).Hex())
	p := hosted(t, &nodetest.Node{Chain: made}, sets)
	step := plugintest.Step{Register: "eth.logs", Settings: map[string]any{"shared": "pools"}, Start: sdk.Start{Network: sdk.Network{Name: "main", ChainID: 1}}}
	reading := plugintest.Open(t, p, step)
	var got []eth.Log
	until := func(number uint64) {
		t.Helper()
		for {
			switch e := reading.Next(); e.What {
			case plugintest.Rows:
				got = append(got, plugintest.RowsOf[eth.Log](t, e)...)
			case plugintest.SafePoint:
				if e.SafePoint.Cursor.Block == number {
					return
				}
			case plugintest.Failed:
				t.Fatal(e.Failure)
			default: // nothing that rows depend on
			}
		}
	}
	chosen := []common.Address{nodetest.Address(1)}
	compare := func(from, to uint64) {
		t.Helper()
		want := truth(made, from, to, func(l nodetest.Log) bool { return slices.Contains(chosen, l.Address) })
		if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
			t.Errorf("logs (-want +got):\n%s", diff)
		}
	}
	until(40)
	compare(0, 40)
	// The change is on its way to the reader: some block soon is the first with it.
	sets.change(nodetest.Address(0).Hex(), nodetest.Address(2).Hex())
	for arrived := false; !arrived; {
		got = nil
		made.Mine(1)
		until(made.Height())
		arrived = slices.ContainsFunc(got, func(l eth.Log) bool { return l.Address != nodetest.Address(1) })
	}
	chosen = []common.Address{nodetest.Address(0), nodetest.Address(2)}
	from := made.Height() + 1
	got = nil
	made.Mine(15)
	until(made.Height())
	compare(from, made.Height())
	reading.Drain()
	reading.Until(plugintest.Ended)
}

// A set that nobody has filled chooses no logs, and not all of them.
func TestEmptySetChoosesNothing(t *testing.T) {
	made := nodetest.NewChain(60)
	p := hosted(t, &nodetest.Node{Chain: made}, newSet())
	to := uint64(60)
	got := plugintest.Read[eth.Log](t, p, "eth.logs", map[string]any{"shared": "nobody"}, sdk.Start{Network: sdk.Network{Name: "main", ChainID: 1}, To: &to})
	if last := got.SafePoints[len(got.SafePoints)-1]; len(got.Rows) > 0 || last.Cursor.Block != to {
		t.Errorf("got %d logs up to block %d, want none up to 60", len(got.Rows), last.Cursor.Block)
	}
}
