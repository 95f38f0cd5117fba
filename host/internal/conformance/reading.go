package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-io/penstock/sdk/remote"
)

// needsSource skips what a reader cannot do without something to read from.
func (b *bench) needsSource() error {
	if b.register.Type == remote.Reader && b.register.Network && len(b.suite.cfg.Network.Endpoints) == 0 {
		return skip("it reads from a network: give it one with --network URL, or --devchain")
	}
	return nil
}

// readable is how many blocks are read.
const readable = 60

// read is what a reader does undisturbed.
type read struct {
	events []event
	rows   []string
	point  int // of events: a safe point in the middle
	last   uint64
}

// learnRead reads some blocks, once.
func (b *bench) learnRead(ctx context.Context) (*read, error) {
	if b.wasRead == nil && b.knownErr == nil {
		b.wasRead, b.knownErr = b.readAll(ctx)
	}
	if b.knownErr != nil {
		if u := (*unchecked)(nil); errors.As(b.knownErr, &u) {
			return nil, u
		}
		return nil, skip("nothing is known of its rows: see the check read (%v)", b.knownErr)
	}
	return b.wasRead, nil
}

// readAll reads some blocks, from the first one on.
func (b *bench) readAll(ctx context.Context) (*read, error) {
	if err := b.needsSource(); err != nil {
		return nil, err
	}
	last, err := b.lastBlock(ctx)
	if err != nil {
		return nil, err
	}
	s, err := b.fresh(ctx, opening{to: &last})
	if err != nil {
		return nil, unsourced(err)
	}
	defer s.hangUp()
	r := &read{last: last}
	if r.events, err = s.until(ctx, remote.KindEnded, 3*patience); err != nil {
		return nil, err
	}
	if r.rows, err = s.rowsOf(r.events); err != nil {
		return nil, err
	}
	points := pointsOf(r.events)
	if len(points) == 0 {
		return nil, wrong(fmt.Sprintf("it read up to block %d and marked no safe point", last), "a safe point after every block, or every few: checkpoints are taken there",
			"call out.SafePoint when all rows up to a block have been emitted")
	}
	r.point = points[len(points)/2]
	return r, nil
}

// unsourced is a skip where a reader does not open for want of something to read.
func unsourced(err error) error {
	if failure := (*remote.Failure)(nil); errors.As(err, &failure) && failure.Stack == "" {
		return skip("it does not open: %v; where it needs a source, give it one with --set, --network URL or --devchain", err)
	}
	return err
}

func pointsOf(events []event) (at []int) {
	for i, e := range events {
		if e.kind == remote.KindSafePoint && e.cursor != nil {
			at = append(at, i)
		}
	}
	return at
}

// lastBlock is the last block to read: the head, or an earlier one.
func (b *bench) lastBlock(ctx context.Context) (uint64, error) {
	s, err := b.fresh(ctx, opening{})
	if err != nil {
		return 0, unsourced(err)
	}
	defer s.hangUp()
	events, err := s.until(ctx, remote.KindSafePoint, 2*patience)
	if err != nil {
		if silent(err) {
			return 0, wrong(fmt.Sprintf("it marks no safe point within %s", 2*patience), "safe points, which checkpoints are taken at", "call out.SafePoint after the rows of a block")
		}
		return 0, err
	}
	point := events[len(events)-1]
	if point.cursor == nil {
		return 0, wrong("it marks a safe point without a cursor", "the place up to which all rows have been emitted", "fill in the Cursor of the SafePoint")
	}
	return min(max(point.head, point.cursor.Block), point.cursor.Block+readable), nil
}

