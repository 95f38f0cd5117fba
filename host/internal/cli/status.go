package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

const (
	statusTimeout = 10 * time.Second
	// statusEvery is how often the state is printed as JSON.
	statusEvery = time.Second
)

func (a *app) statusCommand() *cobra.Command {
	var (
		h     host
		watch bool
	)
	cmd := &cobra.Command{
		Use:   "status [PIPELINE]",
		Short: "Say how the pipelines of a running host are",
		Long: `Status asks the host that runs on a data directory how its pipelines are: where
their readers are and how far behind the head, how many rows were loaded, how
old the newest checkpoint is, and the cause of an error in full. With PIPELINE
it tells of every step of it too.

--watch goes on until Ctrl-C: on a terminal with the picture that penstock run
draws, otherwise with a line a pipeline every five seconds, or with --json one
object a line every second.`,
		Example: `  penstock status
  penstock status swaps
  penstock status --watch
  penstock status --json | jq '.pipelines[] | {name, state, head}'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: h.pipelineNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			pipeline := ""
			if len(args) > 0 {
				pipeline = args[0]
			}
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				if watch {
					return a.watchStatus(ctx, h, pipeline)
				}
				return h.ask(ctx, func(ctx context.Context, c *api.Client) error {
					of, paths, err := c.Status(ctx, pipeline)
					if err != nil {
						return err
					}
					swap, lost := underWay(ctx, c), lostNetworks(ctx, c)
					if h.json {
						return printJSON(a.stdout, statusDocument{of, pathDocuments(paths), swap, lost})
					}
					return a.printStatus(paths, pipeline != "", swap, lost)
				})
			})
		},
	}
	h.flags(cmd, statusTimeout)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on telling until Ctrl-C")
	return cmd
}

// statusDocument is the state of a host as JSON.
type statusDocument struct {
	Host      api.Host       `json:"host"`
	Pipelines []pathDocument `json:"pipelines"`
	// Swap is the swap of a plugin that is under way.
	Swap *store.SwapRecord `json:"swap,omitempty"`
	// Unreachable are the networks of which no endpoint answers.
	Unreachable []lostNetwork `json:"unreachable,omitempty"`
}

// lostNetwork is a network of which no endpoint answers.
type lostNetwork struct {
	Network string `json:"network"`
	Cause   string `json:"cause"`
}

// lostNetworks are those that cannot be asked, none if the host does not say.
func lostNetworks(ctx context.Context, c *api.Client) (out []lostNetwork) {
	networks, _ := c.Networks(ctx) // what is to be told is told of the paths anyway
	for i := range networks {
		if why, is := networks[i].Unreachable(); is {
			out = append(out, lostNetwork{networks[i].Name, why})
		}
	}
	return out
}

// underWay is the swap that is being carried out, nil if there is none, or if
// the host does not say.
func underWay(ctx context.Context, c *api.Client) *store.SwapRecord {
	swaps, _ := c.History(ctx, "", 1) // what is to be told is told of the paths anyway
	if len(swaps) == 0 || swaps[0].Outcome != store.SwapUnderWay {
		return nil
	}
	return &swaps[0]
}

// printStatus prints a line for every path, its steps if they are wanted, and
// what else a person must know.
func (a *app) printStatus(paths []engine.PathStatus, steps bool, swap *store.SwapRecord, lost []lostNetwork) error {
	now := time.Now()
	if err := aligned(a.stdout, func(w *bytes.Buffer) { view.Summary(w, paths, now) }); err != nil {
		return err
	}
	var text bytes.Buffer
	if steps {
		for _, p := range paths {
			text.WriteByte('\n')
			for _, line := range view.Steps(p, unbounded, colored(a.stdout)) {
				text.WriteString(line + "\n")
			}
		}
	}
	if swap != nil {
		text.WriteString("\n" + swapLine(*swap, now) + "\n")
	}
	for _, n := range lost {
		text.WriteString("\n" + unreachable(n.Network, n.Cause) + "; penstock rpc status tells more\n")
	}
	for _, remark := range view.Remarks(paths, now) {
		text.WriteString("\n" + remark + "\n")
	}
	_, err := a.stdout.Write(text.Bytes())
	return err
}

// unbounded is the width of what is not cut.
const unbounded = 1 << 16

// watchStatus tells the state until ctx ends or the host does.
func (a *app) watchStatus(ctx context.Context, h host, pipeline string) error {
	c, err := h.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if h.timeout <= 0 {
		h.timeout = statusTimeout
	}
	ask := func() (statusDocument, []engine.PathStatus, error) {
		// A last picture is asked for when ctx has ended.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.timeout)
		defer cancel()
		of, paths, err := c.Status(ctx, pipeline)
		return statusDocument{of, pathDocuments(paths), underWay(ctx, c), lostNetworks(ctx, c)}, paths, err
	}
	document, last, err := ask() // so that a mistake is told without a picture
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if h.json {
		stop(a.repeatJSON(ctx, func() (statusDocument, error) {
			document, _, err := ask()
			return document, err
		}))
	} else {
		display, live := a.display("auto")
		if live != nil {
			live.Since(document.Host.Started)
		}
		display.Run(ctx, func() []engine.PathStatus {
			if _, paths, err := ask(); err != nil {
				stop(err)
			} else {
				last = paths
			}
			return last
		})
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// repeatJSON prints documents, one a line, until ctx ends.
func (a *app) repeatJSON(ctx context.Context, next func() (statusDocument, error)) error {
	every := time.NewTicker(statusEvery)
	defer every.Stop()
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	for {
		document, err := next()
		if err != nil {
			return err
		}
		if err := encoder.Encode(document); err != nil {
			return fmt.Errorf("print JSON: %w", err)
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
