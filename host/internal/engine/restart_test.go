package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// sums is a pipeline whose rows are running sums, over a chain that is kept in
// a directory.
type sums struct {
	dir    string
	head   string // of the pipeline, "from = 1" and "to = 300" unless set
	reader string // further settings of the steps
	sum    string
	loader string
}

func newSums(t *testing.T) sums {
	t.Helper()
	return sums{dir: t.TempDir(), head: "from = 1\n to = 300"}
}

func (s sums) out() string { return filepath.Join(s.dir, "out") }
func (s sums) log() string { return filepath.Join(s.dir, "log") }

func (s sums) String() string {
	return fmt.Sprintf(`
pipeline "p" {
  network = "n"
  %s
  reader "test.chain" "blocks" {
    mark = %q
    log  = %q
    %s
  }
  subscriber "test.running" "sums" {
    input = blocks
    mark  = %q
    %s
  }
  loader "test.file" "out" {
    input = sums
    path  = %q
    mark  = %q
    %s
  }
}`, s.head, s.dir, s.log(), s.reader, s.dir, s.sum, s.out(), s.dir, s.loader)
}

// want checks that the loader holds the rows of the chain as it is now, summed.
func (s sums) want(t *testing.T, from, to uint64) {
	t.Helper()
	wantAll(t, lines(t, s.out()), summed(rowsOf(t, s.dir, from, to, 3)))
}

// What a host has done it does not do again after a restart: the reader goes on
// after the last checkpoint, sums go on, and the rows are those of a run that
// nobody disturbed.
func TestRestartGoesOn(t *testing.T) {
	s, data := newSums(t), t.TempDir()
	s.reader = "head = 0\n pause = \"1ms\""
	for _, until := range []uint64{60, 120, 180} {
		s.endsAt(t, until+50)
		r := newRig(t, s.String(), on(t, data, nil))
		end := r.begin()
		r.waitCommitted(until)
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	s.goesOn(t)
	if err := newRig(t, s.String(), on(t, data, nil)).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.want(t, 1, 300)
	starts := told(t, s.log(), "start")
	if len(starts) != 4 || starts[0] != 1 || starts[1] <= 60 || starts[2] <= 120 || starts[3] <= 180 {
		t.Errorf("the reader began at %v, want 1 and where each run before had ended", starts)
	}
	// What a reader has read beyond the last checkpoint it reads again, no more.
	if n := len(told(t, s.log(), "block")); n >= 300+60 {
		t.Errorf("%d blocks were read, want 300 and a few more for each restart", n)
	}
}

// A backtest that has come to its end stays there, until its end is put
// further.
func TestFinishedBacktest(t *testing.T) {
	s, data := newSums(t), t.TempDir()
	run := func(tune func(*engine.Config)) {
		t.Helper()
		if err := newRig(t, s.String(), on(t, data, tune)).run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run(nil)
	before := lines(t, s.out())
	run(nil)
	if n := len(told(t, s.log(), "block")); n != 300 {
		t.Errorf("%d blocks were read in two runs, want 300", n)
	}
	wantAll(t, lines(t, s.out()), before)

	s.head = "from = 1\n to = 400"
	run(nil)
	s.want(t, 1, 400)
	if n := len(told(t, s.log(), "block")); n != 400 {
		t.Errorf("%d blocks were read in three runs, want 400", n)
	}

	run(func(c *engine.Config) { c.Fresh = true })
	s.want(t, 1, 400)
	if starts := told(t, s.log(), "start"); !slices.Equal(starts, []uint64{1, 301, 301, 1}) {
		t.Errorf("the reader began at %v, want 1 again when begun anew", starts)
	}
}

// A pipeline that begins at the head does so once: after a restart it goes on
// where it was, wherever the head is by then.
func TestRestartOfAPipelineThatBeganAtTheHead(t *testing.T) {
	s, data := newSums(t), t.TempDir()
	s.head = `from = "latest"`
	var last uint64
	for i, head := range []uint64{50, 500} {
		s.reader = fmt.Sprintf("head = %d\n pause = \"2ms\"", head)
		s.endsAt(t, head+100)
		r := newRig(t, s.String(), on(t, data, nil))
		end := r.begin()
		r.waitCommitted([]uint64{60, 520}[i])
		if err := end(); err != nil {
			t.Fatal(err)
		}
		last = *r.path().Committed
	}
	s.want(t, 50, last)
	if starts := told(t, s.log(), "start"); len(starts) != 2 || starts[1] <= 60 || starts[1] > 500 {
		t.Errorf("the reader began at %v, want 50 and where the first run had ended", starts)
	}
}

// What is cut off in the middle is read again by the next run, and nothing of
// it is there twice.
func TestRestartAfterBeingCutOff(t *testing.T) {
	s, data := newSums(t), t.TempDir()
	s.loader = `eager = true
 at   = 150
 how  = "hang"`
	r := newRig(t, s.String(), on(t, data, func(c *engine.Config) { c.HardTerminateAfter = 20 * time.Millisecond }))
	end := r.begin()
	waitFor(t, "the loader to hang", func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "struck"))
		return err == nil
	})
	if err := end(); err == nil || !strings.Contains(err.Error(), "out had not ended; nothing is lost") {
		t.Errorf("got %v, want it to say which step did not end", err)
	}
	if rows := lines(t, s.out()); len(rows) == 0 || len(rows) == 900 {
		t.Fatalf("the loader holds %d rows, so nothing was cut off", len(rows))
	}
	if err := newRig(t, s.String(), on(t, data, nil)).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.want(t, 1, 300)
}

// A loader that has lost what it held says so, and what to do; nothing is
// written into it. Begun anew, it holds everything.
func TestLoaderWithoutTheMark(t *testing.T) {
	s, data := newSums(t), t.TempDir()
	run := func(tune func(*engine.Config)) error {
		return newRig(t, s.String(), on(t, data, tune)).run(t.Context())
	}
	if err := run(nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{s.out(), s.out() + ".marks"} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	s.head = "from = 1\n to = 400"
	err := run(nil)
	if err == nil || !strings.Contains(err.Error(), "step out") || !strings.Contains(err.Error(), "has no mark of checkpoint") {
		t.Errorf("got %v, want the loader's refusal", err)
	}
	if _, err := os.Stat(s.out()); err == nil {
		t.Error("something was written into a store that is not the old one")
	}
	if err := run(func(c *engine.Config) { c.Fresh = true }); err != nil {
		t.Fatal(err)
	}
	s.want(t, 1, 400)
}
