package sdk

import (
	"context"

	"github.com/penstock-io/penstock/sdk/transit"
)

// Aggregating is the required method of an aggregator. Tuple is a struct whose
// fields are the inputs, each with a tag that names its port:
//
//	type inputs struct {
//		Blocks []Block  `input:"blocks"` // all rows of the tuple, in order
//		Price  *Price   `input:"price"`  // the newest of them, nil if there is none
//		Span   sdk.Span                  // optional: the blocks it covers
//	}
//
// The tuple is the author's to keep. What makes one complete is the policy of
// the step:
//
//   - Under the block policy, which is the default, a tuple holds the rows of
//     one block, under the epoch policy those of one epoch. It is made once
//     every input has passed its last block, and the head is far enough past
//     it. Rows need a column block_number, and come in its order. Blocks and
//     epochs of which no input has rows make no tuple.
//   - Under the trigger policy every row of one input makes a tuple, at once,
//     with what has come on the others since the last one: nothing is kept for
//     the next tuple, unless the policy says that the latest row of each is.
//     Where the policy requires a row of every input, triggers wait for it.
//
// A tuple that has waited for longer than the policy's timeout is made of what
// there is; its Span is not Complete then, and rows that belong to it and come
// later are put aside. Rows that wait are bounded: beyond the policy's max the
// process fails. A reorg takes rows back by a rewind, which restores the
// snapshot: rows that wait are part of it.
type Aggregating[Tuple any, Out transit.Row] interface {
	Aggregate(ctx context.Context, in Tuple, emit func(Out) error) error
}

// Span is the block range a tuple covers. An aggregator whose tuple has a field
// of this type is told it. Under the trigger policy it is the block of the
// trigger's row, or 0.
type Span struct {
	Begin uint64 // inclusive
	End   uint64 // inclusive
	// Complete is false when the tuple was made without waiting any longer for
	// what is missing.
	Complete bool
}
