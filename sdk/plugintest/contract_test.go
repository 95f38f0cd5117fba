package plugintest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// shelf is a store that keeps its promises, and outlives the loaders that
// write to it.
type shelf struct {
	mu         sync.Mutex
	rows       []string
	marks      map[uint64]int // rows at each checkpoint
	generation uint64
}

func (s *shelf) content() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.rows...)
}

// shelves are stores by name.
type shelves struct {
	mu     sync.Mutex
	shelfs map[string]*shelf
}

func (s *shelves) named(name string) *shelf {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shelfs[name] == nil {
		s.shelfs[name] = &shelf{marks: map[uint64]int{}}
	}
	return s.shelfs[name]
}

// keeper is the smallest loader that truncates.
type keeper struct {
	Shelf string `hcl:"shelf"`

	all        *shelves
	shelf      *shelf
	generation uint64
	inputs     []sdk.Input
	rows       []string // not committed yet
}

func (k *keeper) Start(_ context.Context, start sdk.Start) error {
	k.shelf, k.generation, k.inputs = k.all.named(k.Shelf), start.Generation, start.Inputs
	k.shelf.mu.Lock()
	defer k.shelf.mu.Unlock()
	if start.Generation < k.shelf.generation {
		return sdk.Stop(errors.New("a newer process has been opened"))
	}
	rows, ok := k.shelf.marks[start.Checkpoint]
	if !ok && start.Checkpoint > 0 {
		return sdk.Stop(errors.New("the checkpoint is not known: begin anew with penstock run --fresh"))
	}
	k.shelf.generation, k.shelf.rows = start.Generation, k.shelf.rows[:rows]
	for checkpoint := range k.shelf.marks {
		if checkpoint > start.Checkpoint {
			delete(k.shelf.marks, checkpoint)
		}
	}
	return nil
}

func (k *keeper) Load(_ context.Context, rows []row) error {
	for _, r := range rows {
		k.rows = append(k.rows, strconv.FormatInt(r.Value, 10))
	}
	return nil
}

func (k *keeper) Commit(_ context.Context, commit sdk.Commit) error {
	k.shelf.mu.Lock()
	defer k.shelf.mu.Unlock()
	if k.generation < k.shelf.generation {
		return sdk.Stop(errors.New("a newer process has been opened"))
	}
	k.shelf.rows = append(k.shelf.rows, k.rows...)
	k.rows = nil
	if commit.Checkpoint > 0 {
		k.shelf.marks[commit.Checkpoint] = len(k.shelf.rows)
	}
	return nil
}

func (k *keeper) Final(_ context.Context, checkpoint uint64) error {
	k.shelf.mu.Lock()
	defer k.shelf.mu.Unlock()
	for older := range k.shelf.marks {
		if older < checkpoint {
			delete(k.shelf.marks, older)
		}
	}
	return nil
}

// contract is that of a register with a setting "shelf".
func contract(register sdk.Register, all *shelves) plugintest.Contract[row] {
	stores := 0
	return plugintest.Contract[row]{
		Register: register,
		Row:      func(n int) (row, string) { return row{int64(n)}, strconv.Itoa(n) },
		Store: func(plugintest.TB) plugintest.Store {
			stores++
			name := strconv.Itoa(stores)
			return plugintest.Store{
				Settings: map[string]any{"shelf": name},
				Rows:     func(string) []string { return all.named(name).content() },
			}
		},
	}
}

func newShelves() *shelves { return &shelves{shelfs: map[string]*shelf{}} }

func TestALoaderThatKeepsTheContract(t *testing.T) {
	all := newShelves()
	c := contract(sdk.Loader("keeper", &keeper{all: all}).Truncates(), all)
	c.Walks = 50
	c.Check(t)
	if len(all.shelfs) != 50 {
		t.Errorf("%d stores were made, want one for each of 50 walks", len(all.shelfs))
	}
}

