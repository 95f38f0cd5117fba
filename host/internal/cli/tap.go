package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/sdk/render"
	"github.com/penstock-io/penstock/sdk/transit"
)

// rowsForPeople is how many rows a second are shown on a terminal.
const rowsForPeople = 20

// tapOptions say what is shown, and for how long.
type tapOptions struct {
	host
	input   string
	limit   uint64
	length  time.Duration
	sample  string
	columns []string
}

func (a *app) tapCommand() *cobra.Command {
	var o tapOptions
	cmd := &cobra.Command{
		Use:   "tap STEP",
		Short: "Show the rows that flow out of a step, or into it, while they do",
		Long: `Tap shows rows while they flow: what comes out of a step, or with --input what
goes into it. STEP is pipeline/step, or the name of a step that only one pipeline
has; a step with several inputs has them chosen with --input NAME.

The pipeline never waits for a tap. On a terminal about ` + strconv.Itoa(rowsForPeople) + ` rows a second are shown,
and how many are not; --sample 1/100 shows every hundredth instead, and --sample all
as many as can be shown. In a pipe or with --json all rows are passed on that the
reader is quick enough for. Rows go to standard output, everything else to standard
error.

When the path goes back to a checkpoint, another plugin takes over, or the path is
paused or ends, a line between the rows says so. Ctrl-C ends the tap.`,
		Example: `  penstock tap swaps
  penstock tap totals --input blocks --limit 20
  penstock tap swaps/logs --sample 1/100 --for 30s
  penstock tap swaps --json | jq -r .pair`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: o.stepNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error {
				return a.tap(ctx, &o, args)
			})
		},
	}
	o.flags(cmd, 0)
	cmd.Flags().StringVar(&o.input, "input", "", "show what goes into the step, from the step or port of this `name` where there are several")
	cmd.Flags().Lookup("input").NoOptDefVal = engine.OnlyInput
	cmd.Flags().Uint64Var(&o.limit, "limit", 0, "end after so many `rows`")
	cmd.Flags().DurationVar(&o.length, "for", 0, "end after this `time`, such as 30s")
	cmd.Flags().StringVar(&o.sample, "sample", "auto", "which rows are shown: auto, all, or one of so many, such as `1/100`")
	cmd.Flags().StringSliceVar(&o.columns, "columns", nil, "show only these `columns`, in this order: a,b,c")
	return cmd
}

// request is what is asked of the host. terminal: people read along.
func (o *tapOptions) request(step string, terminal bool) (api.TapRequest, error) {
	r := api.TapRequest{Step: step, Input: o.input}
	switch o.sample {
	case "auto":
		if terminal && !o.json {
			r.RowsPerSecond = rowsForPeople
		}
		return r, nil
	case "all":
		return r, nil
	}
	every, err := strconv.ParseUint(strings.TrimPrefix(o.sample, "1/"), 10, 32)
	if err != nil || every == 0 || !strings.HasPrefix(o.sample, "1/") {
		return r, usagef("--sample %q: write all, auto, or one of so many, such as 1/100", o.sample)
	}
	r.Every = every
	return r, nil
}

// tap shows rows until there are enough.
func (a *app) tap(ctx context.Context, o *tapOptions, args []string) error {
	if o.length < 0 {
		return usagef("--for %s: it is a time above 0, such as 30s", o.length)
	}
	if len(args) > 1 && o.input != engine.OnlyInput {
		return usagef("tap takes one STEP: what goes into it is shown with penstock tap %s --input %s", args[0], args[1])
	}
	c, err := o.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	step := args[0]
	if len(args) > 1 {
		step, o.input = inputOf(ctx, c, args[0], args[1])
	}
	request, err := o.request(step, drawable(a.stdout))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.length > 0 { // no deadline: the host would take it for its own
		defer time.AfterFunc(o.length, cancel).Stop()
	}
	s := a.newShower(o, request)
	if drawable(a.stdout) && !o.json {
		s.begin(request)
	}
	_, _, err = c.Tap(ctx, request, api.Tapper{Type: s.typeIs, Rows: s.rows, News: s.news})
	return errors.Join(s.finish(), s.unlessEnough(ctx, err))
}

// inputOf tells which of two words is the step and which its input: the step comes
// first, unless that makes no sense and the other way round does.
func inputOf(ctx context.Context, c *api.Client, first, second string) (step, input string) {
	_, paths, err := c.Status(ctx, "")
	if err == nil && !reads(paths, first, second) && reads(paths, second, first) {
		return second, first
	}
	return first, second
}

// reads tells whether a step has an input.
func reads(paths []engine.PathStatus, step, input string) bool {
	for _, path := range paths {
		for _, p := range path.Processes {
			if step != p.Step && step != path.Pipeline+"/"+p.Step {
				continue
			}
			for _, e := range p.Inputs {
				if e.From == input || e.Port == input {
					return true
				}
			}
		}
	}
	return false
}

// stepNames completes the names of steps that run.
func (o *tapOptions) stepNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return o.steps(cmd, args)
}

