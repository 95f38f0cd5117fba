package cli

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/project"
)

// formats are the ways to draw a graph.
var formats = map[string]func(*graph.Graph, io.Writer) error{
	"text":    (*graph.Graph).Text,
	"mermaid": (*graph.Graph).Mermaid,
	"dot":     (*graph.Graph).DOT,
	"svg":     (*graph.Graph).SVG,
	"json":    (*graph.Graph).JSON,
}

func (a *app) graphCommand() *cobra.Command {
	var (
		s      sources
		format string
	)
	cmd := &cobra.Command{
		Use:   "graph [FILE|DIR]",
		Short: "Draw what would run",
		Example: `  penstock graph
  penstock graph --format svg > pipelines.svg
  penstock graph --format mermaid examples/pipelines/backtest.hcl`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, []string{"text", "mermaid", "dot", "svg", "json"}); err != nil {
				return err
			}
			s.path = fileArgument(args)
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				p, err := a.examine(ctx, s, false)
				if err != nil {
					return err
				}
				if err := a.report(p, s.path); err != nil {
					return err
				}
				return formats[format](p.Graph, a.stdout)
			})
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&format, "format", "text", "one of text, mermaid, dot, svg and json")
	return cmd
}

// examine loads a project to look at.
func (a *app) examine(ctx context.Context, s sources, check bool) (*project.Project, error) {
	logger, err := (&logging{level: "warn"}).open(a.stderr, colored(a.stderr))
	if err != nil {
		return nil, err
	}
	return load(ctx, loading{
		sources: s, env: os.LookupEnv, check: check, logger: logger, logLevel: "warn", version: a.version,
	})
}
