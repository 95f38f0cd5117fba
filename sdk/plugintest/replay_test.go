package plugintest_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/recording"
	"github.com/penstock-io/penstock/sdk/transit"
)

// adds keeps the sum of all rows, from a snapshot on.
type adds struct {
	Times int64  `hcl:"times,optional"`
	Key   string `hcl:"key,sensitive"`
	sum   int64
}

func (a *adds) Transform(_ context.Context, in row, emit func(row) error) error {
	a.sum += in.Value * a.Times
	return emit(row{Value: a.sum})
}

func (a *adds) Snapshot() ([]byte, error) {
	return binary.BigEndian.AppendUint64(nil, uint64(a.sum)), nil
}

func (a *adds) Restore(state []byte) error {
	a.sum = int64(binary.BigEndian.Uint64(state))
	return nil
}

// writes is a loader that writes to a place of its settings.
type writes struct {
	Path string `hcl:"path,writes"`
	rows int
}

func (w *writes) Load(_ context.Context, rows []row) error {
	w.rows += len(rows)
	return os.WriteFile(w.Path, []byte(fmt.Sprint(w.rows)), 0o600)
}

// recordingOf makes a recording of rows 1, 2, 3 and what is said of them, which began
// with a sum of 100.
func recordingOf(t *testing.T, register, kind string, said ...int64) string {
	t.Helper()
	typ, err := transit.TypeOf[row]()
	if err != nil {
		t.Fatal(err)
	}
	e, err := transit.NewEncoder[row]()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "some.rec")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := recording.NewWriter(f, 0)
	if err != nil {
		t.Fatal(err)
	}
	write := func(record []byte) {
		t.Helper()
		if err := w.Write(record); err != nil {
			t.Fatal(err)
		}
	}
	batch := func(output bool, values ...int64) {
		t.Helper()
		var rows []row
		for _, v := range values {
			rows = append(rows, row{Value: v})
		}
		body, err := e.Append(nil, rows)
		if err != nil {
			t.Fatal(err)
		}
		var bodies wire.Bodies
		record, _ := recording.AppendFrame(nil, &wire.Frame{Kind: pluginv1.Kind_KIND_BATCH, Rows: uint32(len(rows)), Body: bodies.Body(&body)}, output)
		write(record)
	}
	in := recording.TypeOf(typ)
	h := recording.Header{
		Plugin: "some", Register: register, Kind: kind, Pipeline: "p", Step: "s", Domain: "p/s", Checkpoint: 5, Settings: json.RawMessage(`{"times":2}`),
		Inputs: []recording.Input{{Name: "rows", Port: "input", Rows: 9, Type: in}},
	}
	if kind == "loader" {
		h.Settings = json.RawMessage(`{"path":"/nowhere"}`)
	} else {
		h.Output, h.LeftOut = &in, []string{"key"}
	}
	header, err := recording.HeaderRecord(h)
	if err != nil {
		t.Fatal(err)
	}
	write(header)
	if kind != "loader" {
		write(recording.SnapshotRecord(recording.Snapshot{Version: 1, State: binary.BigEndian.AppendUint64(nil, 100)}))
	}
	barrier, _ := recording.AppendFrame(nil, &wire.Frame{Kind: pluginv1.Kind_KIND_BARRIER, Checkpoint: 6}, false)
	answer, _ := recording.AppendFrame(nil, &wire.Frame{Kind: pluginv1.Kind_KIND_BARRIER, Checkpoint: 6}, true)
	batch(false, 1, 2)
	batch(false, 3)
	write(barrier)
	if len(said) > 0 {
		batch(true, said...)
	}
	write(answer)
	if err := w.Finish("enough"); err != nil {
		t.Fatal(err)
	}
	return path
}

// complaint is a test that is to fail.
type complaint struct {
	*testing.T
	said string
}

func (c *complaint) Errorf(format string, args ...any) { c.said += fmt.Sprintf(format, args...) }

func (c *complaint) Fatalf(format string, args ...any) {
	c.Errorf(format, args...)
	panic(c)
}

// complains is what a replay fails with, "" if it does not.
func complains(t *testing.T, register sdk.Register, path string, set ...map[string]any) string {
	t.Helper()
	c := &complaint{T: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != any(c) {
				panic(r)
			}
		}()
		plugintest.Replay(c, register, path, set...)
	}()
	return c.said
}

func TestReplay(t *testing.T) {
	subscriber := sdk.Subscriber("test.adds", &adds{})
	path := recordingOf(t, "test.adds", "subscriber", 102, 106, 112)
	key := map[string]any{"key": "k"}
	if said := complains(t, subscriber, path, key); said != "" {
		t.Errorf("as recorded: %s", said)
	}
	out := filepath.Join(t.TempDir(), "out")
	loads := recordingOf(t, "test.writes", "loader")
	if said := complains(t, sdk.Loader("test.writes", &writes{}), loads, map[string]any{"path": out}); said != "" {
		t.Errorf("a loader: %s", said)
	}
	if raw, err := os.ReadFile(out); err != nil || string(raw) != "3" {
		t.Errorf("the loader was given %s rows, want 3: %v", raw, err)
	}
	for name, c := range map[string]struct {
		said string
		want []string
	}{
		"another factor": {complains(t, subscriber, path, key, map[string]any{"times": 3}), []string{
			"3 rows recorded: 0 as recorded, 3 changed", "row 1 is another:\n    - value  102\n    + value  103",
		}},
		"a row less": {complains(t, subscriber, recordingOf(t, "test.adds", "subscriber", 102, 104, 106, 112), key), []string{"row 2 is missing:\n    - value  104"}},
		"no key":     {complains(t, subscriber, path), []string{"key was left out of the recording, because it is sensitive: set it"}},
		"its place":  {complains(t, sdk.Loader("test.writes", &writes{}), loads), []string{"test.writes writes what its setting path names: set it to a place of the test's"}},
		"a mistake":  {complains(t, subscriber, path, key, map[string]any{"tims": 3}), []string{"open test.adds: ", "tims"}},
		"another":    {complains(t, sdk.Subscriber("test.other", &adds{}), path, key), []string{"is a recording of register test.adds, not of test.other"}},
		"no file":    {complains(t, subscriber, path+"x", key), []string{"no such file"}},
	} {
		for _, want := range c.want {
			if !strings.Contains(c.said, want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, c.said)
			}
		}
	}
}
