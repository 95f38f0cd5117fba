package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
)

// What cannot run is refused with its own words, and nothing is kept of it.
func TestStageRefuses(t *testing.T) {
	b := newBench(t)
	c := b.open(t)
	whole := version(t, "whole")
	dir := t.TempDir()
	file := func(name string, content []byte, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := bytes.Clone(whole)
	foreign[18] = 8 // MIPS
	tests := []struct {
		name, plugin, path, says string
		linux                    bool
	}{
		{"missing", "tested", filepath.Join(dir, "nothing"), "there is no file", false},
		{"directory", "tested", dir, "is a directory", false},
		{"device", "tested", "/dev/null", "is no regular file", false},
		{"not executable", "tested", file("plain", whole, 0o600), "chmod +x", false},
		{"text", "tested", file("text", []byte("notes"), 0o700), `it begins with "notes"`, true},
		{"empty", "tested", file("empty", nil, 0o700), "it is empty", true},
		{"other processor", "tested", file("foreign", foreign, 0o700), "it is built for mips", true},
		{"cut off", "tested", file("cut", whole[:len(whole)/3], 0o700), "is cut off", true},
		{"path as a name", "../tested", b.path, "it is a path", false},
		{"no name", "", b.path, "missing", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.linux && runtime.GOOS != "linux" {
				t.Skip("looks at ELF files")
			}
			_, err := c.Stage(t.Context(), test.plugin, test.path)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want an error that says %q", err, test.says)
			}
		})
	}
	if left := b.files(t); len(left) > 0 {
		t.Errorf("the store holds %v", left)
	}
}

// A copy that is under way is waited for; one that never ends is not.
func TestStageWaitsUntilTheFileHasSettled(t *testing.T) {
	b := newBench(t)
	c := b.open(t)
	whole := version(t, "copied")
	path := filepath.Join(t.TempDir(), "copied")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	half := len(whole) / 2
	if _, err := to.Write(whole[:half]); err != nil {
		t.Fatal(err)
	}
	var copying sync.WaitGroup
	var longest time.Duration // between two writes
	last := time.Now()
	copying.Go(func() {
		defer to.Close()
		for at := half; at < len(whole); {
			n := min(len(whole)-at, len(whole)/8+1)
			_, _ = to.Write(whole[at : at+n])
			at += n
			longest, last = max(longest, time.Since(last)), time.Now()
			time.Sleep(20 * time.Millisecond) // a slow disk
		}
	})
	a, err := c.Stage(t.Context(), "tested", path)
	copying.Wait()
	if longest > 150*time.Millisecond && errors.Is(err, remote.ErrNotProgram) {
		t.Skipf("the machine is so busy that the copy stood still for %s", longest)
	}
	if err != nil || a.Digest != digestOf(whole) {
		t.Errorf("Stage: got %s, %v, want %s", a.Digest, err, digestOf(whole))
	}

	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			_ = os.WriteFile(path, append(whole, byte(n), byte(n>>8)), 0o700)
		}
	})
	_, err = c.Stage(ctx, "tested", path)
	writing.Wait()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stage: got %v, want that the time is over", err)
	}
}

// Several who stage the same file share what comes of it.
func TestStageAtOnce(t *testing.T) {
	b := newBench(t)
	c := b.open(t)
	path := filepath.Join(t.TempDir(), "second")
	write(t, path, version(t, "second"))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := c.Stage(t.Context(), "tested", path); err != nil {
				t.Errorf("Stage: %v", err)
			}
		})
	}
	all.Wait()
	if got := b.files(t); len(got) != 1 {
		t.Errorf("the store holds %v, want one file", got)
	}
}
