package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/store"
)

// linesEvery is how often the state is told where there is no terminal.
const linesEvery = 5 * time.Second

type runOptions struct {
	sources
	logging
	devchain bool
	fresh    bool
	accept   bool
	watch    bool
	dev      bool
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

The first run writes the hash of every plugin into penstock.lock.hcl beside the
file. From then on only those bytes run, until penstock plugin lock lets others;
--dev runs what is there.

While it runs, penstock status, pause, resume, stop, checkpoint, rewind, events
and plugin swap see and steer it through a socket in its data directory. With
--watch a plugin is swapped whenever its binary changes.

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
	cmd.Flags().BoolVar(&o.watch, "watch", false, "swap a plugin whenever its binary changes, as dev = true in its block does for one")
	cmd.Flags().BoolVar(&o.dev, "dev", false, "run plugins that are not in penstock.lock.hcl too, as dev = true in its block does for one")
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
	l := loading{sources: o.sources, env: os.LookupEnv, check: true, dev: o.dev, logger: logger, logLevel: o.level, stdout: display, version: a.version}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	if o.devchain {
		stop, err := a.provideChain(ctx, fail, &l)
		if err != nil {
			return unlessStopped(ctx, err)
		}
		defer stop()
	}
	options, err := l.options()
	if err != nil {
		return err
	}
	options.Fix = fixing(logger, o.fresh || o.devchain)
	p, err := project.Load(ctx, options)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	if p.Catalog != nil {
		defer p.Catalog.Close()
	}
	if err := a.report(p, o.path); err != nil {
		return err
	}
	s, err := store.Open(p.DataDir)
	if err != nil {
		return err
	}
	defer s.Close()
	a.lockFirst(p.Catalog, p.Plugins)
	if live != nil {
		logger.RegisterSink(&warnings{to: live.Log})
		if drawable(a.stderr) {
			output.mute(true)
			defer output.mute(false)
		}
	}
	return run(ctx, p, s, running{
		options: options, fresh: o.fresh || o.devchain, accept: o.accept, watch: o.watch, display: display, logger: logger, version: a.version,
	})
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
