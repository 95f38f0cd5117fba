package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// asNobody calls f as a user who may read everything in dir, and write nothing.
func asNobody(t *testing.T, dir string, f func()) {
	t.Helper()
	const nobody = 65534
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread()
	if err := syscall.Setfsuid(nobody); err != nil {
		runtime.UnlockOSThread()
		t.Skip(err)
	}
	defer func() {
		if err := syscall.Setfsuid(0); err == nil {
			runtime.UnlockOSThread()
		}
	}()
	f()
}

func TestPlacesThatMayOnlyBeRead(t *testing.T) {
	for name, there := range map[string]bool{"a directory": false, "a file that is there": true} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			if there {
				run(t, path, sdk.Start{}, eventsOf(1)...)
			}
			start := sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}}
			l := newLoader(path)
			defer l.Close()
			asNobody(t, filepath.Dir(path), func() {
				err := l.Start(t.Context(), start)
				if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "can be written to, or change path") {
					t.Errorf("got %v, want an error that names the file and says what to look at", err)
				}
			})
		})
	}
}

func TestAFullDiskIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	path := filepath.Join(dir, "rows.db")
	process := plugintest.Open(t, plugintest.Run(t, register(short)), step(t, path))
	rows := make([]event, 2000)
	for i := range rows {
		rows[i] = event{BlockNumber: 1, Name: strings.Repeat("much of the same", 256)}
	}
	process.Try(func() {
		plugintest.Send(process, "events", rows...)
		process.Block("events", 1)
		process.Barrier(1)
	})
	wants(t, process.Expect(plugintest.Failed).Failure, "retry", path, "full", "make room")
}
