package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/recording"
)

// beginRecording begins to record a step.
func beginRecording(t *testing.T, r *rig, step string, limits engine.RecordLimits) *engine.Recorder {
	t.Helper()
	rec, err := r.Record(step, "v9", limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rec.Close)
	return rec
}

// recorded records a step, to the end, and returns the file and why it ended.
func recorded(t *testing.T, r *rig, step string, limits engine.RecordLimits, meanwhile func()) (path string, ended error) {
	t.Helper()
	return written(t, beginRecording(t, r, step, limits), meanwhile)
}

// written writes what a recorder gives out, up to its end, and returns the file and
// why it ended. Meanwhile is called when there is something in it.
func written(t *testing.T, rec *engine.Recorder, meanwhile func()) (path string, ended error) {
	t.Helper()
	defer rec.Close()
	path = filepath.Join(t.TempDir(), "some.rec")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := recording.NewWriter(f, 0)
	if err != nil {
		t.Fatal(err)
	}
	for {
		record, err := rec.Next(soon(t))
		if err != nil {
			ended = err
			break
		}
		if err := w.Write(record); err != nil {
			t.Fatal(err)
		}
		if meanwhile != nil && w.Barriers > 1 {
			meanwhile()
			meanwhile = nil
		}
	}
	if err := w.Finish(fmt.Sprint(ended)); err != nil {
		t.Fatalf("the recording ended with %v, and holds nothing: %v", ended, err)
	}
	return path, ended
}

func openRecording(t *testing.T, path string) *recording.Recording {
	t.Helper()
	r, err := recording.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// complaint stands in for the test of a plugin that is to fail.
type complaint struct {
	*testing.T
	said string
}

type failedTest struct{}

func (c *complaint) Errorf(format string, args ...any) { c.said += fmt.Sprintf(format, args...) }

func (c *complaint) Fatalf(format string, args ...any) {
	c.said += fmt.Sprintf(format, args...)
	panic(failedTest{})
}

// complains is what a replay fails with, "" if it does not.
func complains(t *testing.T, register sdk.Register, path string, set ...map[string]any) (said string) {
	t.Helper()
	c := &complaint{T: t}
	defer func() {
		if r := recover(); r != nil {
			if _, is := r.(failedTest); !is {
				panic(r)
			}
		}
		said = c.said
	}()
	plugintest.Replay(c, register, path, set...)
	return c.said
}

// forgetful is test.running, with a mistake: it is off by one from a block on.
type forgetful struct {
	running
	from uint64
}

func (f *forgetful) Transform(ctx context.Context, n number, emit func(number) error) error {
	return f.running.Transform(ctx, n, func(out number) error {
		if out.BlockNumber >= f.from {
			out.Value++
		}
		return emit(out)
	})
}

// What a step with state was given and has said is played to it again, from its
// snapshot on, and is the same; another version of it is found out.
func TestRecordingOfAStepWithState(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(12)
	path, ended := recorded(t, r, "sums", engine.RecordLimits{Checkpoints: 4}, nil)
	loaded, endedToo := recorded(t, r, "p/out", engine.RecordLimits{Rows: 50}, nil)
	do(t, "end", end())
	if !errors.Is(ended, io.EOF) || !errors.Is(endedToo, io.EOF) {
		t.Errorf("the recordings ended with %v and %v", ended, endedToo)
	}
	rec := openRecording(t, path)
	h := rec.Header
	if rec.Snapshot == nil || rec.Barriers != 4 || rec.InputRows == 0 || rec.OutputRows != rec.InputRows || h.Checkpoint == 0 || h.Cursor == nil || h.Inputs[0].Rows == 0 {
		t.Errorf("the recording: %d barriers, %d rows in, %d out, %+v", rec.Barriers, rec.InputRows, rec.OutputRows, h)
	}
	if h.Plugin != "test" || h.Register != "test.running" || h.Network.ChainID != 1 || h.Host != "v9" || h.Step != "sums" || h.Domain != "p/blocks" {
		t.Errorf("the header: %+v", h)
	}
	mark := map[string]any{"mark": t.TempDir()}
	if said := complains(t, sdk.Subscriber("test.running", &running{}), path, mark); said != "" {
		t.Errorf("the same register: %s", said)
	}
	first := h.Cursor.Block + 2
	said := complains(t, sdk.Subscriber("test.running", &forgetful{from: first}), path, mark)
	for _, want := range []string{
		"as recorded, ", " changed", fmt.Sprintf("row 4 (block %d) is another:", first), "      block_number  ", "    - value         ", "    + value         ",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("a changed register: %q is missing in\n%s", want, said)
		}
	}
	if said := complains(t, sdk.Subscriber("test.double", &double{}), path); !strings.Contains(said, "is a recording of register test.running, not of test.double") {
		t.Errorf("another register: %s", said)
	}
	if said := complains(t, sdk.Loader("test.file", &file{}), loaded, mark, map[string]any{"path": filepath.Join(t.TempDir(), "rows")}); said != "" {
		t.Errorf("the loader: %s", said)
	}
}

