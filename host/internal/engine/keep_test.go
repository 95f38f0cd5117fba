package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store/journal"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/remote"
	"github.com/penstock-io/penstock/sdk/transit"
)

// onlyOnce emits numbers that never come again: it takes each from a file.
type onlyOnce struct {
	SafeEvery uint64 `hcl:"safe_every,optional"` // numbers between safe points, 1 unless set
	RestsAt   uint64 `hcl:"rests_at,optional"`   // no number ever comes after this one
	Shown     string `hcl:"shown,optional"`      // a file that has a line for each number before it strikes
	Log       string `hcl:"log"`                 // a file that is told what is emitted
	fault
}

// take takes the next number.
func (o *onlyOnce) take(ctx context.Context) (uint64, error) {
	path := filepath.Join(o.Mark, "taken")
	taken, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return 0, err
	}
	n := uint64(len(taken)) + 1
	if o.RestsAt > 0 && n > o.RestsAt {
		<-ctx.Done()
		return 0, context.Cause(ctx)
	}
	return n, appendTo(path, ".")
}

func (o *onlyOnce) Read(ctx context.Context, start sdk.Start, out *sdk.Output[number]) error {
	at := uint64(0)
	if start.Cursor != nil {
		at = start.Cursor.Block
	}
	if err := appendTo(o.Log, fmt.Sprintf("start %d\n", at)); err != nil {
		return err
	}
	for b := at; start.To == nil || b < *start.To; {
		var err error
		if b, err = o.take(ctx); err != nil {
			return err
		}
		if err := out.Emit(number{BlockNumber: b, Value: b}); err != nil {
			return err
		}
		time.Sleep(500 * time.Microsecond) // rows leave at once
		if b == o.At {
			awaitLines(ctx, o.Shown, b)
		}
		if err := o.strike(b); err != nil {
			return err
		}
		if b%max(o.SafeEvery, 1) == 0 || start.To != nil && b >= *start.To {
			if err := out.SafePoint(sdk.SafePoint{Cursor: sdk.Cursor{Block: b}, Head: b}); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitLines waits until a file, if any, has so many lines.
func awaitLines(ctx context.Context, path string, lines uint64) {
	for path != "" && ctx.Err() == nil {
		if raw, err := os.ReadFile(path); err == nil && uint64(bytes.Count(raw, []byte("\n"))) >= lines {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// once is the pipeline with a reader that says everything only once.
func (s sums) once() string {
	return fmt.Sprintf(`
pipeline "p" {
  network = "n"
  %s
  reader "test.once" "blocks" {
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

// journalDir is where the host keeps what the reader has said.
func journalDir(data string) string { return filepath.Join(data, "journal") }

// segmentsIn are the files of the only journal in a data directory.
func segmentsIn(t *testing.T, data string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(journalDir(data), "*", "*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %v, %v, want the files of a journal", files, err)
	}
	return files
}

// received are the rows that a host has got from the reader.
func received(t *testing.T, data string) []record {
	t.Helper()
	typ, err := transit.TypeOf[number]()
	if err != nil {
		t.Fatal(err)
	}
	j, _, err := journal.Open(filepath.Dir(segmentsIn(t, data)[0]), journal.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}()
	var out []record
	for r, err := range j.Read(1) {
		if err != nil {
			t.Fatal(err)
		}
		if remote.Kind(r.Kind) != remote.KindBatch {
			continue
		}
		batch, err := transit.DecodeBatch(typ, bytes.Clone(r.Body))
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(batch.Record.NumRows()) {
			out = append(out, record{BlockNumber: batch.Value(0, i).(uint64), Value: batch.Value(1, i).(uint64)})
		}
	}
	return out
}

// wantReceived checks that the loader holds what the host has got, summed, and
// that it got everything in order, but for a few that died with their reader.
func (s sums) wantReceived(t *testing.T, data string, most int) {
	t.Helper()
	got := received(t, data)
	for i := 1; i < len(got); i++ {
		if got[i].Value <= got[i-1].Value {
			t.Fatalf("number %d came after %d", got[i].Value, got[i-1].Value)
		}
	}
	if missing := int(got[len(got)-1].Value) - len(got); missing > most {
		t.Errorf("%d numbers never came, want at most %d", missing, most)
	}
	wantAll(t, lines(t, s.out()), summed(got))
}

// What a reader said that cannot say it again is not lost when another step, or
// the reader itself, dies.
func TestReaderThatSaysAllOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, reader, sum, loader string
	}{
		{name: "nobody"},
		{name: "a subscriber", sum: "at = 150\n how = \"kill\""},
		{name: "a loader", loader: "at = 150\n how = \"error\"\n slow = \"1ms\""},
		{name: "the reader", reader: "at = 150\n how = \"kill\"\n safe_every = 20"},
		{name: "the reader by an error", reader: "at = 150\n how = \"error\"\n safe_every = 20"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, data := newSums(t), t.TempDir()
			s.reader, s.sum, s.loader = c.reader, c.sum, c.loader
			if err := newRig(t, s.once(), on(t, data, nil)).run(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.wantReceived(t, data, 25)
		})
	}
}

// A reader that died after rows of which it had not said where they end does not
// say that any more. The path goes on, with those rows, and takes checkpoints.
func TestReaderThatRestsAfterItsDeath(t *testing.T) {
	t.Parallel()
	s, data := newSums(t), t.TempDir()
	s.head = "from = 1"
	s.reader = fmt.Sprintf("safe_every = 20\n rests_at = 50\n at = 50\n how = \"kill\"\n shown = %q", s.out())
	s.loader = "eager = true"
	r := newRig(t, s.once(), on(t, data, nil))
	end := r.begin()
	waitFor(t, "the reader's death, and what follows", func() bool { return r.was("blocks", "crashed") > 0 && len(told(t, s.log(), "start")) == 2 })
	r.waitCommitted(40)
	waitFor(t, "its last rows", func() bool { return len(soFar(t, s.out())) == 50 })
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if n := r.was("blocks", "crashed"); n != 1 {
		t.Errorf("the reader crashed %d times, want once", n)
	}
	if starts := told(t, s.log(), "start"); !slices.Equal(starts, []uint64{0, 40}) {
		t.Errorf("the reader was opened at %v, want the beginning and what it had said last", starts)
	}
	s.wantReceived(t, data, 25)
}

// A host that comes back gives out what the one before it had got, and not what
// is torn at the end of the journal.
func TestRestartWithAReaderThatSaysAllOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		tear func(t *testing.T, file string)
	}{
		{name: "whole"},
		{name: "torn", tear: func(t *testing.T, file string) {
			t.Helper()
			if err := appendTo(file, "half of a record"); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, data := newSums(t), t.TempDir()
			s.loader = "at = 150\n how = \"hang\""
			cutOff := func(c *engine.Config) {
				c.HardTerminateAfter, c.Checkpoint.Every = 20*time.Millisecond, 50*time.Millisecond
			}
			r := newRig(t, s.once(), on(t, data, cutOff))
			end := r.begin()
			waitFor(t, "the loader to hang", func() bool { return exists(filepath.Join(s.dir, "struck")) })
			if err := end(); err == nil {
				t.Fatal("nothing was cut off")
			}
			before := received(t, data)
			if c.tear != nil {
				c.tear(t, slices.Max(segmentsIn(t, data)))
			}
			r = newRig(t, s.once(), on(t, data, nil))
			if err := r.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.wantReceived(t, data, 300)
			if after := received(t, data); !slices.Equal(after[:len(before)], before) {
				t.Error("rows that a host had got are not those that the next one went on from")
			}
			if k := r.path().Checkpoint; k == nil || len(before) < 150 {
				t.Errorf("checkpoint %v, %d rows before the cut", k, len(before))
			}
		})
	}
}

// The same when the host is killed at any moment: what was read is given to a
// path that has gone back to the beginning, too.
func TestRewindOfAReaderThatSaysAllOnce(t *testing.T) {
	t.Parallel()
	s, data := newSums(t), t.TempDir()
	s.head = "from = 1"
	r := newRig(t, s.once(), on(t, data, nil))
	end := r.begin()
	r.waitCommitted(100)
	do(t, "rewind", r.Rewind(soon(t), "p", 50))
	r.waitCommitted(200)
	for _, pid := range r.started() {
		_ = syscall.Kill(pid, syscall.SIGKILL) // some have ended
	}
	r.waitCommitted(300)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	r = newRig(t, s.once(), on(t, data, nil))
	end = r.begin()
	r.waitState(engine.PathLive)
	r.waitCommitted(400)
	do(t, "pause", r.Pause(soon(t), "p"))
	if err := end(); err != nil {
		t.Fatal(err)
	}
	got := lines(t, s.out())
	wantAll(t, got, summed(received(t, data)[:len(got)]))
}
