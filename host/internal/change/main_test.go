package change_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/sdk"
)

// The test binary is also every plugin: a copy with a trailer, which makes other
// bytes of it, is the variant that the trailer names.
func TestMain(m *testing.M) {
	if name := variantOf("/proc/self/exe"); name != "" {
		sdk.Serve(variants[name]()...)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(built) // it is empty if no test has built anything
		os.Exit(code)
	}))
}

// A trailer is as long as this.
const trailerLen = 64

const trailerMark = "\nvariant of the test binary: "

func trailer(name string) []byte {
	return fmt.Appendf(nil, "%-*s", trailerLen, trailerMark+name)
}

// variantOf reads the trailer of a program, "" if it has none.
func variantOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	end := make([]byte, trailerLen)
	if _, err := f.ReadAt(end, info.Size()-trailerLen); err != nil {
		return ""
	}
	name, ok := bytes.CutPrefix(end, []byte(trailerMark))
	if !ok {
		return ""
	}
	return string(bytes.TrimRight(name, " "))
}

// place puts a variant where a plugin is to be, at once, and returns the path.
func place(t *testing.T, path, variant string) string {
	t.Helper()
	if _, known := variants[variant]; !known {
		t.Fatalf("there is no variant %q", variant)
	}
	program := build(t, variant)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	fresh := path + ".new"
	if err := os.Link(program, fresh); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, path); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(fresh) // which is there if path was the same already
	return path
}

// built is where variants are made, once for all tests: they are large.
var (
	built    = filepath.Join(os.TempDir(), fmt.Sprintf("penstock-change-%d", os.Getpid()))
	building sync.Mutex
)

func build(t *testing.T, variant string) string {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	path := filepath.Join(built, variant)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(built, 0o700), os.WriteFile(path, append(program, trailer(variant)...), 0o700)); err != nil {
		t.Fatal(err)
	}
	return path
}

// variants are what the test binary can be.
var variants = map[string]func() []sdk.Register{
	// ends is the plugin that numbers come from and go to.
	"ends": func() []sdk.Register {
		return []sdk.Register{sdk.Reader("ends.count", &count{Pause: 2 * time.Millisecond}), sdk.Reader("ends.more", &count{}), sdk.Loader("ends.file", &file{}).Truncates()}
	},
	"1":       math(1, 1),
	"2":       math(2, 1),
	"3":       math(3, 1),
	"upgrade": math(4, 2, func(older []byte) ([]byte, error) { return older, nil }),
	"newer":   math(4, 3),
	"few":     func() []sdk.Register { return []sdk.Register{sdk.Subscriber("math.times", &times{factor: 5})} },
	"type": func() []sdk.Register {
		return []sdk.Register{sdk.Subscriber("math.times", wide{}).Reads("ends.count"), sdk.Subscriber("math.plus", plus{})}
	},
	"strict": func() []sdk.Register {
		return []sdk.Register{sdk.Subscriber("math.times", &strict{}).Reads("ends.count"), sdk.Subscriber("math.plus", plus{})}
	},
	"renamed": func() []sdk.Register {
		return []sdk.Register{sdk.Subscriber("math.times", renamed{}).Reads("ends.count"), sdk.Subscriber("math.plus", plus{})}
	},
	"needy": func() []sdk.Register {
		return []sdk.Register{sdk.Subscriber("math.times", &times{}).Reads("ends.more"), sdk.Subscriber("math.plus", plus{})}
	},
	"crash": func() []sdk.Register {
		return []sdk.Register{sdk.Subscriber("math.times", &crash{}).Reads("ends.count"), sdk.Subscriber("math.plus", plus{})}
	},
	"fails": func() []sdk.Register {
		return []sdk.Register{sdk.Subscriber("math.times", &fails{}).Reads("ends.count"), sdk.Subscriber("math.plus", plus{})}
	},
	"mute":  func() []sdk.Register { fmt.Println("this is no plugin"); os.Exit(3); return nil },
	"other": func() []sdk.Register { return []sdk.Register{sdk.Subscriber("other.thing", plus{})} },
}

// math is a plugin whose first register multiplies.
func math(factor uint64, version uint32, upgrades ...func([]byte) ([]byte, error)) func() []sdk.Register {
	return func() []sdk.Register {
		return []sdk.Register{
			sdk.Subscriber("math.times", &times{factor: factor}).Reads("ends.count").Snapshots(version, upgrades...), sdk.Subscriber("math.plus", plus{}),
		}
	}
}

type number struct {
	BlockNumber uint64
	Value       uint64
}

