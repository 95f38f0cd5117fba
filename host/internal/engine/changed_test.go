package engine_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// A pipeline that has changed does not go on from checkpoints of the old one
// unless somebody wants it to; what does not matter to them may change.
func TestAChangedPipelineDoesNotGoOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keep := t.TempDir()
	strict := func(c *engine.Config) { c.AcceptChanges = false }
	path := filepath.Join(dir, "out")
	if err := newRig(t, fmt.Sprintf(chain, "", "", path, ""), on(t, keep, strict)).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	longer := strings.Replace(fmt.Sprintf(chain, "", "", path, `slow = "1us"`), "500", "510", 1)
	if err := newRig(t, longer, on(t, keep, strict)).run(t.Context()); err != nil {
		t.Fatalf("a later end and a loader set otherwise: %v", err)
	}
	wantRows(t, lines(t, path), 10, 510, 3, 2)

	source := strings.Replace(fmt.Sprintf(chain, "per_block = 2", "", path, ""), "500", "520", 1)
	changed := (*engine.ChangedError)(nil)
	refused, err := tryRig(t, source, on(t, keep, strict))
	refused.close()
	if !errors.As(err, &changed) ||
		!strings.Contains(err.Error(), "step numbers: per_block is not what it was") || !strings.Contains(err.Error(), "--accept-changes") {
		t.Fatalf("got %v, want that per_block has changed, and the ways out", err)
	}
	if err := newRig(t, source, on(t, keep, nil)).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := lines(t, path)
	wantRows(t, rows[:501*3], 10, 510, 3, 2)
	wantRows(t, rows[501*3:], 511, 520, 2, 2)
}

// A loader that was taken out and put back has a gap: it is as good as new.
func TestALoaderThatWasAwayIsNew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keep := t.TempDir()
	strict := func(c *engine.Config) { c.AcceptChanges = false }
	one := fmt.Sprintf(chain, "", "", filepath.Join(dir, "out"), "")
	both := strings.TrimSuffix(one, "}") + fmt.Sprintf("  loader \"test.file\" \"second\" {\n    input = doubles\n    path = %q\n  }\n}", filepath.Join(dir, "second"))
	for _, source := range []string{both, one} {
		if err := newRig(t, source, on(t, keep, strict)).run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, accept := range []bool{false, true} {
		refused, err := tryRig(t, both, on(t, keep, func(c *engine.Config) { c.AcceptChanges = accept }))
		refused.close()
		if err == nil || !strings.Contains(err.Error(), "step second is new") || strings.Contains(err.Error(), "--accept-changes") {
			t.Errorf("accepting changes %t: got %v, want that second is new, and --fresh as the only way", accept, err)
		}
	}
}
