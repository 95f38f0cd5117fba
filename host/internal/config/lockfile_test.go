package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/config"
)

var (
	hashA = strings.Repeat("a", 64)
	hashB = strings.Repeat("b", 64)
	hashC = strings.Repeat("c", 64)
)

func lockOf(t *testing.T, text string) *config.Lock {
	t.Helper()
	l, diags := config.ParseLock(config.Source{Name: "penstock.lock.hcl", Bytes: []byte(text)})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return l
}

// A lock file is read as it is written.
func TestLockIsReadAsItIsWritten(t *testing.T) {
	l := config.NewLock("penstock.lock.hcl")
	for _, set := range []struct{ plugin, version, platform, hash string }{
		{"uniswap", "1.2.0", "linux_amd64", hashA},
		{"my.plugin-2", "", "linux_amd64", hashB},
		{"uniswap", "1.2.0", "darwin_arm64", hashC},
	} {
		if err := l.Set(set.plugin, set.version, set.platform, "sha256:"+set.hash); err != nil {
			t.Fatal(err)
		}
	}
	want := `# Made by penstock plugin lock. Only these bytes run.

plugin "uniswap" {
  version = "1.2.0"
  sha256 = {
    linux_amd64  = "` + hashA + `"
    darwin_arm64 = "` + hashC + `"
  }
}

plugin "my.plugin-2" {
  version = ""
  sha256 = {
    linux_amd64 = "` + hashB + `"
  }
}
`
	if diff := cmp.Diff(want, string(l.Bytes())); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	read := lockOf(t, string(l.Bytes()))
	got := read.Plugins["uniswap"]
	if diff := cmp.Diff(map[string][]string{"linux_amd64": {"sha256:" + hashA}, "darwin_arm64": {"sha256:" + hashC}}, got.Digests); diff != "" || got.Version != "1.2.0" {
		t.Errorf("read: version %q, digests (-want +got):\n%s", got.Version, diff)
	}
}

