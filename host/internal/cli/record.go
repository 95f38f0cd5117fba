package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/sdk/recording"
)

const (
	usualRecording = 10 * time.Second
	recordingWait  = time.Minute
)

// recordOptions say what is recorded, and for how long.
type recordOptions struct {
	host
	out         string
	length      time.Duration
	rows        uint64
	checkpoints int
	most        string
	wait        time.Duration
	force       bool
}

func (a *app) recordCommand() *cobra.Command {
	var o recordOptions
	cmd := &cobra.Command{
		Use:   "record STEP --out FILE",
		Short: "Record what flows into a step and out of it, as a golden test",
		Long: `Record keeps everything that goes into a step and comes out of it, from the next
checkpoint of its path on: the step's settings and snapshot, every row that it is
given, in order, and every row that it says. penstock replay plays the file to the
plugin again, or to another version of it, and tells what it says differently; so
does plugintest.Replay in the plugin's own tests.

The recording ends at the first checkpoint after --for, --rows or --checkpoints is
reached, whichever comes first, or with Ctrl-C at the last one; ten seconds if
nothing is said. Nothing is left out of it: where the file cannot be written fast
enough the pipeline waits, for five seconds at most; then the recording ends, with
an error, and is good up to its last checkpoint.

Settings that are sensitive and the addresses of nodes are not recorded. Rows are:
a recording holds what flows.`,
		Example: `  penstock record swaps --out swaps.rec
  penstock record swaps/totals --out totals.rec --rows 10000
  penstock record swaps --out swaps.rec --checkpoints 2 --max 32MiB`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return o.steps(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error { return a.record(ctx, &o, args[0]) })
		},
	}
	o.flags(cmd, 0)
	cmd.Flags().StringVarP(&o.out, "out", "o", "", "the `file` that is written")
	cmd.Flags().DurationVar(&o.length, "for", 0, "end after this `time`, such as 30s")
	cmd.Flags().Uint64Var(&o.rows, "rows", 0, "end after so many `rows` into the step")
	cmd.Flags().IntVar(&o.checkpoints, "checkpoints", 0, "end after so many `checkpoints`")
	cmd.Flags().StringVar(&o.most, "max", "256MiB", "the `size` that the file may come to; the recording ends there")
	cmd.Flags().DurationVar(&o.wait, "wait", recordingWait, "how long to wait for a checkpoint to begin or end with")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace the file if it is there")
	return cmd
}

// limits checks what was asked for.
func (o *recordOptions) limits() (engine.RecordLimits, int64, error) {
	l := engine.RecordLimits{For: o.length, Rows: o.rows, Checkpoints: o.checkpoints}
	most, err := config.ParseSize(o.most)
	switch {
	case o.out == "":
		return l, 0, usagef("which file? penstock record STEP --out FILE")
	case err != nil:
		return l, 0, usagef("--max %q: %w", o.most, err)
	case most < 1<<20 || most > 1<<40:
		return l, 0, usagef("--max %s: it is a size from 1MiB to 1024GiB", o.most)
	case l.For < 0 || l.Checkpoints < 0 || o.wait <= 0:
		return l, 0, usagef("--for, --checkpoints and --wait are above 0")
	}
	if _, err := os.Lstat(o.out); !o.force && !errors.Is(err, fs.ErrNotExist) {
		return l, 0, fmt.Errorf("%s is there already: name another file, or replace it with --force", o.out)
	}
	if l == (engine.RecordLimits{}) {
		l.For = usualRecording
	}
	return l, int64(most), nil
}

