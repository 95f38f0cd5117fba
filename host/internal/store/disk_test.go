//go:build linux

package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/penstock-io/penstock/host/internal/store"
)

// mount makes a small file system of its own, where that is allowed.
func mount(t *testing.T, flags uintptr, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Skipf("mount a file system for the test: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := mount(t, 0, "size=8k")
	_, err := store.Open(dir)
	if err == nil {
		t.Fatal("Open: no error on a full disk")
	}
	for _, want := range []string{"data directory " + dir, "no space left", "free some space", "--data-dir"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Open: got %q, which lacks %q", err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "penstock.db")); err == nil {
		t.Error("a file was left that no later host could read")
	}
}

// A disk that is full when a checkpoint is recorded takes nothing back of what
// was recorded before, and takes the next one once there is room.
func TestFullDiskWhileRecording(t *testing.T) {
	dir := mount(t, 0, "size=1m")
	s := open(t, dir)
	defer func() { closed(t, s) }()
	d := domain(t, s, "main")
	record(t, d, full(1))
	ballast := filepath.Join(dir, "ballast")
	var err error
	for size := 1 << 19; err == nil && size > 0; {
		if err = appendTo(ballast, size); err != nil && size > 4096 {
			err, size = nil, size/2
		}
	}
	big := full(2)
	big.States["a/sum"] = state(1, strings.Repeat("x", 200_000))
	for range 3 {
		err := d.Record(big)
		if err == nil {
			t.Fatal("Record: no error on a full disk")
		}
		for _, want := range []string{"record checkpoint 2", "data directory " + dir, "no space left", "free some space", "--data-dir"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("Record: got %q, which lacks %q", err, want)
			}
		}
	}
	if diff := cmp.Diff(full(1), newest(t, d)); diff != "" {
		t.Errorf("Newest after a failed Record (-want +got):\n%s", diff)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	record(t, d, big)
	s = again(t, s)
	d = domain(t, s, "main")
	wantKept(t, d, 1, 2)
	if diff := cmp.Diff(big, newest(t, d), cmp.Comparer(bytes.Equal), cmpopts.IgnoreFields(store.State{}, "Size")); diff != "" {
		t.Errorf("Newest when space is back (-want +got):\n%s", diff)
	}
}

// appendTo makes a file longer.
func appendTo(path string, n int) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, n))
	return errors.Join(err, f.Close())
}

func TestReadOnlyDirectory(t *testing.T) {
	dir := mount(t, unix.MS_RDONLY, "")
	_, err := store.Open(dir)
	if err == nil {
		t.Fatal("Open: no error on a read-only file system")
	}
	for _, want := range []string{"data directory " + dir, "read-only", "make it writable", "--data-dir"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Open: got %q, which lacks %q", err, want)
		}
	}
}

func TestForbiddenDirectory(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("nothing is forbidden to root")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(dir); err == nil || !strings.Contains(err.Error(), "permission denied; make it writable") {
		t.Errorf("Open: got %v, want that permission is denied, and what to do", err)
	}
}
