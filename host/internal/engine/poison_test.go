package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// hang is a time in which what gets on does, also on a machine that has much else
// to do.
const hang = 3 * time.Second

// quick kills what hangs soon, and tells of nobody else.
func quick(c *engine.Config) { c.HangAfter = hang }

// A row that breaks its step again and again is found, whatever it does to it,
// and put aside. All other rows are there, once, in order, and what the step
// keeps between them is as if the row had never been.
func TestBadRows(t *testing.T) {
	long(t)
	t.Parallel()
	for _, c := range []struct {
		name, fate, cause string
		bad               []uint64
		together, stack   bool
	}{
		{name: "an error", fate: "error", bad: []uint64{50001}, cause: "the fault that was asked for"},
		{name: "a panic", fate: "panic", bad: []uint64{50001}, cause: "panic: the fault that was asked for", stack: true},
		{name: "death", fate: "kill", bad: []uint64{50001}, cause: "killed"},
		{name: "a hang", fate: "hang", bad: []uint64{50001}, cause: "it hangs"},
		{name: "far apart", fate: "error", bad: []uint64{7000, 280002}, cause: "fault"},
		{name: "in a row", fate: "error", bad: []uint64{50000, 50001, 50002}, cause: "fault"},
		{name: "the first", fate: "panic", bad: []uint64{1000}, cause: "fault", stack: true},
		{name: "the last", fate: "kill", bad: []uint64{300002}, cause: "killed"},
		{name: "an error among many", fate: "error", together: true, bad: []uint64{50001}, cause: "fault"},
		{name: "death among many", fate: "kill", together: true, bad: []uint64{50001}, cause: "killed"},
		{name: "in a row among many", fate: "error", together: true, bad: []uint64{50000, 50001, 50002}, cause: "fault"},
		{name: "the last among many", fate: "error", together: true, bad: []uint64{300002}, cause: "fault"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, data := newSums(t), t.TempDir()
			s.sum = fmt.Sprintf("bad = [%s]\n fate = %q", strings.Trim(strings.Join(strings.Fields(fmt.Sprint(c.bad)), ","), "[]"), c.fate)
			register := "test.picky"
			if c.together {
				register = "test.together"
			}
			r := newRig(t, s.with(register, "test.file"), on(t, data, quick))
			if err := r.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantAll(t, lines(t, s.out()), summed(without(rowsOf(t, s.dir, 1, 300, 3), c.bad...)))
			for _, l := range leftIn(t, data, c.bad...) {
				wantLetter(t, l, "sums", "blocks", c.cause, c.stack)
			}
			if n := r.path().Processes[1].Poisoned; n != uint64(len(c.bad)) {
				t.Errorf("%d rows were counted as bad, want %d", n, len(c.bad))
			}
		})
	}
}

// wantLetter checks what stands in the letter of a row of which there are three
// a block, from block 1 on.
func wantLetter(t *testing.T, l letter, step, input, cause string, stack bool) {
	t.Helper()
	number := (l.row.BlockNumber-1)*3 + l.row.Value%1000
	if l.Step != step || l.Input != input || l.Row != number || l.State != store.LetterDead || l.Pipeline != "p" || l.TypeName != "test.number" {
		t.Errorf("the letter is %+v, want one of row %d from %s to %s", l.DeadLetter, number, input, step)
	}
	if !strings.Contains(l.Cause, cause) || strings.Contains(l.Stack, "picky") != stack {
		t.Errorf("its cause is %q with the stack %q, want %q and stack: %v", l.Cause, l.Stack, cause, stack)
	}
	if l.Attempts < 2 || l.First.IsZero() || l.Last.Before(l.First) || l.Generation == 0 {
		t.Errorf("the letter has %d attempts from %s to %s in generation %d", l.Attempts, l.First, l.Last, l.Generation)
	}
	if l.Cursor.Known && l.Cursor.Block >= l.row.BlockNumber {
		t.Errorf("the letter's cursor is block %d, want one before block %d", l.Cursor.Block, l.row.BlockNumber)
	}
}

