package plugintest

import (
	"context"

	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/internal/hostlink"
	"github.com/penstock-io/penstock/sdk/shared"
)

// Host does what a host does for the plugin until the test has ended: it answers
// sdk.Chain and sdk.Shared with these services. One may be nil.
func (p *Plugin) Host(t TB, networks chain.Service, sets shared.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		p.serving.Wait()
	})
	stream, err := p.client.Host(ctx)
	if err != nil {
		t.Fatalf("plugintest: open the stream on which plugins ask their host: %v", err)
	}
	services := hostlink.Services{Chain: networks, Shared: sets}
	p.serving.Go(func() { services.Serve(ctx, "test", stream) })
}
