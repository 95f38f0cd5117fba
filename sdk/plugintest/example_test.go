package plugintest_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// A loader that removes what came after a checkpoint is held to what that
// means. In a test, t is the *testing.T, and Store would make a file or a
// database in t.TempDir and read it back.
func ExampleContract() {
	t := &example{}
	defer t.end()
	all := newShelves()
	plugintest.Contract[row]{
		Register: sdk.Loader("keeper", &keeper{all: all}).Truncates(),
		Row:      func(n int) (row, string) { return row{Value: int64(n)}, strconv.Itoa(n) },
		Store: func(plugintest.TB) plugintest.Store {
			return plugintest.Store{
				Settings: map[string]any{"shelf": "rows"},
				Rows:     func(string) []string { return all.named("rows").content() },
			}
		},
		Walks: 1,
	}.Check(t)
	fmt.Println("all rows are there once")
	// Output: all rows are there once
}

// example stands in for a *testing.T, which examples do not have.
type example struct{ cleanups []func() }

func (e *example) Helper()                           {}
func (e *example) Cleanup(f func())                  { e.cleanups = append(e.cleanups, f) }
func (e *example) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (e *example) Output() io.Writer                 { return io.Discard }
func (e *example) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// file is the path of a file that is not there, and goes in the end.
func (e *example) file() string {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		e.Fatalf("%v", err)
	}
	e.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "rows")
}

func (e *example) end() {
	for len(e.cleanups) > 0 {
		last := len(e.cleanups) - 1
		e.cleanups[last]()
		e.cleanups = e.cleanups[:last]
	}
}

// The same promise, kept by a process that is killed. In a test, t is the
// *testing.T and the file lies in t.TempDir, and the TestMain of the package
// begins with plugintest.ServeSpawned(register()).
func ExampleStorm() {
	t := &example{}
	defer t.end()
	plugintest.Storm[row]{
		Register: "paper",
		Block: func(number, version uint64) (input int, rows []row) {
			return 0, []row{{Value: int64(number)}, {Value: int64(version)}}
		},
		Shelter: func(plugintest.TB) plugintest.Shelter {
			path := t.file()
			return plugintest.Shelter{
				Settings: map[string]any{"path": path},
				Kept:     func() map[string]string { return map[string]string{"rows": rowsIn(path)} },
			}
		},
		Blocks: 20,
	}.Check(t)
	fmt.Println("nothing is to be seen of it")
	// Output: nothing is to be seen of it
}
