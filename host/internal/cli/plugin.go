package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/registry"
)

func (a *app) pluginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "Look at plugins, and swap them while they run",
		Example: `  penstock plugin list
  penstock plugin describe uniswap
  penstock plugin swap uniswap ./bin/plugins/uniswap`,
	}
	cmd.AddCommand(a.pluginListCommand(), a.pluginDescribeCommand(), a.pluginSwapCommand(), a.pluginRollbackCommand(), a.pluginHistoryCommand())
	cmd.AddCommand(a.pluginLockCommand(), a.pluginVerifyCommand(), a.pluginKeygenCommand(), a.pluginSignCommand())
	cmd.AddCommand(a.pluginNewCommand(), a.pluginTestCommand())
	group(cmd)
	return cmd
}

func (a *app) pluginListCommand() *cobra.Command {
	var o inquiry
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List plugins and what they offer",
		Long: `List starts every plugin in the plugin directory and asks what it offers. A
plugin that does not answer is listed with the reason.`,
		Example: `  penstock plugin list
  penstock plugin list --plugin-dir ./plugins --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				found, err := a.ask(ctx, o)
				if err != nil {
					return err
				}
				if o.json {
					return printJSON(a.stdout, found.pluginDocuments())
				}
				return found.listPlugins(a.stdout)
			})
		},
	}
	o.flags(cmd)
	return cmd
}

func (a *app) pluginDescribeCommand() *cobra.Command {
	var o inquiry
	cmd := &cobra.Command{
		Use:   "describe NAME",
		Short: "Describe a plugin and its registers",
		Example: `  penstock plugin describe uniswap
  penstock plugin describe uniswap --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				found, err := a.ask(ctx, o)
				if err != nil {
					return err
				}
				plugin, err := found.plugin(args[0])
				if err != nil {
					return err
				}
				if o.json {
					return printJSON(a.stdout, plugin)
				}
				return plugin.write(a.stdout)
			})
		},
	}
	o.flags(cmd)
	return cmd
}

// inquiry is what is asked of the plugins of a directory, and how the answer is
// to look.
type inquiry struct {
	sources
	json bool
}

func (o *inquiry) flags(cmd *cobra.Command) {
	o.pluginFlag(cmd)
	cmd.Flags().StringVar(&o.path, "file", "", "also the plugins that the plugin blocks of this `file` name")
	jsonFlag(cmd, &o.json)
}

// answers is what the plugins have said.
type answers struct {
	dir       string
	plugins   []catalog.Description
	catalog   *catalog.Catalog // closed
	registry  *registry.Registry
	conflicts error // between registers of several plugins
}

// ask asks every plugin what it offers.
func (a *app) ask(ctx context.Context, o inquiry) (*answers, error) {
	logger, err := (&logging{level: "warn"}).open(a.stderr, colored(a.stderr))
	if err != nil {
		return nil, err
	}
	file, err := a.pluginFile(o.path)
	if err != nil {
		return nil, err
	}
	path := o.path
	if path == "" && o.pluginDir == "" {
		path = "." // where there may be a lock file
	}
	c, err := project.OpenCatalog(project.Options{Path: path, PluginDir: o.pluginDir, Logger: logger, LogLevel: "warn", Version: a.version}, file)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	found := &answers{dir: c.Dir(), catalog: c, plugins: c.Describe(ctx), registry: registry.New()}
	found.conflicts = catalog.Register(found.registry, found.plugins)
	return found, ctx.Err()
}

// plugin finds one by its name.
func (f *answers) plugin(name string) (pluginDocument, error) {
	names := make([]string, 0, len(f.plugins))
	for _, d := range f.plugins {
		if d.Name == name {
			doc := newPluginDocument(d)
			doc.Isolation = newIsolationDocument(f.catalog.Isolation(d))
			return doc, d.Err
		}
		names = append(names, d.Name)
	}
	return pluginDocument{}, unknown("plugin", name, names, f.dir)
}

// unknown says that there is no such thing, and what may have been meant.
func unknown(thing, name string, known []string, dir string) error {
	if nearest := registry.Nearest(name, known); nearest != "" {
		return fmt.Errorf("there is no %s %q, did you mean %q?", thing, name, nearest)
	}
	if len(known) == 0 {
		return fmt.Errorf("there is no %s %q: no plugin in %s offers any; build the plugins (make build), or name their directory with --plugin-dir",
			thing, name, dir)
	}
	return fmt.Errorf("there is no %s %q (penstock %s list lists them)", thing, name, thing)
}

func (f *answers) pluginDocuments() []pluginDocument {
	list := []pluginDocument{}
	for _, d := range f.plugins {
		list = append(list, newPluginDocument(d))
	}
	return list
}

func (f *answers) listPlugins(w io.Writer) error {
	if len(f.plugins) == 0 {
		return fmt.Errorf("there is no plugin in %s: build the plugins (make build), or name their directory with --plugin-dir", f.dir)
	}
	var broken []error
	err := aligned(w, func(w *bytes.Buffer) {
		fmt.Fprintln(w, "PLUGIN\tVERSION\tREGISTERS")
		for _, d := range f.plugins {
			if d.Err != nil {
				fmt.Fprintf(w, "%s\t-\t(does not answer)\n", d.Name)
				broken = append(broken, d.Err)
				continue
			}
			var names []string
			for _, r := range d.Registers {
				names = append(names, r.Name)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", d.Name, first(d.Version, "-"), strings.Join(names, ", "))
		}
	})
	if err != nil {
		return err
	}
	for _, err := range broken {
		if _, err := fmt.Fprintf(w, "\n%s\n", sentence(err)); err != nil {
			return err
		}
	}
	return f.conflicts
}
