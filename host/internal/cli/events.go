package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/engine"
)

func (a *app) eventsCommand() *cobra.Command {
	var (
		h      host
		follow bool
		after  uint64
	)
	cmd := &cobra.Command{
		Use:   "events",
		Short: "List every change of state of a running host, with its cause",
		Long: `Events lists what has happened to the pipelines of a running host and to their
steps: every change of state, with its cause, and every phase of a swap, oldest
first. A host keeps about the last thousand. --follow goes on with what happens next, until the host ends
or Ctrl-C.

Every event has a number that grows by one. --after begins behind one that was
seen already; who has missed some that are no longer kept is told how many.`,
		Example: `  penstock events
  penstock events --follow
  penstock events --json --after 17 | jq 'select(.to == "error")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				c, err := h.dial(ctx)
				if err != nil {
					return err
				}
				defer c.Close()
				if err := c.Watch(ctx, &after, !follow, a.eventPrinter(h.json)); err != nil || !follow {
					return err
				}
				a.say("the host has ended")
				return nil
			})
		},
	}
	h.flags(cmd, 0)
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with what happens next")
	cmd.Flags().Uint64Var(&after, "after", 0, "begin behind the event of this `number`")
	return cmd
}

// eventPrinter prints events, a line each.
func (a *app) eventPrinter(asJSON bool) api.Watcher {
	if !asJSON {
		return api.Watcher{
			Event: func(ev api.Event) error {
				_, err := fmt.Fprintln(a.stdout, eventLine(ev))
				return err
			},
			Missed: func(n uint64) error {
				_, err := fmt.Fprintf(a.stdout, "(%s that are no longer kept)\n", plural(int(n), "event"))
				return err
			},
		}
	}
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	return api.Watcher{
		Event: func(ev api.Event) error { return encoder.Encode(ev) },
		Missed: func(n uint64) error {
			return encoder.Encode(struct {
				Missed uint64 `json:"missed"`
			}{n})
		},
	}
}

func eventLine(ev api.Event) string {
	what := ev.Pipeline
	if ev.Step != "" {
		what += "/" + ev.Step
	}
	switch {
	case ev.Kind == engine.EventSwap && ev.Swap == 0: // of settings
		what = strings.TrimSpace(fmt.Sprintf("%s swap %s", ev.Plugin, what))
	case ev.Kind == engine.EventSwap:
		what = strings.TrimSpace(fmt.Sprintf("%s swap #%d %s", ev.Plugin, ev.Swap, what))
	}
	if ev.Kind == engine.EventConfig && what == "" {
		what = "host"
	}
	if ev.From == "" { // it begins
		ev.From = "new"
	}
	line := fmt.Sprintf("%s #%d %s: %s -> %s", ev.Time.Local().Format(time.DateTime), ev.Sequence, what, ev.From, ev.To)
	if ev.Cause != "" {
		line += ": " + view.Plain(ev.Cause)
	}
	return line
}
