package scaffold_test

import (
	"bytes"
	"flag"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/scaffold"
)

var update = flag.Bool("update", false, "take the versions and checksums of modules over from this tree")

const root = "../../.."

// Every kind builds, passes its tests and needs no tidying before anybody has
// changed a line.
func TestEveryKindBuildsAndPassesItsTests(t *testing.T) {
	if testing.Short() {
		t.Skip("four plugins are built and tested")
	}
	for _, kind := range scaffold.Kinds() {
		t.Run(kind, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "plugin")
			r, err := scaffold.New(scaffold.Options{Name: "gas-watch", Kind: kind, Dir: dir, SDK: root})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range r.Files {
				content := read(t, filepath.Join(dir, name))
				if bytes.Contains(content, []byte("<no value>")) || bytes.Contains(content, []byte("[[")) {
					t.Errorf("%s is not filled in:\n%s", name, content)
				}
				if !strings.HasSuffix(name, ".go") {
					continue
				}
				if laidOut, err := format.Source(content); err != nil || !bytes.Equal(laidOut, content) {
					t.Errorf("%s is not laid out as gofmt does: %v", name, err)
				}
			}
			tool(t, dir, "go", "build", "-o", "bin/gas-watch", ".")
			tool(t, dir, "go", "vet", ".")
			tool(t, dir, "go", "test", "./...")
			tool(t, dir, "go", "mod", "tidy", "-diff")
			lint(t, dir)
		})
	}
}

