package conformance

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/penstock-io/penstock/sdk/remote"
	"github.com/penstock-io/penstock/sdk/transit"
)

// checkRows lets it work undisturbed, and then on rows that have more columns
// than it reads, in another order.
func checkRows(ctx context.Context, b *bench) error {
	if _, err := b.learn(ctx); err != nil {
		if b.knownErr != nil {
			return b.knownErr
		}
		return err
	}
	k := b.known
	b.note("%d rows in, %d rows out", rows(k.before)+rows(k.after), len(k.first)+len(k.second))
	if k.aside > 0 {
		b.note("%d put aside", k.aside)
	}
	if err := b.checkOutput(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(b.register.Inputs, func(p remote.Port) bool { return p.Any }) {
		return nil
	}
	return b.checkColumns(ctx, k)
}

// checkOutput compares the type that a process says it sends with the one that
// the register declares.
func (b *bench) checkOutput(ctx context.Context) error {
	s, err := b.fresh(ctx, opening{})
	if err != nil {
		return err
	}
	defer s.hangUp()
	if s.output.String() != b.register.Output.String() {
		return wrong("a process says that it sends "+s.output.String(), "what the register declares: "+b.register.Output.String(),
			"tell the same type in Describe and in OPENED")
	}
	return nil
}

// checkColumns sends the same rows in another shape.
func (b *bench) checkColumns(ctx context.Context, k *known) error {
	inputs := b.inputs()
	for i := range inputs {
		fields := slices.Clone(inputs[i].Type.Schema.Fields())
		slices.Reverse(fields)
		fields = append(fields, plain("conformance_extra", arrow.BinaryTypes.String))
		inputs[i].Type = transit.Type{Name: inputs[i].Type.Name, Schema: arrow.NewSchema(fields, nil)}
	}
	f, err := b.feedFor(inputs)
	if err != nil {
		return err
	}
	other := &known{}
	if other.before, err = f.frames(before()); err != nil {
		return err
	}
	s, err := b.fresh(ctx, opening{inputs: inputs})
	mend := "find columns by their names: a producer may have more of them, in any order"
	if err != nil {
		return wrong(fmt.Sprintf("given a column more, in another order, it does not open: %v", err), "the columns that it needs are there", mend)
	}
	defer s.hangUp()
	if err := s.sendAll(ctx, other.before); err != nil {
		return err
	}
	events, err := s.barrier(ctx, 1)
	if err != nil {
		return err
	}
	got, err := s.rowsOf(events)
	if err != nil {
		return err
	}
	return differ(got, k.first, "given a column more, in another order", mend)
}

// mendRepeat is what makes two runs differ.
const mendRepeat = "let rows depend on rows and settings alone: not on the time, on chance, on the order of a map, or on which goroutine comes first"

// checkRepeat does the same in another process.
func checkRepeat(ctx context.Context, b *bench) error {
	k, err := b.learn(ctx)
	if err != nil {
		return err
	}
	again, err := b.undisturbed(ctx)
	if err != nil {
		return err
	}
	return differ(slices.Concat(again.first, again.second), slices.Concat(k.first, k.second), "in another process", mendRepeat)
}

// checkSafePoints looks at what it says about how far it is.
func checkSafePoints(ctx context.Context, b *bench) error {
	k, err := b.learn(ctx)
	if err != nil {
		return err
	}
	mend := "send a SAFE_POINT on when all rows that come of what lies before it have been sent: the SDK does"
	if len(k.points) == 0 {
		return wrong("it says nothing about how far it is", "a safe point now and then, or nobody behind it will ever know that a block is complete", mend)
	}
	last := k.after[len(k.after)-1].Cursor.Block
	for i, e := range k.points {
		if e.cursor == nil {
			return wrong("it sends a safe point without a cursor", "the place up to which its rows are complete", mend)
		}
		if e.cursor.Block > last {
			return wrong(fmt.Sprintf("it says that it has come to block %d", e.cursor.Block), fmt.Sprintf("no more than what it was told: block %d", last), mend)
		}
		if i > 0 && e.cursor.Block < k.points[i-1].cursor.Block {
			return wrong(fmt.Sprintf("it goes back from block %d to %d", k.points[i-1].cursor.Block, e.cursor.Block), "safe points that only go on", mend)
		}
	}
	b.note("%d, up to block %d of %d", len(k.points), k.points[len(k.points)-1].cursor.Block, last)
	return nil
}

// checkBarrier looks for rows that come after the answer and belong before it.
func checkBarrier(ctx context.Context, b *bench) error {
	k, err := b.learn(ctx)
	if err != nil {
		return err
	}
	s, err := b.fresh(ctx, opening{})
	if err != nil {
		return err
	}
	defer s.hangUp()
	if err := s.sendAll(ctx, k.before); err != nil {
		return err
	}
	if _, err := s.barrier(ctx, 1); err != nil {
		return err
	}
	events, err := s.probe(ctx, 1)
	if err != nil {
		return err
	}
	late, err := s.rowsOf(events)
	if err != nil {
		return err
	}
	mend := "flush what was gathered before the answer to the barrier goes out; what a goroutine of its own still works on has to be waited for"
	if len(late) > 0 {
		return wrong(fmt.Sprintf("%d rows came after the answer to the barrier, the first is %s", len(late), cut(late[0])),
			"all rows that come of what was sent before the barrier before the answer: after a crash they would be lost, or there twice", mend)
	}
	b.note("%d rows before it", len(k.first))
	return nil
}

// idleWithin is how long a process may take that has nothing to do.
const idleWithin = 5 * time.Second

// checkIdleBarrier asks a process that has nothing to do.
func checkIdleBarrier(ctx context.Context, b *bench) error {
	if err := b.needsSource(); err != nil {
		return err
	}
	s, err := b.fresh(ctx, opening{})
	if err != nil {
		return err
	}
	defer s.hangUp()
	if err := s.rests(ctx); err != nil {
		return err
	}
	for checkpoint := uint64(1); checkpoint <= 2; checkpoint++ {
		begun := time.Now()
		if err := s.send(ctx, &remote.Frame{Kind: remote.KindBarrier, Checkpoint: checkpoint}); err != nil {
			return err
		}
		if _, err := s.until(ctx, remote.KindBarrier, idleWithin); err != nil {
			if !silent(err) {
				return err
			}
			return wrong(fmt.Sprintf("nothing came for %s after the barrier of checkpoint %d", idleWithin, checkpoint), "an answer at once, as no checkpoint of the whole path is taken before",
				"answer a barrier when it comes, also where no row has come since the last one; a reader answers at its next safe point, or at once where it rests at one")
		}
		b.note("%s", time.Since(begun).Round(10*time.Microsecond))
	}
	return nil
}

// restWithin is how long a reader is given to come to the head of its chain.
const restWithin = 2 * time.Second

// rests waits until a reader has come to the head, where it waits for more. One
// that does not get there is as good as one that is busy.
func (s *session) rests(ctx context.Context) error {
	if len(s.step.inputs) > 0 {
		return nil
	}
	for deadline := time.Now().Add(restWithin); time.Now().Before(deadline); {
		events, err := s.until(ctx, remote.KindSafePoint, time.Until(deadline))
		if silent(err) && ctx.Err() == nil {
			return nil
		}
		if err != nil {
			return err
		}
		if last := events[len(events)-1]; last.cursor != nil && last.head > 0 && last.cursor.Block >= last.head {
			return nil
		}
	}
	return nil
}

// checkProbe asks whether it is through.
func checkProbe(ctx context.Context, b *bench) error {
	if err := b.needsSource(); err != nil {
		return err
	}
	s, err := b.fresh(ctx, opening{})
	if err != nil {
		return err
	}
	defer s.hangUp()
	if len(s.step.inputs) > 0 {
		k, err := b.frames()
		if err != nil {
			return err
		}
		if err := s.sendAll(ctx, k.before); err != nil {
			return err
		}
	}
	const number = 77
	events, err := s.probe(ctx, number)
	mend := "send the PROBE frame back, with its sequence, in line with everything else"
	if silent(err) {
		return wrong(fmt.Sprintf("nothing came for %s", patience), "the probe, when everything before it is done: hosts that hear nothing take it to hang", mend)
	}
	if err != nil {
		return err
	}
	if got := events[len(events)-1].sequence; got != number {
		return wrong(fmt.Sprintf("it answered probe %d with %d", number, got), "the same number", mend)
	}
	return nil
}

// checkEnd looks at what comes last.
func checkEnd(ctx context.Context, b *bench) error {
	k, err := b.learn(ctx)
	if err != nil {
		return err
	}
	for i, e := range k.tail {
		if e.kind == remote.KindEnded && i < len(k.tail)-1 {
			return wrong("after ENDED it sends "+kindName(k.tail[i+1].kind), "nothing more", "send what is left before ENDED")
		}
	}
	return nil
}

// drainWithin is how long it may take to end when the host stops.
const drainWithin = 5 * time.Second

// checkDrain stops it while it is busy.
func checkDrain(ctx context.Context, b *bench) error {
	if err := b.needsSource(); err != nil {
		return err
	}
	s, err := b.fresh(ctx, opening{})
	if err != nil {
		return err
	}
	defer s.hangUp()
	if len(s.step.inputs) > 0 {
		k, err := b.frames()
		if err != nil {
			return err
		}
		if err := s.sendAll(ctx, slices.Concat(k.before, k.after)); err != nil {
			return err
		}
	}
	if err := s.rests(ctx); err != nil {
		return err
	}
	if err := s.end(ctx, remote.KindDrain); err != nil {
		return err
	}
	begun := time.Now()
	if _, err := s.until(ctx, remote.KindEnded, drainWithin); err != nil {
		if !silent(err) {
			return err
		}
		return wrong(fmt.Sprintf("%s after it was told that the host stops it has not ended", drainWithin), "ENDED, soon: after its deadline a host kills it",
			"let go of whatever it waits for when DRAIN comes; a Read has to return when its context ends")
	}
	b.note("%s", time.Since(begun).Round(100*time.Microsecond))
	_, err = s.rest(ctx)
	return err
}
