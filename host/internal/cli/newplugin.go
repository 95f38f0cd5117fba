package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/scaffold"
)

func (a *app) pluginNewCommand() *cobra.Command {
	var o scaffold.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "new NAME --kind KIND",
		Short: "Write a plugin that builds, tests and runs",
		Long: `New writes a Go module with a small plugin that does something real: its code,
its tests, and a pipeline that runs it on a development chain. Change it into what
you need.

A subscriber turns each row of one stream into others, a reader collects rows from
outside, an aggregator joins several streams, a loader ends a path. The name is
that of the binary, and its registers' names begin with it.

The SDK is that of the version this penstock was published as. Where it was not,
go.mod takes it from a checkout: the one that --sdk names, or one that is found.
Which, is told.`,
		Example: `  penstock plugin new gas-watch --kind reader
  penstock plugin new whales --kind subscriber --module example.com/you/whales --dir ./plugins/whales
  penstock plugin new archive --kind loader --sdk ../penstock`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if o.Kind == "" {
				return usagef("say which kind of plugin it is to be with --kind: %s", strings.Join(scaffold.Kinds(), ", "))
			}
			if err := oneOf("kind", o.Kind, scaffold.Kinds()); err != nil {
				return err
			}
			o.Name = args[0]
			r, err := scaffold.New(o)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.stdout, r)
			}
			return tellNew(a.stdout, r)
		},
	}
	cmd.Flags().StringVar(&o.Kind, "kind", "", strings.Join(scaffold.Kinds(), ", "))
	cmd.Flags().StringVar(&o.Dir, "dir", "", "the `directory` to write into, which has to be empty (default NAME)")
	cmd.Flags().StringVar(&o.Module, "module", "", "the `path` of the Go module (default example.com/NAME)")
	cmd.Flags().StringVar(&o.SDK, "sdk", "", "a `checkout` of Penstock to take the SDK from")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// tellNew says what was written and what to do with it.
func tellNew(w io.Writer, r scaffold.Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is a %s now, in %s:\n", r.Name, r.Kind, r.Dir)
	for _, name := range r.Files {
		fmt.Fprintf(&b, "  %s\n", name)
	}
	switch {
	case r.SDK.Replace == "":
		fmt.Fprintf(&b, "\ngo.mod requires %s of the SDK.\n", r.SDK.Version)
	case r.SDK.Found == "":
		fmt.Fprintf(&b, "\ngo.mod takes the SDK from %s, as you said.\n", r.SDK.Replace)
	default:
		fmt.Fprintf(&b, "\ngo.mod takes the SDK from %s, because this penstock is no published version\n(%s; --sdk names another).\n", r.SDK.Replace, r.SDK.Found)
	}
	fmt.Fprintf(&b, "\nNext:\n  cd %s\n", r.Dir)
	for _, command := range r.Next {
		fmt.Fprintf(&b, "  %s\n", command)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
