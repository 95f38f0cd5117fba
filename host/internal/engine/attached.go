package engine

import (
	"context"
	"fmt"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/sdk/remote"
)

// detach puts a process back to what it was before a plugin was attached to it
// that has ended. True: it was one.
func (d *domain) detach(err error) bool {
	p := d.find(stepOf(err))
	if p == nil || d.draining() {
		return false
	}
	return p.detach(fmt.Sprintf("the plugin that was attached has ended: %v", withoutStep(err)))
}

func (p *process) detach(why string) bool {
	former := p.former.Load()
	if former == nil {
		return false
	}
	p.stop(context.Background(), "") //nolint:contextcheck // bounded by itself
	p.domain.install(p.domain.rewired(map[*process]*graph.Process{p: former.spec}))
	p.launcher = former.launcher
	p.former.Store(former.former)
	p.domain.why = reason{what: why}
	if former.detached != nil {
		former.detached(why)
	}
	return true
}

// detachDead does so where the plugin has ended while nobody was looking.
func (p *process) detachDead() {
	if p.former.Load() == nil {
		return
	}
	if p.plugin != nil {
		select {
		case <-p.plugin.Done():
		default:
			return
		}
	}
	p.detach("the plugin that was attached has ended")
}

// start starts the plugin that runs the process now.
func (p *process) start(ctx context.Context) (*remote.Plugin, error) {
	if p.launcher != nil {
		return p.launcher(ctx)
	}
	return p.domain.settings().Launch(ctx, p.spec())
}
