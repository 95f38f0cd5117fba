package catalog_test

import (
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
)

// A plugin whose block asks for it proves who it is, in its sandbox too.
func TestMutualTLSIsAskedForByTheBlock(t *testing.T) {
	for _, mutual := range []bool{true, false} {
		c, _ := confined(t, func(p *config.Plugin) { p.MutualTLS = mutual })
		run := shortDir(t)
		p, err := c.In(run).Start(t.Context(), catalog.Start{Plugin: "curious", Step: "p/step", Logger: hclog.NewNullLogger()})
		if err != nil {
			t.Fatal(err)
		}
		certificates, _ := filepath.Glob(filepath.Join(run, "*", "plugin.crt"))
		if got := len(certificates) == 1; got != mutual {
			t.Errorf("mtls = %t: the plugin has left %d certificates", mutual, len(certificates))
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
