package epoch_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/epoch"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/eth"
)

func open(t *testing.T, c *nodetest.Chain) *chain.Client {
	t.Helper()
	return chain.NewClient(nodetest.Direct(t, &nodetest.Node{Chain: c}), "test", chain.Asker{})
}

func want(c *nodetest.Chain, number, begin, end uint64) eth.Epoch {
	first, last := c.At(begin), c.At(end)
	return eth.Epoch{
		BlockNumber: end, BlockHash: last.Hash, Timestamp: last.Time, EpochNumber: number, BeginBlock: begin, EndBlock: end,
		BeginHash: first.Hash, EndHash: last.Hash, BeginTime: first.Time, EndTime: last.Time, BlockCount: end - begin + 1, ChainID: 7,
	}
}

// Epochs begin and end with blocks that are theirs, and each ends where the next does not begin.
func TestEpochs(t *testing.T) {
	c := nodetest.NewChain(100)
	for _, test := range []struct {
		name          string
		length, first uint64
		extent        follow.Extent
		want          []eth.Epoch
	}{
		{"history", 10, 0, follow.Extent{From: 0, To: 35, Final: true}, []eth.Epoch{want(c, 0, 0, 9), want(c, 1, 10, 19), want(c, 2, 20, 29)}},
		{"the first block is not 0", 10, 3, follow.Extent{From: 3, To: 25, Final: true}, []eth.Epoch{want(c, 0, 3, 12), want(c, 1, 13, 22)}},
		{"going on within one", 10, 3, follow.Extent{From: 20, To: 23, Final: true}, []eth.Epoch{want(c, 1, 13, 22)}},
		{"at the head", 4, 0, follow.Extent{From: 94, To: 99}, []eth.Epoch{want(c, 23, 92, 95), want(c, 24, 96, 99)}},
		{"of one block", 1, 5, follow.Extent{From: 5, To: 6}, []eth.Epoch{want(c, 0, 5, 5), want(c, 1, 6, 6)}},
		{"none ends", 50, 0, follow.Extent{From: 50, To: 98, Final: true}, nil},
		{"none ends before the first does", 10, 3, follow.Extent{From: 2, To: 4, Final: true}, nil},
	} {
		s := &epoch.Source{Client: open(t, c), ChainID: 7, Length: test.length, First: test.first}
		span, err := s.Span(t.Context(), test.extent)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(test.want, append([]eth.Epoch(nil), span.Rows...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if last := span.Blocks[len(span.Blocks)-1]; last.Number != test.extent.To || last.End != len(span.Rows) || (test.extent.From > 0 && span.Parent != c.At(test.extent.From-1).Hash) {
			t.Errorf("%s: the span ends with %+v and follows %s", test.name, last, span.Parent)
		}
	}
}

// heads is a chain of which only heads are asked.
type heads struct {
	follow.Chain
	c     *nodetest.Chain
	steps []func()
}

func (h *heads) Next(context.Context) (view.Ref, error) {
	h.steps[0]()
	h.steps = h.steps[1:]
	return h.c.Head().Ref, nil
}

func (h *heads) Latest(context.Context) (view.Ref, error) { return h.c.Head().Ref, nil }

func (h *heads) Canonical(_ context.Context, numbers []uint64) ([]view.Ref, error) {
	return []view.Ref{h.c.At(numbers[0]).Ref}, nil
}

// The head of a chain that is read at a distance comes when enough blocks follow it, and once.
func TestBehind(t *testing.T) {
	c := nodetest.NewChain(1)
	nothing := func() {}
	b := &epoch.Behind{Offset: 3, Chain: &heads{c: c, steps: []func(){nothing, func() { c.Mine(2) }, nothing, func() { c.Mine(4) }, func() { c.Reorg(2, 3) }, func() { c.Reorg(6, 6) }}}}
	for _, number := range []uint64{0, 4, 5} {
		ref, err := b.Next(t.Context())
		if err != nil || ref != c.At(number).Ref {
			t.Fatalf("got %+v and %v, want block %d", ref, err, number)
		}
		if again, err := b.Latest(t.Context()); err != nil || again != ref {
			t.Errorf("the newest is %+v and %v, want %+v", again, err, ref)
		}
	}
	before := c.At(5).Hash
	ref, err := b.Next(t.Context())
	if err != nil || ref.Hash == before || ref != c.At(5).Ref {
		t.Errorf("after a reorg got %+v and %v, want the other block 5", ref, err)
	}
}