// What people have written into a lock file stays there, however they have
// written it.
func TestLockKeepsWhatIsThere(t *testing.T) {
	tests := map[string]struct{ before, after string }{
		"comments and another platform": {`# Ours.
plugin "uniswap" { # the indexer's
  version = "1.0.0" # old
  sha256 = {
    darwin_arm64 = "` + hashC + `" # Kim's
    linux_amd64  = "` + hashA + `" # CI's
  }
}
# The end.
`, `# Ours.
plugin "uniswap" {  # the indexer's
  version = "1.1.0" # old
  sha256 = {
    darwin_arm64 = "` + hashC + `" # Kim's
    linux_amd64  = "` + hashB + `" # CI's
  }
}
# The end.
`},
		"a new platform after a comment": {`plugin "uniswap" {
  version = "1.1.0"
  sha256 = {
    darwin_arm64 = "` + hashC + `" # Kim's
  }
}
`, `plugin "uniswap" {
  version = "1.1.0"
  sha256 = {
    darwin_arm64 = "` + hashC + `" # Kim's
    linux_amd64  = "` + hashB + `"
  }
}
`},
		"one line": {`plugin "uniswap" {
  version = "1.1.0"
  sha256 = { darwin_arm64 = "` + hashC + `" }
}
`, `plugin "uniswap" {
  version = "1.1.0"
  sha256  = { darwin_arm64 = "` + hashC + `", linux_amd64 = "` + hashB + `" }
}
`},
		"one line with a comma": {`plugin "uniswap" {
  version = "1.1.0"
  sha256  = { darwin_arm64 = "` + hashC + `", }
}
`, `plugin "uniswap" {
  version = "1.1.0"
  sha256  = { darwin_arm64 = "` + hashC + `", linux_amd64 = "` + hashB + `" }
}
`},
		"no version": {`plugin "uniswap" {
  sha256 = {}
}`, `plugin "uniswap" {
  version = "1.1.0"

  sha256 = {
    linux_amd64 = "` + hashB + `"
  }
}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := lockOf(t, test.before)
			if err := l.Set("uniswap", "1.1.0", "linux_amd64", "sha256:"+hashB); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.after, string(l.Bytes())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Steps of one plugin may run different bytes.
func TestLockOfSeveralBytes(t *testing.T) {
	l := lockOf(t, `plugin "uniswap" {
  sha256 = { linux_amd64 = "`+hashA+`" }
}
`)
	if err := l.Set("uniswap", "", "linux_amd64", "sha256:"+hashA, "sha256:"+hashB); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"sha256:" + hashA, "sha256:" + hashB}, l.Plugins["uniswap"].Digests["linux_amd64"]); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, l.Bytes())
	}
	if err := l.Set("uniswap", "", "linux_amd64", "sha256:"+hashB); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"sha256:" + hashB}, l.Plugins["uniswap"].Digests["linux_amd64"]); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, l.Bytes())
	}
}

// A lock file that somebody has edited wrongly says where.
func TestLockMistakes(t *testing.T) {
	tests := map[string]struct {
		text, place, says string
	}{
		"short hash":        {"plugin \"a\" {\n  sha256 = {\n    linux_amd64 = \"abc\"\n  }\n}", "3:19", "this has 3 characters"},
		"upper case":        {"plugin \"a\" {\n  sha256 = { linux_amd64 = \"" + strings.Repeat("A", 64) + "\" }\n}", "2:28", "0 to 9 and a to f"},
		"number":            {"plugin \"a\" {\n  sha256 = { linux_amd64 = [1] }\n}", "2:29", "this has 1 characters"},
		"nested":            {"plugin \"a\" {\n  sha256 = { linux_amd64 = {} }\n}", "2:28", "a hash is an object"},
		"text":              {"plugin \"a\" {\n  sha256 = \"abc\"\n}", "2:12", "map of platforms"},
		"unknown attribute": {"plugin \"a\" {\n  sha265 = {}\n}", "2:3", `Did you mean "sha256"?`},
		"unknown block":     {"plugins \"a\" {\n}", "1:1", `Did you mean "plugin"?`},
		"top attribute":     {"version = 1", "1:1", "no attribute \"version\""},
		"no hash":           {"plugin \"a\" {\n}", "1:1", "needs an attribute \"sha256\""},
		"twice":             {"plugin \"a\" {\n  sha256 = {}\n}\nplugin \"a\" {\n  sha256 = {}\n}", "4:8", "already at penstock.lock.hcl:1:8"},
		"platform twice":    {"plugin \"a\" {\n  sha256 = { linux_amd64 = \"" + hashA + "\", linux_amd64 = \"" + hashB + "\" }\n}", "2:96", "already at"},
		"platform":          {"plugin \"a\" {\n  sha256 = { \"linux/amd64\" = \"" + hashA + "\" }\n}", "2:14", "written as linux_amd64"},
		"name with a path":  {"plugin \"../a\" {\n  sha256 = {}\n}", "1:8", "it is a path"},
		"no name":           {"plugin {\n  sha256 = {}\n}", "1:1", "This block is written as"},
		"variable":          {"plugin \"a\" {\n  sha256 = { linux_amd64 = var.hash }\n}", "2:28", "Nothing in a lock file can refer"},
		"no HCL":            {"plugin \"a\" {", "1:", ""},
		"binary":            {"\x00\x01", "1:1", "UTF-8"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, diags := config.ParseLock(config.Source{Name: "penstock.lock.hcl", Bytes: []byte(test.text)})
			if !diags.HasErrors() {
				t.Fatal("nothing is wrong with it")
			}
			var out strings.Builder
			l, _ := config.ParseLock(config.Source{Name: "penstock.lock.hcl", Bytes: []byte(test.text)})
			if err := l.Explain().Write(&out, diags, false, 0); err != nil {
				t.Fatal(err)
			}
			if got := out.String(); !strings.Contains(got, "at penstock.lock.hcl:"+test.place) || !strings.Contains(got, test.says) {
				t.Errorf("want %s and %q, got:\n%s", test.place, test.says, got)
			}
		})
	}
}

// A lock file is written whole, in its place, and not over what somebody else has
// written meanwhile.
func TestLockIsWrittenWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, config.LockName)
	if l, diags := config.ReadLock(path); l != nil || diags != nil {
		t.Fatalf("ReadLock of nothing: got %v, %v", l, diags)
	}
	l := config.NewLock(path)
	if err := l.Set("a", "1", "linux_amd64", "sha256:"+hashA); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(); err != nil {
		t.Fatal(err)
	}
	if err := l.Set("b", "1", "linux_amd64", "sha256:"+hashB); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(); err != nil {
		t.Fatalf("written again: %v", err)
	}
	read, diags := config.ReadLock(path)
	if diags.HasErrors() || len(read.Plugins) != 2 {
		t.Fatalf("ReadLock: got %v, %v", read, diags)
	}
	if err := os.WriteFile(path, []byte("# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := read.Write(); err == nil || !strings.Contains(err.Error(), "has changed since it was read") {
		t.Errorf("written over somebody's changes: %v", err)
	}
	if err := config.NewLock(path).Write(); err == nil {
		t.Error("written over somebody's new file")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left are %v, %v", left, err)
	}
	if l, diags := config.ReadLock(dir); l != nil || !diags.HasErrors() {
		t.Errorf("ReadLock of a directory: got %v, %v", l, diags)
	}
}

// A lock file is no pipeline file, unless somebody names it.
func TestDirectoryIsReadWithoutLockFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.hcl", config.LockName, "old.lock.hcl"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sources, diags := config.Read(dir)
	if diags.HasErrors() || len(sources) != 1 || filepath.Base(sources[0].Name) != "a.hcl" {
		t.Errorf("got %v, %v", sources, diags)
	}
	if sources, diags := config.Read(filepath.Join(dir, config.LockName)); diags.HasErrors() || len(sources) != 1 {
		t.Errorf("named: got %v, %v", sources, diags)
	}
	if err := os.Remove(filepath.Join(dir, "a.hcl")); err != nil {
		t.Fatal(err)
	}
	if _, diags := config.Read(dir); !diags.HasErrors() {
		t.Error("a directory with nothing but lock files has something to read")
	}
}

func TestCheckPluginName(t *testing.T) {
	for name, right := range map[string]bool{
		"uniswap": true, "my.plugin-2_x": true, "größe": true,
		"": false, "..": false, ".hidden": false, "../a": false, "a/b": false, `a\b`: false, "-f": false, "a b": false, "a\nb": false, "a\x1b[1m": false,
		strings.Repeat("a", 129): false,
	} {
		if err := config.CheckPluginName(name); (err == nil) != right {
			t.Errorf("CheckPluginName(%q): got %v", name, err)
		}
	}
}
