package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// TestMain removes what several tests share.
func TestMain(m *testing.M) {
	code := m.Run()
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// shared are the plugins of this module, built once for all tests that need them.
var shared struct {
	once sync.Once
	dir  string
	err  error
}

// ourPlugins is the directory with them. Nobody may add to it.
func ourPlugins(t *testing.T) string {
	t.Helper()
	shared.once.Do(func() { shared.dir, shared.err = buildPlugins() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return filepath.Join(shared.dir, "plugins")
}

// buildPlugins builds all but those with a module of their own.
func buildPlugins() (dir string, err error) {
	mains, err := filepath.Glob("../plugins/*/main.go")
	if err != nil || len(mains) == 0 {
		return "", fmt.Errorf("look for plugins: there are none: %w", err)
	}
	if dir, err = os.MkdirTemp("", "penstock-plugins"); err != nil {
		return "", err
	}
	args := []string{"build", "-race=false", "-o", filepath.Join(dir, "plugins") + "/"}
	for _, main := range mains {
		if _, err := os.Stat(filepath.Join(filepath.Dir(main), "go.mod")); err != nil {
			args = append(args, "./plugins/"+filepath.Base(filepath.Dir(main)))
		}
	}
	build := exec.Command("go", args...)
	build.Dir, build.Env = "..", append(os.Environ(), "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("%v: %w\n%s", build, err, out)
	}
	return dir, nil
}
