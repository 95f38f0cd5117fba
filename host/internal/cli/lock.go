package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/project"
)

// supply says which plugins are looked at, and how the answer is to look.
type supply struct {
	sources
	json bool
}

func (o *supply) flags(cmd *cobra.Command) {
	o.pluginFlag(cmd)
	cmd.Flags().StringVar(&o.dataDir, "data-dir", "", "`directory` that the host keeps its state in, where swaps are remembered (default .penstock, or data_dir of the host block)")
	jsonFlag(cmd, &o.json)
}

// catalog finds the plugins of the file that was named, or of the usual one if it
// is there.
func (a *app) catalog(o supply, dev bool) (*catalog.Catalog, error) {
	logger, err := (&logging{level: "warn"}).open(a.stderr, colored(a.stderr))
	if err != nil {
		return nil, err
	}
	path := o.path
	if _, err := os.Stat(defaultFile); path == "" && err == nil {
		path = defaultFile
	}
	file, err := a.pluginFile(path)
	if err != nil {
		return nil, err
	}
	return project.OpenCatalog(project.Options{
		Path: cmp.Or(path, "."), PluginDir: o.pluginDir, DataDir: o.dataDir, Dev: dev, Logger: logger, LogLevel: "warn", Version: a.version,
	}, file)
}

// pluginFile reads what a file says of plugins. Mistakes elsewhere in it do not
// matter. Without a path there is nothing to read.
func (a *app) pluginFile(path string) (*config.File, error) {
	if path == "" {
		return config.Explain(), nil
	}
	read, diags := config.Read(path)
	if diags.HasErrors() {
		return nil, a.complain(config.Explain(), diags, path)
	}
	file, _ := config.Parse(read, config.Options{Env: os.LookupEnv, BaseDir: project.BaseDir(path)})
	return file, nil
}

