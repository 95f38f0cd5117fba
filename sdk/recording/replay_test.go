package recording_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/recording"
	"github.com/penstock-io/penstock/sdk/transit"
)

// process is a plugin that answers every frame with some others.
type process struct {
	answers chan *wire.Frame
	gone    chan struct{}
	answer  func(f *wire.Frame) []*wire.Frame
}

func newProcess(answer func(f *wire.Frame) []*wire.Frame) *process {
	return &process{answers: make(chan *wire.Frame, 4), gone: make(chan struct{}), answer: answer}
}

func (p *process) Send(f *wire.Frame) error {
	for _, out := range p.answer(f) {
		if out == nil {
			close(p.answers)
			p.answer = func(*wire.Frame) []*wire.Frame { return nil }
			return io.EOF
		}
		select {
		case p.answers <- out:
		case <-p.gone:
			return context.Canceled
		}
	}
	return nil
}

func (p *process) Recv() (*wire.Frame, error) {
	select {
	case f, ok := <-p.answers:
		if !ok {
			return nil, io.EOF
		}
		return f, nil
	case <-p.gone:
		return nil, context.Canceled
	}
}

func (p *process) Cancel() {
	select {
	case <-p.gone:
	default:
		close(p.gone)
	}
}

// echo says every batch again, as change makes it, and answers barriers.
func echo(t *testing.T, change func(rows []number) []number) func(f *wire.Frame) []*wire.Frame {
	t.Helper()
	d, err := transit.NewDecoder[number](typeOf[number](t))
	if err != nil {
		t.Fatal(err)
	}
	return func(f *wire.Frame) []*wire.Frame {
		switch f.Kind {
		case pluginv1.Kind_KIND_BATCH:
			rows, err := d.Append(nil, f.Bytes())
			if err != nil {
				t.Error(err)
			}
			var out []*wire.Frame
			for _, row := range change(rows) { // batches are others than those that were recorded
				out = append(out, batch(t, row))
			}
			return out
		case pluginv1.Kind_KIND_BARRIER:
			return []*wire.Frame{barrier(f.Checkpoint)}
		default:
			return nil
		}
	}
}

// Rows are compared one by one, whatever batches they come in; one that is missing,
// or too many, does not make all that follow differ.
func TestReplay(t *testing.T) {
	drop := func(values ...float64) func([]number) []number {
		return func(rows []number) (out []number) {
			for _, row := range rows {
				keep := true
				for _, v := range values {
					keep = keep && row.Value != v
				}
				if keep {
					out = append(out, row)
				}
			}
			return out
		}
	}
	for name, c := range map[string]struct {
		change  func([]number) []number
		summary string
		text    []string
	}{
		"same": {func(rows []number) []number { return rows }, "200 rows as recorded", nil},
		"changed": {func(rows []number) []number {
			for i := range rows {
				if rows[i].Value == 77 {
					note := "new\x1b[2J"
					rows[i].Value, rows[i].Note = 78.5, &note
				}
			}
			return rows
		}, "200 rows recorded: 199 as recorded, 1 changed", []string{
			"row 78 (block 38) is another:\n      block_number  38\n    - value         77\n    + value         78.5\n    - note          null\n    + note          new\uFFFD[2J\n",
		}},
		"missing": {drop(0, 100, 101, 199), "200 rows recorded: 196 as recorded, 4 missing", []string{
			"row 1 (block 0) is missing:\n    - block_number  0\n    - value         0\n", "row 101 (block 50) is missing:", "row 102 (block 50) is missing:", "row 200 (block 99) is missing:",
		}},
		"too many": {func(rows []number) (out []number) {
			for _, row := range rows {
				out = append(out, row)
				if row.Value == 50 || row.Value == 199 {
					out = append(out, number{BlockNumber: 1000, Value: math.NaN()})
				}
			}
			return out
		}, "200 rows recorded: 200 as recorded, 2 too many", []string{
			"a row too many before row 52 (block 1000):\n    + block_number  1000\n    + value         NaN\n", "a row too many before row 201 (block 1000):",
		}},
		"nothing": {func([]number) []number { return nil }, "200 rows recorded: 0 as recorded, 200 missing", []string{"… and 197 rows more that differ\n"}},
		"all others": {func(rows []number) []number {
			for i := range rows {
				rows[i].Value = -1
			}
			return rows
		}, "200 rows recorded: 0 as recorded, 200 changed", []string{"row 3 (block 1) is another:", "… and 197 rows more that differ\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(echo(t, c.change))
			most := 3
			if len(c.text) > 3 {
				most = 10
			}
			result, err := recording.Replay(t.Context(), read(t, file(t, 200, true)), p, recording.Options{Output: typeOf[number](t), Most: most})
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			_, _ = result.WriteTo(&text)
			if got := result.Summary(); got != c.summary || result.Equal() != (name == "same") {
				t.Errorf("got %q, want %q", got, c.summary)
			}
			for _, want := range c.text {
				if !strings.Contains(text.String(), want) {
					t.Errorf("%q is missing in\n%s", want, text.String())
				}
			}
			if name == "same" && text.Len() > 0 {
				t.Errorf("got\n%s", text.String())
			}
		})
	}
}

// wider has a column that was not recorded, and has the others in another order.
type wider struct {
	More        string
	Note        *string
	Value       float64
	BlockNumber uint64
}

func (wider) TransitType() string { return "test.number" }

// renamed lacks a column.
type renamed struct {
	BlockNumber uint64
	Worth       float64
	Note        *string
}

