package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/registry"
)

func (a *app) validateCommand() *cobra.Command {
	var (
		s      sources
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "validate [FILE|DIR]",
		Short: "Find every mistake without running anything",
		Long: `Validate reads the configuration, asks the plugins what they offer, checks every
name, every type and every setting, and says what would run. All mistakes are
told at once, each with its place; the exit code is 1 if there are any.

Of each loader it says whether a row that it has got is there exactly once,
whatever dies on the way, or at least once, so that receivers must expect some
again, under the same key.`,
		Example: `  penstock validate
  penstock validate examples/pipelines/backtest.hcl --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.path = fileArgument(args)
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				p, err := a.examine(ctx, s, true)
				if err != nil {
					return err
				}
				if asJSON {
					return a.validateJSON(p)
				}
				if err := a.report(p, s.path); err != nil {
					return err
				}
				return summary(a.stdout, s.path, p.Graph)
			})
		},
	}
	s.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// errSaid is an error that was told in another way.
var errSaid = errors.New("")

func (a *app) validateJSON(p *project.Project) error {
	result := struct {
		Valid       bool            `json:"valid"`
		Diagnostics []config.Report `json:"diagnostics"`
		Pipelines   []pathList      `json:"pipelines"`
	}{!p.Diags.HasErrors(), config.Reports(p.Diags), []pathList{}}
	if result.Valid {
		result.Pipelines = pipelines(p.Graph)
	}
	if err := printJSON(a.stdout, result); err != nil {
		return err
	}
	if !result.Valid {
		return errSaid
	}
	return nil
}

// pathList is a pipeline with its paths.
type pathList struct {
	Name  string     `json:"name"`
	Type  string     `json:"type"`
	Steps []stepLine `json:"steps"`
	Paths []pathLine `json:"paths"`
}

type stepLine struct {
	Name     string       `json:"name"`
	Kind     string       `json:"kind"`
	Register string       `json:"register"`
	Plugin   string       `json:"plugin"`
	PID      registry.PID `json:"pid"`
	Implied  bool         `json:"implied,omitempty"` // it stands in no file: another step depends on it
	Rows     delivery     `json:"rows,omitempty"`    // of a loader
}

// delivery is how often a row is there that a loader has got, whatever dies on
// the way.
type delivery string

const (
	exactlyOnce delivery = "exactly once"
	atLeastOnce delivery = "at least once"
)

// deliveryOf is what a register promises, "" if it is no loader's.
func deliveryOf(r registry.Register) delivery {
	switch {
	case r.Type != registry.Loader:
		return ""
	case r.Truncates:
		return exactlyOnce
	}
	return atLeastOnce
}

type pathLine struct {
	PID   registry.PathPID `json:"pid"`
	Steps []string         `json:"steps"`
}

// pipelines lists what would run, in the order of the graph.
func pipelines(g *graph.Graph) []pathList {
	var list []pathList
	at := make(map[*config.Pipeline]int)
	for _, p := range g.Processes {
		i, seen := at[p.Pipeline]
		if !seen {
			i = len(list)
			at[p.Pipeline] = i
			list = append(list, pathList{Name: p.Pipeline.Name, Type: p.Pipeline.PathType.String()})
		}
		list[i].Steps = append(list[i].Steps, stepLine{
			Name: p.Step.Name, Kind: p.Register.Type.String(), Register: p.Register.Name,
			Plugin: p.Register.Plugin, PID: p.ID.PID, Implied: p.Step.Implied, Rows: deliveryOf(p.Register),
		})
	}
	for _, path := range g.Paths {
		line := pathLine{PID: path.ID.PID}
		for _, p := range path.Processes {
			line.Steps = append(line.Steps, p.Step.Name)
		}
		i := at[path.Pipeline]
		list[i].Paths = append(list[i].Paths, line)
	}
	return list
}

// summary says what would run.
func summary(w io.Writer, path string, g *graph.Graph) error {
	list := pipelines(g)
	_, err := fmt.Fprintf(w, "%s is valid: %s, %s, %s\n", path,
		plural(len(list), "pipeline"), plural(len(g.Processes), "process"), plural(len(g.Paths), "path"))
	if err != nil {
		return err
	}
	for _, pipeline := range list {
		if err := aligned(w, pipeline.writeSteps); err != nil {
			return err
		}
		if err := aligned(w, pipeline.writePaths); err != nil {
			return err
		}
	}
	return nil
}

func (l pathList) writeSteps(w *bytes.Buffer) {
	fmt.Fprintf(w, "\npipeline %s (%s)\n", l.Name, l.Type)
	fmt.Fprintln(w, "  PROCESS\tKIND\tREGISTER\tPLUGIN\tPID\tROWS")
	for _, s := range l.Steps {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\n", s.Name, s.Kind, s.Register, s.Plugin, s.PID, s.Rows)
	}
}

func (l pathList) writePaths(w *bytes.Buffer) {
	fmt.Fprintln(w, "\n  PATH\tPID")
	for _, p := range l.Paths {
		fmt.Fprintf(w, "  %s\t%s\n", strings.Join(p.Steps, " -> "), p.PID)
	}
}

// plural counts things.
func plural(n int, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "s"):
		thing += "es"
	default:
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