func (a *app) pluginLockCommand() *cobra.Command {
	var o supply
	cmd := &cobra.Command{
		Use:   "lock [NAME...]",
		Short: "Let the plugins that are there now run, and no others",
		Long: `Lock writes the SHA-256 of every plugin, or of those that are named, into
penstock.lock.hcl beside the pipeline file, and makes the file if it is not
there. Where there is one, penstock runs only the bytes that it has. To know a
plugin's version, lock runs it.

What the file holds besides stays: comments, and the hashes for other platforms,
which lock adds where it runs on them. Keep the file with the pipelines.`,
		Example: `  penstock plugin lock
  penstock plugin lock uniswap
  penstock plugin lock --file examples/pipelines/backtest.hcl --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error { return a.lockPlugins(ctx, o, args) })
		},
		Args: cobra.ArbitraryArgs,
	}
	cmd.Flags().StringVar(&o.path, "file", "", "the pipeline `file`, or a directory of them, whose plugins are locked (default pipelines.hcl, if it is there)")
	o.flags(cmd)
	return cmd
}

func (a *app) lockPlugins(ctx context.Context, o supply, names []string) error {
	c, err := a.catalog(o, true)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := known(c, names); err != nil {
		return err
	}
	if len(names) == 0 {
		names = c.Names()
	}
	if len(names) == 0 {
		return noPlugins(c.Dir())
	}
	var said []catalog.Description
	for _, name := range names {
		said = append(said, c.DescribeOne(ctx, name))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	changes, err := c.LockPlugins(said)
	if err != nil {
		return a.lockError(err, c.LockFile())
	}
	if o.json {
		err = printJSON(a.stdout, lockDocument(c.LockFile(), changes))
	} else {
		err = a.tellLocked(c.LockFile(), changes)
	}
	failed := slices.DeleteFunc(slices.Clone(changes), func(ch catalog.LockChange) bool { return ch.Err == nil })
	if err != nil || len(failed) == 0 {
		return err
	}
	for _, ch := range failed {
		a.say(ch.Err)
	}
	return fmt.Errorf("%s not locked", were(len(failed), "plugin"))
}

// known refuses names that are none, and of plugins that are not there.
func known(c *catalog.Catalog, names []string) error {
	for _, name := range names {
		if err := config.CheckPluginName(name); err != nil {
			return usagef("%w", err)
		}
		if _, ok := c.Path(name); !ok {
			return unknown("plugin", name, c.Names(), c.Dir())
		}
	}
	return nil
}

func noPlugins(dir string) error {
	return fmt.Errorf("there is no plugin in %s: build the plugins (make build), or name their directory with --plugin-dir", dir)
}

// lockError shows the mistakes in a lock file, if that is what err is about.
func (a *app) lockError(err error, path string) error {
	diags, ok := err.(config.Diagnostics) //nolint:errorlint // nobody wraps it
	if !ok {
		return err
	}
	file := config.Explain()
	if lock, _ := config.ReadLock(path); lock != nil {
		file = lock.Explain()
	}
	return a.complain(file, diags, path)
}

// lockedPlugin is what became of a plugin as machines read it.
type lockedPlugin struct {
	Name    string   `json:"name"`
	Version string   `json:"version,omitempty"`
	Change  string   `json:"change"`
	SHA256  []string `json:"sha256,omitempty"`
	Before  []string `json:"before,omitempty"`
	Error   string   `json:"error,omitempty"`
}

func lockDocument(path string, changes []catalog.LockChange) any {
	list := []lockedPlugin{}
	for _, ch := range changes {
		doc := lockedPlugin{Name: ch.Plugin, Version: ch.Version, Change: string(ch.Change), SHA256: hashes(ch.Digests), Before: hashes(ch.Before)}
		if ch.Err != nil {
			doc.Error = ch.Err.Error()
		}
		list = append(list, doc)
	}
	return struct {
		File     string         `json:"file"`
		Platform string         `json:"platform"`
		Plugins  []lockedPlugin `json:"plugins"`
	}{path, catalog.Platform(), list}
}

// hashes are digests as they stand in a lock file.
func hashes(digests []string) []string {
	out := make([]string, len(digests))
	for i, d := range digests {
		out[i] = strings.TrimPrefix(d, "sha256:")
	}
	return out
}

// shortHashes are enough of some digests to tell them apart.
func shortHashes(digests []string) string {
	var out []string
	for _, d := range digests {
		out = append(out, strings.TrimPrefix(catalog.Short(d), "sha256:"))
	}
	return cmp.Or(strings.Join(out, " "), "-")
}

func (a *app) tellLocked(path string, changes []catalog.LockChange) error {
	counts := map[catalog.Change]int{}
	err := aligned(a.stdout, func(w *bytes.Buffer) {
		fmt.Fprintln(w, "PLUGIN\tVERSION\tLOCK\tSHA-256\tBEFORE")
		for _, ch := range changes {
			counts[ch.Change]++
			before := ""
			if ch.Change == catalog.Changed && !slices.Equal(ch.Before, ch.Digests) {
				before = shortHashes(ch.Before)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", ch.Plugin, cmp.Or(ch.Version, "-"), ch.Change, shortHashes(ch.Digests), before)
		}
	})
	if err != nil {
		return err
	}
	var parts []string
	for _, change := range []catalog.Change{catalog.Added, catalog.Changed, catalog.Same, catalog.Failed} {
		if n := counts[change]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, change))
		}
	}
	_, err = fmt.Fprintf(a.stdout, "\n%s: %s\n", path, strings.Join(parts, ", "))
	return err
}

// lockFirst makes the lock file of what is about to run, if nobody has made one,
// and says so.
func (a *app) lockFirst(c *catalog.Catalog, plugins []catalog.Description) {
	changes, err := c.LockFirst(plugins)
	switch {
	case err != nil:
		a.say("warning: plugins run as they are, because they could not be locked:", err)
	case len(changes) > 0:
		a.say(fmt.Sprintf("wrote %s: from now on only these bytes of %s run (penstock plugin lock lets others)", c.LockFile(), plural(len(changes), "plugin")))
	}
}

// were counts things that have been something.
func were(n int, thing string) string {
	if n == 1 {
		return plural(n, thing) + " was"
	}
	return plural(n, thing) + " were"
}
