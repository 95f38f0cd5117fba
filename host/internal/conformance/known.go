package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/sdk/remote"
)

// known is what a register does undisturbed: rows, a checkpoint, more rows, the
// end. What it does in other circumstances is compared with that.
type known struct {
	before, after []*remote.Frame // what was sent before and after the checkpoint
	place         *remote.Cursor  // of the checkpoint
	first, second []string        // the rows that came of it
	state         *remote.Snapshot
	points        []event // safe points
	tail          []event // what came after the answer to the barrier
	aside         uint64  // rows that it has put aside
	in, out       int     // bytes
}

// learn finds out what the register does, once. Checks that rest on it are
// skipped where that cannot be found out.
func (b *bench) learn(ctx context.Context) (*known, error) {
	if b.known == nil && b.knownErr == nil {
		b.known, b.knownErr = b.undisturbed(ctx)
	}
	if b.knownErr != nil {
		if u := (*unchecked)(nil); errors.As(b.knownErr, &u) {
			return nil, u
		}
		return nil, skip("nothing is known of its rows: see the check rows (%v)", b.knownErr)
	}
	return b.known, nil
}

// undisturbed plays all of it in a process of its own.
func (b *bench) undisturbed(ctx context.Context) (*known, error) {
	s, err := b.fresh(ctx, opening{})
	if err != nil {
		return nil, err
	}
	defer s.hangUp()
	k, err := b.frames()
	if err != nil {
		return nil, err
	}
	if err := s.sendAll(ctx, k.before); err != nil {
		return nil, err
	}
	first, err := s.barrier(ctx, 1)
	if err != nil {
		return nil, err
	}
	k.state = first[len(first)-1].snapshot
	if err := s.sendAll(ctx, k.after); err != nil {
		return nil, err
	}
	if err := s.end(ctx, remote.KindEnded); err != nil {
		return nil, err
	}
	if k.tail, err = s.until(ctx, remote.KindEnded, patience); err != nil {
		return nil, err
	}
	more, err := s.rest(ctx)
	if err != nil {
		return nil, err
	}
	k.tail = append(k.tail, more...)
	if k.first, err = s.rowsOf(first); err != nil {
		return nil, err
	}
	if k.second, err = s.rowsOf(k.tail); err != nil {
		return nil, err
	}
	k.count(slices.Concat(first, k.tail))
	return k, nil
}

// frames are what is sent before and after the checkpoint.
func (b *bench) frames() (*known, error) {
	f, err := b.feed()
	if err != nil {
		return nil, err
	}
	k := &known{}
	if k.before, err = f.frames(before()); err != nil {
		return nil, err
	}
	k.place = f.place()
	if k.after, err = f.frames(after()); err != nil {
		return nil, err
	}
	for _, frame := range slices.Concat(k.before, k.after) {
		k.in += frame.Body.Len()
	}
	return k, nil
}

func (k *known) count(events []event) {
	for _, e := range events {
		k.out += e.bytes
		if e.kind == remote.KindProgress {
			k.aside += e.progress.GetPoisoned()
		}
		if e.kind == remote.KindSafePoint {
			k.points = append(k.points, e)
		}
	}
}

// rows is how many rows frames have.
func rows(frames []*remote.Frame) (n int) {
	for _, f := range frames {
		n += int(f.Rows)
	}
	return n
}

// at is how a process is opened at the checkpoint.
func (k *known) at() opening {
	return opening{checkpoint: 1, cursor: k.place, snapshot: k.state}
}

// finish sends what follows the checkpoint, ends the inputs, and returns the
// rows that come of it.
func (k *known) finish(ctx context.Context, s *session) ([]string, error) {
	if err := s.sendAll(ctx, k.after); err != nil {
		return nil, err
	}
	if err := s.end(ctx, remote.KindEnded); err != nil {
		return nil, err
	}
	events, err := s.until(ctx, remote.KindEnded, patience)
	if err != nil {
		return nil, err
	}
	return s.rowsOf(events)
}

// differ finds the first row in which two runs differ; what says which run it
// was, and mend what makes runs differ.
func differ(got, want []string, what, mend string) error {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			has, wanted := columns(got[i], want[i])
			return wrong(fmt.Sprintf("%s, row %d of %d has %s\nthe row: %s", what, i+1, len(got), has, cut(got[i])), "as in an undisturbed run: "+wanted, mend)
		}
	}
	switch {
	case len(got) < len(want):
		return wrong(fmt.Sprintf("%s, it gives %d rows", what, len(got)), fmt.Sprintf("%d rows, as in an undisturbed run; the first that is missing is %s", len(want), cut(want[len(got)])), mend)
	case len(got) > len(want):
		return wrong(fmt.Sprintf("%s, it gives %d rows", what, len(got)), fmt.Sprintf("%d rows, as in an undisturbed run; the first too many is %s", len(want), cut(got[len(want)])), mend)
	}
	return nil
}

// between stands between the columns of a row.
const between = "\x1f"

// columns are the columns in which two rows differ.
func columns(a, b string) (ofA, ofB string) {
	left, right := strings.Split(a, between), strings.Split(b, between)
	if len(left) != len(right) {
		return cut(a), cut(b)
	}
	var has, wanted []string
	for i := range left {
		if left[i] != right[i] {
			has, wanted = append(has, cut(left[i])), append(wanted, cut(right[i]))
		}
	}
	return strings.Join(has, " "), strings.Join(wanted, " ")
}

// cut makes a row readable, and bounds it.
func cut(row string) string {
	const most = 400
	row = strings.ReplaceAll(row, between, " ")
	if len(row) > most {
		return row[:most] + "..."
	}
	return row
}
