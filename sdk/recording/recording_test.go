package recording_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/recording"
	"github.com/penstock-io/penstock/sdk/transit"
)

type number struct {
	BlockNumber uint64
	Value       float64
	Note        *string
}

func (number) TransitType() string { return "test.number" }

// typeOf is the type of a row.
func typeOf[T transit.Row](tb testing.TB) transit.Type {
	tb.Helper()
	typ, err := transit.TypeOf[T]()
	if err != nil {
		tb.Fatal(err)
	}
	return typ
}

// batch is a frame of rows.
func batch[T transit.Row](tb testing.TB, rows ...T) *wire.Frame {
	tb.Helper()
	e, err := transit.NewEncoder[T]()
	if err != nil {
		tb.Fatal(err)
	}
	body, err := e.Append(nil, rows)
	if err != nil {
		tb.Fatal(err)
	}
	var bodies wire.Bodies
	return &wire.Frame{Kind: pluginv1.Kind_KIND_BATCH, Generation: recording.Generation, Rows: uint32(len(rows)), Body: bodies.Body(&body)}
}

func barrier(k uint64) *wire.Frame {
	return &wire.Frame{Kind: pluginv1.Kind_KIND_BARRIER, Generation: recording.Generation, Checkpoint: k}
}

// numbers are rows whose values are their numbers.
func numbers(from, to int) []number {
	var out []number
	for i := from; i < to; i++ {
		out = append(out, number{BlockNumber: uint64(i / 2), Value: float64(i)})
	}
	return out
}

func header(tb testing.TB) recording.Header {
	tb.Helper()
	in := recording.TypeOf(typeOf[number](tb))
	return recording.Header{
		Recorded: time.Unix(1_700_000_000, 0).UTC(), Host: "v1", Plugin: "plug", Register: "test.same", Kind: "subscriber", Pipeline: "p", Step: "same", Domain: "p/same",
		Network: recording.Network{Name: "n", ChainID: 7}, Checkpoint: 3, Cursor: &recording.Cursor{ChainID: 7, Block: 1, Hash: [32]byte{1}},
		Settings: json.RawMessage(`{"a":1}`), LeftOut: []string{"token"},
		Inputs: []recording.Input{{Name: "numbers", Port: "input", Rows: 4, Type: in}}, Output: &in,
	}
}

