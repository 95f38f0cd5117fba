package plugintest

import (
	"fmt"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Contract is what a register promises that is declared with Truncates, as a
// test: whatever becomes of its host and of its process, its store holds every
// row once, in order, and no others. In is the type of the rows, which for a
// loader that takes every type can be any.
//
// The test walks at random through what happens to a loader: batches, safe
// points, checkpoints and the end of its inputs; a host that goes away without
// a word, also in the middle of a batch and of a checkpoint; and openings at
// the newest checkpoint, at an older one after a reorganisation, at the one
// before where the host did not live to record the newest, and at the
// beginning. It fails where, after a commit, the store holds anything else than
// the rows that were sent after that place; where a checkpoint is gone on from
// that the store cannot know; and where a process writes, or is let in, that is
// of an older generation than another that was opened for the same step.
type Contract[In transit.Row] struct {
	// Register is the loader.
	Register sdk.Register
	// Row makes the n-th row, unlike all others, and says how Store.Rows shows it.
	Row func(n int) (row In, shown string)
	// Store makes an empty store. It is called for every walk.
	Store func(t TB) Store
	// Inputs are the steps that rows come from, by name; nil: one, called rows.
	Inputs []string
	// Walks is how many there are; 0: 10.
	Walks int
	// Seed is the first walk's; each has the one after that of the walk before.
	// 0: 1. A seed repeats what is done, though not how the machine times it.
	Seed uint64
}

// Store is where a loader under test keeps its rows.
type Store struct {
	// Settings are the loader's, as in Step.
	Settings any
	// Rows are the rows of a step that somebody finds who looks into the store
	// now, in order, in the words of Contract.Row.
	Rows func(input string) []string
}

// Check fails the test where the loader breaks the contract, and says with
// which seed it did and what had been done until then.
func (c Contract[In]) Check(t TB) {
	t.Helper()
	spec := c.Register.Internal()
	if spec.Type != pluginv1.ProcessType_PROCESS_TYPE_LOADER || !spec.Truncates {
		t.Fatalf("plugintest: %s is not declared as a loader that truncates: add .Truncates() to its register, or hosts tell users that rows may come again", spec.Name)
	}
	if len(c.Inputs) == 0 {
		c.Inputs = []string{"rows"}
	}
	first := max(c.Seed, 1)
	walks := uint64(max(c.Walks, 0))
	if walks == 0 {
		walks = 10
	}
	here, elsewhere := Run(t, c.Register), Run(t, c.Register)
	for seed := first; seed < first+walks; seed++ {
		told := &history{TB: t, again: fmt.Sprintf("Contract{Seed: %d, Walks: 1}", seed)}
		c.walk(told, seed, here, elsewhere)
	}
}

// differ tells the first row in which two lists differ; "" if there is none.
func differ(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("row %d is %q, want %q (it holds %d rows, want %d)", i+1, got[i], want[i], len(got), len(want))
		}
	}
	switch {
	case len(got) > len(want):
		return fmt.Sprintf("it holds %d rows, want %d: the first too many is %q", len(got), len(want), got[len(want)])
	case len(got) < len(want):
		return fmt.Sprintf("it holds %d rows, want %d: the first that is missing is %q", len(got), len(want), want[len(got)])
	}
	return ""
}