// Loaders that get one thing wrong. They alter what the right one does in
// between its calls.
type (
	neverTruncates  struct{ keeper }
	forgetsTheMark  struct{ keeper }
	marksTooLate    struct{ lateKeeper }
	letsOldOnesIn   struct{ keeper }
	letsOldOnesStay struct{ keeper }
	keepsLoose      struct{ keeper }
	keepsAll        struct{ keeper }
	goesOnAnyhow    struct{ keeper }
	forgetsTooMuch  struct{ keeper }
	turnsAround     struct{ keeper }
	keepsOldMarks   struct{ keeper }
)

func (k *neverTruncates) Start(ctx context.Context, start sdk.Start) error {
	s := k.all.named(k.Shelf)
	before := append([]string(nil), s.rows...)
	err := k.keeper.Start(ctx, start)
	s.rows = before
	return err
}

func (k *forgetsTheMark) Commit(ctx context.Context, commit sdk.Commit) error {
	commit.Checkpoint = 0
	return k.keeper.Commit(ctx, commit)
}

// lateKeeper takes rows that come after a checkpoint for its own.
type lateKeeper struct {
	keeper
	checkpoint uint64
}

func (k *lateKeeper) Commit(ctx context.Context, commit sdk.Commit) error {
	err := k.keeper.Commit(ctx, commit)
	if commit.Checkpoint > 0 {
		k.checkpoint = commit.Checkpoint
	}
	if k.checkpoint > 0 {
		k.shelf.mu.Lock()
		k.shelf.marks[k.checkpoint] = len(k.shelf.rows)
		k.shelf.mu.Unlock()
	}
	return err
}

func (k *letsOldOnesIn) Start(ctx context.Context, start sdk.Start) error {
	s := k.all.named(k.Shelf)
	s.generation = min(s.generation, start.Generation)
	return k.keeper.Start(ctx, start)
}

func (k *letsOldOnesStay) Commit(ctx context.Context, commit sdk.Commit) error {
	k.generation = k.shelf.generation
	return k.keeper.Commit(ctx, commit)
}

func (k *keepsLoose) Close() error {
	if k.shelf == nil {
		return nil
	}
	k.shelf.mu.Lock()
	defer k.shelf.mu.Unlock()
	for checkpoint, rows := range k.shelf.marks {
		if rows == len(k.shelf.rows) {
			k.shelf.marks[checkpoint] += len(k.rows)
		}
	}
	k.shelf.rows = append(k.shelf.rows, k.rows...)
	return nil
}

func (k *keepsAll) Start(ctx context.Context, start sdk.Start) error {
	s := k.all.named(k.Shelf)
	before := append([]string(nil), s.rows...)
	err := k.keeper.Start(ctx, start)
	if start.Checkpoint == 0 {
		s.rows = before
	}
	return err
}

func (k *goesOnAnyhow) Start(ctx context.Context, start sdk.Start) error {
	s := k.all.named(k.Shelf)
	if _, ok := s.marks[start.Checkpoint]; !ok {
		s.marks[start.Checkpoint] = len(s.rows)
	}
	return k.keeper.Start(ctx, start)
}

func (k *forgetsTooMuch) Final(ctx context.Context, checkpoint uint64) error {
	return k.keeper.Final(ctx, checkpoint+1)
}

func (k *keepsOldMarks) Start(ctx context.Context, start sdk.Start) error {
	s := k.all.named(k.Shelf)
	before := maps.Clone(s.marks)
	err := k.keeper.Start(ctx, start)
	s.marks = before
	return err
}

func (k *turnsAround) Commit(ctx context.Context, commit sdk.Commit) error {
	if n := len(k.rows); n > 1 {
		k.rows[n-1], k.rows[n-2] = k.rows[n-2], k.rows[n-1]
	}
	return k.keeper.Commit(ctx, commit)
}