func (number) TransitType() string { return "test.number" }

// count follows a chain that gives a block each Pause.
type count struct {
	Pause time.Duration `hcl:"pause,optional"`
}

func (c *count) Read(ctx context.Context, start sdk.Start, out *sdk.Output[number]) error {
	b := start.From
	if start.Cursor != nil {
		b = start.Cursor.Block + 1
	}
	for ; start.To == nil || b <= *start.To; b++ {
		for i := range uint64(3) {
			if err := out.Emit(number{BlockNumber: b, Value: b*10 + i}); err != nil {
				return err
			}
		}
		if err := out.SafePoint(sdk.SafePoint{Cursor: sdk.Cursor{Block: b}, Head: b}); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(c.Pause):
		}
	}
	return nil
}

// times multiplies, and counts what it has had.
type times struct {
	Label  string `hcl:"label,optional"`
	Limit  uint64 `hcl:"limit,optional"`
	factor uint64
	rows   uint64
}

func (m *times) Transform(_ context.Context, n number, emit func(number) error) error {
	m.rows++
	n.Value = n.Value*10 + m.factor
	return emit(n)
}

func (m *times) Snapshot() ([]byte, error) { return binary.BigEndian.AppendUint64(nil, m.rows), nil }

func (m *times) Restore(state []byte) error {
	m.rows = binary.BigEndian.Uint64(state)
	return nil
}

// plus changes nothing.
type plus struct{}

func (plus) Transform(_ context.Context, n number, emit func(number) error) error { return emit(n) }

// wide gives what its reader cannot take.
type wide struct {
	Label string `hcl:"label,optional"`
	Limit uint64 `hcl:"limit,optional"`
}

type text struct {
	BlockNumber uint64
	Value       string
}

func (text) TransitType() string { return "test.number" }

func (wide) Transform(context.Context, number, func(text) error) error { return nil }

// strict takes no limit below 100.
type strict struct{ times }

func (s *strict) Validate() error {
	if s.Limit < 100 {
		return fmt.Errorf("limit is %d: write 100 or more", s.Limit)
	}
	return nil
}

func (s *strict) Transform(ctx context.Context, n number, emit func(number) error) error {
	return s.times.Transform(ctx, n, emit)
}

// renamed calls a setting something else.
type renamed struct {
	Ceiling uint64 `hcl:"ceiling"`
}

func (renamed) Transform(_ context.Context, n number, emit func(number) error) error { return emit(n) }

// crash ends in the middle of its work.
type crash struct {
	times
	had int
}

func (c *crash) Transform(ctx context.Context, n number, emit func(number) error) error {
	if c.had++; c.had > 50 {
		os.Exit(7)
	}
	return c.times.Transform(ctx, n, emit)
}

// fails refuses to go on after a while.
type fails struct {
	times
	had int
}

func (f *fails) Transform(ctx context.Context, n number, emit func(number) error) error {
	if f.had++; f.had > 50 {
		return errors.New("it was told to fail")
	}
	return f.times.Transform(ctx, n, emit)
}

// file appends rows to a file, and takes back those that will come again: beside
// it lies how long it was at each checkpoint.
type file struct {
	Path   string `hcl:"path,writes"`
	StopIf string `hcl:"stop_if,optional,reads"` // a file while which is there nothing can be loaded
}

func (f *file) Start(_ context.Context, start sdk.Start) error {
	length := int64(0)
	raw, err := os.ReadFile(f.Path + ".lengths")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for line := range bytes.Lines(raw) {
		var checkpoint uint64
		var at int64
		if n, _ := fmt.Sscan(string(line), &checkpoint, &at); n == 2 && checkpoint == start.Checkpoint {
			length = at
		}
	}
	if err := os.Truncate(f.Path, length); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (f *file) Commit(_ context.Context, c sdk.Commit) error {
	length := int64(0)
	if info, err := os.Stat(f.Path); err == nil {
		length = info.Size()
	}
	out, err := os.OpenFile(f.Path+".lengths", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, c.Checkpoint, length)
	return errors.Join(err, out.Close())
}

func (f *file) Load(_ context.Context, rows []number) error {
	if _, err := os.Stat(f.StopIf); f.StopIf != "" && err == nil {
		return sdk.Stop(fmt.Errorf("%s is there", f.StopIf))
	}
	out, err := os.OpenFile(f.Path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	var lines bytes.Buffer
	for _, row := range rows {
		if err := json.NewEncoder(&lines).Encode(row); err != nil {
			return err
		}
	}
	_, err = out.Write(lines.Bytes())
	return errors.Join(err, out.Close())
}
