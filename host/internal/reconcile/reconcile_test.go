package reconcile_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/reconcile"
	"github.com/penstock-io/penstock/sdk/digest"
)

// store holds a number of rows of some blocks.
type store struct {
	rows  map[uint64][]string
	asked int
}

func newStore(blocks uint64) *store {
	s := &store{rows: map[uint64][]string{}}
	for n := range blocks {
		if n%3 == 0 {
			s.rows[n] = []string{"a", "b"}
		}
	}
	return s
}

func (s *store) side(name string) reconcile.Side {
	return reconcile.Side{Name: name, Digest: func(_ context.Context, ranges []digest.Range) ([]digest.Range, error) {
		s.asked++
		out := slices.Clone(ranges)
		for block, rows := range s.rows {
			for i := range out {
				if block < out[i].From || block > out[i].To {
					continue
				}
				for _, text := range rows {
					var row digest.Row
					row.Value(block)
					row.Value(text)
					out[i].Rows++
					out[i].Sum.Add(row.Digest())
				}
			}
		}
		return out, nil
	}}
}

func TestDifferencesAreFoundToTheBlock(t *testing.T) {
	a, b := newStore(10_000), newStore(10_000)
	b.rows[3] = b.rows[3][:1]                // one is missing
	b.rows[4] = []string{"c"}                // one too many
	b.rows[6000] = []string{"a", "a"}        // as many, but others
	b.rows[9999] = append(b.rows[9999], "b") // one twice
	b.rows[20_000] = []string{"x"}           // of no concern
	progress := uint64(0)
	r, err := reconcile.Run(t.Context(), reconcile.Config{A: a.side("store"), B: b.side("chain"), From: 1, To: 9999, Every: 1000, Progress: func(n uint64) { progress += n }})
	if err != nil {
		t.Fatal(err)
	}
	want := &reconcile.Report{
		A: "store", B: "chain", From: 1, To: 9999, RowsA: 6666, RowsB: 6667,
		Differences: []reconcile.Difference{
			{From: 3, To: 4, RowsA: 2, RowsB: 2}, {From: 6000, To: 6000, RowsA: 2, RowsB: 2}, {From: 9999, To: 9999, RowsA: 2, RowsB: 3},
		},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Equal() || progress != 9999 || a.asked > 10 {
		t.Errorf("equal: %v, progress %d, asked %d times", r.Equal(), progress, a.asked)
	}
}

func TestEqualStores(t *testing.T) {
	a, b := newStore(500), newStore(500)
	r, err := reconcile.Run(t.Context(), reconcile.Config{A: a.side("a"), B: b.side("b"), From: 0, To: 499})
	if err != nil || !r.Equal() || r.RowsA != 334 || r.RowsB != 334 || a.asked != 1 {
		t.Errorf("got %+v and %v, asked %d times", r, err, a.asked)
	}
}

// Looking ends when enough was found, whatever there is.
func TestManyDifferences(t *testing.T) {
	a, b := newStore(3000), newStore(3000)
	seed := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		b.rows[seed.Uint64N(1000)*3] = nil
	}
	r, err := reconcile.Run(t.Context(), reconcile.Config{A: a.side("a"), B: b.side("b"), From: 0, To: 2999, Every: 100, Most: 5})
	if err != nil || len(r.Differences) != 5 || !r.More {
		t.Fatalf("got %+v and %v", r, err)
	}
}

func TestASideThatCannotTell(t *testing.T) {
	broken := reconcile.Side{Name: "store b", Digest: func(context.Context, []digest.Range) ([]digest.Range, error) {
		return nil, errors.New("the file is gone")
	}}
	_, err := reconcile.Run(t.Context(), reconcile.Config{A: newStore(5).side("a"), B: broken, To: 4})
	if err == nil || !strings.Contains(err.Error(), "ask store b what it holds of blocks 0 to 4: the file is gone") {
		t.Errorf("got %v", err)
	}
}
