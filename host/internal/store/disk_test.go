//go:build linux

package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
