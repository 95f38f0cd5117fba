package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// A full disk is tried again, and what lies in the outbox is sent meanwhile.
func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	r := &away{}
	r.gone.Store(true)
	w := boxed(t, dir, r, startAt(t, 0, "a"), nil)
	load(t, w, 0, 1)
	commit(t, w, 1)
	note := strings.Repeat("x", 2<<20)
	if err := w.Load(t.Context(), 0, plugintest.Batch(t, swap{BlockNumber: 2, Note: &note})); err != nil {
		t.Fatal(err)
	}
	says(t, w.Commit(t.Context(), sdk.Commit{Checkpoint: 2}), "write "+dir, "the disk is full: make room")
	closed(t, w)
	r.gone.Store(false)
	w = boxed(t, dir, r, at(startAt(t, 1, "a"), 1), nil)
	load(t, w, 0, 2)
	commit(t, w, 2)
	for len(files(t, dir)) > 0 {
		if err := w.Commit(t.Context(), sdk.Commit{}); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, w)
	same(t, "rows", rows(r.take()), numbered("a", 1, 2))
}
