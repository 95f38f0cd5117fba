package cli

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/store"
)

func (a *app) pluginHistoryCommand() *cobra.Command {
	var (
		h     host
		limit int
	)
	cmd := &cobra.Command{
		Use:   "history [NAME]",
		Short: "List the swaps of plugins and what became of them",
		Long: `History lists the swaps of plugin NAME, or of all, oldest first: what ran before
and after, how long an edge paused at most, and why one was refused or taken
back. A data directory remembers the newest thousand, also when its host is
started again. One without an outcome is under way.`,
		Example: `  penstock plugin history
  penstock plugin history uniswap --limit 5
  penstock plugin history --json | jq '.[] | select(.outcome == "rolled back")'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: h.pluginNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			plugin := ""
			if len(args) > 0 {
				plugin = args[0]
			}
			if limit < 0 {
				return usagef("--limit %d: it is a number of swaps, or 0 for all", limit)
			}
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				return h.ask(ctx, func(ctx context.Context, c *api.Client) error {
					swaps, err := c.History(ctx, plugin, limit)
					if err != nil && swaps == nil {
						return err
					}
					if err != nil {
						a.say(err)
					}
					return a.printHistory(swaps, plugin, h.json)
				})
			})
		},
	}
	h.flags(cmd, statusTimeout)
	cmd.Flags().IntVar(&limit, "limit", 0, "only the newest `n`; 0: all")
	return cmd
}

func (a *app) printHistory(swaps []store.SwapRecord, plugin string, asJSON bool) error {
	if asJSON {
		return printJSON(a.stdout, append([]store.SwapRecord{}, swaps...))
	}
	if len(swaps) == 0 {
		of := "any plugin"
		if plugin != "" {
			of = "plugin " + plugin
		}
		_, err := fmt.Fprintf(a.stdout, "no swap of %s is remembered\n", of)
		return err
	}
	return aligned(a.stdout, func(w *bytes.Buffer) {
		fmt.Fprintln(w, "SWAP\tTIME\tPLUGIN\tFROM\tTO\tSTEPS\tOUTCOME\tPAUSE\tCAUSE")
		for _, r := range swaps {
			fmt.Fprintf(w, "#%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Number, r.Time.Local().Format(time.DateTime), r.Plugin,
				binaries(r, fromBinary), binaries(r, toBinary), stepNames(r), outcomeText(r), pauseText(r), causeText(r))
		}
	})
}

func fromBinary(s store.SwapStep) store.SwapBinary { return s.From }
func toBinary(s store.SwapStep) store.SwapBinary   { return s.To }

// binaries names the bytes on one side of a swap, each once.
func binaries(r store.SwapRecord, side func(store.SwapStep) store.SwapBinary) string {
	var names []string
	for _, step := range r.Steps {
		if name := binaryName(side(step)); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return first(strings.Join(names, ", "), "-")
}

// shownDigits is how many of a digest tell binaries apart.
const shownDigits = 16

func binaryName(b store.SwapBinary) string {
	digest := strings.TrimPrefix(b.Digest, "sha256:")
	digest = digest[:min(len(digest), shownDigits)]
	if b.Version == "" || digest == "" {
		return first(b.Version, digest)
	}
	return view.Plain(b.Version) + " " + digest
}

func stepNames(r store.SwapRecord) string {
	names := make([]string, 0, len(r.Steps))
	for _, step := range r.Steps {
		names = append(names, step.Step)
	}
	return first(strings.Join(names, ", "), "-")
}

func outcomeText(r store.SwapRecord) string {
	switch {
	case r.Outcome == store.SwapUnderWay:
		return "(" + first(r.Phase, "begun") + ")"
	case r.Undoes > 0:
		return fmt.Sprintf("%s, rollback of #%d", r.Outcome, r.Undoes)
	}
	return string(r.Outcome)
}

func pauseText(r store.SwapRecord) string {
	if r.Pause == 0 {
		return "-"
	}
	return shortTime(r.Pause)
}

// causeText is the first sentence of a cause, in a line.
func causeText(r store.SwapRecord) string {
	text, _, _ := strings.Cut(r.Cause, "\n")
	return view.Plain(text)
}

// swapLine tells that a swap is under way.
func swapLine(r store.SwapRecord, now time.Time) string {
	return fmt.Sprintf("plugin %s: swap #%d (%s -> %s) is under way for %s: %s",
		r.Plugin, r.Number, binaries(r, fromBinary), binaries(r, toBinary), now.Sub(r.Time).Round(time.Second), first(r.Phase, "begun"))
}

// pluginNames completes the names of plugins that run, and then files.
func (h *host) pluginNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	c, err := h.dial(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer c.Close()
	_, paths, _ := c.Status(ctx, "") // a host that does not answer has no names
	var names []string
	for _, p := range paths {
		for _, s := range p.Processes {
			names = append(names, s.Plugin)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}
