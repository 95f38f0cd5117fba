package remote

import (
	"context"

	"github.com/penstock-io/penstock/sdk/internal/hostlink"
)

// Services are what a host does for its plugins: Chain asks the nodes of its
// networks, Shared tells what pipelines' shared sets hold. What is nil is refused
// with a sentence. They are called concurrently, by name of the plugin and of the
// step that asks.
type Services = hostlink.Services

// serve answers what the plugin asks until it has ended. A plugin that was built
// before hosts had services has nothing to ask.
func (p *Plugin) serve(services Services) {
	if services == (Services{}) {
		return
	}
	ctx, cancel := context.WithCancel(context.Background()) // ends with the plugin
	p.unserve = cancel
	p.serving.Go(func() {
		stream, err := p.wire.Host(ctx)
		if err == nil {
			services.Serve(ctx, p.name, stream)
		}
	})
}