// lint holds what was written to the rules of this tree, where the linter is
// installed.
func lint(t *testing.T, dir string) {
	t.Helper()
	linter, err := filepath.Abs(filepath.Join(root, ".tools/bin/golangci-lint"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(linter); err != nil {
		t.Log("golangci-lint is not installed (make lint installs it), so the files are not linted")
		return
	}
	rules, err := filepath.Abs(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	tool(t, dir, linter, "run", "--allow-parallel-runners", "--config", rules, "./...")
}

// tool runs a program in the directory of a plugin, without anything from
// outside: all that is needed is what this tree needs too.
func tool(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
}

// The pipeline of every kind has no mistakes that can be found without plugins,
// and is laid out as penstock fmt does.
func TestPipelinesAreRight(t *testing.T) {
	for _, kind := range scaffold.Kinds() {
		dir := filepath.Join(t.TempDir(), "plugin")
		if _, err := scaffold.New(scaffold.Options{Name: "gas-watch", Kind: kind, Dir: dir, SDK: root}); err != nil {
			t.Fatal(err)
		}
		source := config.Source{Name: "pipelines.hcl", Bytes: read(t, filepath.Join(dir, "pipelines.hcl"))}
		if _, diags := config.Parse([]config.Source{source}, config.Options{Env: os.LookupEnv, BaseDir: dir}); diags.HasErrors() {
			t.Errorf("%s: %v", kind, diags)
		}
		if laidOut, _ := config.Format(source); !bytes.Equal(laidOut, source.Bytes) {
			t.Errorf("%s: the pipeline is not laid out, want:\n%s", kind, laidOut)
		}
	}
}

// flock is what a loader needs beside the SDK, as a line of go.sum begins.
const flock = "github.com/gofrs/flock "

// Versions and checksums are those of this tree.
func TestRequirementsAreCurrent(t *testing.T) {
	var required, sums []string
	for line := range strings.Lines(string(read(t, filepath.Join(root, "examples/whale/go.mod")))) {
		words := strings.Fields(line)
		if strings.HasPrefix(line, "\t") && len(words) >= 2 && !strings.HasSuffix(words[0], "/penstock") {
			required = append(required, words[0]+" "+words[1])
		}
	}
	for line := range strings.Lines(string(read(t, filepath.Join(root, "go.mod")))) {
		if words := strings.Fields(line); len(words) > 1 && words[0]+" " == flock {
			required = append(required, words[0]+" "+words[1])
		}
	}
	for line := range strings.Lines(string(read(t, filepath.Join(root, "examples/whale/go.sum")))) {
		sums = append(sums, strings.TrimSpace(line))
	}
	after := slices.IndexFunc(sums, func(line string) bool { return line > flock })
	for line := range strings.Lines(string(read(t, filepath.Join(root, "go.sum")))) {
		if strings.HasPrefix(line, flock) {
			sums = slices.Insert(sums, after, strings.TrimSpace(line))
			after++
		}
	}
	slices.Sort(required)
	same(t, "requirements.txt", slices.Compact(required))
	same(t, "sums.txt", sums)
}

func same(t *testing.T, name string, lines []string) {
	t.Helper()
	want := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, string(read(t, name))); diff != "" {
		t.Errorf("%s is not what this tree has; take it over with go test ./host/internal/scaffold -update (-want +got):\n%s", name, diff)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestWhatIsRefused(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(full, "notes.txt")
	tests := []struct {
		o    scaffold.Options
		says string
	}{
		{scaffold.Options{Name: "../x", Kind: "subscriber"}, "is a path, no name"},
		{scaffold.Options{Name: `a\b`, Kind: "subscriber"}, "is a path, no name"},
		{scaffold.Options{Name: "..", Kind: "subscriber"}, "is a path, no name"},
		{scaffold.Options{Name: "", Kind: "subscriber"}, "needs a name"},
		{scaffold.Options{Name: "gas watch", Kind: "subscriber"}, "small letters and digits"},
		{scaffold.Options{Name: "GasWatch", Kind: "subscriber"}, "small letters and digits"},
		{scaffold.Options{Name: "gas_watch", Kind: "subscriber"}, "small letters and digits"},
		{scaffold.Options{Name: "-x", Kind: "subscriber"}, "small letters and digits"},
		{scaffold.Options{Name: "7up", Kind: "subscriber"}, "small letters and digits"},
		{scaffold.Options{Name: "ünder", Kind: "subscriber"}, "small letters and digits"},
		{scaffold.Options{Name: strings.Repeat("x", 41), Kind: "subscriber"}, "40 are the most"},
		{scaffold.Options{Name: "range", Kind: "subscriber"}, "a word of the language Go"},
		{scaffold.Options{Name: "uniswap", Kind: "subscriber"}, "is taken"},
		{scaffold.Options{Name: "internal", Kind: "subscriber"}, "is taken"},
		{scaffold.Options{Name: "gas", Kind: "writer"}, "it is one of subscriber, reader, aggregator, loader"},
		{scaffold.Options{Name: "gas", Kind: "loader", Module: "a b"}, "is no path of a Go module"},
		{scaffold.Options{Name: "gas", Kind: "loader", Module: "a/../b"}, "is no path of a Go module"},
		{scaffold.Options{Name: "gas", Kind: "loader", Module: "github.com/penstock-io/penstock/gas"}, "is Penstock's"},
		{scaffold.Options{Name: "gas", Kind: "loader", SDK: t.TempDir()}, "there is no checkout of github.com/penstock-io/penstock"},
		{scaffold.Options{Name: "gas", Kind: "loader", Dir: full}, "is not empty (it has notes.txt)"},
		{scaffold.Options{Name: "gas", Kind: "loader", Dir: file}, "not a directory"},
	}
	t.Chdir(t.TempDir())
	for _, test := range tests {
		_, err := scaffold.New(test.o)
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: got %v, want %q", test.o, err, test.says)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("something was left behind: %v, %v", left, err)
	}
}

// The SDK comes from the checkout that is nearest, and what is said is what
// stands in go.mod.
func TestTheSDKIsFound(t *testing.T) {
	whole, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "gas")
	r, err := scaffold.New(scaffold.Options{Name: "gas", Kind: "loader", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if r.SDK.Replace != whole || r.SDK.Found != "the working directory is in it" {
		t.Errorf("the SDK is %+v, want that of %s", r.SDK, whole)
	}
	if want := "\nreplace github.com/penstock-io/penstock => " + whole + "\n"; !strings.Contains(string(read(t, filepath.Join(dir, "go.mod"))), want) {
		t.Errorf("go.mod does not have %q", want)
	}

	checkout := t.TempDir()
	if err := os.WriteFile(filepath.Join(checkout, "go.mod"), []byte("module github.com/penstock-io/penstock\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err = scaffold.New(scaffold.Options{Name: "gas", Kind: "loader", Dir: filepath.Join(checkout, "a", "gas"), SDK: checkout})
	if err != nil {
		t.Fatal(err)
	}
	if r.SDK.Replace != "../.." {
		t.Errorf("inside of the checkout go.mod has %q, want ../..", r.SDK.Replace)
	}
}
