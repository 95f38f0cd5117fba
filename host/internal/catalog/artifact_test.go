package catalog_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk/remote"
)

// bench is a plugin directory with one plugin, and a data directory.
type bench struct {
	plugins, data string
	path          string // of the plugin "tested"
	log           *bytes.Buffer
	config        catalog.Config
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{plugins: t.TempDir(), data: filepath.Join(t.TempDir(), "data"), log: &bytes.Buffer{}}
	b.path = filepath.Join(b.plugins, "tested")
	write(t, b.path, version(t, "first"))
	b.config = catalog.Config{
		Dir: b.plugins, DataDir: b.data, RunDir: shortDir(t),
		Plugins: map[string]*config.Plugin{"tested": {Name: "tested", Env: map[string]string{serveEnv: "1", "GORACE": "atexit_sleep_ms=0"}}},
		Logger:  hclog.New(&hclog.LoggerOptions{Output: &locked{to: b.log}}),
	}
	return b
}

func (b *bench) open(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(b.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// locked is a writer for several goroutines.
type locked struct {
	mu sync.Mutex
	to io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "c") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// version is this test's own binary, which is also the plugin, with something
// behind its end that nobody reads.
func version(t *testing.T, name string) []byte {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	return append(content, name...)
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := replaced(path, content); err != nil {
		t.Fatal(err)
	}
}

// replaced gives a path another file: one that runs cannot be written to.
func replaced(path string, content []byte) error {
	_ = os.Remove(path) // it need not be there
	return os.WriteFile(path, content, 0o700)
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (b *bench) stored(digest string) string {
	return filepath.Join(b.data, "plugins", "sha256", strings.TrimPrefix(digest, "sha256:"))
}

func (b *bench) files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(b.data, "plugins", "sha256"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (b *bench) stage(t *testing.T, c *catalog.Catalog, name string) catalog.Artifact {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	content := version(t, name)
	write(t, path, content)
	a, err := c.Stage(t.Context(), "tested", path)
	if err != nil {
		t.Fatalf("Stage: %v", err)
	}
	if want := (catalog.Artifact{Plugin: "tested", Digest: digestOf(content), Size: int64(len(content)), Source: path}); a != want {
		t.Fatalf("Stage: got %+v, want %+v", a, want)
	}
	return a
}

func current(t *testing.T, c *catalog.Catalog, step string) string {
	t.Helper()
	a, err := c.Current("tested", step)
	if err != nil {
		t.Fatalf("Current: %v", err)
	}
	return a.Digest
}

// running is the digest of what a process runs, as the kernel has it.
func running(t *testing.T, p *remote.Plugin) string {
	t.Helper()
	content, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID()) + "/exe")
	if err != nil {
		t.Fatal(err)
	}
	return digestOf(content)
}

// What is staged is in the store, is described and runs, whatever becomes of the
// file that it came from; and what ran before still can.
func TestStagedBytesRun(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	b := newBench(t)
	c := b.open(t)
	before := current(t, c, "")
	a := b.stage(t, c, "second")
	if err := os.WriteFile(a.Source, []byte("#!/bin/false"), 0o700); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(b.stored(a.Digest)); err != nil || digestOf(content) != a.Digest {
		t.Errorf("the store holds %v, %v", digestOf(content), err)
	}
	if d := c.DescribeArtifact(t.Context(), a); d.Err != nil || len(d.Registers) != 1 || d.Digest != a.Digest {
		t.Errorf("DescribeArtifact: got %+v", d)
	}
	p, err := c.StartArtifact(t.Context(), a, catalog.Start{Plugin: "tested", Logger: b.config.Logger})
	if err != nil {
		t.Fatalf("StartArtifact: %v", err)
	}
	defer p.Kill()
	if got := running(t, p); got != a.Digest {
		t.Errorf("%s runs, want %s", got, a.Digest)
	}
	old, err := c.Start(t.Context(), catalog.Start{Plugin: "tested", Logger: b.config.Logger})
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	defer old.Kill()
	if got := running(t, old); got != before {
		t.Errorf("%s runs, want %s: nobody has chosen anything else", got, before)
	}
}

// What is used is remembered over restarts, until the file at the plugin's path
// is another.
func TestUseIsRemembered(t *testing.T) {
	b := newBench(t)
	c := b.open(t)
	first := current(t, c, "")
	second := b.stage(t, c, "second")
	third := b.stage(t, c, "third")
	if err := c.Use(second); err != nil {
		t.Fatal(err)
	}
	if err := c.Use(third, "pipeline/canary"); err != nil {
		t.Fatal(err)
	}
	check := func(c *catalog.Catalog, others, canary string) {
		t.Helper()
		if got := current(t, c, "pipeline/step"); got != others {
			t.Errorf("a step runs %s, want %s", got, others)
		}
		if got := current(t, c, "pipeline/canary"); got != canary {
			t.Errorf("the canary runs %s, want %s", got, canary)
		}
	}
	check(c, second.Digest, third.Digest)
	check(b.open(t), second.Digest, third.Digest)

	// The canary is taken back, then the rest.
	if err := c.Use(second, "pipeline/canary"); err != nil {
		t.Fatal(err)
	}
	check(b.open(t), second.Digest, second.Digest)
	if err := c.Use(third, "pipeline/canary"); err != nil {
		t.Fatal(err)
	}
	if err := c.Use(third); err != nil {
		t.Fatal(err)
	}
	check(b.open(t), third.Digest, third.Digest)

	// The sources are gone: the store has what is needed.
	if err := errors.Join(os.Remove(second.Source), os.Remove(third.Source)); err != nil {
		t.Fatal(err)
	}
	check(b.open(t), third.Digest, third.Digest)

	// A new file wins, in a host that starts then.
	content := version(t, "built anew")
	write(t, b.path, content)
	check(c, third.Digest, third.Digest)
	b.log.Reset()
	check(b.open(t), digestOf(content), digestOf(content))
	if !strings.Contains(b.log.String(), "has changed since it was swapped") {
		t.Errorf("the log does not say so: %s", b.log)
	}
	if first == digestOf(content) {
		t.Fatal("the test compares nothing")
	}
}

// A host goes on with the bytes that it has begun with.
func TestNewFileDoesNotRunByItself(t *testing.T) {
	b := newBench(t)
	c := b.open(t)
	before := current(t, c, "")
	write(t, b.path, version(t, "second"))
	if got := current(t, c, ""); got != before {
		t.Errorf("%s runs, want %s", got, before)
	}
	if d := c.DescribeOne(t.Context(), "tested"); d.Err != nil || d.Digest != before {
		t.Errorf("asked was %s (%v), want %s", d.Digest, d.Err, before)
	}
}

// A file that is replaced between being read and being run does not run.
func TestReplacedAfterHashing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	b := newBench(t)
	c := b.open(t)
	a, err := c.Current("tested", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []struct {
		name string
		make func() error
	}{
		{"another program", func() error { return replaced(b.path, []byte("#!/bin/false\n")) }},
		{"no file", func() error { return os.Remove(b.path) }},
		{"a directory", func() error { return os.Mkdir(b.path, 0o700) }},
		{"no store", func() error { return os.RemoveAll(filepath.Join(b.data, "plugins")) }},
	} {
		if err := change.make(); err != nil {
			t.Fatalf("%s: %v", change.name, err)
		}
		p, err := c.StartArtifact(t.Context(), a, catalog.Start{Plugin: "tested", Logger: b.config.Logger})
		if err != nil {
			t.Fatalf("%s: %v", change.name, err)
		}
		if got := running(t, p); got != a.Digest {
			t.Errorf("%s: %s runs, want %s", change.name, got, a.Digest)
		}
		p.Kill()
	}
}

// A file of the store that somebody has changed is put right where that is
// possible, and does not run where it is not.
func TestDamagedStore(t *testing.T) {
	b := newBench(t)
	a := b.stage(t, b.open(t), "second")
	damage := func() {
		t.Helper()
		write(t, b.stored(a.Digest), []byte("#!/bin/sh\necho evil\n"))
	}
	start := catalog.Start{Plugin: "tested", Logger: b.config.Logger}

	damage()
	p, err := b.open(t).StartArtifact(t.Context(), a, start)
	if err != nil {
		t.Fatalf("the source is still there: %v", err)
	}
	p.Kill()

	if again, err := b.open(t).Stage(t.Context(), "tested", a.Source); err != nil || again != a {
		t.Fatalf("Stage: got %v, %v", again, err)
	}
	if content, err := os.ReadFile(b.stored(a.Digest)); err != nil || digestOf(content) != a.Digest {
		t.Errorf("the store was not put right: %v, %v", digestOf(content), err)
	}

	damage()
	if err := os.Remove(a.Source); err != nil {
		t.Fatal(err)
	}
	_, err = b.open(t).StartArtifact(t.Context(), a, start)
	if err == nil || !strings.Contains(err.Error(), "is damaged") || !strings.Contains(err.Error(), a.Digest) {
		t.Errorf("got %v, want that the store is damaged", err)
	}
}

// What nothing names goes, what a killed host has begun to write goes, the rest
// stays.
func TestCollect(t *testing.T) {
	b := newBench(t)
	c := b.open(t)
	first := current(t, c, "")
	used, kept, gone := b.stage(t, c, "used"), b.stage(t, c, "kept"), b.stage(t, c, "gone")
	if err := c.Use(used, "pipeline/canary"); err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(b.data, "plugins", "sha256", ".new-12345")
	stranger := filepath.Join(b.data, "plugins", "sha256", "README")
	write(t, torn, []byte("half"))
	write(t, stranger, []byte("notes"))
	if err := c.Collect(kept.Digest); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{b.stored(first), b.stored(used.Digest), b.stored(kept.Digest), stranger} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s is gone", path)
		}
	}
	for _, path := range []string{b.stored(gone.Digest), torn} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	if p, err := c.StartArtifact(t.Context(), kept, catalog.Start{Plugin: "tested", Logger: b.config.Logger}); err != nil {
		t.Errorf("what was kept does not start: %v", err)
	} else {
		p.Kill()
	}
}

// The store is the user's alone, and its files cannot be written to by accident.
func TestStoreIsPrivate(t *testing.T) {
	b := newBench(t)
	a := b.stage(t, b.open(t), "second")
	for path, want := range map[string]string{
		b.stored(a.Digest):               "-r-x------",
		filepath.Dir(b.stored(a.Digest)): "drwx------",
		filepath.Join(b.data, "plugins"): "drwx------",
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().String() != want {
			t.Errorf("%s: got %v, %v, want %s", path, info.Mode(), err, want)
		}
	}
}