// Steps of other kinds lose a bad row just so: a loader that is given rows, one
// that is given columns, and an aggregator that works on the rows of one input.
func TestBadRowsOfOthers(t *testing.T) {
	long(t)
	t.Parallel()
	for _, fate := range []string{"error", "kill", "hang"} {
		for _, loader := range []string{"test.file", "test.columns"} {
			t.Run(loader+" "+fate, func(t *testing.T) {
				t.Parallel()
				s, data := newSums(t), t.TempDir()
				s.sum = "plain = true"
				s.loader = fmt.Sprintf("bad = [50001, 50002, 220000]\n fate = %q", fate)
				if err := newRig(t, s.with("test.picky", loader), on(t, data, quick)).run(t.Context()); err != nil {
					t.Fatal(err)
				}
				wantAll(t, lines(t, s.out()), without(rowsOf(t, s.dir, 1, 300, 3), 50001, 50002, 220000))
				for _, l := range leftIn(t, data, 50001, 50002, 220000) {
					wantLetter(t, l, "out", "sums", map[string]string{"error": "fault", "kill": "killed", "hang": "hangs"}[fate], false)
				}
			})
		}
		t.Run("aggregator "+fate, func(t *testing.T) {
			t.Parallel()
			s, data := newSums(t), t.TempDir()
			if err := newRig(t, s.joined("trigger", fmt.Sprintf("bad = [50001, 220000]\n fate = %q", fate)), on(t, data, quick)).run(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantAll(t, lines(t, s.out()), without(rowsOf(t, s.dir, 1, 300, 3), 50001, 220000))
			leftIn(t, data, 50001, 220000)
		})
	}
}

// joined is the pipeline with an aggregator of two readers in the place of its
// subscriber.
func (s sums) joined(policy, settings string) string {
	if policy == "trigger" {
		policy = "policy \"trigger\" {\n on = \"left\"\n }"
	}
	return fmt.Sprintf(`
pipeline "p" {
  network = "n"
  %s
  reader "test.chain" "left" { mark = %q }
  reader "test.chain" "right" { mark = %q }
  aggregator "test.each" "pass" {
    inputs = { left = left, right = right }
    %s
    %s
  }
  loader "test.file" "out" {
    input = pass
    path  = %q
  }
}`, s.head, s.dir, s.dir, settings, policy, s.out())
}

// A tuple of many rows that breaks its aggregator is no row's fault as far as
// anybody can tell: none is put aside, and the path gives up with the cause.
func TestBadTuple(t *testing.T) {
	t.Parallel()
	s, data := newSums(t), t.TempDir()
	err := newRig(t, s.joined("", "bad = [50001]\n fate = \"panic\""), on(t, data, nil)).run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "step pass") || !strings.Contains(err.Error(), "the fault that was asked for") {
		t.Errorf("got %v, want the step and what happened to it", err)
	}
	leftIn(t, data)
}

// While a step can work on no row at all, it is not the rows: none is put
// aside, and the budget decides. Once it is over, every row is there.
func TestOutage(t *testing.T) {
	long(t)
	t.Parallel()
	for _, register := range []string{"test.picky", "test.together"} {
		for _, ends := range []int{0, 3, 4, 9} {
			t.Run(fmt.Sprint(register, " for ", ends), func(t *testing.T) {
				t.Parallel()
				s, data := newSums(t), t.TempDir()
				s.sum = fmt.Sprintf("outage = 150000\n ends = %d\n fate = \"error\"\n noted = %q", ends, s.dir+"/noted")
				err := newRig(t, s.with(register, "test.file"), on(t, data, nil)).run(t.Context())
				leftIn(t, data)
				if ends > 0 {
					if err != nil {
						t.Fatal(err)
					}
					s.want(t, 1, 300)
					return
				}
				if err == nil || !strings.Contains(err.Error(), "it failed 7 times within 1m0s, last in step sums") {
					t.Errorf("got %v, want the budget to be used up", err)
				}
				if n := len(told(t, s.dir+"/noted", "bad")); n > 100 { // with a search for a bad row or two
					t.Errorf("it was tried %d times, which is no budget", n)
				}
			})
		}
	}
}
