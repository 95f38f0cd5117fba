package catalog_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk/remote"
)

// BenchmarkStart starts a plugin of at least 20 MB until it answers, and ends it:
// as it lies there; read, hashed and sealed before, as a host does once for each
// version; and from bytes that are sealed already, as it does each time after. The
// difference between the first two is what it costs to run only what was hashed.
func BenchmarkStart(b *testing.B) {
	const size = 20 << 20
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		b.Fatal(err)
	}
	if missing := size - len(content); missing > 0 {
		content = append(content, make([]byte, missing)...)
	}
	path := filepath.Join(b.TempDir(), "tested")
	if err := os.WriteFile(path, content, 0o700); err != nil {
		b.Fatal(err)
	}
	env := map[string]string{serveEnv: "1"}
	open := func(b *testing.B) *catalog.Catalog {
		b.Helper()
		c, err := catalog.Open(catalog.Config{
			Plugins: map[string]*config.Plugin{"tested": {Name: "tested", Path: path, Env: env}},
			Logger:  hclog.NewNullLogger(),
		})
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	ended := func(b *testing.B, p *remote.Plugin, err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		p.Kill()
		b.StartTimer()
	}
	start := catalog.Start{Plugin: "tested", Logger: hclog.NewNullLogger()}
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			p, err := remote.Start(b.Context(), remote.Config{Name: "tested", Path: path, Env: []string{serveEnv + "=1"}})
			ended(b, p, err)
		}
	})
	b.Run("verified", func(b *testing.B) {
		for b.Loop() {
			c := open(b)
			p, err := c.Start(b.Context(), start)
			ended(b, p, err)
			c.Close()
		}
	})
	b.Run("again", func(b *testing.B) {
		c := open(b)
		defer c.Close()
		for b.Loop() {
			p, err := c.Start(b.Context(), start)
			ended(b, p, err)
		}
	})
	b.Run("verify alone", func(b *testing.B) {
		for b.Loop() {
			c := open(b)
			if _, err := c.Current("tested", ""); err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
	})
}
