package cli

import (
	"context"
	"net"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/catalog"
	rpc "github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/change"
	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// running says how a project is run.
type running struct {
	options project.Options // that it was loaded with
	fresh   bool
	accept  bool
	watch   bool
	display view.View
	logger  hclog.Logger
	version string
}

// run runs a project that has no mistakes until it ends or ctx does. Meanwhile
// it can be seen, steered and changed through the control socket.
func run(ctx context.Context, p *project.Project, s *store.Store, r running) error {
	g, diags := graph.Build(p.Model, p.Registry, s)
	if diags.HasErrors() {
		return diags // unreachable but for numbers: the same model was built before
	}
	sockets, err := s.RunDir()
	if err != nil {
		return err
	}
	networks, err := rpc.New(rpc.Config{Networks: p.Model.Networks, DataDir: s.Dir(), Logger: r.logger.Named("chain")})
	if err != nil {
		return err
	}
	defer networks.Close()
	services := remote.Services{Chain: networks, Shared: s.Sets()}
	plugins, events := p.Catalog.In(sockets).Serving(services), api.NewEvents()
	cfg := engineConfig(p, g, plugins, r.logger)
	cfg.Store, cfg.Fresh, cfg.AcceptChanges = s, r.fresh, r.accept
	cfg.Events = func(ev engine.Event) {
		events.Tell(ev)
		tellPaused(ev, s.Dir(), r.logger)
	}
	change.TellOfFiles(p, r.options, r.logger)
	e, err := engine.New(cfg)
	if err != nil {
		return err
	}
	listener, err := api.Listen(s.Dir(), sockets)
	if err != nil {
		return err
	}
	changes := change.New(change.Config{
		Project: p, Options: r.options, Graph: g, Engine: e, Store: s, Catalog: plugins,
		Events: events.Tell, Swapped: events.Swapped, Watch: r.watch, Logger: r.logger.Named("change"),
		Services: services, Networks: networks,
	})
	control := api.New(api.Config{
		Engine: e, Letters: e, Taps: e, Plugins: changing{changes}, Configuration: changes, Events: events, Sets: s.Sets(), Words: wordsOf(p.Registry), Nodes: networks,
		DataDir: s.Dir(), Version: r.version, Logger: r.logger.Named("api"),
	})
	r.logger.Info("starting", "pipelines", len(p.Model.Pipelines), "processes", len(g.Processes), "data_dir", s.Dir())
	return r.serve(ctx, e, changes, control, listener)
}

// serve runs an engine, and beside it what lets people see, steer and change it.
func (r running) serve(ctx context.Context, e *engine.Engine, changes *change.Changes, control *api.Server, listener net.Listener) error {
	beside, end := context.WithCancel(context.WithoutCancel(ctx))
	asked, refuse := context.WithCancel(ctx) // nothing is changed of a host that is ending
	var served sync.WaitGroup
	served.Go(func() { r.display.Run(beside, e.Status) })
	served.Go(func() { changes.Run(asked) })
	served.Go(func() {
		if err := control.Serve(beside, listener); err != nil {
			r.logger.Error("the pipelines run on, but cannot be seen or steered from outside until the host is started again", "error", err)
		}
	})
	release := context.AfterFunc(ctx, func() {
		r.display.Notice("draining…")
		r.logger.Info("draining: what is on its way is still loaded; Ctrl-C again ends at once")
	})
	err := e.Run(ctx)
	release()
	refuse()
	end()
	served.Wait()
	if err != nil {
		return err
	}
	return unlessStopped(ctx, nil)
}

// tellPaused says how a path goes on that was paused before the host began:
// nobody who starts a host expects it to do nothing.
func tellPaused(ev engine.Event, dir string, logger hclog.Logger) {
	if ev.Step != "" || ev.From != string(engine.PathInactive) || ev.To != string(engine.PathPaused) {
		return
	}
	logger.Warn("the pipeline does not run, because "+ev.Cause, "pipeline", ev.Pipeline, "resume", toResume(ev.Pipeline, dir))
}

func engineConfig(p *project.Project, g *graph.Graph, plugins *catalog.Catalog, logger hclog.Logger) engine.Config {
	host := p.Model.Host
	return engine.Config{
		Graph:  g,
		Logger: logger.Named("engine"),
		Launch: func(ctx context.Context, process *graph.Process) (*remote.Plugin, error) {
			log := logger.With("pipeline", process.Pipeline.Name, "step", process.Step.Name)
			plugin, err := plugins.Start(ctx, catalog.Start{
				Plugin: process.Register.Plugin, Step: process.Name(), Register: process.Register, Settings: process.Step.Settings, Logger: log,
			})
			if err == nil {
				log.Debug("started a plugin", "plugin", plugin.Name(), "pid", plugin.PID())
			}
			return plugin, err
		},
		HardTerminateAfter: host.HardTerminateAfter,
		Restart:            restartBudget(host.Restart),
	}
}

func restartBudget(r config.Restart) engine.Restart {
	return engine.Restart{Max: int(min(r.Max, 1<<30)), Within: r.Within}
}
