package catalog_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/remote"
)

// curious is a plugin whose settings name files, which it looks into when it is
// asked to check them.
type curious struct {
	Out   string   `hcl:"out,optional,writes"`
	In    []string `hcl:"in,optional,reads"`
	Other string   `hcl:"other,optional"`
	Deep  []deep   `hcl:"deep,block"`
}

type deep struct {
	Path string `hcl:"path,writes"`
}

func (c *curious) Validate() error {
	for _, path := range []string{c.Out, c.Other} {
		if path == "" {
			continue
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
	}
	for _, path := range c.In {
		if _, err := os.ReadFile(path); err != nil {
			return err
		}
	}
	return nil
}

func (curious) Read(context.Context, sdk.Start, *sdk.Output[row]) error { return nil }

// confined is a catalog with that plugin, whose block is changed by change.
func confined(t *testing.T, change func(*config.Plugin)) (*catalog.Catalog, registry.Register) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	block := &config.Plugin{Name: "curious", Path: self, Env: map[string]string{curiousEnv: "1", "GORACE": "atexit_sleep_ms=0"}}
	change(block)
	c, err := catalog.Open(catalog.Config{
		Plugins: map[string]*config.Plugin{"curious": block}, Logger: hclog.NewNullLogger(), RunDir: shortDir(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	d := c.DescribeOne(t.Context(), "curious")
	if d.Err != nil {
		t.Fatal(d.Err)
	}
	return c, catalog.Registers(d)[0]
}

// checked is what the plugin says to settings when it runs for a step with
// those settings, or for none.
func checked(t *testing.T, c *catalog.Catalog, r registry.Register, step string, settings map[string]any) string {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Start(t.Context(), catalog.Start{Plugin: "curious", Step: step, Register: r, Settings: text, Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	mistakes, err := p.Configure(t.Context(), r.Name, text)
	if err != nil {
		t.Fatal(err)
	}
	if len(mistakes) == 0 {
		return ""
	}
	return mistakes[0].Message
}

// A step reaches the files that its settings name, what its block adds, and
// nothing else; a plugin that is only asked something reaches neither.
func TestSettingsOpenTheSandbox(t *testing.T) {
	if (remote.Config{Sandbox: &remote.Sandbox{}}).Confinement().Landlock == 0 {
		t.Skip("this kernel has no Landlock")
	}
	dir := t.TempDir()
	at := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	for _, name := range []string{"out", "in", "other", "block"} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(name, "old"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, r := confined(t, func(p *config.Plugin) { p.Sandbox.Write = []string{at("block")} })
	type settings = map[string]any
	tests := []struct {
		name, step string
		settings   settings
		refused    bool
	}{
		{"a new file where it writes", "p/s", settings{"out": at("out", "rows")}, false},
		{"a file that it reads", "p/s", settings{"in": []string{at("in", "old")}}, false},
		{"what its block adds", "p/s", settings{"other": at("block", "rows")}, false},
		{"another setting", "p/s", settings{"other": at("other", "rows")}, true},
		{"writing to what it reads", "p/s", settings{"in": []string{at("in", "old")}, "other": at("in", "old")}, true},
		{"only asked", "", settings{"out": at("out", "rows")}, true},
		{"only asked, what its block adds", "", settings{"other": at("block", "rows")}, true},
	}
	for _, test := range tests {
		got := checked(t, c, r, test.step, test.settings)
		if strings.Contains(got, "permission denied") != test.refused || (got == "") == test.refused {
			t.Errorf("%s: got %q, refused should be %v", test.name, got, test.refused)
		}
	}
	off, r := confined(t, func(p *config.Plugin) { p.Sandbox.Off = true })
	if got := checked(t, off, r, "p/s", settings{"other": at("other", "rows")}); got != "" {
		t.Errorf("without a sandbox: %s", got)
	}
}

func TestIsolationTellsWhatABlockAllows(t *testing.T) {
	c, _ := confined(t, func(p *config.Plugin) {
		p.Network = true
		p.Sandbox.Read, p.Sandbox.Write = []string{"/a"}, []string{"/b"}
		p.Limits = config.Limits{Memory: 512 << 20, Processes: 8}
		p.Env["TOKEN"] = "not to be seen"
	})
	got := c.Isolation(c.DescribeOne(t.Context(), "curious"))
	if !got.Network || !slices.Equal(got.Read, []string{"/a"}) || !slices.Equal(got.Write, []string{"/b"}) {
		t.Errorf("got network %v, reads %v, writes %v", got.Network, got.Read, got.Write)
	}
	if want := []string{curiousEnv, "GORACE", "TOKEN"}; !cmp.Equal(got.Env, slices.Sorted(slices.Values(want))) {
		t.Errorf("the environment is %v, want the names %v", got.Env, want)
	}
	want := []catalog.NamedFile{
		{Register: "test.curious", Attribute: "out", Access: registry.WriteAccess},
		{Register: "test.curious", Attribute: "in", Access: registry.ReadAccess},
		{Register: "test.curious", Attribute: "deep.path", Access: registry.WriteAccess},
	}
	if diff := cmp.Diff(want, got.Named); diff != "" {
		t.Errorf("settings that name files (-want +got):\n%s", diff)
	}
	if runtime.GOOS != "linux" {
		return
	}
	limits := map[string]string{}
	for _, l := range got.Limits {
		limits[l.Name] = l.Value
	}
	if want := map[string]string{"memory": "512 MiB", "processes": "8", "open_files": "1024", "core": "0"}; !cmp.Equal(limits, want) {
		t.Errorf("limits: got %v, want %v", limits, want)
	}
}

// What nobody may see does not come back from a plugin.
func TestSecretsStayWithThePlugin(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Open(catalog.Config{
		Plugins: map[string]*config.Plugin{"curious": {Name: "curious", Path: self, Env: map[string]string{curiousEnv: "1", "GORACE": "atexit_sleep_ms=0"}}},
		Logger:  hclog.NewNullLogger(), RunDir: shortDir(t), Secrets: func() []string { return []string{"hunter2"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	r := catalog.Registers(c.DescribeOne(t.Context(), "curious"))[0]
	got := checked(t, c, r, "", map[string]any{"other": "/nowhere/hunter2/file"})
	if strings.Contains(got, "hunter2") || !strings.Contains(got, "/nowhere/(sensitive)/file") {
		t.Errorf("got %q", got)
	}
}