// checkRead looks at what it reads.
func checkRead(ctx context.Context, b *bench) error {
	r, err := b.learnRead(ctx)
	if err != nil {
		if b.knownErr != nil {
			return b.knownErr
		}
		return err
	}
	points := pointsOf(r.events)
	b.note("%d rows of blocks up to %d, %d safe points", len(r.rows), r.last, len(points))
	mend := "mark safe points in the order of blocks, the last one at the last block"
	for i, at := range points[1:] {
		if before := r.events[points[i]].cursor.Block; r.events[at].cursor.Block < before {
			return wrong(fmt.Sprintf("its safe points go back from block %d to %d", before, r.events[at].cursor.Block), "safe points that only go on", mend)
		}
	}
	if end := r.events[points[len(points)-1]].cursor.Block; end != r.last {
		return wrong(fmt.Sprintf("told to read up to block %d, it ends at %d", r.last, end), fmt.Sprintf("rows and a safe point up to block %d, inclusive", r.last), mend)
	}
	return nil
}

// checkReread reads the same again.
func checkReread(ctx context.Context, b *bench) error {
	r, err := b.learnRead(ctx)
	if err != nil {
		return err
	}
	s, err := b.fresh(ctx, opening{to: &r.last})
	if err != nil {
		return err
	}
	got, err := b.readOut(ctx, s)
	if err != nil {
		return err
	}
	return differ(got, r.rows, "read again", mendRepeat)
}

// readOut reads to the end.
func (b *bench) readOut(ctx context.Context, s *session) ([]string, error) {
	defer s.hangUp()
	events, err := s.until(ctx, remote.KindEnded, 3*patience)
	if err != nil {
		return nil, err
	}
	return s.rowsOf(events)
}

// since are the rows that follow an event.
func (r *read) since(b *bench, at int) ([]string, error) {
	return textOf(b.register.Output, r.events[at+1:])
}

// mendResume is what makes a reader differ that begins at a cursor.
const mendResume = "begin with the block after start.Cursor, and keep nothing else that rows depend on: what a reader has to remember fits into the Position of its cursors"

// checkResume begins at the cursor of a safe point.
func checkResume(ctx context.Context, b *bench) error {
	r, err := b.learnRead(ctx)
	if err != nil {
		return err
	}
	return b.resume(ctx, r, r.events[r.point].cursor, r.point, "begun at block %d")
}

func (b *bench) resume(ctx context.Context, r *read, at *remote.Cursor, event int, what string) error {
	s, err := b.fresh(ctx, opening{to: &r.last, checkpoint: 1, cursor: at})
	if err != nil {
		return err
	}
	got, err := b.readOut(ctx, s)
	if err != nil {
		return err
	}
	want, err := r.since(b, event)
	if err != nil {
		return err
	}
	b.note("%d rows after block %d", len(want), at.Block)
	return differ(got, want, fmt.Sprintf(what, at.Block), mendResume)
}

// checkReadBarrier asks while it reads.
func checkReadBarrier(ctx context.Context, b *bench) error {
	r, err := b.learnRead(ctx)
	if err != nil {
		return err
	}
	s, err := b.fresh(ctx, opening{to: &r.last})
	if err != nil {
		return err
	}
	defer s.hangUp()
	events, err := s.barrier(ctx, 1)
	if silent(err) {
		return wrong(fmt.Sprintf("nothing came for %s after a barrier", patience), "an answer at the next safe point", "mark safe points often: a barrier is answered there")
	}
	if err != nil {
		return err
	}
	got, err := s.rowsOf(events)
	if err != nil {
		return err
	}
	return b.standsAt(r, got, events[len(events)-1].cursor)
}

// standsAt holds rows to the cursor that a barrier was answered with: they are
// those that were read up to it, and no others.
func (b *bench) standsAt(r *read, got []string, at *remote.Cursor) error {
	if at == nil { // it has not begun
		return differ(got, nil, "before a barrier that was answered without a cursor", "answer barriers at safe points only")
	}
	i := slices.IndexFunc(r.events, func(e event) bool {
		return e.kind == remote.KindSafePoint && e.cursor != nil && *e.cursorKey() == *cursorKey(at)
	})
	if i < 0 {
		return wrong(fmt.Sprintf("it answered a barrier at block %d, where it marks no safe point", at.Block), "an answer at a safe point", "answer barriers at safe points only")
	}
	want, err := textOf(b.register.Output, r.events[:i])
	if err != nil {
		return err
	}
	b.note("answered at block %d, after %d rows", at.Block, len(got))
	return differ(got, want, fmt.Sprintf("before the answer to a barrier at block %d", at.Block), "send all rows up to the cursor before the answer, and none after it")
}