func TestLoadersThatBreakTheContract(t *testing.T) {
	tests := []struct {
		name string
		make func(k keeper) sdk.Register
		want string
	}{
		{"does not truncate", func(k keeper) sdk.Register { return sdk.Loader("wrong", &neverTruncates{k}) }, "the store does not hold what was sent to rows"},
		{"forgets the mark", func(k keeper) sdk.Register { return sdk.Loader("wrong", &forgetsTheMark{k}) }, "the checkpoint is not known"},
		{"takes rows after a checkpoint for its own", func(k keeper) sdk.Register {
			return sdk.Loader("wrong", &marksTooLate{lateKeeper{keeper: k}})
		}, "the store does not hold what was sent to rows"},
		{"lets an older generation in", func(k keeper) sdk.Register { return sdk.Loader("wrong", &letsOldOnesIn{k}) }, "is let in after generation"},
		{"lets an older generation write", func(k keeper) sdk.Register { return sdk.Loader("wrong", &letsOldOnesStay{k}) }, "after generation"},
		{"keeps rows that were not committed", func(k keeper) sdk.Register { return sdk.Loader("wrong", &keepsLoose{k}) }, "the store does not hold what was sent to rows"},
		{"keeps rows when all begins anew", func(k keeper) sdk.Register { return sdk.Loader("wrong", &keepsAll{k}) }, "the store does not hold what was sent to rows"},
		{"goes on from what it does not know", func(k keeper) sdk.Register { return sdk.Loader("wrong", &goesOnAnyhow{k}) }, "of which its store knows nothing"},
		{"keeps checkpoints that were taken back", func(k keeper) sdk.Register { return sdk.Loader("wrong", &keepsOldMarks{k}) }, "of which its store knows nothing"},
		{"forgets a checkpoint that is final", func(k keeper) sdk.Register { return sdk.Loader("wrong", &forgetsTooMuch{k}) }, "the checkpoint is not known"},
		{"keeps rows in another order", func(k keeper) sdk.Register { return sdk.Loader("wrong", &turnsAround{k}) }, "the store does not hold what was sent to rows"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			all := newShelves()
			c := contract(test.make(keeper{all: all}).Truncates(), all)
			got := failure(t, func(tb plugintest.TB) { c.Check(tb) })
			if !strings.Contains(got, test.want) {
				t.Fatalf("the contract failed with:\n%s\nwant %q", got, test.want)
			}
			seed := len(all.shelfs)
			if !strings.Contains(got, fmt.Sprintf("Contract{Seed: %d, Walks: 1}", seed)) || !strings.Contains(got, "\n  generation ") {
				t.Errorf("it does not tell seed %d and what was done:\n%s", seed, got)
			}
		})
	}
}

func TestTheContractIsForLoadersThatTruncate(t *testing.T) {
	all := newShelves()
	got := failure(t, func(tb plugintest.TB) { contract(sdk.Loader("keeper", &keeper{all: all}), all).Check(tb) })
	if !strings.Contains(got, "add .Truncates() to its register") {
		t.Errorf("got %q, want advice", got)
	}
}

func TestTheContractHoldsEachInputByItself(t *testing.T) {
	all := newShelves()
	c := contract(sdk.BatchLoader("sorter", &sorter{keeper{all: all}}).Truncates(), all)
	c.Inputs = []string{"left", "right"}
	store := c.Store
	c.Store = func(t plugintest.TB) plugintest.Store {
		s := store(t)
		rows := s.Rows
		s.Rows = func(input string) []string {
			var own []string
			for _, r := range rows("") {
				if text, ok := strings.CutPrefix(r, input+" "); ok {
					own = append(own, text)
				}
			}
			return own
		}
		return s
	}
	c.Check(t)
}

// sorter is a keeper of rows of every type, which it notes with the step that
// they come from.
type sorter struct{ keeper }

func (s *sorter) Load(_ context.Context, input int, batch transit.Batch) error {
	for i := range int(batch.Record.NumRows()) {
		s.rows = append(s.rows, s.inputs[input].Name+" "+batch.Text(0, i))
	}
	return nil
}
