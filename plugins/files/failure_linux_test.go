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

func TestADirectoryThatMayOnlyBeRead(t *testing.T) {
	dir := t.TempDir()
	l, start := lined(filepath.Join(dir, "rows.jsonl"), nil), startOf(t, 1, 0)
	defer l.Close()
	asNobody(t, dir, func() {
		says(t, l.Start(t.Context(), start), dir, "permission denied", "can be written to, or change path")
	})
}

func TestAReadOnlyFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("mount a disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	stopped(t, lined(filepath.Join(dir, "rows.jsonl"), nil), startOf(t, 1, 0), dir, "may only be read", "change path")
}

// A full disk is tried again, and what was there stays.
func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	path := filepath.Join(dir, "rows.jsonl")
	p := plugintest.Run(t, registers(short)...)
	step := plugintest.Step{Register: "jsonl", Settings: map[string]any{"path": path}, Start: startOf(t, 1, 0)}
	process := plugintest.Open(t, p, step)
	plugintest.Send(process, "events", eventsOf(1)...)
	process.Barrier(1)
	process.Until(plugintest.Barrier)
	rows := make([]event, 2000)
	for i := range rows {
		rows[i] = event{BlockNumber: 2, Name: strings.Repeat("much of the same", 64)}
	}
	process.Try(func() {
		plugintest.Send(process, "events", rows...)
		process.Barrier(2)
	})
	failure := process.Expect(plugintest.Failed).Failure
	if failure.Class != "retry" || !strings.Contains(failure.Message, path) || !strings.Contains(failure.Message, "the disk is full: make room") {
		t.Errorf("got %v, want to try again, with the name of the file and what to do", failure)
	}
	if text := kept(t, dir)["rows.jsonl"]; !strings.HasSuffix(text, "\n") {
		t.Errorf("half a line is left: %q", text[max(0, len(text)-100):])
	}
	process.HangUp()
	step.Start = startOf(t, 2, 1)
	process = plugintest.Open(t, p, step)
	plugintest.Send(process, "events", eventsOf(2)...)
	process.Barrier(2)
	process.Until(plugintest.Barrier)
	holds(t, dir, map[string]string{"rows.jsonl": "1 2"})
}

// What a step has left on a full disk does not keep it from starting again, and
// from removing just that.
func TestItsOwnRowsFillTheDisk(t *testing.T) {
	for name, fill := range map[string]func(t *testing.T, dir string) (free func()){
		"a disk that is full":        fillDisk,
		"a file that takes no bytes": fillBooks,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if name == "a disk that is full" {
				if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
					t.Skipf("mount a small disk: %v", err)
				}
				t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
			}
			path := filepath.Join(dir, "rows.jsonl")
			rows := make([]event, 300)
			for i := range rows {
				rows[i] = event{BlockNumber: 2, Name: strings.Repeat("much of the same", 64)}
			}
			l := started(t, lined(path, nil), startOf(t, 1, 0))
			load(t, l, 0, eventsOf(1)...)
			commit(t, l, 1)
			load(t, l, 0, rows...)
			if err := l.Commit(t.Context(), sdk.Commit{}); err != nil {
				t.Fatal(err)
			}
			closed(t, l)
			free := fill(t, dir)
			l = started(t, lined(path, nil), startOf(t, 2, 1))
			free()
			load(t, l, 0, eventsOf(2)...)
			commit(t, l, 2)
			closed(t, l)
			holds(t, dir, map[string]string{"rows.jsonl": "1 2"})
		})
	}
}

// fillDisk fills the disk of a directory.
func fillDisk(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "of somebody else")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	_ = f.Close() // it is full
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// fillBooks makes the disk full for whoever writes the books, until what lies in
// their way is removed.
func fillBooks(t *testing.T, dir string) (free func()) {
	t.Helper()
	if err := os.Symlink("/dev/full", booksIn(t, dir)+".tmp"); err != nil {
		t.Fatal(err)
	}
	return func() {}
}