// place of a cursor, to be compared.
type cursorPlace struct {
	block    uint64
	hash     [32]byte
	position string
}

func cursorKey(c *remote.Cursor) *cursorPlace {
	return &cursorPlace{c.Block, c.Hash, string(c.Position)}
}

func (e event) cursorKey() *cursorPlace { return cursorKey(e.cursor) }

// checkReadKill kills it after a checkpoint, while it reads.
func checkReadKill(ctx context.Context, b *bench) error {
	r, err := b.learnRead(ctx)
	if err != nil {
		return err
	}
	s, err := b.fresh(ctx, opening{to: &r.last})
	if err != nil {
		return err
	}
	defer s.hangUp()
	if _, err := s.until(ctx, remote.KindSafePoint, patience); err != nil {
		return err
	}
	if err := s.send(ctx, &remote.Frame{Kind: remote.KindBarrier, Checkpoint: 1}); err != nil {
		return err
	}
	s.plugin.Kill()
	return b.resume(ctx, r, r.events[r.point].cursor, r.point, "killed, and begun again at block %d")
}

// checkReadRewind takes it back while it reads.
func checkReadRewind(ctx context.Context, b *bench) error {
	r, err := b.learnRead(ctx)
	if err != nil {
		return err
	}
	s, err := b.fresh(ctx, opening{to: &r.last})
	if err != nil {
		return err
	}
	defer s.hangUp()
	if _, err := s.until(ctx, remote.KindSafePoint, patience); err != nil {
		return err
	}
	at := r.events[r.point].cursor
	if err := b.rewind(ctx, s, &remote.Frame{Kind: remote.KindRewind, Checkpoint: 1, Cursor: at}, nil); err != nil {
		return err
	}
	events, err := s.until(ctx, remote.KindEnded, 3*patience)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(events, func(e event) bool { return e.generation != s.generation }); i >= 0 {
		return wrong(fmt.Sprintf("after REWIND it sends %s of generation %d", kindName(events[i].kind), events[i].generation),
			fmt.Sprintf("frames of generation %d, which REWIND has named", s.generation), "take the generation of REWIND over")
	}
	got, err := s.rowsOf(events)
	if err != nil {
		return err
	}
	want, err := r.since(b, r.point)
	if err != nil {
		return err
	}
	return differ(got, want, fmt.Sprintf("taken back to block %d", at.Block), mendResume)
}

// checkReadPressure stops taking its rows for a while.
func checkReadPressure(ctx context.Context, b *bench) error {
	r, err := b.learnRead(ctx)
	if err != nil {
		return err
	}
	s, err := b.fresh(ctx, opening{to: &r.last})
	if err != nil {
		return err
	}
	before, _ := memoryOf(s.plugin.PID()) // 0 where it cannot be told
	s.hold()
	sleep(ctx, stuck)
	after, memoryErr := memoryOf(s.plugin.PID())
	s.release()
	got, err := b.readOut(ctx, s)
	if err != nil {
		return err
	}
	if memoryErr == nil && after-before > mostGrowth {
		return wrong(fmt.Sprintf("it grew by %d MiB within %s in which nobody took its rows", (after-before)>>20, stuck), fmt.Sprintf("less than %d MiB", mostGrowth>>20),
			"let Emit block, and read no further ahead than a bound allows")
	}
	size := 0
	for _, e := range r.events {
		size += e.bytes
	}
	if size < windows {
		b.note("its %d KiB fit on the way, so it never had to wait", size>>10)
	}
	return differ(got, r.rows, "where nobody took its rows for a while", "drop nothing where Emit blocks, and return the error that it gives")
}
