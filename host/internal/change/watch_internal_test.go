package change

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file that has changed is told of once it was left alone for a while, and only
// then; one that is being replaced, and so not there, is waited for. It needs
// nobody who tells of changes.
func TestChangedFileIsLeftAloneForAWhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plugin")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	f := &watched{changed: make(chan struct{}, 1)}
	f.seen, _ = os.Stat(path)
	now := time.Now()
	told := func(what string, after time.Duration, want bool) {
		t.Helper()
		now = now.Add(after)
		f.look(path, now)
		got := len(f.changed) > 0
		if got {
			<-f.changed
		}
		if got != want {
			t.Errorf("%s: told of it: %v, want %v", what, got, want)
		}
	}
	told("unchanged", 0, false)
	write("longer")
	told("just changed", 0, false)
	write("longer still")
	told("changed again", debounce-1, false)
	told("not left alone for long enough", debounce-1, false)
	told("left alone", 1, true)
	told("dealt with", time.Hour, false)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	told("gone", time.Hour, false)
	write("new")
	told("there again", 0, false)
	told("there again, and left alone", debounce, true)
}
