package view_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

func viewOf(t *testing.T, service chain.Service, finality string) *view.View {
	t.Helper()
	v, err := view.New(chain.NewClient(service, "main", chain.Asker{}), finality)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestFinality(t *testing.T) {
	made := nodetest.NewChain(20)
	made.Finalize(12)
	cases := []struct {
		finality string
		node     nodetest.Node
		block    uint64
		known    bool
	}{
		{"", nodetest.Node{}, 12, true},
		{"safe", nodetest.Node{}, 12, true},
		{"5", nodetest.Node{}, 15, true},
		{"21", nodetest.Node{}, 0, false},
		{"finalized", nodetest.Node{NoFinal: true}, 0, false},
	}
	for _, c := range cases {
		c.node.Chain = made
		block, known, err := viewOf(t, &nodetest.Memory{Node: &c.node}, c.finality).Final(t.Context(), 20)
		if block != c.block || known != c.known || err != nil {
			t.Errorf("%q: got %d, %v, %v, want %d, %v", c.finality, block, known, err, c.block, c.known)
		}
	}
	_, err := view.New(chain.NewClient(nil, "main", chain.Asker{}), "soon")
	if err == nil || !strings.Contains(err.Error(), `network "main": finality "soon" is not understood`) {
		t.Errorf("got %v", err)
	}
}

func TestPlacesOfBlocks(t *testing.T) {
	made := nodetest.NewChain(20)
	old := made.At(19)
	made.Reorg(4, 5)
	v := viewOf(t, &nodetest.Memory{Node: &nodetest.Node{Chain: made, ChainID: 99}}, "")
	refs, err := v.Canonical(t.Context(), []uint64{3, 19, 700})
	if err != nil || refs[0] != made.At(3).Ref || refs[1] != made.At(19).Ref || refs[2] != (view.Ref{}) {
		t.Errorf("got %+v, %v", refs, err)
	}
	if ref, found, err := v.ByHash(t.Context(), old.Hash); ref != old.Ref || !found || err != nil {
		t.Errorf("got %+v, %v, %v, want the block that was replaced", ref, found, err)
	}
	if _, found, err := v.ByHash(t.Context(), common.Hash{1}); found || err != nil {
		t.Errorf("got %v, %v for a hash of no block", found, err)
	}
	if head, err := v.Latest(t.Context()); head != made.Head().Ref || err != nil {
		t.Errorf("got head %+v, %v", head, err)
	}
	if id, err := v.ChainID(t.Context()); id != 99 || err != nil {
		t.Errorf("got chain %d, %v", id, err)
	}
}

// deaf ends every subscription, and counts them.
type deaf struct {
	nodetest.Memory
	asked atomic.Int32
}

func (d *deaf) Subscribe(context.Context, chain.Subscription, func([]byte) error) error {
	d.asked.Add(1)
	return errors.New("no subscriptions here")
}

// Heads come by subscription, or by asking where there is none; each once, the newest first, and never the same twice in a row.
func TestHeads(t *testing.T) {
	for name, make := range map[string]func(*nodetest.Node) chain.Service{
		"told":  func(n *nodetest.Node) chain.Service { return &nodetest.Memory{Node: n} },
		"asked": func(n *nodetest.Node) chain.Service { return &deaf{Memory: nodetest.Memory{Node: n}} },
	} {
		t.Run(name, func(t *testing.T) {
			made := nodetest.NewChain(20)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			heads := viewOf(t, make(&nodetest.Node{Chain: made}), "").Heads(ctx, time.Millisecond, hclog.NewNullLogger())
			defer heads.Close()
			for i := range 5 {
				for {
					ref, err := heads.Next(ctx)
					if err != nil {
						t.Fatal(err)
					}
					if ref == made.Head().Ref {
						break
					}
				}
				if raw, ok := heads.Announced(made.Head().Hash); ok && !strings.Contains(string(raw), made.Head().Hash.Hex()) {
					t.Errorf("the news of block %d is %s", made.Height(), raw)
				}
				if i == 3 {
					made.Reorg(2, 2)
				} else {
					made.Mine(1)
				}
			}
			if _, ok := heads.Announced(common.Hash{1}); ok {
				t.Error("a block that nobody told of was announced")
			}
		})
	}
}

// A head that does not decode or is none of the chain's is no reason to stop.
func TestOddNews(t *testing.T) {
	made := nodetest.NewChain(20)
	service := &odd{Memory: nodetest.Memory{Node: &nodetest.Node{Chain: made}}}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	heads := viewOf(t, service, "").Heads(ctx, time.Millisecond, hclog.NewNullLogger())
	defer heads.Close()
	if _, err := heads.Next(ctx); err != nil {
		t.Fatal(err)
	}
	made.Mine(1)
	if ref, err := heads.Next(ctx); ref != made.Head().Ref || err != nil {
		t.Errorf("got %+v, %v", ref, err)
	}
}

// odd tells of heads that are none.
type odd struct{ nodetest.Memory }

func (o *odd) Subscribe(ctx context.Context, s chain.Subscription, take func([]byte) error) error {
	return o.Memory.Subscribe(ctx, s, func([]byte) error { return take([]byte(`{"number":"many"}`)) })
}