// file makes a recording of numbers 0 to n, a batch of five at a time with a
// barrier after each, and two more batches after the last barrier.
func file(tb testing.TB, n int, snapshot bool) []byte {
	tb.Helper()
	var out bytes.Buffer
	w, err := recording.NewWriter(&out, 0)
	if err != nil {
		tb.Fatal(err)
	}
	write := func(record []byte) {
		tb.Helper()
		if err := w.Write(record); err != nil {
			tb.Fatal(err)
		}
	}
	frame := func(f *wire.Frame, output bool) {
		tb.Helper()
		record, ok := recording.AppendFrame(nil, f, output)
		if !ok {
			tb.Fatalf("%s is not recorded", f.Kind)
		}
		write(record)
	}
	h, err := recording.HeaderRecord(header(tb))
	if err != nil {
		tb.Fatal(err)
	}
	write(h)
	if snapshot {
		write(recording.SnapshotRecord(recording.Snapshot{Version: 2, State: []byte("state")}))
	}
	k := uint64(3)
	for i := 0; i < n; i += 5 {
		rows := numbers(i, min(i+5, n))
		frame(batch(tb, rows...), false)
		frame(&wire.Frame{
			Kind: pluginv1.Kind_KIND_SAFE_POINT, Head: 99, Finalized: 9,
			Cursor: &wire.Cursor{ChainID: 7, Block: uint64(i / 2), Hash: [32]byte{2}, Position: []byte("at")},
		}, false)
		k++
		frame(barrier(k), false)
		frame(batch(tb, rows...), true)
		frame(barrier(k), true)
	}
	frame(batch(tb, numbers(n, n+3)...), false) // what follows the last barrier does not count
	frame(barrier(k+1), false)
	frame(batch(tb, numbers(n, n+3)...), true)
	if err := w.Finish("enough"); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func read(tb testing.TB, raw []byte) *recording.Recording {
	tb.Helper()
	r, err := recording.Read(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// What was written is read back, up to the last barrier that was answered.
func TestRoundTrip(t *testing.T) {
	r := read(t, file(t, 23, true))
	if diff := cmp.Diff(header(t), r.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&recording.Snapshot{Version: 2, State: []byte("state")}, r.Snapshot); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
	if r.InputRows != 23 || r.OutputRows != 23 || r.InputBatches != 5 || r.Barriers != 5 || r.Reason != "enough" {
		t.Errorf("%d rows in %d batches and %d rows, %d barriers, %s", r.InputRows, r.InputBatches, r.OutputRows, r.Barriers, r.Reason)
	}
	var kinds []recording.Kind
	for f, err := range r.Frames(false) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, f.Kind)
		if f.Kind == recording.SafePoint {
			want := &recording.Cursor{ChainID: 7, Block: f.Cursor.Block, Hash: [32]byte{2}, Position: []byte("at")}
			if diff := cmp.Diff(want, f.Cursor); diff != "" || f.Head != 99 || f.Finalized != 9 {
				t.Errorf("safe point: %+v %s", f, diff)
			}
		}
	}
	if len(kinds) != 15 || kinds[14] != recording.Barrier {
		t.Errorf("what it was given: %v", kinds)
	}
	if without := read(t, file(t, 3, false)); without.Snapshot != nil {
		t.Error("there is a snapshot that was not written")
	}
}

// A file that lacks its end, however little, is refused.
func TestTruncated(t *testing.T) {
	raw := file(t, 12, true)
	for n := range raw {
		_, err := recording.Read(bytes.NewReader(raw[:n]), int64(n))
		wrong := (*recording.FormatError)(nil)
		if !errors.As(err, &wrong) {
			t.Fatalf("the first %d of %d bytes: got %v", n, len(raw), err)
		}
		if n > 40 && !strings.Contains(err.Error(), "it is cut short: the recording was not finished, or the file not copied whole; record it again") {
			t.Fatalf("the first %d of %d bytes: got %v", n, len(raw), err)
		}
	}
}

// A file in which one bit is another is refused.
func TestDamaged(t *testing.T) {
	raw := file(t, 6, true)
	for i := range raw {
		broken := bytes.Clone(raw)
		broken[i] ^= 1 << (i % 8)
		if _, err := recording.Read(bytes.NewReader(broken), int64(len(broken))); !errors.As(err, new(*recording.FormatError)) {
			t.Fatalf("byte %d of %d is another: got %v", i, len(raw), err)
		}
	}
	longer := append(bytes.Clone(raw), 0)
	if _, err := recording.Read(bytes.NewReader(longer), int64(len(longer))); err == nil || !strings.Contains(err.Error(), "something follows its end") {
		t.Errorf("a byte more: got %v", err)
	}
}

// sealed makes a file of records, whole but for what they say.
func sealed(records ...string) []byte {
	raw := []byte("PENSTOCK RECORDING 1\n")
	for _, r := range records {
		sum := crc32.Checksum([]byte(r), crc32.MakeTable(crc32.Castagnoli))
		raw = append(raw, byte(len(r)>>24), byte(len(r)>>16), byte(len(r)>>8), byte(len(r)))
		raw = append(append(raw, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)), r...)
	}
	return raw
}

