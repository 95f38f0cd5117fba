package catalog_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
)

// locking is a bench with a lock file, which is not there yet.
func locking(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.config.Lock = filepath.Join(t.TempDir(), config.LockName)
	b.config.LockCommand = "penstock plugin lock --file p.hcl"
	return b
}

func (b *bench) writeLock(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(b.config.Lock, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func lockText(plugin, platform, digest string) string {
	return "plugin \"" + plugin + "\" {\n  sha256 = { " + platform + " = \"" + strings.TrimPrefix(digest, "sha256:") + "\" }\n}\n"
}

// describe locks what runs of the plugin.
func (b *bench) lock(t *testing.T, c *catalog.Catalog) catalog.LockChange {
	t.Helper()
	changes, err := c.LockPlugins([]catalog.Description{c.DescribeOne(t.Context(), "tested")})
	if err != nil || len(changes) != 1 {
		t.Fatalf("LockPlugins: got %v, %v", changes, err)
	}
	return changes[0]
}

func says(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("nothing is wrong, want an error that says %q", words)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}

// Where there is a lock file, what it does not have does not run, and the error
// says what to do.
func TestOnlyLockedBytesRun(t *testing.T) {
	b := locking(t)
	digest := digestOf(version(t, "first"))
	other := "sha256:" + strings.Repeat("0", 64)
	tests := []struct {
		name, lock string
		says       []string // nothing: it runs
	}{
		{"no lock file", "", nil},
		{"locked", lockText("tested", catalog.Platform(), digest), nil},
		{"one of several", "plugin \"tested\" {\n  sha256 = { " + catalog.Platform() + " = [\"" + strings.Repeat("0", 64) + "\", \"" + digest[7:] + "\"] }\n}\n", nil},
		{"changed", lockText("tested", catalog.Platform(), other), []string{"has changed since it was locked", digest[:20], other[:20], b.path, "penstock plugin lock --file p.hcl tested", "--dev"}},
		{"not locked", lockText("another", catalog.Platform(), digest), []string{"is not locked", digest[:20], "penstock plugin lock --file p.hcl tested"}},
		{"other platform", lockText("tested", "plan9_mips", digest), []string{"is locked for plan9_mips only", catalog.Platform(), "penstock plugin lock --file p.hcl tested"}},
		{"broken", "plugin \"tested\" {\n  sha256 = { " + catalog.Platform() + " = \"abc\" }\n}\n", []string{config.LockName + ":2,"}},
		{"empty", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.lock == "" {
				_ = os.Remove(b.config.Lock) // it need not be there
			} else {
				b.writeLock(t, test.lock)
			}
			c := b.open(t)
			_, staging := c.Stage(t.Context(), "tested", b.path)
			asking := b.open(t).DescribeOne(t.Context(), "tested").Err
			for _, err := range []error{staging, asking} {
				if len(test.says) > 0 {
					says(t, err, test.says...)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A person can run what is not locked: everything, or one plugin.
func TestDevRunsWhatIsThere(t *testing.T) {
	b := locking(t)
	b.writeLock(t, lockText("tested", catalog.Platform(), "sha256:"+strings.Repeat("0", 64)))
	all := *b
	all.config.Dev = true
	if err := all.open(t).DescribeOne(t.Context(), "tested").Err; err != nil {
		t.Error(err)
	}
	p := *b.config.Plugins["tested"]
	p.Dev = true
	b.config.Plugins = map[string]*config.Plugin{"tested": &p}
	if err := b.open(t).DescribeOne(t.Context(), "tested").Err; err != nil {
		t.Error(err)
	}
}

// The first run locks what is there; after that only that runs, also if the file
// vanishes while the host runs.
func TestFirstUseLocks(t *testing.T) {
	b := locking(t)
	c := b.open(t)
	changes, err := c.LockFirst([]catalog.Description{c.DescribeOne(t.Context(), "tested"), {Name: "broken", Err: errors.New("it does not answer")}})
	if err != nil || len(changes) != 1 || changes[0].Change != catalog.Added {
		t.Fatalf("LockFirst: got %v, %v", changes, err)
	}
	if changes, err := c.LockFirst([]catalog.Description{c.DescribeOne(t.Context(), "tested")}); err != nil || changes != nil {
		t.Errorf("LockFirst again: got %v, %v", changes, err)
	}
	path := filepath.Join(t.TempDir(), "second")
	write(t, path, version(t, "second"))
	_, err = c.Stage(t.Context(), "tested", path)
	if e := (*catalog.LockError)(nil); !errors.As(err, &e) || !e.Changed() {
		t.Errorf("Stage: got %v, want that it is not locked", err)
	}
	if err := os.Remove(b.config.Lock); err != nil {
		t.Fatal(err)
	}
	_, err = c.Stage(t.Context(), "tested", path)
	says(t, err, b.config.Lock, "which was there when the host began, is gone", "put it back")
	p, err := c.Start(t.Context(), catalog.Start{Plugin: "tested", Logger: b.config.Logger})
	if err != nil {
		t.Fatalf("what ran before does not start again: %v", err)
	}
	p.Kill()
}

// A swap that a person wants locked runs at once, and is in the lock file when it
// has come to stay. A canary is locked beside what it is tried against.
func TestSwapIsLocked(t *testing.T) {
	b := locking(t)
	c := b.open(t)
	b.lock(t, c)
	first := current(t, c, "")
	path := filepath.Join(t.TempDir(), "second")
	write(t, path, version(t, "second"))
	second, err := c.Stage(t.Context(), "tested", path)
	if e := (*catalog.LockError)(nil); !errors.As(err, &e) || second.Digest == "" || len(b.files(t)) != 1 {
		t.Fatalf("Stage: got %+v, %v, and the store holds %v", second, err, b.files(t))
	}
	if err := c.Permit(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if d := c.DescribeArtifact(t.Context(), second); d.Err != nil {
		t.Fatal(d.Err)
	}
	locked := func() []string {
		t.Helper()
		l, diags := config.ReadLock(b.config.Lock)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		return l.Plugins["tested"].Digests[catalog.Platform()]
	}
	for _, step := range []struct {
		steps []string
		want  []string
	}{
		{[]string{"pipeline/canary"}, []string{first, second.Digest}},
		{nil, []string{second.Digest}},
	} {
		if err := errors.Join(c.Use(second, step.steps...), c.Lock("tested")); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, locked()); diff != "" {
			t.Errorf("locked (-want +got):\n%s", diff)
		}
		if err := b.open(t).DescribeOne(t.Context(), "tested").Err; err != nil {
			t.Errorf("the next host: %v", err)
		}
	}
	again := b.open(t)
	if got := current(t, again, ""); got != second.Digest {
		t.Errorf("the next host runs %s, want %s", got, second.Digest)
	}
}

// What lock did is told.
func TestLockPluginsTellsWhatChanged(t *testing.T) {
	b := locking(t)
	first := digestOf(version(t, "first"))
	if got := b.lock(t, b.open(t)); got.Change != catalog.Added || len(got.Before) != 0 || got.Digests[0] != first {
		t.Errorf("first: got %+v", got)
	}
	if got := b.lock(t, b.open(t)); got.Change != catalog.Same {
		t.Errorf("again: got %+v", got)
	}
	content := version(t, "second")
	write(t, b.path, content)
	b.config.Dev = true
	if got := b.lock(t, b.open(t)); got.Change != catalog.Changed || got.Before[0] != first || got.Digests[0] != digestOf(content) {
		t.Errorf("changed: got %+v", got)
	}
	write(t, b.path, []byte("#!/bin/sh\nexit 3\n"))
	if got := b.lock(t, b.open(t)); got.Change != catalog.Failed || got.Err == nil {
		t.Errorf("broken: got %+v", got)
	}
	if err := b.open(t).DescribeOne(t.Context(), "tested").Err; err == nil {
		t.Fatal("the test compares nothing")
	}
}

// Every plugin that is there or locked has a verdict.
func TestVerify(t *testing.T) {
	b := locking(t)
	if _, err := b.open(t).Verify(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a lock file: got %v", err)
	}
	content := version(t, "first")
	for _, name := range []string{"changed", "stranger", "elsewhere", "own"} {
		write(t, filepath.Join(b.plugins, name), content)
	}
	write(t, filepath.Join(b.plugins, "text"), []byte("notes"))
	b.config.Plugins["own"] = &config.Plugin{Name: "own", Dev: true}
	zeros := "sha256:" + strings.Repeat("0", 64)
	b.writeLock(t, lockText("tested", catalog.Platform(), digestOf(content))+lockText("changed", catalog.Platform(), zeros)+
		lockText("elsewhere", "plan9_mips", zeros)+lockText("gone", catalog.Platform(), zeros))
	verdicts, err := b.open(t).Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]catalog.State{}
	for _, v := range verdicts {
		got[v.Plugin] = v.State
		if right := v.State == catalog.LockOK || v.State == catalog.LockDev; right != (v.Err == nil) {
			t.Errorf("%s is %s, and the error is %v", v.Plugin, v.State, v.Err)
		}
	}
	want := map[string]catalog.State{
		"tested": catalog.LockOK, "changed": catalog.LockChanged, "stranger": catalog.LockNone, "elsewhere": catalog.LockElse,
		"gone": catalog.LockMissing, "own": catalog.LockDev, "text": catalog.LockUnusable,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
