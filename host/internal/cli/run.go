package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// linesEvery is how often the state is told where there is no terminal.
const linesEvery = 5 * time.Second

type runOptions struct {
	sources
	logging
	devchain bool
	fresh    bool
	accept   bool
	view     string
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [FILE|DIR]",
		Short: "Run pipelines until they end or you do",
		Long: `Run starts the plugins of every pipeline in FILE, or in all .hcl files of DIR
(pipelines.hcl if neither is named), and lets data flow until the last block of
a backtest is loaded, or until Ctrl-C.

Ctrl-C or SIGTERM takes a checkpoint, stops the readers there, lets what is on
its way arrive, and ends with exit code 0. A second Ctrl-C ends at once. Either
way nothing is lost: the next run goes on from the last checkpoint. --fresh
begins anew instead, and loaders replace what they hold. So does a run with
--devchain, whose chain is a new one each time.

While it runs, penstock status, pause, resume, stop, checkpoint, rewind and
events see and steer it through a socket in its data directory.

On a terminal the state of every process is drawn in place, with the newest
warnings below it; 2>FILE keeps the whole log. Without a terminal a line a
pipeline is printed every five seconds. What plugins print, such as the rows of
a console loader, goes to standard output, the log to standard error;
--view none leaves standard output to the plugins alone.`,
		Example: `  penstock run --devchain
  penstock run mainnet.hcl --var from=19000000
  ETH_RPC_URL=wss://node.example penstock run
  penstock run --view none --log-json 2>penstock.log | grep 0xC02a`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				o.path = fileArgument(args)
				return a.run(ctx, o)
			})
		},
	}
	o.sources.flags(cmd)
	o.logging.flags(cmd, "info")
	cmd.Flags().BoolVar(&o.devchain, "devchain", false, "start a development chain first and give its address as ETH_RPC_URL, unless that is set")
	cmd.Flags().BoolVar(&o.accept, "accept-changes", false, "go on from checkpoints that were taken of a pipeline which has changed since")
	cmd.Flags().BoolVar(&o.fresh, "fresh", false, "begin anew instead of going on from the last checkpoint")
	cmd.Flags().StringVar(&o.view, "view", "auto", "how the state is shown: auto, live, lines or none")
	return cmd
}

func (a *app) run(ctx context.Context, o runOptions) error {
	if err := oneOf("view", o.view, []string{"auto", "live", "lines", "none"}); err != nil {
		return err
	}
	output := &muted{out: a.stderr}
	logger, err := o.open(output, colored(a.stderr))
	if err != nil {
		return err
	}
	display, live := a.display(o.view)
	l := loading{sources: o.sources, env: os.LookupEnv, check: true, logger: logger, logLevel: o.level, stdout: display, version: a.version}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	if o.devchain {
		stop, err := a.provideChain(ctx, fail, &l)
		if err != nil {
			return unlessStopped(ctx, err)
		}
		defer stop()
	}
	p, err := load(ctx, l)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	if err := a.report(p, o.path); err != nil {
		return err
	}
	s, err := store.Open(p.DataDir)
	if err != nil {
		return err
	}
	defer s.Close()
	if live != nil {
		logger.RegisterSink(&warnings{to: live.Log})
		if drawable(a.stderr) {
			output.mute(true)
			defer output.mute(false)
		}
	}
	return run(ctx, p, s, running{fresh: o.fresh || o.devchain, accept: o.accept, display: display, logger: logger, version: a.version})
}

// display chooses how the state is shown. It is live only if the second result
// is not nil.
func (a *app) display(how string) (view.View, *view.Live) {
	if how == "live" || how == "auto" && drawable(a.stdout) {
		live := view.NewLive(a.stdout, a.window, colored(a.stdout))
		return live, live
	}
	every := linesEvery
	if how == "none" {
		every = 0
	}
	return view.NewLines(a.stdout, every), nil
}

// window is the size of the terminal.
func (a *app) window() (width, height int) {
	width, height, err := term.GetSize(int(a.stdout.Fd()))
	if err != nil || width < 1 || height < 2 {
		return 80, 24
	}
	return width, height
}

// provideChain starts a development chain whose end fails the run, and puts its
// addresses where files find those of a node. The result stops it.
func (a *app) provideChain(ctx context.Context, fail context.CancelCauseFunc, l *loading) (stop func(), err error) {
	if url, _ := l.env("ETH_RPC_URL"); url != "" {
		l.logger.Info("ETH_RPC_URL is set, so no development chain is started")
		return func() {}, nil
	}
	c, err := startChain(ctx, l.logger)
	if err != nil {
		return nil, err
	}
	l.logger.Info("the development chain is ready", "http", c.HTTP, "websocket", c.WS, "chain_id", c.ChainID, "pid", c.cmd.Process.Pid)
	environment := l.env
	l.env = func(name string) (string, bool) {
		switch name {
		case "ETH_RPC_URL":
			return c.HTTP, true
		case "ETH_WS_URL":
			return c.WS, true
		}
		return environment(name)
	}
	var watch sync.WaitGroup
	watch.Go(func() {
		<-c.done
		if !c.stopping.Load() {
			fail(fmt.Errorf("the development chain ended by itself: %w", c.err))
		}
	})
	return func() {
		c.stop()
		watch.Wait()
	}, nil
}

// unlessStopped is nil if err only says that a person wanted to stop, and the
// cause if something else did.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// running says how a project is run.
type running struct {
	fresh   bool
	accept  bool
	display view.View
	logger  hclog.Logger
	version string
}

// run runs a project that has no mistakes until it ends or ctx does. Meanwhile
// it can be seen and steered through the control socket.
func run(ctx context.Context, p *project.Project, s *store.Store, r running) error {
	g, diags := graph.Build(p.Model, p.Registry, s)
	if diags.HasErrors() {
		return diags // unreachable but for numbers: the same model was built before
	}
	sockets, err := s.RunDir()
	if err != nil {
		return err
	}
	events := api.NewEvents()
	cfg := engineConfig(p, g, p.Catalog.In(sockets), r.logger)
	cfg.Store, cfg.Fresh, cfg.AcceptChanges = s, r.fresh, r.accept
	cfg.Events = func(ev engine.Event) {
		events.Tell(ev)
		tellPaused(ev, s.Dir(), r.logger)
	}
	e, err := engine.New(cfg)
	if err != nil {
		return err
	}
	listener, err := api.Listen(s.Dir(), sockets)
	if err != nil {
		return err
	}
	control := api.New(api.Config{Engine: e, Letters: e, Taps: e, Events: events, DataDir: s.Dir(), Version: r.version, Logger: r.logger.Named("api")})
	r.logger.Info("starting", "pipelines", len(p.Model.Pipelines), "processes", len(g.Processes), "data_dir", s.Dir())

	beside, end := context.WithCancel(context.WithoutCancel(ctx))
	var served sync.WaitGroup
	served.Go(func() { r.display.Run(beside, e.Status) })
	served.Go(func() {
		if err := control.Serve(beside, listener); err != nil {
			r.logger.Error("the pipelines run on, but cannot be seen or steered from outside until the host is started again", "error", err)
		}
	})
	release := context.AfterFunc(ctx, func() {
		r.display.Notice("draining…")
		r.logger.Info("draining: what is on its way is still loaded; Ctrl-C again ends at once")
	})
	err = e.Run(ctx)
	release()
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
