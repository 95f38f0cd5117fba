package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/transit"
)

// bad is what makes rows bad, told by their values.
type bad struct {
	Bad    []uint64 `hcl:"bad,optional"`
	Outage uint64   `hcl:"outage,optional"` // from this value on all are
	Ends   uint64   `hcl:"ends,optional"`   // until that has been noticed so often
	Fate   string   `hcl:"fate,optional"`   // what comes of it, a fault
	Mend   string   `hcl:"mend,optional"`   // while this file is there, no row is bad
	Noted  string   `hcl:"noted,optional"`  // a file with a line for each bad row that came by
}

// use is how a step works on a row.
func (b *bad) use(value uint64) error {
	if !slices.Contains(b.Bad, value) && (b.Outage == 0 || value < b.Outage) || exists(b.Mend) {
		return nil
	}
	if b.Noted != "" {
		seen, err := os.ReadFile(b.Noted)
		if b.Ends > 0 && err == nil && strings.Count(string(seen), "\n") >= int(b.Ends) {
			return nil
		}
		if err := appendTo(b.Noted, fmt.Sprintln("bad", value)); err != nil {
			return err
		}
	}
	return (&fault{How: b.Fate}).strike(0)
}

func exists(path string) bool {
	if path == "" {
		return false
	}
	_, err := os.Stat(path)
	return err == nil
}

// picky cannot work on some rows. It makes running sums, or leaves values as
// they are.
type picky struct {
	Plain bool `hcl:"plain,optional"`
	fault
	bad
	sum uint64
}

func (p *picky) Transform(_ context.Context, n number, emit func(number) error) error {
	if err := p.use(n.Value); err != nil {
		return err
	}
	if p.sum += n.Value; !p.Plain {
		n.Value = p.sum
	}
	return emit(n)
}

func (p *picky) Snapshot() ([]byte, error) { return binary.BigEndian.AppendUint64(nil, p.sum), nil }

func (p *picky) Restore(state []byte) error {
	p.sum = binary.BigEndian.Uint64(state)
	return nil
}

// together is a picky that is given many rows at once.
type together struct{ picky }

func (t *together) TransformBatch(ctx context.Context, rows []number, emit func(number) error) error {
	for _, n := range rows {
		if err := t.Transform(ctx, n, emit); err != nil {
			return err
		}
	}
	return nil
}

// each passes on what comes on the left, row by row.
type each struct {
	fault
	bad
}

func (e *each) Aggregate(_ context.Context, in pairs, emit func(number) error) error {
	for _, n := range in.Left {
		if err := errors.Join(e.strike(n.BlockNumber), e.use(n.Value)); err != nil {
			return err
		}
		if err := emit(n); err != nil {
			return err
		}
	}
	return nil
}

// columns is a file loader that takes columns.
type columns struct{ file }

func (c *columns) Load(ctx context.Context, _ int, batch transit.Batch) error {
	for row := range int(batch.Record.NumRows()) {
		r := record{BlockNumber: batch.Value(0, row).(uint64), Value: batch.Value(1, row).(uint64)}
		if err := c.file.Load(ctx, []record{r}); err != nil {
			return err
		}
	}
	return nil
}

// with is the pipeline with other registers in the place of test.running and
// test.file.
func (s sums) with(subscriber, loader string) string {
	return strings.NewReplacer("test.running", subscriber, "test.file", loader).Replace(s.String())
}

// without are rows without those of some values.
func without(rows []record, values ...uint64) []record {
	return slices.DeleteFunc(slices.Clone(rows), func(r record) bool { return slices.Contains(values, r.Value) })
}

// letter is what a test wants to know of a dead letter.
type letter struct {
	store.DeadLetter
	row record
}

// lettersOf are the dead letters in a store, in the order of their rows.
func lettersOf(t *testing.T, s *store.Store) []letter {
	t.Helper()
	found, err := s.DeadLetters("")
	if err != nil {
		t.Fatal(err)
	}
	typ, err := transit.TypeOf[number]()
	if err != nil {
		t.Fatal(err)
	}
	var out []letter
	for _, l := range found {
		if l, err = s.DeadLetter(l.ID); err != nil {
			t.Fatal(err)
		}
		batch, err := transit.DecodeBatch(typ, l.Body)
		if err != nil || batch.Record.NumRows() != 1 {
			t.Fatalf("letter %s: %v, want one row", l.ID, err)
		}
		out = append(out, letter{l, record{BlockNumber: batch.Value(0, 0).(uint64), Value: batch.Value(1, 0).(uint64)}})
	}
	slices.SortFunc(out, func(a, b letter) int { return int(a.Row) - int(b.Row) })
	return out
}

// wantLetters checks which rows are dead letters.
func wantLetters(t *testing.T, s *store.Store, values ...uint64) []letter {
	t.Helper()
	letters := lettersOf(t, s)
	var got []uint64
	for _, l := range letters {
		got = append(got, l.row.Value)
	}
	if !slices.Equal(got, values) {
		t.Errorf("the dead letters are rows %v, want %v", got, values)
	}
	return letters
}

// leftIn are the dead letters that a host has left in its data directory.
func leftIn(t *testing.T, data string, values ...uint64) []letter {
	t.Helper()
	s := openStore(t, data)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	return wantLetters(t, s, values...)
}
