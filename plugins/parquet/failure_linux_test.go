package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

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

func TestADirectoryThatMayOnlyBeRead(t *testing.T) {
	dir := t.TempDir()
	l, start := loaderIn(dir), startOf[event](t, 1, 0)
	defer l.Close()
	asNobody(t, dir, func() {
		says(t, l.Start(t.Context(), start), dir, "permission denied", "can be written to, or change path")
	})
}

// small mounts a disk of that many bytes.
func small(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, size); err != nil {
		t.Skipf("mount a disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

func TestAReadOnlyFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("mount a disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	stopped(t, loaderIn(dir), startOf[event](t, 1, 0), dir, "may only be read", "change path")
}

// A full disk is tried again, and what was there stays.
func TestAFullDisk(t *testing.T) {
	dir := small(t, "size=1m")
	p := plugintest.Run(t, register(short))
	step := plugintest.Step{Register: "parquet", Settings: map[string]any{"path": dir, "every": 10}, Start: startOf[event](t, 1, 0)}
	process := plugintest.Open(t, p, step)
	plugintest.Send(process, "events", eventsOf(1)...)
	process.Barrier(1)
	process.Until(plugintest.Barrier)
	process.Try(func() {
		plugintest.Send(process, "events", rowsOf(2, 2000)...)
		process.Barrier(2)
	})
	failure := process.Expect(plugintest.Failed).Failure
	if failure.Class != "retry" || !strings.Contains(failure.Message, dir) || !strings.Contains(failure.Message, "the disk is full: make room") {
		t.Errorf("got %v, want to try again, with the name of the file and what to do", failure)
	}
	holds(t, dir, map[string]string{})
	process.HangUp()
	step.Start = startOf[event](t, 2, 1)
	process = plugintest.Open(t, p, step)
	plugintest.Send(process, "events", eventsOf(2, 10)...)
	process.Barrier(2)
	process.Until(plugintest.Barrier)
	process.Final(2)
	process.Barrier(3)
	process.Until(plugintest.Barrier)
	holds(t, dir, map[string]string{"test__events__00000000_to_00000009.parquet": "1 2"})
}

// A disk that is full when a file is to be made shows no half of one.
func TestAFullDiskWhenAFileIsMade(t *testing.T) {
	dir := small(t, "size=400k")
	l := loaderIn(dir)
	l.Compression = "none"
	started(t, l, startOf[event](t, 1, 0))
	load(t, l, 0, rowsOf(1, 90)...)
	load(t, l, 0, eventsOf(100)...)
	commitAt(t, l, 1, 150)
	var filler []string
	for n := 0; ; n++ { // until there is no room for another 90 kB
		path := filepath.Join(dir, ".filler"+string(rune('a'+n)))
		if err := os.WriteFile(path, make([]byte, 40<<10), 0o600); err != nil {
			_ = os.Remove(path)
			break
		}
		filler = append(filler, path)
	}
	says(t, l.Final(t.Context(), 1), dir, "the disk is full: make room")
	holds(t, dir, map[string]string{})
	if parts := partsIn(t, dir); len(parts) == 0 || strings.HasSuffix(strings.Join(parts, " "), "file.tmp") {
		t.Errorf("left are %q", parts)
	}
	closed(t, l)
	for _, path := range filler {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	l = loaderIn(dir)
	started(t, l, startOf[event](t, 2, 1))
	final(t, l, 1)
	if names := visible(t, dir); len(names) != 3 {
		t.Errorf("the directory shows %q, want a file, the manifest and the views", names)
	}
}
