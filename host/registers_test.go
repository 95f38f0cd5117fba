package main_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write docs/registers.md instead of comparing with it")

// The page about registers is what the plugins say of themselves: `make docs`
// writes it. Plugins with a module of their own have a page of their own.
func TestRegistersPage(t *testing.T) {
	if testing.Short() {
		t.Skip("every plugin is built")
	}
	bin, plugins := t.TempDir(), ourPlugins(t)
	run(t, ".", "go", "build", "-race=false", "-o", filepath.Join(bin, "penstock"), ".")
	got := run(t, t.TempDir(), filepath.Join(bin, "penstock"), "register", "list", "--markdown", "--plugin-dir", plugins)
	const page = "../docs/registers.md"
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(page)
	if err != nil || string(want) != got {
		t.Errorf("docs/registers.md is not what the plugins say (%v): run make docs", err)
	}
}
