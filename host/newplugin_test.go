package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNewPlugin does what somebody does who writes a first plugin: the commands
// that penstock plugin new prints, on a chain.
func TestNewPlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole Ethereum node is built and run")
	}
	t.Setenv("GOPROXY", "off") // a plugin needs nothing that this tree does not need
	bin := t.TempDir()
	plugins := filepath.Join(bin, "plugins")
	build := func(args ...string) {
		t.Helper()
		run(t, "..", "go", append([]string{"build", "-race=false", "-o"}, args...)...)
	}
	build(filepath.Join(bin, "penstock"), "./host")
	build(bin+"/", "./examples/devchain")
	build(plugins+"/", "./plugins/ethereum", "./plugins/console")
	penstock := filepath.Join(bin, "penstock")

	checkout, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "gas-watch")
	told := run(t, t.TempDir(), penstock, "plugin", "new", "gas-watch", "--kind", "subscriber", "--dir", dir, "--sdk", checkout)
	for _, want := range []string{"go test ./...", "go build -o bin/gas-watch .", "penstock plugin test bin/gas-watch", "penstock run --devchain", checkout} {
		if !strings.Contains(told, want) {
			t.Errorf("it does not say %q:\n%s", want, told)
		}
	}
	run(t, dir, "go", "test", "./...")
	run(t, dir, "go", "build", "-o", "bin/gas-watch", ".")
	report := run(t, dir, penstock, "plugin", "test", "bin/gas-watch")
	if !strings.Contains(report, " 0 failed, 0 warned") {
		t.Errorf("the suite says:\n%s", report)
	}

	shorten(t, filepath.Join(dir, "pipelines.hcl"))
	var numbers []uint64
	for line := range strings.Lines(run(t, dir, penstock, "run", "--devchain", "--view", "none", "--plugin-dir", plugins)) {
		var row struct {
			Step   string
			Token  string
			Number uint64
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if row.Step != "transfers" || !strings.HasPrefix(row.Token, "0x") {
			t.Fatalf("a row is %s", line)
		}
		numbers = append(numbers, row.Number)
	}
	if len(numbers) < 10 || numbers[0] != 1 {
		t.Errorf("the plugin has numbered transfers %v, want some, from 1 on", numbers)
	}
}

// shorten makes the pipeline of a new plugin one that ends, and shows JSON.
func shorten(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	shorter := strings.NewReplacer("  from = 0 ", "  to   = 40\n  from = 0 ", "loader \"console\" \"show\" {\n", "loader \"console\" \"show\" {\n    format = \"json\"\n").Replace(string(text))
	if err := os.WriteFile(path, []byte(shorter), 0o600); err != nil {
		t.Fatal(err)
	}
}
