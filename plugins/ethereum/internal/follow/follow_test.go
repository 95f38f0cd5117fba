package follow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

// However the head moves and whatever is reorganised meanwhile, the host ends up with every block of the chain once and in order.
func TestEveryBlockOnceWhateverTheHeadDoes(t *testing.T) {
	seeds := 400
	if testing.Short() {
		seeds = 50
	}
	for seed := range uint64(seeds) {
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { t.Parallel(); restless(t, seed) }) {
			return
		}
	}
}

func restless(t *testing.T, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	w := &world{random: random, chain: nodetest.Make(nodetest.Config{Bodies: 4}, uint64(random.IntN(120))), goal: 400}
	d := &direct{Chain: w.chain, move: w.move, size: uint64(1 + random.IntN(12)), finalKnown: random.IntN(3) > 0}
	c := follow.Config{ChainID: 7, From: uint64(random.IntN(150)), Width: 1 + random.IntN(5), Pause: time.Microsecond}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if seed%2 == 0 {
		c.To = new(uint64(380))
		l := &ledger{}
		if err := host(ctx, c, d, l); err != nil {
			t.Fatalf("Run: %v", err)
		}
		linked(t, w.chain, c.From, 380, l) // what was replaced after the end was reached, nobody could know
		return
	}
	arrived := errors.New("arrived at the head, which moves no more")
	ctx, stop := context.WithCancelCause(ctx)
	l := &ledger{after: func(p sdk.SafePoint) {
		if head := w.chain.Head(); head.Number >= w.goal && head.Hash == p.Cursor.Hash {
			stop(arrived)
		}
	}}
	if err := host(ctx, c, d, l); !errors.Is(err, arrived) {
		t.Fatalf("Run: %v", err)
	}
	if diff := cmp.Diff(want(w.chain, c.From, w.chain.Height()), l.rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// linked checks that rows are blocks from..to, each the parent of the next, and that a safe point ends them.
func linked(t *testing.T, c *nodetest.Chain, from, to uint64, l *ledger) {
	t.Helper()
	if got, want := len(l.rows), int(to-from+1); got != want {
		t.Fatalf("got %d rows, want %d", got, want)
	}
	last := l.points[len(l.points)-1]
	if last.Cursor.Block != to || last.rows != len(l.rows) {
		t.Errorf("last safe point: block %d after %d rows, want block %d after %d", last.Cursor.Block, last.rows, to, len(l.rows))
	}
	at := c.By(last.Cursor.Hash)
	var rows []string
	for number := to; ; number-- {
		rows = append(rows, nodetest.Key(at.Number, at.Hash, 0))
		if number == from {
			break
		}
		at = c.By(at.Parent)
	}
	slices.Reverse(rows)
	if diff := cmp.Diff(rows, l.rows); diff != "" {
		t.Errorf("rows are not one chain (-want +got):\n%s", diff)
	}
}

func still(c *nodetest.Chain) *direct {
	return &direct{Chain: c, move: func() bool { return false }, size: 10, finalKnown: true}
}

func TestBothEndsAreInclusive(t *testing.T) {
	chain := nodetest.Make(nodetest.Config{Bodies: 4}, 50)
	chain.Finalize(30)
	for _, c := range []struct{ from, to uint64 }{{0, 0}, {0, 50}, {50, 50}, {30, 31}, {31, 31}, {5, 29}, {20, 40}} {
		l := &ledger{}
		if err := follow.Run(t.Context(), follow.Config{From: c.from, To: new(c.to)}, still(chain), still(chain), l); err != nil {
			t.Fatalf("%d to %d: %v", c.from, c.to, err)
		}
		if diff := cmp.Diff(want(chain, c.from, c.to), l.rows); diff != "" {
			t.Errorf("%d to %d (-want +got):\n%s", c.from, c.to, diff)
		}
	}
}

func TestSafePoints(t *testing.T) {
	chain := nodetest.Make(nodetest.Config{Bodies: 4}, 24)
	chain.Finalize(20)
	l := &ledger{}
	if err := follow.Run(t.Context(), follow.Config{ChainID: 7, From: 1, To: new(uint64(24))}, still(chain), still(chain), l); err != nil {
		t.Fatal(err)
	}
	var got []uint64
	for _, p := range l.points {
		got = append(got, p.Cursor.Block)
		if p.Head != 24 || p.Finalized != 20 || p.Cursor.ChainID != 7 {
			t.Errorf("safe point %+v: want head 24, finalized 20, chain 7", p.SafePoint)
		}
		if p.Cursor.Hash != chain.At(p.Cursor.Block).Hash {
			t.Errorf("safe point of block %d has hash %x", p.Cursor.Block, p.Cursor.Hash)
		}
	}
	// After every range of final blocks, and after every block above.
	if diff := cmp.Diff([]uint64{10, 20, 21, 22, 23, 24}, got); diff != "" {
		t.Errorf("safe points (-want +got):\n%s", diff)
	}
}

func TestStartsAtTheHeadIfToldTo(t *testing.T) {
	chain := nodetest.Make(nodetest.Config{Bodies: 4}, 50)
	l := &ledger{}
	if err := follow.Run(t.Context(), follow.Config{FromLatest: true, To: new(uint64(50))}, still(chain), still(chain), l); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want(chain, 50, 50), l.rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestGoesOnAfterTheCursor(t *testing.T) {
	chain := nodetest.Make(nodetest.Config{Bodies: 4}, 50)
	cursor := &sdk.Cursor{Block: 40, Hash: chain.At(40).Hash}
	l := &ledger{}
	if err := follow.Run(t.Context(), follow.Config{From: 3, Cursor: cursor, To: new(uint64(45))}, still(chain), still(chain), l); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want(chain, 41, 45), l.rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestCursorAtTheEndIsDone(t *testing.T) {
	chain := nodetest.Make(nodetest.Config{Bodies: 4}, 50)
	l := &ledger{}
	cursor := &sdk.Cursor{Block: 45, Hash: chain.At(45).Hash}
	if err := follow.Run(t.Context(), follow.Config{Cursor: cursor, To: new(uint64(45))}, still(chain), still(chain), l); err != nil || len(l.rows) > 0 {
		t.Errorf("got %v and rows %v, want nothing", err, l.rows)
	}
}

func TestWaitsForBlocksThatAreNotThereYet(t *testing.T) {
	chain := nodetest.Make(nodetest.Config{Bodies: 4}, 10)
	l := &ledger{}
	done := make(chan error, 1)
	go func() {
		done <- follow.Run(t.Context(), follow.Config{From: 14, To: new(uint64(16))}, still(chain), still(chain), l)
	}()
	for range 10 {
		chain.Mine(1)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want(chain, 14, 16), l.rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// A run is told at the head to change the chain, and must report the newest block that is left.
func TestReorgIsReportedWithItsFork(t *testing.T) {
	cases := []struct {
		name   string
		change func(c *nodetest.Chain)
		fork   uint64
	}{
		{"as high as before", func(c *nodetest.Chain) { c.Reorg(3, 3) }, 97},
		{"higher", func(c *nodetest.Chain) { c.Reorg(5, 9) }, 95},
		{"lower", func(c *nodetest.Chain) { c.Reorg(5, 2) }, 95},
		{"shorter first, then longer", func(c *nodetest.Chain) { c.Reorg(5, 0); c.Mine(7) }, 95},
		{"below the first block that was read", func(c *nodetest.Chain) { c.Reorg(30, 40) }, 70},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			chain := nodetest.Make(nodetest.Config{Bodies: 4}, 100)
			chain.Finalize(60)
			changed := false
			l := &ledger{after: func(p sdk.SafePoint) {
				if p.Cursor.Block == 100 && !changed {
					changed = true
					c.change(chain)
				}
			}}
			err := follow.Run(t.Context(), follow.Config{From: 80, Pause: time.Microsecond}, still(chain), still(chain), l)
			if err != nil {
				t.Fatal(err)
			}
			if l.fork == nil || l.fork.Block != c.fork || l.fork.Hash != chain.At(c.fork).Hash {
				t.Errorf("got fork %+v, want block %d", l.fork, c.fork)
			}
		})
	}
}

func TestHeadThatFallsBackWithoutOthersIsNoReorg(t *testing.T) {
	chain := nodetest.Make(nodetest.Config{Bodies: 4}, 20)
	d := still(chain)
	low := true
	l := &ledger{}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	l.after = func(p sdk.SafePoint) {
		if p.Cursor.Block == 25 {
			cancel(enough)
		}
	}
	heads := lagging{d, func() view.Ref { // 20, then 17 for once, then 25
		if !low {
			chain.Mine(int(25 - chain.Height()))
			return chain.Head().Ref
		}
		low = false
		return chain.At(17).Ref
	}, false}
	if err := follow.Run(ctx, follow.Config{From: 10}, &heads, d, l); !errors.Is(err, enough) {
		t.Fatalf("Run: %v", err)
	}
	if diff := cmp.Diff(want(chain, 10, 25), l.rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// lagging answers the first Next as the chain does and the others its own way.
type lagging struct {
	*direct
	then  func() view.Ref
	begun bool
}

func (l *lagging) Next(ctx context.Context) (view.Ref, error) {
	if ctx.Err() != nil {
		return view.Ref{}, context.Cause(ctx)
	}
	if !l.begun {
		l.begun = true
		return l.direct.Next(ctx)
	}
	return l.then(), nil
}

func TestCursorThatIsNoLongerOnTheChain(t *testing.T) {
	cases := []struct {
		name   string
		before func(c *nodetest.Chain)
		final  uint64 // 0: unknown
		fork   uint64
		err    string
	}{
		{"the node still has the old blocks", func(c *nodetest.Chain) { c.Reorg(20, 40) }, 10, 80, ""},
		{"the node has them and knows nothing final", func(c *nodetest.Chain) { c.Reorg(20, 40) }, 0, 80, ""},
		{"the node has forgotten them", func(c *nodetest.Chain) { c.Reorg(20, 40); c.Forget() }, 70, 70, ""},
		{"below what is final", func(c *nodetest.Chain) { c.Reorg(20, 40); c.Forget() }, 110, 0, "check that the endpoint serves the chain that was read before"},
		{"forgotten and nothing is final: one block back, to be asked again there", func(c *nodetest.Chain) { c.Reorg(20, 40); c.Forget() }, 0, 89, ""},
		{"another chain", func(c *nodetest.Chain) { c.Reorg(1000, 150); c.Forget() }, 120, 0, "start this pipeline anew"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			chain := nodetest.Make(nodetest.Config{Bodies: 4}, 100)
			cursor := &sdk.Cursor{Block: 90, Hash: chain.At(90).Hash}
			c.before(chain)
			chain.Finalize(c.final)
			d := still(chain)
			d.finalKnown = c.final > 0
			l := &ledger{}
			err := follow.Run(t.Context(), follow.Config{Cursor: cursor, Pause: time.Microsecond}, d, d, l)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || l.fork != nil {
					t.Errorf("got %v and fork %v, want an error with %q", err, l.fork, c.err)
				}
				return
			}
			hash := chain.At(c.fork).Hash
			if c.fork == cursor.Block-1 {
				hash = common.Hash{} // nobody knows whether it is the fork
			}
			if err != nil || l.fork == nil || l.fork.Block != c.fork || l.fork.Hash != hash {
				t.Errorf("got %v and fork %+v, want block %d", err, l.fork, c.fork)
			}
		})
	}
}

func TestReorgOfFinalBlocksStops(t *testing.T) {
	chain := nodetest.Make(nodetest.Config{Bodies: 4}, 100)
	chain.Finalize(90)
	changed := false
	l := &ledger{after: func(p sdk.SafePoint) {
		if p.Cursor.Block == 100 && !changed {
			changed = true
			chain.Reorg(20, 25)
		}
	}}
	err := follow.Run(t.Context(), follow.Config{From: 70, Pause: time.Microsecond}, still(chain), still(chain), l)
	if err == nil || !strings.Contains(err.Error(), "block 90 was final") || l.fork != nil {
		t.Errorf("got %v and fork %+v, want an error that says so", err, l.fork)
	}
}

func TestEndpointsThatContradictThemselvesAreAnError(t *testing.T) {
	chain := nodetest.Make(nodetest.Config{Bodies: 4}, 10)
	d := still(chain)
	l := &ledger{}
	err := follow.Run(t.Context(), follow.Config{From: 0, Pause: time.Microsecond}, d, twisted{d}, l)
	if err == nil || !strings.Contains(err.Error(), "contradict") {
		t.Errorf("got %v, want an error that says so", err)
	}
}

// twisted links every span but the first to a block that nobody has.
type twisted struct{ *direct }

func (d twisted) Span(ctx context.Context, e follow.Extent) (follow.Span[string], error) {
	s, err := d.direct.Span(ctx, e)
	s.Parent = common.Hash{1}
	return s, err
}

func (d twisted) Size(bool) uint64 { return 2 }

func TestErrorOfTheSourceComesAfterWhatWasReadBefore(t *testing.T) {
	chain := nodetest.Make(nodetest.Config{Bodies: 4}, 100)
	chain.Finalize(100)
	d := still(chain)
	broken := errors.New("broken")
	l := &ledger{}
	err := follow.Run(t.Context(), follow.Config{From: 0}, d, breaking{d, 50, broken}, l)
	if !errors.Is(err, broken) {
		t.Fatalf("got %v, want %v", err, broken)
	}
	if diff := cmp.Diff(want(chain, 0, 49), l.rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

type breaking struct {
	*direct
	at  uint64
	err error
}

func (b breaking) Span(ctx context.Context, e follow.Extent) (follow.Span[string], error) {
	if e.From <= b.at && b.at <= e.To {
		return follow.Span[string]{}, b.err
	}
	return b.direct.Span(ctx, e)
}

func TestEndBeforeTheBeginningIsRefused(t *testing.T) {
	chain := nodetest.Make(nodetest.Config{Bodies: 4}, 20)
	err := follow.Run(t.Context(), follow.Config{From: 10, To: new(uint64(5))}, still(chain), still(chain), &ledger{})
	if err == nil || !strings.Contains(err.Error(), "the last block to read, 5, lies before the first, 10") {
		t.Errorf("got %v", err)
	}
}
