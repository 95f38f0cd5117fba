package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/recording"
	"github.com/penstock-io/penstock/sdk/remote"
)

const (
	replayTimeout  = 30 * time.Second
	replayPatience = 5 * time.Second // for the plugin to end
)

// replayOptions say what is played to whom.
type replayOptions struct {
	sources
	plugin  string
	set     []string
	most    int
	timeout time.Duration
	update  bool
	load    bool
	json    bool
}

func (a *app) replayRecordingCommand() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Play a recording to a plugin and tell what it says differently",
		Long: `Replay starts the plugin that a recording is of, from the plugin directory or from
--plugin PATH, opens the step with the recorded settings and snapshot, plays all that
it was given, and compares every row that it says with the recorded ones, in order.
No host has to run.

The exit code is 0 where all rows are as recorded, and 1 where they are not: then the
first differences are told. --update writes what the plugin says now into the file.

Settings that are sensitive are not in a recording, and are given with --set. A loader
says no rows: that it takes all of them is what is seen. It loads them all the same,
and so is only played to with --load; files and directories that it writes are others
then, which are removed afterwards, unless --set names them.`,
		Example: `  penstock replay swaps.rec
  penstock replay swaps.rec --plugin ./uniswap-next
  penstock replay swaps.rec --set token='"secret"' --json
  penstock replay swaps.rec --update`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error { return a.replayRecording(ctx, &o, args[0]) })
		},
	}
	o.pluginFlag(cmd)
	cmd.Flags().StringVar(&o.path, "file", "", "pipeline `file` whose plugin block says how the plugin is started, and whose networks it may ask")
	cmd.Flags().StringVar(&o.plugin, "plugin", "", "play to the plugin at this `path`")
	cmd.Flags().StringArrayVar(&o.set, "set", nil, "a setting, as `name=value`, the value as JSON or as plain text; may be repeated")
	cmd.Flags().IntVar(&o.most, "differences", 10, "how many rows that differ are told in full")
	cmd.Flags().DurationVar(&o.timeout, "timeout", replayTimeout, "how long the plugin may neither take nor say anything")
	cmd.Flags().BoolVar(&o.update, "update", false, "write what the plugin says now into the file")
	cmd.Flags().BoolVar(&o.load, "load", false, "play to a loader, which loads what it is given")
	jsonFlag(cmd, &o.json)
	return cmd
}

// settings are those that were set.
func (o *replayOptions) settings() (map[string]json.RawMessage, error) {
	out := make(map[string]json.RawMessage, len(o.set))
	for _, text := range o.set {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usagef("--set %q: write it as name=value", text)
		}
		if !json.Valid([]byte(value)) {
			quoted, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			value = string(quoted)
		}
		out[name] = json.RawMessage(value)
	}
	return out, nil
}

// replayDocument tells as JSON how a replay went.
type replayDocument struct {
	File     string `json:"file"`
	Plugin   string `json:"plugin"`
	Register string `json:"register"`
	Equal    bool   `json:"equal"`
	Updated  bool   `json:"updated,omitempty"`
	Misfit   string `json:"misfit,omitempty"`
	*recording.Result
}

// replayRecording plays a recording and says what came of it.
func (a *app) replayRecording(ctx context.Context, o *replayOptions, path string) error {
	if o.timeout <= 0 || o.most < 1 {
		return usagef("--timeout and --differences are above 0")
	}
	set, err := o.settings()
	if err != nil {
		return err
	}
	r, err := recording.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	if r.Header.Loader() && !o.load {
		return fmt.Errorf("%s is of a loader, %s, which loads what is played to it, with the settings %s: say --load if it may, and --set what is to be another",
			path, r.Header.Register, r.Header.Settings)
	}
	result, err := a.playTo(ctx, o, r, set)
	if err != nil {
		return fmt.Errorf("replay %s to %s: %w", path, r.Header.Register, err)
	}
	if err := a.toldResult(o, r, result); err != nil {
		return err
	}
	if !result.Equal() && !o.update {
		return errSaid
	}
	return nil
}

