package follow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk"
)

// window is how many blocks are remembered, and so how deep a reorg may be where nobody knows which blocks are final.
const window = 512

// recent remembers blocks that were emitted, ascending. In history it has only the last block of each span.
type recent struct{ refs []view.Ref }

func (r *recent) add(ref view.Ref) {
	if len(r.refs) >= 2*window {
		r.refs = append(r.refs[:0], r.refs[len(r.refs)-window:]...)
	}
	r.refs = append(r.refs, ref)
}

func (r *recent) at(number uint64) (view.Ref, bool) {
	i, found := slices.BinarySearchFunc(r.refs, number, func(ref view.Ref, n uint64) int {
		switch {
		case ref.Number < n:
			return -1
		case ref.Number > n:
			return 1
		}
		return 0
	})
	if !found {
		return view.Ref{}, false
	}
	return r.refs[i], true
}

// reconcile finds out what it means that blocks do not link. The chain has changed: the newest block that is still on it is reported,
// and errDone returned. Or it has not, and endpoints disagree for a while: nil after a pause. why is what did not link.
func (f *follower[T]) reconcile(ctx context.Context, why error) error {
	fork, changed, err := f.fork(ctx)
	if err != nil {
		return err
	}
	if !changed {
		return f.puzzled(ctx, why)
	}
	if fork.Number < f.settled {
		return sdk.Stop(fmt.Errorf("the chain changed below a block that the node had called final: block %d was final, but from block %d on it has others now; "+
			"check which chain the endpoint serves, then start this pipeline anew from block %d or before", f.settled, fork.Number+1, fork.Number))
	}
	last := f.recent.refs[len(f.recent.refs)-1]
	f.Log.Info("the chain was reorganised", "fork", fork.Number, "depth", last.Number-fork.Number)
	if err := f.sink.Reorg(f.cursor(fork)); err != nil {
		return err
	}
	return errDone
}

// puzzled waits for endpoints to agree.
func (f *follower[T]) puzzled(ctx context.Context, why error) error {
	f.odd++
	if f.odd > patience {
		return fmt.Errorf("the endpoints contradict themselves: block %d is on the chain and yet no parent of what follows it, %d times in a row: %w", f.next-1, f.odd, why)
	}
	timer := time.NewTimer(f.Pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
	}
	head, err := f.chain.Latest(ctx)
	if err != nil {
		return err
	}
	f.head = head
	return nil
}

// fork finds the newest emitted block that is still on the chain; false unless the chain has another block in the place of a later one.
func (f *follower[T]) fork(ctx context.Context) (fork view.Ref, changed bool, err error) {
	const step = 32
	refs := f.recent.refs
	for end := len(refs); end > 0; end -= step {
		part := refs[max(0, end-step):end]
		now, err := f.now(ctx, part)
		if err != nil {
			return view.Ref{}, false, err
		}
		for i, ref := range slices.Backward(part) {
			if now[i].Hash == ref.Hash {
				return ref, changed, nil
			}
			if now[i].Hash != (common.Hash{}) {
				changed = true
			}
		}
	}
	if !changed {
		return view.Ref{}, false, nil
	}
	fork, err = f.older(ctx, refs[0])
	return fork, true, err
}

func (f *follower[T]) now(ctx context.Context, refs []view.Ref) ([]view.Ref, error) {
	numbers := make([]uint64, len(refs))
	for i, ref := range refs {
		numbers[i] = ref.Number
	}
	now, err := f.chain.Canonical(ctx, numbers)
	if err != nil {
		return nil, fmt.Errorf("look for the fork of the chain among blocks %d to %d: %w", numbers[0], numbers[len(numbers)-1], err)
	}
	return now, nil
}

// older finds the fork below the oldest block that is remembered: nodes keep blocks that were replaced for a while, and their parents
// lead to it. Failing that it is a final block, if that is old enough. Where nobody knows what is final, it is the block before: the host
// goes back to a place before that, and the question is asked again there.
func (f *follower[T]) older(ctx context.Context, oldest view.Ref) (view.Ref, error) {
	fork, err := f.ancestor(ctx, oldest.Hash)
	if err == nil || !errors.Is(err, errUnknown) {
		return fork, err
	}
	if f.finalKnown && f.final < oldest.Number {
		now, err := f.chain.Canonical(ctx, []uint64{f.final})
		if err != nil || now[0].Hash != (common.Hash{}) {
			return now[0], err
		}
	}
	if !f.finalKnown && oldest.Number > 0 {
		return view.Ref{Number: oldest.Number - 1}, nil
	}
	return view.Ref{}, sdk.Stop(fmt.Errorf("block %d was %s when it was read, but is another one now, and the node cannot tell where the two chains part: "+
		"check that the endpoint serves the chain that was read before; if it does, start this pipeline anew", oldest.Number, oldest.Hash))
}

var errUnknown = errors.New("the node does not know the block any more")

// ancestor follows a block that was replaced down to one that was not.
func (f *follower[T]) ancestor(ctx context.Context, hash common.Hash) (view.Ref, error) {
	for range window {
		ref, found, err := f.chain.ByHash(ctx, hash)
		if err != nil {
			return view.Ref{}, err
		}
		if !found || ref.Number == 0 {
			return view.Ref{}, errUnknown
		}
		now, err := f.chain.Canonical(ctx, []uint64{ref.Number - 1})
		if err != nil {
			return view.Ref{}, err
		}
		if now[0].Hash == ref.Parent {
			return now[0], nil
		}
		hash = ref.Parent
	}
	return view.Ref{}, errUnknown
}
