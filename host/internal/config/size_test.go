package config_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
)

const tenMB = 10 << 20

// repeat makes a text of at least ten megabytes.
func repeat(line string) string { return strings.Repeat(line, tenMB/len(line)+1) }

// Whatever a file of ten megabytes holds, the answer comes within seconds and
// is short enough to be read.
func TestHugeFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds and a gigabyte")
	}
	random := make([]byte, tenMB)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = " \n\n{}()[]=\"$abc,<-.?:#/"[rng.IntN(23)]
	}
	var steps strings.Builder
	steps.WriteString("network \"m\" {\n  chain_id = 1\n}\npipeline \"p\" {\n  reader \"eth.logs\" \"logs\" {}\n")
	for i := 0; steps.Len() < tenMB; i++ {
		fmt.Fprintf(&steps, "  # %s\n  subscriber \"uniswap.swaps\" \"s%d\" {\n    input = lgos%d\n  }\n", strings.Repeat("why ", 200), i, i)
	}
	steps.WriteString("}\n")
	for name, src := range map[string]string{
		"zeroes":         string(make([]byte, tenMB)),
		"open brackets":  "x = " + repeat("("),
		"operators":      "x = " + repeat("!"),
		"sum":            "x = 1" + repeat(" + 1"),
		"conditions":     "x = " + repeat("a ? b : "),
		"templates":      "x = \"" + repeat("${\""),
		"directives":     "x = \"" + repeat("%{if a}"),
		"indexes":        "x = a" + repeat("[b]"),
		"blocks":         repeat("a {\n"),
		"words":          repeat("word\n"),
		"words in block": "pipeline \"p\" {\n" + repeat("word\n") + "}\n",
		"random":         string(random),
		"wrong steps":    steps.String(),
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			f, _ := config.Parse([]config.Source{{Name: "p.hcl", Bytes: []byte(src)}}, config.Options{})
			_, diags := f.Resolve(registers(t))
			var text bytes.Buffer
			if err := f.Write(&text, diags, false, 100); err != nil {
				t.Fatal(err)
			}
			took := time.Since(begin)
			t.Logf("%v, %d diagnostics, %d bytes", took, len(diags), text.Len())
			if !diags.HasErrors() || len(diags) > 101 || text.Len() > 100_000 {
				t.Errorf("%d diagnostics, %d bytes", len(diags), text.Len())
			}
			if limit := 2 * time.Minute; took > limit { // busy machines and the race detector are slow
				t.Errorf("took %v", took)
			}
		})
	}
}

// Of more than a hundred mistakes the rest is counted.
func TestManyMistakes(t *testing.T) {
	src := "network \"m\" {\n  chain_id = 1\n}\npipeline \"p\" {\n"
	for i := range 250 {
		src += fmt.Sprintf("  reader \"eth.lgos\" \"r%d\" {}\n", i)
	}
	f, diags := config.Parse([]config.Source{{Name: "p.hcl", Bytes: []byte(src + "}\n")}}, config.Options{})
	if len(diags) != 1 {
		t.Fatalf("Parse: %v", diags)
	}
	_, diags = f.Resolve(registers(t))
	if len(diags) != 101 || diags[100].Summary != "And 151 more" {
		t.Errorf("got %d diagnostics, the last is %v", len(diags), diags[len(diags)-1])
	}
	if joined := f.Join(diags, config.Diagnostics{{Summary: "Another"}}); len(joined) != 101 || joined[100].Summary != "And 152 more" {
		t.Errorf("Join: got %d diagnostics, the last is %v", len(joined), joined[len(joined)-1])
	}
	if bound := config.Bound(diags); len(bound) != 101 || bound[100].Summary != "And 1 more" {
		t.Errorf("Bound: got %d diagnostics, the last is %v", len(bound), bound[len(bound)-1])
	}
}

func large(t *testing.T, steps int) []byte {
	t.Helper()
	var src bytes.Buffer
	src.WriteString("network \"m\" {\n  chain_id = 1\n  endpoint \"a\" {\n    url = \"http://localhost\"\n  }\n}\n")
	for i := range steps {
		fmt.Fprintf(&src, "pipeline \"p%d\" {\n  # a \"comment\" with { brackets (\n  reader \"eth.logs\" \"logs\" {\n    extra = <<-EOT\n      } \"${\"x\"}\" # ${1 + 1} {\n      EOT\n  }\n}\n", i)
	}
	return src.Bytes()
}

