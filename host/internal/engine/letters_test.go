package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/transit"
)

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
		l, err := s.DeadLetter(l.ID)
		if errors.Is(err, store.ErrNoLetter) {
			continue // it has just gone
		}
		if err != nil {
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

// newLetters is a pipeline that follows the head and leaves values as they are.
// The step is mended once there is a file.
func newLetters(t *testing.T, fate string, values ...uint64) sums {
	t.Helper()
	s := newLive(t)
	s.reader = "head = 3\n pause = \"2ms\""
	s.sum = fmt.Sprintf("plain = true\n bad = [%s]\n fate = %q\n mend = %q",
		strings.Trim(strings.Join(strings.Fields(fmt.Sprint(values)), ","), "[]"), fate, s.dir+"/mend")
	return s
}

func (s sums) mend(t *testing.T) {
	t.Helper()
	do(t, "mend the step", os.WriteFile(s.dir+"/mend", nil, 0o600))
}

// letters is the engine of such a pipeline.
func (s sums) letters(t *testing.T, data string) *rig {
	t.Helper()
	return newRig(t, s.with("test.picky", "test.file"), on(t, data, nil))
}

// soFar are the rows of a loader that may be writing.
func soFar(t *testing.T, path string) []record {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var out []record
	for line := range strings.Lines(string(raw)) {
		var r record
		if !strings.HasSuffix(line, "\n") || json.Unmarshal([]byte(line), &r) != nil {
			break // half of a line
		}
		out = append(out, r)
	}
	return out
}

// times tells how often a value is among rows.
func times(rows []record, value uint64) int {
	n := 0
	for _, r := range rows {
		if r.Value == value {
			n++
		}
	}
	return n
}

// wantOnce checks that the loader holds all rows but some, in order, and those
// that were replayed once, wherever.
func (s sums) wantOnce(t *testing.T, to uint64, replayed []uint64, missing ...uint64) {
	t.Helper()
	got := lines(t, s.out())
	for _, value := range replayed {
		if n := times(got, value); n != 1 {
			t.Errorf("row %d is there %d times, want once", value, n)
		}
	}
	wantAll(t, without(got, replayed...), without(rowsOf(t, s.dir, 1, to, 3), append(missing, replayed...)...))
}

// id is that of the letter of a row.
func (r *rig) id(value uint64) string {
	r.t.Helper()
	for _, l := range lettersOf(r.t, r.store) {
		if l.row.Value == value {
			return l.ID
		}
	}
	r.t.Fatalf("there is no letter of row %d", value)
	return ""
}

func (r *rig) waitLetters(n int) {
	r.t.Helper()
	waitFor(r.t, fmt.Sprint(n, " dead letters"), func() bool { return len(lettersOf(r.t, r.store)) == n })
}

// A row that its step refuses is kept with all that is known of it, and counted;
// it costs no restart. However often the path goes back, it is there once.
func TestPoison(t *testing.T) {
	t.Parallel()
	s, data := newLetters(t, "poison", 1000, 15001, 15002), t.TempDir()
	r := s.letters(t, data)
	end := r.begin()
	r.waitCommitted(30)
	for _, l := range wantLetters(t, r.store, 1000, 15001, 15002) {
		if l.Row != (l.row.BlockNumber-1)*3+l.row.Value%1000 || l.Cause != "a bad row" || l.Attempts != 1 || l.Register != "test.picky" {
			t.Errorf("the letter is %+v", l.DeadLetter)
		}
	}
	if p := r.path().Processes[1]; p.Poisoned != 3 || p.Restarts != 0 {
		t.Errorf("%d rows were counted with %d restarts, want 3 and none", p.Poisoned, p.Restarts)
	}
	do(t, "rewind", r.Rewind(soon(t), "p", 13))
	r.waitCommitted(40)
	wantLetters(t, r.store, 1000, 15001, 15002)
	do(t, "end", end())
	s.wantOnce(t, *r.path().Committed, nil, 1000, 15001, 15002)
	leftIn(t, data, 1000, 15001, 15002)
}

// A row that was put aside and comes again, because the path goes back, is no
// dead letter any more once the step can work on it: nobody will get it twice.
func TestPoisonThatIsMended(t *testing.T) {
	t.Parallel()
	s, data := newLetters(t, "poison", 15001), t.TempDir()
	r := s.letters(t, data)
	end := r.begin()
	r.waitCommitted(30)
	do(t, "replay", r.Replay(soon(t), r.id(15001))) // which fails again
	waitFor(t, "a second attempt", func() bool {
		l := lettersOf(t, r.store)
		return len(l) == 1 && l[0].Attempts == 2 && l[0].State == store.LetterDead
	})
	s.mend(t)
	do(t, "rewind", r.Rewind(soon(t), "p", 13))
	r.waitCommitted(40)
	wantLetters(t, r.store)
	do(t, "end", end())
	s.wantOnce(t, *r.path().Committed, nil)
}

// More bad rows than may be stop the path, with the way out.
func TestTooMuchPoison(t *testing.T) {
	t.Parallel()
	s := newSums(t)
	s.sum = "outage = 150000\n fate = \"poison\""
	err := newRig(t, s.with("test.picky", "test.file"), on(t, t.TempDir(), nil)).run(t.Context())
	for _, want := range []string{"step sums", "rows were put aside", "penstock dead-letter list", "max_share in the poison block"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v, which lacks %q", err, want)
		}
	}
	s = newSums(t)
	s.head += "\n poison {\n max_share = 1\n }"
	s.sum = "outage = 150000\n fate = \"poison\""
	do(t, "run with all rows allowed to be bad", newRig(t, s.with("test.picky", "test.file"), on(t, t.TempDir(), nil)).run(t.Context()))
}

