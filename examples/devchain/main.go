// Command devchain runs a development chain: a go-ethereum node of its own with tokens, pairs and traffic, to try
// pipelines on without a network, an account or a wait.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/log"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/examples/devchain/chain"
)

// gcPercent trades a little work for memory: what the heap holds is the chain, which stays.
const gcPercent = 30

// grace is how long an ordered end may take; then the process ends all the same. There is nothing to lose: the
// chain is in memory.
const grace = 900 * time.Millisecond

func main() {
	debug.SetGCPercent(gcPercent)
	parent := os.Getppid() // read before anything else, while the parent is surely there
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, parent, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "devchain:", err)
		os.Exit(1)
	}
}

type options struct {
	chain      chain.Config
	json       bool
	quiet      bool
	withParent bool
}

// help is what stands above the list of flags.
const help = `devchain runs a development chain: a go-ethereum node with tokens, pairs and traffic.
Ctrl-C ends it, and the chain with it.

Examples:
  devchain                                  on http://127.0.0.1:8545
  devchain --block-time 100ms --seed 7      faster, with other accounts and transactions
  devchain --listen 127.0.0.1:8600 --json   elsewhere, and where it is told as JSON

Flags:
`

// run serves a chain until ctx ends.
func run(ctx context.Context, parent int, args []string, stdout, stderr io.Writer) error {
	opts, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	log.SetDefault(log.NewLogger(log.NewTerminalHandlerWithLevel(stderr, slog.LevelError, false))) // go-ethereum's own
	opts.chain.Logger = hclog.New(&hclog.LoggerOptions{Name: "devchain", Output: stderr, Level: hclog.Info})
	if opts.quiet {
		opts.chain.Logger.SetLevel(hclog.Error)
	}
	if opts.withParent {
		var stop context.CancelFunc
		ctx, stop, err = untilOrphaned(ctx, parent)
		if err != nil {
			return err
		}
		defer stop()
	}
	c, err := chain.Start(ctx, opts.chain)
	if err != nil {
		return explain(ctx, err)
	}
	if err := announce(stdout, c, opts.json); err != nil {
		return errors.Join(err, c.Close())
	}
	<-ctx.Done()
	defer time.AfterFunc(grace, func() { os.Exit(0) }).Stop()
	return c.Close()
}

func parse(args []string, stdout io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("devchain", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&opts.chain.HTTP, "listen", "127.0.0.1:8545", "`host:port` of JSON-RPC over HTTP; port 0 takes a free one")
	flags.StringVar(&opts.chain.WS, "ws", "127.0.0.1:8546", "`host:port` of JSON-RPC over WebSocket; may be the same as --listen")
	flags.StringVar(&opts.chain.IPC, "ipc", "", "`path` of an IPC endpoint; none by default")
	flags.DurationVar(&opts.chain.BlockTime, "block-time", time.Second, "how often a block is mined; 0: only by dev_mine")
	flags.Uint64Var(&opts.chain.Blocks, "blocks", 64, "blocks of history, mined at once before the chain is served")
	flags.Uint64Var(&opts.chain.Seed, "seed", 1, "the same seed gives the same addresses and the same transactions")
	flags.IntVar(&opts.chain.TxPerBlock, "tx-per-block", chain.DefaultTxPerBlock, "generated transactions in a block")
	flags.IntVar(&opts.chain.Pairs, "pairs", chain.DefaultPairs, "pairs of tokens")
	flags.BoolVar(&opts.json, "json", false, "print the ready line as JSON")
	flags.BoolVar(&opts.quiet, "quiet", false, "log errors only, not every block")
	flags.BoolVar(&opts.withParent, "with-parent", false, "end when the parent process ends")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprint(stdout, help)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return opts, err
	case err != nil:
		return opts, fmt.Errorf("%w (devchain --help lists the flags)", err)
	case flags.NArg() > 0:
		return opts, fmt.Errorf("unexpected argument %q: all settings are flags (devchain --help lists them)", flags.Arg(0))
	}
	if opts.chain.TxPerBlock == 0 {
		opts.chain.TxPerBlock = -1 // the zero value of the Config means the default
	}
	if opts.chain.Pairs == 0 {
		return opts, errors.New("0 pairs: want at least 1")
	}
	return opts, nil
}

// explain adds what to do about an error at the start. A signal is not an error.
func explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another program listens there; choose other ports with --listen and --ws", err)
	}
	return err
}

// ready is the line that tells a program where the chain is.
type ready struct {
	HTTP    string   `json:"http"`
	WS      string   `json:"ws"`
	IPC     string   `json:"ipc,omitempty"`
	ChainID uint64   `json:"chain_id"`
	Factory string   `json:"factory"`
	Router  string   `json:"router"`
	Tokens  []string `json:"tokens"`
	Pairs   []string `json:"pairs"`
	Head    uint64   `json:"head"`
}

func announce(stdout io.Writer, c *chain.Chain, asJSON bool) error {
	deployed := c.Contracts()
	line := ready{
		HTTP: c.HTTPURL(), WS: c.WSURL(), IPC: c.IPCPath(), ChainID: chain.ChainID,
		Factory: deployed.Factory.Hex(), Router: deployed.Router.Hex(), Head: c.Head().Number.Uint64(),
	}
	for _, token := range deployed.Tokens {
		line.Tokens = append(line.Tokens, token.Address.Hex())
	}
	for _, pair := range deployed.Pairs {
		line.Pairs = append(line.Pairs, pair.Address.Hex())
	}
	var err error
	if asJSON {
		err = json.NewEncoder(stdout).Encode(line)
	} else {
		_, err = fmt.Fprintf(stdout, "development chain ready: %s %s chain id %d, head %d, %d tokens, %d pairs\n",
			line.HTTP, line.WS, line.ChainID, line.Head, len(line.Tokens), len(line.Pairs))
	}
	if err != nil {
		return fmt.Errorf("print the ready line: %w", err)
	}
	return nil
}