func (renamed) TransitType() string { return "test.number" }

func TestReplayToAnotherType(t *testing.T) {
	d, err := transit.NewDecoder[number](typeOf[number](t))
	if err != nil {
		t.Fatal(err)
	}
	p := newProcess(func(f *wire.Frame) []*wire.Frame {
		if f.Kind != pluginv1.Kind_KIND_BATCH {
			return echo(t, nil)(f)
		}
		rows, err := d.Append(nil, f.Bytes())
		if err != nil {
			t.Error(err)
		}
		var out []wider
		for _, r := range rows {
			out = append(out, wider{More: "x", Note: r.Note, Value: r.Value, BlockNumber: r.BlockNumber})
		}
		return []*wire.Frame{batch(t, out...)}
	})
	result, err := recording.Replay(t.Context(), read(t, file(t, 20, false)), p, recording.Options{Output: typeOf[wider](t)})
	if err != nil || !result.Equal() {
		t.Errorf("a column more: %v, %v", result, err)
	}
	result, err = recording.Replay(t.Context(), read(t, file(t, 20, false)), newProcess(nil), recording.Options{Output: typeOf[renamed](t)})
	if err != nil || result.Equal() || result.Misfit == nil {
		t.Fatalf("a column less: %v, %v", result, err)
	}
	var text strings.Builder
	_, _ = result.WriteTo(&text)
	if !strings.Contains(text.String(), "worth") || result.Summary() != "the output is of another type than was recorded" {
		t.Errorf("%s:\n%s", result.Summary(), text.String())
	}
}

// A process that fails, ends too early or hangs is told of, and waited for no longer
// than it may take.
func TestReplayToABrokenProcess(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(f *wire.Frame) []*wire.Frame
		want   string
	}{
		"fails": {func(*wire.Frame) []*wire.Frame {
			return []*wire.Frame{{Kind: pluginv1.Kind_KIND_FAILED, Generation: 1, Failed: &pluginv1.Failed{Message: "no more", Stack: "main.go:7"}}}
		}, "frames of the recording: the process failed: no more\nmain.go:7"},
		"ends":  {func(*wire.Frame) []*wire.Frame { return []*wire.Frame{nil} }, "the process ended its stream before its time"},
		"hangs": {func(*wire.Frame) []*wire.Frame { return nil }, "the process neither took nor said anything for 50ms"},
		"broken": {func(*wire.Frame) []*wire.Frame {
			return []*wire.Frame{{Kind: pluginv1.Kind_KIND_BATCH, Generation: 1, Rows: 1}}
		}, "read what the process says"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := recording.Replay(t.Context(), read(t, file(t, 20, true)), newProcess(c.answer), recording.Options{Output: typeOf[number](t), Patience: 50 * time.Millisecond})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := recording.Replay(ctx, read(t, file(t, 20, true)), newProcess(echo(t, func(rows []number) []number { return rows })), recording.Options{Output: typeOf[number](t)}); err == nil || err.Error() != "enough" {
		t.Errorf("a replay that nobody wants: %v", err)
	}
}

// Rows that the process refuses are told of.
func TestReplayTellsOfRefusedRows(t *testing.T) {
	same := echo(t, func(rows []number) []number { return rows })
	p := newProcess(func(f *wire.Frame) []*wire.Frame {
		out := same(f)
		if f.Kind == pluginv1.Kind_KIND_BARRIER {
			out = append([]*wire.Frame{{Kind: pluginv1.Kind_KIND_PROGRESS, Generation: 1, Progress: &pluginv1.Progress{Poisoned: 2, Cause: "bad row"}}}, out...)
		}
		return out
	})
	result, err := recording.Replay(t.Context(), read(t, file(t, 10, true)), p, recording.Options{Output: typeOf[number](t)})
	if err != nil || result.Summary() != "10 rows as recorded; 4 rows refused, last because: bad row" {
		t.Errorf("got %v, %v", result.Summary(), err)
	}
}

// An update holds the same inputs, and what the process says now.
func TestUpdate(t *testing.T) {
	twice := func(rows []number) []number {
		for i := range rows {
			rows[i].Value *= 2
		}
		return rows
	}
	var out bytes.Buffer
	w, err := recording.NewWriter(&out, 0)
	if err != nil {
		t.Fatal(err)
	}
	old := read(t, file(t, 30, true))
	result, err := recording.Replay(t.Context(), old, newProcess(echo(t, twice)), recording.Options{Output: typeOf[number](t), Update: w})
	if err != nil || result.Changed != 29 { // nothing is twice nothing
		t.Fatalf("%v, %v", result, err)
	}
	updated := read(t, out.Bytes())
	if updated.InputRows != old.InputRows || updated.Barriers != old.Barriers || updated.Snapshot == nil || updated.Header.Checkpoint != old.Header.Checkpoint {
		t.Errorf("%d rows and %d barriers, want %d and %d", updated.InputRows, updated.Barriers, old.InputRows, old.Barriers)
	}
	result, err = recording.Replay(t.Context(), updated, newProcess(echo(t, twice)), recording.Options{Output: typeOf[number](t)})
	if err != nil || !result.Equal() || result.Same != 30 {
		t.Errorf("after the update: %v, %v", result.Summary(), err)
	}
	result, err = recording.Replay(t.Context(), updated, newProcess(echo(t, func(rows []number) []number { return rows })), recording.Options{Output: typeOf[number](t)})
	if err != nil || result.Changed != 29 {
		t.Errorf("the old one after the update: %v, %v", result.Summary(), err)
	}
}
