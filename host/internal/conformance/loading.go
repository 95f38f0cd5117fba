package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-io/penstock/sdk/remote"
)

// unseen is what nobody can check who only speaks to a loader.
const unseen = "what it holds cannot be read over the wire"

// checkCommit looks at what a loader says before it answers a barrier.
func checkCommit(ctx context.Context, b *bench) error {
	s, err := b.fresh(ctx, opening{})
	if err != nil {
		return err
	}
	defer s.hangUp()
	k, err := b.frames()
	if err != nil {
		return err
	}
	if err := s.sendAll(ctx, k.before); err != nil {
		return err
	}
	events, err := s.barrier(ctx, 1)
	if err != nil {
		return err
	}
	if err := s.committed(events, k.place.Block); err != nil {
		return err
	}
	more, err := s.probe(ctx, 1)
	if err != nil {
		return err
	}
	for _, e := range more {
		if e.kind == remote.KindSafePoint && e.cursor != nil && e.cursor.Block <= k.place.Block {
			return wrong("after its answer to the barrier it says that rows are committed that were sent before it", "commits before the answer", mendCommit)
		}
	}
	b.note("%s: whether the rows are there after a crash, plugintest.Contract tells", unseen)
	return nil
}

const mendCommit = "commit what has come when a barrier comes, send a SAFE_POINT for each input that it completes, and answer only then: the SDK does, with Commit"

// committed looks for what says that every input is committed up to a block.
func (s *session) committed(events []event, upTo uint64) error {
	told := map[uint32]uint64{}
	for _, e := range events {
		if e.kind == remote.KindSafePoint && e.cursor != nil {
			told[e.input] = e.cursor.Block
		}
	}
	for i, in := range s.step.inputs {
		if got, ok := told[uint32(i)]; !ok || got != upTo {
			return wrong(fmt.Sprintf("it answered the barrier and had said that input %s is committed up to %s", in.Name, blockText(got, ok)),
				fmt.Sprintf("that it is committed up to block %d, the last safe point before the barrier", upTo), mendCommit)
		}
	}
	return nil
}

func blockText(block uint64, known bool) string {
	if !known {
		return "nowhere"
	}
	return fmt.Sprintf("block %d", block)
}

// mendTruncates is what a loader does that truncates.
const mendTruncates = "keep with the rows which checkpoint they belong to; in Start remove what came after start.Checkpoint, and refuse with sdk.Stop a checkpoint that the store does not know; run plugintest.Contract"

// checkTruncates opens a loader at checkpoints that it has committed, that it has
// never heard of, and as one that is older than another. Each time it is killed.
func checkTruncates(ctx context.Context, b *bench) error {
	k, err := b.frames()
	if err != nil {
		return err
	}
	if err := b.write(ctx, opening{}, k.before, 1); err != nil {
		return err
	}
	later := opening{checkpoint: 1, cursor: k.place}
	if err := b.write(ctx, later, k.after, 2); err != nil {
		return wrong(fmt.Sprintf("killed after checkpoint 1, it does not go on from there: %v", err), "rows that come after the checkpoint", mendTruncates)
	}
	// The host was killed before it had recorded checkpoint 2.
	if err := b.write(ctx, later, k.after, 2); err != nil {
		return wrong(fmt.Sprintf("with checkpoint 2 committed, it does not go back to checkpoint 1: %v", err), "that it removes what came after checkpoint 1, and goes on", mendTruncates)
	}
	if err := b.write(ctx, opening{}, k.before, 3); err != nil {
		return wrong(fmt.Sprintf("it does not begin anew: %v", err), "that it removes everything, and goes on", mendTruncates)
	}
	if !b.register.Truncates {
		b.note("it is not declared with Truncates: rows may be in its store twice after a crash, and hosts say so")
		return nil
	}
	if err := b.keepsOut(ctx, k); err != nil {
		return err
	}
	b.note("%s: that rows are gone, plugintest.Contract tells", unseen)
	return nil
}

// write opens the loader in a plugin of its own, has it commit rows at a
// checkpoint, lets more come, and kills it.
func (b *bench) write(ctx context.Context, o opening, frames []*remote.Frame, checkpoint uint64) error {
	s, err := b.fresh(ctx, o)
	if err != nil {
		return err
	}
	defer s.hangUp()
	defer s.plugin.Kill()
	if err := s.sendAll(ctx, frames); err != nil {
		return err
	}
	if _, err := s.barrier(ctx, checkpoint); err != nil {
		return err
	}
	f, err := b.feed()
	if err != nil {
		return err
	}
	loose, err := f.batch(batchOf{1, 50})
	if err != nil {
		return err
	}
	return s.sendAll(ctx, loose)
}

// keepsOut opens a loader that truncates where it must not go on.
func (b *bench) keepsOut(ctx context.Context, k *known) error {
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	const never = 99
	s, err := b.open(ctx, p, opening{checkpoint: never, cursor: k.place})
	if err == nil {
		s.hangUp()
		return wrong(fmt.Sprintf("it goes on from checkpoint %d, which it has never committed", never), "a refusal: its store is not the one that the checkpoint is of", mendTruncates)
	}
	failure := (*remote.Failure)(nil)
	if !errors.As(err, &failure) || failure.Class != remote.ClassStop {
		return wrong(fmt.Sprintf("it refuses a checkpoint that it has never committed, but so that it is tried again and again: %v", err), "a failure of class stop", mendTruncates)
	}
	newer := b.generation + 10
	if err := b.write(ctx, opening{generation: newer}, k.before, 1); err != nil {
		return err
	}
	s, err = b.open(ctx, p, opening{checkpoint: 1, cursor: k.place, generation: newer - 5})
	if err == nil {
		s.hangUp()
		return wrong(fmt.Sprintf("generation %d is let in after generation %d has written", newer-5, newer), "a refusal: it is from a host that does not know yet that it is dead",
			"keep start.Generation in the store, and refuse a lesser one with sdk.Stop")
	}
	return survives(p, "refusing to go on")
}

// checkKeys tells what has to be looked at elsewhere.
func checkKeys(_ context.Context, b *bench) error {
	if b.register.Truncates {
		return skip("it truncates: every row is there once, and needs no key")
	}
	return skip("keys go to whoever receives the rows, and never over this wire: name rows with sdk.Keys, and look at the receiver in a test of your own")
}