// toldResult says how a replay went.
func (a *app) toldResult(o *replayOptions, r *recording.Recording, result *recording.Result) error {
	if o.json {
		d := replayDocument{File: r.Path(), Plugin: r.Header.Plugin, Register: r.Header.Register, Equal: result.Equal(), Updated: o.update, Result: result}
		if result.Misfit != nil {
			d.Misfit = result.Misfit.Error()
		}
		return printJSON(a.stdout, d)
	}
	_, err := result.WriteTo(a.stdout)
	summary := result.Summary()
	if o.update && !result.Equal() {
		summary = fmt.Sprintf("%s was rewritten: it held %s", r.Path(), summary)
	}
	return errors.Join(err, a.printLine(summary))
}

// playTo starts the plugin, plays, and ends the plugin.
func (a *app) playTo(ctx context.Context, o *replayOptions, r *recording.Recording, set map[string]json.RawMessage) (*recording.Result, error) {
	plugins, err := a.pluginsFor(o, r.Header.Plugin)
	if err != nil {
		return nil, err
	}
	defer plugins.Close()
	register, err := registerFor(ctx, plugins, r)
	if err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "penstock-replay-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // it lies among temporary files
	settings, err := replaySettings(r, register, set, scratch)
	if err != nil {
		return nil, err
	}
	logger, err := (&logging{level: "warn"}).open(a.stderr, colored(a.stderr))
	if err != nil {
		return nil, err
	}
	nodes, err := a.nodesFor(o)
	if err != nil {
		return nil, err
	}
	defer nodes.Close()
	p, err := plugins.Serving(remote.Services{Chain: nodes}).Start(ctx, catalog.Start{
		Plugin: r.Header.Plugin, Step: r.Header.Pipeline + "/" + r.Header.Step, Register: register, Settings: settings, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	result, err := play(ctx, p, o, r, settings)
	if missing := r.Header.Missing(set); err != nil && len(missing) > 0 {
		err = fmt.Errorf("%w (left out of the recording, because it is sensitive: %s; give it with --set)", err, strings.Join(missing, ", "))
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), replayPatience)
	defer cancel()
	if stopErr := p.Stop(stopping); err == nil && stopErr != nil {
		err = fmt.Errorf("all was played, but the plugin did not end well: %w", stopErr)
	}
	return result, err
}

// replaySettings are those that the step is opened with: the recorded ones, what
// was set, and other places for what a loader writes.
func replaySettings(r *recording.Recording, register registry.Register, set map[string]json.RawMessage, scratch string) (json.RawMessage, error) {
	all := maps.Clone(set)
	for _, attribute := range register.Settings.Attributes {
		if _, named := set[attribute.Name]; attribute.Access != registry.WriteAccess || named {
			continue
		}
		path, err := json.Marshal(filepath.Join(scratch, attribute.Name))
		if err != nil {
			return nil, err
		}
		all[attribute.Name] = path
	}
	return r.Header.With(all)
}

// play opens the step and plays the recording to it.
func play(ctx context.Context, p *remote.Plugin, o *replayOptions, r *recording.Recording, settings json.RawMessage) (*recording.Result, error) {
	mistakes, err := p.Configure(ctx, r.Header.Register, settings)
	if err != nil {
		return nil, err
	}
	var wrong []string
	for _, m := range mistakes {
		wrong = append(wrong, strings.TrimPrefix(m.Attribute+": "+m.Message, ": "))
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("the plugin refuses the settings: %s", strings.Join(wrong, "; "))
	}
	open, err := openRecorded(r, settings)
	if err != nil {
		return nil, err
	}
	opening, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("the plugin did not open the step within %s", o.timeout))
	defer cancel()
	stream, err := p.Open(opening, open)
	if err != nil {
		return nil, err
	}
	options := recording.Options{Output: stream.Output(), Patience: o.timeout, Most: o.most}
	if !o.update {
		return recording.Replay(ctx, r, stream, options)
	}
	return rewritten(r.Path(), func(w *recording.Writer) (*recording.Result, error) {
		options.Update = w
		return recording.Replay(ctx, r, stream, options)
	}, stream.Cancel)
}

// rewritten makes a file anew, and replaces it if all went well.
func rewritten(path string, write func(*recording.Writer) (*recording.Result, error), giveUp func()) (*recording.Result, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		giveUp()
		return nil, err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it has its name by then, or is of no use
	w, err := recording.NewWriter(f, 0)
	if err != nil {
		giveUp()
		return nil, errors.Join(err, f.Close())
	}
	result, err := write(w)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	return result, os.Rename(f.Name(), path)
}

var _ recording.Stream = (*remote.Stream)(nil)