// record writes a recording beside its place and puts it there when it is whole.
func (a *app) record(ctx context.Context, o *recordOptions, step string) (err error) {
	limits, most, err := o.limits()
	if err != nil {
		return err
	}
	c, err := o.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	f, err := os.CreateTemp(filepath.Dir(o.out), "."+filepath.Base(o.out)+".*")
	if err != nil {
		return fmt.Errorf("record into %s: %w", o.out, err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it has its name by then, or is of no use
	w, err := recording.NewWriter(f, most)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r := &recordingUnderWay{app: a, o: o, out: w}
	ended := r.run(ctx, c, step, limits)
	reason, warning, err := r.reason(ctx, ended, limits)
	if err == nil {
		err = w.Finish(reason)
	}
	if errors.Is(err, recording.ErrNothing) && ended != nil {
		err = fmt.Errorf("%w, and then: %s", err, warning)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("record step %s: %w", step, err)
	}
	if err := os.Rename(f.Name(), o.out); err != nil {
		return fmt.Errorf("record step %s: %w", step, err)
	}
	if err := a.toldRecording(o); err != nil || warning == "" {
		return err
	}
	early := fmt.Errorf("the recording ends at its last checkpoint: %s", warning)
	if ctx.Err() == nil && !errors.Is(ended, recording.ErrFull) {
		return early // it is shorter than it was to be
	}
	a.say(early)
	return nil
}

// recordingUnderWay takes the records of one recording.
type recordingUnderWay struct {
	app   *app
	o     *recordOptions
	out   *recording.Writer
	begun bool
	timer *time.Timer
}

// errWaited ends a recording that waits in vain.
var errWaited = errors.New("the path came to no checkpoint in time")

// run takes records until there are enough. Waiting for a checkpoint has an end.
func (r *recordingUnderWay) run(ctx context.Context, c *api.Client, step string, limits engine.RecordLimits) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.timer = time.AfterFunc(r.o.wait, func() { cancel(errWaited) })
	defer r.timer.Stop()
	err := c.Record(ctx, step, limits, func() {
		r.app.say("recording of step", step, "begins with the next checkpoint of its path")
	}, func(record []byte) error {
		if !r.begun {
			r.begun = true
			r.timer.Stop()
			if limits.For > 0 {
				r.timer.Reset(limits.For + r.o.wait)
			}
		}
		return r.out.Write(record)
	})
	if cause := context.Cause(ctx); errors.Is(cause, errWaited) {
		return errWaited
	}
	return err
}

// reason says why the recording has ended, for the file and for people; what is
// wrong beyond it is an error.
func (r *recordingUnderWay) reason(ctx context.Context, ended error, limits engine.RecordLimits) (reason, warning string, err error) {
	early, gone := (*api.RecordingError)(nil), (*api.GoneError)(nil)
	switch {
	case ended == nil:
		return wanted(limits), "", nil
	case ctx.Err() != nil:
		return "it was stopped", "it was stopped", nil //nolint:nilerr // that is what was wanted
	case errors.Is(ended, recording.ErrFull):
		warning = fmt.Sprintf("it has come to its greatest size, %s", r.o.most)
	case errors.Is(ended, errWaited) && !r.begun:
		warning = fmt.Sprintf("its path came to no checkpoint within %s: nothing flows, or no checkpoint can be taken; penstock status tells more", r.o.wait)
	case errors.Is(ended, errWaited):
		warning = fmt.Sprintf("its path came to no checkpoint within %s after that time", r.o.wait)
	case errors.As(ended, &early), errors.As(ended, &gone):
		warning = ended.Error()
	default:
		return "", "", ended
	}
	return warning, warning, nil
}

// wanted is the limit that a recording has come to.
func wanted(l engine.RecordLimits) string {
	var parts []string
	if l.For > 0 {
		parts = append(parts, "for "+l.For.String())
	}
	if l.Rows > 0 {
		parts = append(parts, manyRows(l.Rows))
	}
	if l.Checkpoints > 0 {
		parts = append(parts, fmt.Sprintf("%d checkpoints", l.Checkpoints))
	}
	return "as wanted: " + strings.Join(parts, " or ")
}

// recordingDocument tells as JSON what a recording holds.
type recordingDocument struct {
	File        string   `json:"file"`
	Bytes       int64    `json:"bytes"`
	Step        string   `json:"step"` // pipeline/step
	Plugin      string   `json:"plugin"`
	Register    string   `json:"register"`
	Checkpoint  uint64   `json:"checkpoint"`
	Snapshot    int      `json:"snapshot_bytes"`
	InputRows   uint64   `json:"input_rows"`
	OutputRows  uint64   `json:"output_rows"`
	Checkpoints uint64   `json:"checkpoints"`
	LeftOut     []string `json:"left_out,omitempty"`
	Reason      string   `json:"reason"`
}

// toldRecording reads what was written once more, and says what it holds.
func (a *app) toldRecording(o *recordOptions) error {
	r, err := recording.Open(o.out)
	if err != nil {
		return err
	}
	defer r.Close()
	info, err := os.Stat(o.out)
	if err != nil {
		return err
	}
	d := recordingDocument{
		File: o.out, Bytes: info.Size(), Step: r.Header.Pipeline + "/" + r.Header.Step, Plugin: r.Header.Plugin, Register: r.Header.Register,
		Checkpoint: r.Header.Checkpoint, InputRows: r.InputRows, OutputRows: r.OutputRows, Checkpoints: r.Barriers, LeftOut: r.Header.LeftOut, Reason: r.Reason,
	}
	if r.Snapshot != nil {
		d.Snapshot = len(r.Snapshot.State)
	}
	if o.json {
		return printJSON(a.stdout, d)
	}
	said := ""
	if !r.Header.Loader() {
		said = fmt.Sprintf(" and %s out of it", manyRows(d.OutputRows))
	}
	text := fmt.Sprintf("%s into step %s%s, over %s, in %s (%s)\n",
		manyRows(d.InputRows), d.Step, said, times(d.Checkpoints, "checkpoint"), d.File, sizeText(d.Bytes))
	if len(d.LeftOut) > 0 {
		text += fmt.Sprintf("left out, because it is sensitive: %s; penstock replay takes it with --set\n", strings.Join(d.LeftOut, ", "))
	}
	_, err = a.stdout.WriteString(text + "penstock replay " + d.File + " plays it\n")
	return err
}

// times is a number of things.
func times(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return view.Count(n) + " " + what + "s"
}

// sizeText is a size as people read it.
func sizeText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}
