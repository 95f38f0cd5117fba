//go:build linux

package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/penstock-io/penstock/host/internal/store/journal"
)

// On a full disk nothing that was durable is lost, and once there is room the
// journal goes on from there: whether a record found no room or a segment.
func TestFullDisk(t *testing.T) {
	for name, test := range map[string]struct {
		segment int64
		certain bool // what was appended last was durable already
	}{
		"in a record":         {1 << 20, false},
		"between two of them": {5000, true},
	} {
		t.Run(name, func(t *testing.T) { fillDisk(t, journal.Config{SegmentBytes: test.segment}, test.certain) })
	}
}

func fillDisk(t *testing.T, config journal.Config, certain bool) {
	t.Helper()
	mounted := t.TempDir()
	if err := unix.Mount("tmpfs", mounted, "tmpfs", 0, "size=600k"); err != nil {
		t.Skipf("mount a file system for the test: %v", err)
	}
	t.Cleanup(func() { ok(t, unix.Unmount(mounted, unix.MNT_DETACH)) })
	ballast := filepath.Join(mounted, "ballast")
	ok(t, os.WriteFile(ballast, make([]byte, 100<<10), 0o600))
	dir := filepath.Join(mounted, "journal")
	j, _ := open(t, dir, config)
	fill(t, j, 100)
	ok(t, j.Sync())

	var err error
	for err == nil {
		_, err = j.Append(1, nil, make([]byte, 700))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Append: got %v, want that the disk is full", err)
	}
	for _, want := range []string{"journal " + dir, "no space left", "free some space", "--data-dir"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Append: got %q, which lacks %q", err, want)
		}
	}
	for what, do := range map[string]func() error{"Flush": j.Flush, "Sync": j.Sync, "Append": func() error { _, err := j.Append(1, nil); return err }} {
		if again := do(); !errors.Is(again, syscall.ENOSPC) {
			t.Errorf("%s after that: got %v, want the same", what, again)
		}
	}
	if err := j.Truncate(j.Last()); !certain && (err == nil || !strings.Contains(err.Error(), "only 100 is certain to be on the disk")) {
		t.Errorf("Truncate to what is in doubt: got %v", err)
	}
	ok(t, os.Remove(ballast))
	ok(t, j.Truncate(100))
	if got := len(files(t, dir)); got != 1 {
		t.Errorf("there are %d segments after Truncate, want 1", got)
	}
	fill(t, j, 120)
	wantRecords(t, j, 1, 120)
	ok(t, j.Close())
	j, found := open(t, dir, config)
	if found.Last != 120 || found.Cut != 0 {
		t.Errorf("opened again: got %+v", found)
	}
	wantRecords(t, j, 1, 120)
	ok(t, j.Close())
}
