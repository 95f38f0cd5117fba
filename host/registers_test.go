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
	mains, err := filepath.Glob("../plugins/*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no plugins: %v", err)
	}
	bin := t.TempDir()
	plugins := filepath.Join(bin, "plugins")
	args := []string{"build", "-race=false", "-o", plugins + "/"}
	for _, main := range mains {
		dir := filepath.Dir(main)
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
			args = append(args, "./plugins/"+filepath.Base(dir))
		}
	}
	run(t, "..", "go", args...)
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
