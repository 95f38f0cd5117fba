package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func (a *app) registerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "register",
		Short: "Look at what can stand in a pipeline",
		Example: `  penstock register list
  penstock register describe uniswap.swaps`,
	}
	cmd.AddCommand(a.registerListCommand(), a.registerDescribeCommand())
	group(cmd)
	return cmd
}

func (a *app) registerListCommand() *cobra.Command {
	var (
		o        inquiry
		markdown bool
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List registers: readers, subscribers, aggregators and loaders",
		Example: `  penstock register list
  penstock register list --json
  penstock register list --markdown > registers.md`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				found, err := a.ask(ctx, o)
				if err != nil {
					return err
				}
				a.warn(found)
				if o.json {
					return printJSON(a.stdout, found.registerDocuments())
				}
				if markdown {
					return writeMarkdown(a.stdout, found.registerDocuments())
				}
				return found.listRegisters(a.stdout)
			})
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&markdown, "markdown", false, "write a page with every setting and column")
	return cmd
}

func (a *app) registerDescribeCommand() *cobra.Command {
	var o inquiry
	cmd := &cobra.Command{
		Use:   "describe NAME",
		Short: "Describe a register: its inputs, its columns and its settings",
		Example: `  penstock register describe eth.logs
  penstock register describe sqlite --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				found, err := a.ask(ctx, o)
				if err != nil {
					return err
				}
				r, ok := found.registry.Lookup(args[0])
				if !ok {
					a.warn(found)
					return unknown("register", args[0], found.registerNames(), found.dir)
				}
				if o.json {
					return printJSON(a.stdout, newRegisterDocument(r))
				}
				return newRegisterDocument(r).write(a.stdout)
			})
		},
	}
	o.flags(cmd)
	return cmd
}

// warn tells which plugins did not answer, as their registers are missing.
func (a *app) warn(found *answers) {
	for _, d := range found.plugins {
		if d.Err != nil {
			a.say("warning:", d.Err)
		}
	}
	if found.conflicts != nil {
		for _, err := range each(found.conflicts) {
			a.say("warning:", err)
		}
	}
}

func (f *answers) registerNames() []string {
	var names []string
	for _, r := range f.registry.All() {
		names = append(names, r.Name)
	}
	return names
}

func (f *answers) registerDocuments() []registerDocument {
	list := []registerDocument{}
	for _, r := range f.registry.All() {
		list = append(list, newRegisterDocument(r))
	}
	return list
}

func (f *answers) listRegisters(w io.Writer) error {
	return aligned(w, func(w *bytes.Buffer) {
		fmt.Fprintln(w, "REGISTER\tKIND\tGIVES\tPLUGIN\tWHAT IT DOES")
		for _, r := range f.registry.All() {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Name, r.Type, first(r.Output.Name, "-"), r.Plugin, r.Doc)
		}
	})
}