// A recording goes on to the end of what is read, and holds all of it.
func TestRecordingToTheEnd(t *testing.T) {
	t.Parallel()
	s := newSums(t)
	s.head, s.reader = "from = 1\n to = 400", "pause = \"500us\""
	r := newRig(t, s.String(), func(c *engine.Config) { c.Checkpoint.Every = 5 * time.Millisecond })
	rec := beginRecording(t, r, "sums", engine.RecordLimits{}) // before the first row
	end := r.begin()
	path, ended := written(t, rec, nil)
	do(t, "end", end())
	if !errors.Is(ended, io.EOF) {
		t.Errorf("it ended with %v", ended)
	}
	file := openRecording(t, path)
	if rest := 400*3 - file.Header.Inputs[0].Rows; rest == 0 || file.InputRows != rest || file.OutputRows != rest {
		t.Errorf("%d rows in and %d out, want %d", file.InputRows, file.OutputRows, rest)
	}
	if said := complains(t, sdk.Subscriber("test.running", &running{}), path); said != "" {
		t.Error(said)
	}
}

// The tuples of a join come out as they did, whichever input was ahead.
func TestRecordingOfAJoin(t *testing.T) {
	t.Parallel()
	j := joined{dir: t.TempDir()}
	r := newRig(t, j.String(), often)
	rec := beginRecording(t, r, "merge", engine.RecordLimits{Rows: 2000}) // before the first row
	end := r.begin()
	path, _ := written(t, rec, nil)
	do(t, "end", end())
	if said := complains(t, sdk.Aggregator("test.merge", &merge{}), path); said != "" {
		t.Error(said)
	}
	if file := openRecording(t, path); len(file.Header.Inputs) != 2 || file.Header.Kind != "aggregator" || file.OutputRows == 0 {
		t.Errorf("a %s of %d inputs said %d rows", file.Header.Kind, len(file.Header.Inputs), file.OutputRows)
	}
}

// A path that is stopped, for a rewind or a pause, ends the recording with the step.
func TestRecordingAcrossARewind(t *testing.T) {
	t.Parallel()
	for how, do := range map[string]func(r *rig) error{
		"rewind": func(r *rig) error { return r.Rewind(context.Background(), "p", r.oldest()) },
		"pause":  func(r *rig) error { return r.Pause(context.Background(), "p") },
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newLive(t)
			r := newRig(t, s.String(), on(t, t.TempDir(), nil))
			end := r.begin()
			r.waitCommitted(20)
			done := make(chan error, 1)
			path, ended := recorded(t, r, "sums", engine.RecordLimits{For: time.Hour}, func() { go func() { done <- do(r) }() })
			if err := errors.Join(<-done, end()); err != nil {
				t.Error(err)
			}
			if !errors.Is(ended, io.EOF) {
				t.Errorf("it ended with %v", ended)
			}
			if said := complains(t, sdk.Subscriber("test.running", &running{}), path); said != "" {
				t.Error(said)
			}
		})
	}
}

// A step that breaks takes its recording with it, which is good up to its last
// barrier.
func TestRecordingAcrossACrash(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(12)
	path, ended := recorded(t, r, "sums", engine.RecordLimits{For: time.Hour}, func() { _ = syscall.Kill(r.process("sums").PID, syscall.SIGKILL) })
	if ended == nil || !strings.Contains(ended.Error(), "the path went back to a checkpoint (generation ") {
		t.Errorf("it ended with %v", ended)
	}
	do(t, "end", end())
	if rec := openRecording(t, path); rec.Barriers == 0 || rec.OutputRows == 0 {
		t.Errorf("it holds %d rows and %d barriers", rec.OutputRows, rec.Barriers)
	}
	if said := complains(t, sdk.Subscriber("test.running", &running{}), path); said != "" {
		t.Error(said)
	}
}

// Who does not take what is recorded holds the path up for a while, and no longer:
// the recording ends and says why, and all rows arrive.
func TestRecordingThatIsNotTaken(t *testing.T) {
	t.Parallel()
	s := newSums(t)
	s.head, s.reader = "from = 1\n to = 800", "pause = \"100us\""
	r := newRig(t, s.String(), func(c *engine.Config) {
		c.HangAfter, c.Checkpoint.Every = hang, 5*time.Millisecond
	})
	end := r.begin()
	rec, err := r.Record("sums", "v9", engine.RecordLimits{For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	waitFor(t, "the end of the path", func() bool { return r.path().State == engine.PathStopped })
	for err == nil {
		_, err = rec.Next(soon(t))
	}
	if !strings.Contains(err.Error(), "could not be written within") {
		t.Errorf("the recording ended with %v", err)
	}
	do(t, "end", end())
	s.want(t, 1, 800)
	if n := r.was("sums", string(engine.ProcessCrashed)); n > 0 {
		t.Errorf("the step was blamed for it, %d times", n)
	}
}

// What cannot be recorded is refused, and so is a step that is recorded already.
func TestRecordingIsRefused(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.loader = "after = \"final\""
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(12)
	for step, want := range map[string]string{
		"blocks": `step "blocks" is a reader: what goes into it comes from outside and cannot be played to it again; record a step that reads from it`,
		"out":    `step "out" takes final rows only, which it gets long after they flow: record it without after = "final"`,
		"sumz":   `there is no step "sumz": did you mean "sums"?`,
	} {
		if _, err := r.Record(step, "", engine.RecordLimits{}); fmt.Sprint(err) != want {
			t.Errorf("%s: got %v, want %s", step, err, want)
		}
	}
	first, err := r.Record("sums", "", engine.RecordLimits{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Record("p/sums", "", engine.RecordLimits{}); fmt.Sprint(err) != `step "sums" is being recorded already: wait until that has ended` {
		t.Errorf("a second recording: %v", err)
	}
	first.Close()
	second, err := r.Record("p/sums", "", engine.RecordLimits{})
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	if _, err := second.Next(soon(t)); err == nil {
		t.Error("a recording that was closed goes on")
	}
	do(t, "end", end())
}