// A reorganisation takes the letters of rows with it that are on the chain no
// more, whether they were refused or had broken their step. Another row that
// comes in the place of one is given out, and one that comes again is bad again.
func TestReorgOfBadRows(t *testing.T) {
	t.Parallel()
	for _, fate := range []string{"poison", "error"} {
		t.Run(fate, func(t *testing.T) {
			t.Parallel()
			s, data := newLetters(t, fate, 5000, 28000, 30000, 30001), t.TempDir()
			r := s.letters(t, data)
			end := r.begin()
			r.waitCommitted(40)
			wantLetters(t, r.store, 5000, 28000, 30000, 30001)
			do(t, "reorganise", reorganise(s.dir, 28))
			waitFor(t, "the reorganisation", func() bool { return r.path().Forks == 1 })
			r.waitCommitted(60)
			wantLetters(t, r.store, 5000, 28000)
			do(t, "end", end())
			s.wantOnce(t, *r.path().Committed, nil, 5000, 28000)
		})
	}
}

// Rows that broke their step stay left out when the host is started again, and
// when the path goes back.
func TestBadRowsStayOut(t *testing.T) {
	t.Parallel()
	s, data := newLetters(t, "kill", 20001, 20002), t.TempDir()
	r := s.letters(t, data)
	end := r.begin()
	r.waitCommitted(30)
	wantLetters(t, r.store, 20001, 20002)
	found := len(r.causes("sums"))
	do(t, "rewind", r.Rewind(soon(t), "p", 13))
	r.waitCommitted(50)
	if n := len(r.causes("sums")); n != found {
		t.Errorf("the step died %d times more of rows that are left out", n-found)
	}
	do(t, "end", end())

	r = s.letters(t, data)
	end = r.begin()
	r.waitState(engine.PathLive)
	do(t, "rewind", r.Rewind(soon(t), "p", 13))
	r.waitCommitted(60)
	r.wantCauses("sums")
	wantLetters(t, r.store, 20001, 20002)
	do(t, "end", end())
	s.wantOnce(t, *r.path().Committed, nil, 20001, 20002)
}

// Where no more letters are kept a bad row is neither lost nor tried for ever:
// the path gives up and says what to do.
func TestNoRoomForLetters(t *testing.T) {
	long(t)
	t.Parallel()
	for _, fate := range []string{"poison", "error"} {
		t.Run(fate, func(t *testing.T) {
			t.Parallel()
			s, data := newLetters(t, fate, 20001), t.TempDir()
			r := s.letters(t, data)
			many := make([]store.DeadLetter, store.MaxDeadLetters)
			for i := range many {
				many[i] = store.DeadLetter{Domain: r.memory.Name(), Pipeline: "p", Step: "gone", Input: "gone", Row: uint64(i)}
			}
			do(t, "fill the store", r.store.PutDeadLetters(many...))
			end := r.begin()
			r.waitState(engine.PathError)
			err := end()
			for _, want := range []string{"no more dead letters are kept", "replay or discard some with penstock dead-letter"} {
				if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "checkpoint 0") {
					t.Fatalf("got %v, which lacks %q", err, want)
				}
			}
		})
	}
}

// Rows that break their step count as bad ones, too.
func TestTooManyBreak(t *testing.T) {
	long(t)
	t.Parallel()
	s := newSums(t)
	var bad []string
	for b := range 30 {
		bad = append(bad, fmt.Sprint(100000+b*4000))
	}
	s.head += "\n poison {\n max_share = 0.0001\n }" // rows that come again count again
	s.reader, s.sum = "per_block = 1", "bad = ["+strings.Join(bad, ",")+"]\n fate = \"error\""
	err := newRig(t, s.with("test.picky", "test.file"), on(t, t.TempDir(), nil)).run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "21 of ") || !strings.Contains(err.Error(), "max_share") {
		t.Errorf("got %v, want too many rows put aside", err)
	}
}