// A large file is parsed in parts; nothing of that may be seen.
func TestLargeFile(t *testing.T) {
	src := large(t, 3000)
	if len(src) < 300_000 {
		t.Fatalf("only %d bytes: too small to be parsed in parts", len(src))
	}
	f, _ := config.Parse([]config.Source{{Name: "p.hcl", Bytes: src}}, config.Options{})
	m, diags := f.Resolve(registers(t))
	noDiagnostics(t, f, diags)
	if len(m.Pipelines) != 3000 || m.Pipelines[2999].Name != "p2999" {
		t.Fatalf("%d pipelines", len(m.Pipelines))
	}
	if got, want := string(m.Pipelines[2999].Steps[0].Settings), `{"extra":"} \"x\" # 2 {\n"}`; got != want {
		t.Errorf("settings: got %s, want %s", got, want)
	}
	for _, i := range []int{0, 1500, 2999} {
		at := m.Pipelines[i].Range
		if want := 7 + 8*i; at.Start.Line != want || !bytes.HasPrefix(src[at.Start.Byte:], fmt.Appendf(nil, "pipeline \"p%d\" {", i)) {
			t.Errorf("p%d: at %v, want line %d", i, at, want)
		}
	}
	src = append(src, "pipeline \"last\" {\n  form = 1\n}\n"...)
	f, diags = config.Parse([]config.Source{{Name: "p.hcl", Bytes: src}}, config.Options{})
	var text bytes.Buffer
	if err := f.Write(&text, diags[1:2], false, 0); err != nil {
		t.Fatal(err)
	}
	if want := "p.hcl:24008:3, in pipeline \"last\"\n24008 |   form = 1\n"; !strings.Contains(text.String(), want) {
		t.Errorf("got %s, want %s", text.String(), want)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.Repeat([]byte("\n"), size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("many/b.hcl", 2)
	write("many/a.hcl", 1)
	write("many/c.txt", 1)
	sources, diags := config.Read(filepath.Join(dir, "many"))
	if len(diags) > 0 || len(sources) != 2 || filepath.Base(sources[0].Name) != "a.hcl" || len(sources[1].Bytes) != 2 {
		t.Errorf("Read of a directory: got %v, %v", sources, diags)
	}
	sources, diags = config.Read(filepath.Join(dir, "many", "c.txt"))
	if len(diags) > 0 || len(sources) != 1 {
		t.Errorf("Read of a file: got %v, %v", sources, diags)
	}
	write("large/a.hcl", config.MaxSize-1)
	write("large/b.hcl", 2)
	write("none/c.txt", 1)
	if err := os.MkdirAll(filepath.Join(dir, "odd", "x.hcl"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"missing.hcl": "missing.hcl: no such file or directory.",
		"large":       "b.hcl: the configuration is larger than 16 MiB; keep large data in other files and name them in it.",
		"none":        "none: the directory has no file that ends in .hcl.",
		"odd":         "x.hcl: it is not a regular file.",
	} {
		_, diags := config.Read(filepath.Join(dir, path))
		if len(diags) != 1 || !strings.HasSuffix(diags[0].Detail, want) {
			t.Errorf("Read(%s): got %v, want %q", path, diags, want)
		}
	}
	_, diags = config.Parse([]config.Source{{Name: "a.hcl"}, {Name: "b.hcl", Bytes: make([]byte, config.MaxSize+1)}}, config.Options{})
	if len(diags) != 1 || diags[0].Summary != "Configuration too large" || diags[0].Subject.Filename != "b.hcl" {
		t.Errorf("Parse of too much: %v", diags)
	}
}

// Several files are one configuration, and diagnostics come in their order.
func TestSeveralFiles(t *testing.T) {
	f, _ := config.Parse([]config.Source{
		{Name: "z.hcl", Bytes: []byte("pipeline \"p\" {\n  from = var.start\n  x = 1\n  reader \"eth.logs\" \"logs\" {}\n}\n")},
		{Name: "a.hcl", Bytes: []byte("variable \"start\" {\n  default = 7\n}\nnetwork \"m\" {\n  chain_id = 1\n}\n")},
	}, config.Options{})
	m, diags := f.Resolve(registers(t))
	if len(diags) != 2 || diags[0].Subject.Filename != "z.hcl" || diags[1].Subject.Filename != "a.hcl" || m.Pipelines[0].From != 7 {
		t.Errorf("got %v", diags)
	}
}

// FuzzParse holds that no text makes the host panic, and that what is said
// about it has a place in it.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.hcl", "testdata/bad/*.hcl"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	registers := registers(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		source := config.Source{Name: "p.hcl", Bytes: src}
		file, _ := config.Parse([]config.Source{source}, config.Options{BaseDir: t.TempDir()})
		_, diags := file.Resolve(registers)
		for _, diag := range diags {
			if at := diag.Subject; at != nil && (at.Start.Byte < 0 || at.Start.Byte > len(src)) {
				t.Errorf("%v is outside of the file", diag)
			}
		}
		var text bytes.Buffer
		if err := file.Write(&text, diags, true, 80); err != nil {
			t.Error(err)
		}
		if out, diags := config.Format(source); len(diags) == 0 {
			again, diags := config.Format(config.Source{Name: "p.hcl", Bytes: out})
			if len(diags) > 0 || !bytes.Equal(out, again) {
				t.Errorf("formatting is not stable: %q, then %q (%v)", out, again, diags)
			}
		}
	})
}