// steps are the names of those that run.
func (h *host) steps(cmd *cobra.Command, args []string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	c, err := h.dial(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer c.Close()
	var names []string
	_, paths, _ := c.Status(ctx, "") // a host that does not answer has no names
	for _, path := range paths {
		for _, p := range path.Processes {
			names = append(names, path.Pipeline+"/"+p.Step)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// errEnough ends a tap that has shown what was wanted.
var errEnough = errors.New("enough was shown")

// shower shows rows.
type shower struct {
	app     *app
	o       *tapOptions
	sampled bool // people know that rows are missing
	table   *view.Rows
	out     *bufio.Writer
	typ     transit.Type
	layout  *render.Layout
	line    []byte

	shown  uint64
	seen   uint64    // rows that have come by, as far as it is known
	missed uint64    // that nobody was told of
	told   time.Time // when somebody was
}

func (a *app) newShower(o *tapOptions, request api.TapRequest) *shower {
	s := &shower{app: a, o: o, sampled: request.Every > 1, out: bufio.NewWriterSize(a.stdout, 1<<16)}
	size := a.window
	if !drawable(a.stdout) {
		size = nil
	}
	s.table = view.NewRows(s.out, size, colored(a.stdout), o.columns)
	return s
}

// begin tells a person what is about to be shown.
func (s *shower) begin(r api.TapRequest) {
	what := "what comes out of step " + r.Step
	if r.Input != "" {
		what = "what goes into step " + r.Step
	}
	how := "as many rows as can be shown"
	switch {
	case r.RowsPerSecond > 0:
		how = fmt.Sprintf("%d rows a second", r.RowsPerSecond)
	case r.Every > 1:
		how = fmt.Sprintf("every %dth row", r.Every)
	}
	_, _ = fmt.Fprintf(s.app.stderr, "%s, %s; Ctrl-C ends\n", what, how) // whoever cannot read it sees the rows
}

// typeIs is told of the type of the rows that follow.
func (s *shower) typeIs(name string, schema []byte) error {
	typ, err := transit.ParseType(name, schema)
	if err != nil {
		return fmt.Errorf("read the type of the rows: %w", err)
	}
	indexes, err := view.Columns(typ, s.o.columns)
	if err != nil {
		return err
	}
	s.typ, s.layout = typ, render.New(typ, indexes...)
	return s.table.Type(typ)
}

// rows shows rows.
func (s *shower) rows(rows engine.TapRows) error {
	batch, err := transit.DecodeBatch(s.typ, rows.Body)
	if err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	n := int(batch.Record.NumRows())
	s.seen = rows.First + uint64(rows.Count)
	s.missed += rows.Missed
	if left := s.o.limit - s.shown; s.o.limit > 0 && uint64(n) > left {
		n = int(left)
	}
	if err := s.tellMissed(); err != nil {
		return err
	}
	if err := s.write(batch, n); err != nil {
		return err
	}
	s.shown += uint64(n)
	if s.o.limit > 0 && s.shown >= s.o.limit {
		return errEnough
	}
	return s.out.Flush()
}

func (s *shower) write(batch transit.Batch, n int) error {
	if !s.o.json {
		return s.table.Write(batch, 0, n)
	}
	for row := range n {
		s.line = append(s.layout.AppendMembers(append(s.line[:0], '{'), batch, row), '}', '\n')
		if _, err := s.out.Write(s.line); err != nil {
			return err
		}
	}
	return nil
}

// tellEvery is how often people are told what they do not see.
const tellEvery = time.Second

// tellMissed says, now and then, how many rows are not shown.
func (s *shower) tellMissed() error {
	if s.missed == 0 || s.sampled || s.o.json || time.Since(s.told) < tellEvery {
		return nil
	}
	n := s.missed
	s.missed, s.told = 0, time.Now()
	return s.say(fmt.Sprintf("… %s not shown", manyRows(n)))
}

// manyRows is a number of rows.
func manyRows(n uint64) string {
	if n == 1 {
		return "1 row"
	}
	return view.Count(n) + " rows"
}

// say tells something in its place among the rows; where a program reads these, on
// standard error.
func (s *shower) say(text string) error {
	if !s.o.json && drawable(s.app.stdout) {
		return errors.Join(s.table.Say(text), s.out.Flush())
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(s.app.stderr, text)
	return err
}

// news tells what has happened to the path.
func (s *shower) news(n engine.TapNews) error {
	return s.say("— " + tapNews(n) + " —")
}

func tapNews(n engine.TapNews) string {
	cause := ""
	if n.Cause != "" {
		first, _, _ := strings.Cut(view.Plain(n.Cause), "\n")
		cause = ": " + first
	}
	switch n.Kind {
	case engine.NewsRewound:
		to := "its beginning"
		if n.Block != nil {
			to = fmt.Sprintf("block %d", *n.Block)
		}
		return fmt.Sprintf("the path went back to %s (generation %d)%s", to, n.Generation, cause)
	case engine.NewsSwapped:
		return fmt.Sprintf("another plugin has taken over (generation %d)", n.Generation)
	case engine.NewsState:
	}
	switch n.State {
	case engine.PathPaused:
		return "the path is paused: nothing flows until it is resumed"
	case engine.PathStopped:
		return "the path has ended"
	case engine.PathError:
		return "the path has given up" + cause
	case engine.PathInactive:
		return "the path does not run"
	default:
		return "the path runs again"
	}
}

// finish says how much was shown of how much.
func (s *shower) finish() error {
	err := s.out.Flush()
	if errors.Is(err, os.ErrClosed) || s.typ.Name == "" {
		return err
	}
	_, _ = fmt.Fprintf(s.app.stderr, "%s shown of %s\n", view.Count(s.shown), manyRows(max(s.seen, s.shown))) // it only sums up
	return err
}

// unlessEnough is nil where the tap has ended as it was meant to.
func (s *shower) unlessEnough(ctx context.Context, err error) error {
	if errors.Is(err, errEnough) || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