func TestForeignFiles(t *testing.T) {
	good, err := recording.HeaderRecord(header(t))
	if err != nil {
		t.Fatal(err)
	}
	loader := header(t)
	loader.Kind = "loader"
	mixed, _ := recording.HeaderRecord(loader)
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"nothing":       {nil, "it is no recording: penstock record makes them"},
		"a database":    {[]byte("SQLite format 3\x00 and much more that follows, which is long enough for anybody"), "it is no recording"},
		"a later one":   {[]byte("PENSTOCK RECORDING 12\n\x00\x00"), "it has format 12, and this version reads format 1: read it with the version that made it, or record it again"},
		"no number":     {[]byte("PENSTOCK RECORDING x\n"), "its first line is damaged"},
		"no header":     {sealed(`E{}`), "it does not begin with a header"},
		"no JSON":       {sealed(`H{`), "its header cannot be read"},
		"no register":   {sealed(`H{}`), "the header names no register"},
		"a reader":      {sealed(`H{"register":"r","kind":"reader"}`), `the header is of a "reader"`},
		"mixed":         {sealed(string(mixed)), "the header of a loader does not go with its output"},
		"no schema":     {sealed(`H{"register":"r","kind":"loader","inputs":[{"type":{"name":"x"}}]}`), "the type of input"},
		"no input":      {sealed(string(good), "I\x0a\x05\x00\x00\x00\x00\x00"), "a frame is of input 5, but there are 1"},
		"a short frame": {sealed(string(good), "I\x0a"), "a frame is cut short"},
		"a short place": {sealed(string(good), "I\x0c\x00\x00\x00\x00\x00\x01\x00\x00abc"), "a frame is cut short"},
		"another kind":  {sealed(string(good), "I\x01\x00\x00\x00\x00\x00\x00"), "none that is recorded"},
		"another sort":  {sealed(string(good), "Zzz"), "a record of kind 'Z' is unknown"},
		"no end":        {sealed(string(good), `E{"checkpoint":9}`), "it does not hold the end that it claims"},
		"huge":          {append(sealed(string(good)), 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0), "a record claims 2147483647 bytes"},
	} {
		_, err := recording.Read(bytes.NewReader(c.raw), int64(len(c.raw)))
		if !errors.As(err, new(*recording.FormatError)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "some.rec")
	if _, err := recording.Open(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := recording.Open(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "it is not a file") {
		t.Errorf("a directory: %v", err)
	}
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := recording.Open(path); err == nil || !strings.Contains(err.Error(), "read recording "+path+": it is no recording") {
		t.Errorf("another file: %v", err)
	}
}

// A recording that may hold so much holds no more, and ends well.
func TestWriterIsBounded(t *testing.T) {
	var out bytes.Buffer
	w, err := recording.NewWriter(&out, 20<<10)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := recording.HeaderRecord(header(t))
	if err := w.Write(h); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish("too early"); !errors.Is(err, recording.ErrNothing) {
		t.Errorf("a recording of nothing: %v", err)
	}
	for k := uint64(4); err == nil; k++ {
		for _, f := range []*wire.Frame{batch(t, numbers(0, 50)...), barrier(k)} {
			for _, output := range []bool{false, true} {
				record, _ := recording.AppendFrame(nil, f, output)
				err = errors.Join(err, w.Write(record))
			}
		}
	}
	if !errors.Is(err, recording.ErrFull) {
		t.Fatalf("it ended with %v", err)
	}
	if err := w.Finish("full"); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 20<<10 || int64(out.Len()) != w.Size() {
		t.Errorf("it has %d bytes, and says %d", out.Len(), w.Size())
	}
	if r := read(t, out.Bytes()); r.Barriers == 0 || r.InputRows != 50*r.Barriers {
		t.Errorf("%d rows and %d barriers", r.InputRows, r.Barriers)
	}
}

func TestSettings(t *testing.T) {
	h := recording.Header{Settings: json.RawMessage(`{"a":1,"auth":{"user":"me"},"many":[{"x":1}]}`), LeftOut: []string{"auth.password", "token"}}
	set := map[string]json.RawMessage{"a": json.RawMessage("2"), "auth.password": json.RawMessage(`"p"`), "new.deep": json.RawMessage("true")}
	got, err := h.With(set)
	if want := `{"a":2,"auth":{"password":"p","user":"me"},"many":[{"x":1}],"new":{"deep":true}}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	if diff := cmp.Diff([]string{"token"}, h.Missing(set)); diff != "" {
		t.Error(diff)
	}
	if _, err := h.With(map[string]json.RawMessage{"many.x": nil}); fmt.Sprint(err) != "set many.x: x stands in no block, or in several" {
		t.Errorf("got %v", err)
	}
}

// Whatever a file holds, reading it ends, with an error or a recording that can be
// gone through.
func FuzzRead(f *testing.F) {
	f.Add(file(f, 7, true))
	f.Add(file(f, 2, false))
	f.Add(sealed(`H{}`, "I\x0a", "E{}"))
	f.Add([]byte("PENSTOCK RECORDING 1\n\x00\x00\x00\x05"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		// Checksums keep chance out: records are sealed anew, so that what is in them is tried.
		for _, some := range [][]byte{raw, resealed(raw)} {
			r, err := recording.Read(bytes.NewReader(some), int64(len(some)))
			if err != nil {
				if !errors.As(err, new(*recording.FormatError)) {
					t.Fatalf("%v", err)
				}
				continue
			}
			for _, output := range []bool{false, true} {
				for _, err := range r.Frames(output) {
					if err != nil {
						t.Fatalf("a recording that was read: %v", err)
					}
				}
			}
		}
	})
}

// resealed is a file with right checksums, as far as its lengths lead.
func resealed(raw []byte) []byte {
	out := bytes.Clone(raw)
	at := bytes.IndexByte(out, '\n') + 1
	for at > 0 && at+8 <= len(out) {
		size := int(out[at])<<24 | int(out[at+1])<<16 | int(out[at+2])<<8 | int(out[at+3])
		if size < 0 || size > len(out)-at-8 {
			break
		}
		sum := crc32.Checksum(out[at+8:at+8+size], crc32.MakeTable(crc32.Castagnoli))
		out[at+4], out[at+5], out[at+6], out[at+7] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
		at += 8 + size
	}
	return out
}
