package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
)

func (a *app) deadLetterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead-letter",
		Short: "See rows that steps could not work on, and try them again",
		Long: `A row that a step refuses, or that breaks it again and again, is put aside and
its pipeline goes on without it. These commands show such rows with the cause,
give them to their steps again once those are mended, or forget them.

They ask the host that runs on the data directory, or look into the directory
where none runs.`,
		Example: `  penstock dead-letter list
  penstock dead-letter show k7wq2m9xtp
  penstock dead-letter replay --all swaps`,
	}
	group(cmd)
	cmd.AddCommand(a.listLettersCommand(), a.showLetterCommand(), a.replayCommand(), a.discardCommand())
	return cmd
}

func (a *app) listLettersCommand() *cobra.Command {
	h := &host{}
	cmd := &cobra.Command{
		Use:   "list [PIPELINE]",
		Short: "List rows that steps could not work on",
		Long: `List tells which rows steps could not work on, oldest first: of which step, how
often it was tried, and the cause. Row is the number of the row among all that
came from the step before, counted from 0. One whose state is replaying is given
to its step again and goes once nothing can undo that.`,
		Example:           "  penstock dead-letter list\n  penstock dead-letter list swaps --json | jq -r '.[].id'",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: h.pipelineNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withLetters(cmd.Context(), h, func(ctx context.Context, in letterBox) error {
				letters, damage, err := in.list(ctx)
				if err != nil {
					return err
				}
				pipeline := strings.Join(args, "")
				some := ofPipeline(letters, pipeline)
				if h.json {
					return errors.Join(printJSON(a.stdout, letterDocuments(some)), damage)
				}
				if len(some) == 0 {
					return errors.Join(a.printLine(none(letters, pipeline)), damage)
				}
				return errors.Join(aligned(a.stdout, func(w *bytes.Buffer) { writeLetters(w, some) }), damage)
			})
		},
	}
	h.flags(cmd, statusTimeout)
	return cmd
}

func (a *app) showLetterCommand() *cobra.Command {
	h := &host{}
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a row that a step could not work on",
		Long: `Show tells all that is known of a row that a step could not work on: its columns,
where it came from, what the step said, how often it was tried, and the stack if
the step panicked.`,
		Example: "  penstock dead-letter show k7wq2m9xtp\n  penstock dead-letter show k7wq2m9xtp --json | jq .value",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withLetters(cmd.Context(), h, func(ctx context.Context, in letterBox) error {
				letter, err := in.read(ctx, args[0])
				if err != nil {
					return withSome(ctx, in, args[0], err)
				}
				if h.json {
					document, err := wholeDocument(letter)
					return errors.Join(printJSON(a.stdout, document), err)
				}
				return a.printLetter(letter)
			})
		},
	}
	h.flags(cmd, statusTimeout)
	return cmd
}

func (a *app) replayCommand() *cobra.Command {
	h, all := &host{}, false
	cmd := &cobra.Command{
		Use:   "replay ID... | --all [PIPELINE]",
		Short: "Give rows to their steps again",
		Long: `Replay gives rows to the steps that could not work on them, once those are mended:
at once where the pipeline runs, otherwise when it does. What the step makes of a
row comes after what it has made since, and goes the way of all its rows. A row
that its step still cannot work on is put aside again, and breaks it no second
time.

A letter stays in the list as replaying until its row is part of a checkpoint
that nothing can undo. Whatever dies before that, the row is there once where
the loader can remove rows, and at least once where it cannot.`,
		Example: "  penstock dead-letter replay k7wq2m9xtp\n  penstock dead-letter replay --all swaps",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withLetters(cmd.Context(), h, func(ctx context.Context, in letterBox) error {
				ids, err := chosen(ctx, in, args, all)
				if err != nil || len(ids) == 0 {
					return errors.Join(err, a.nothing(err, h, "replay"))
				}
				if err := in.replay(ctx, ids); err != nil {
					return withSome(ctx, in, "", err)
				}
				if h.json {
					return printJSON(a.stdout, idsDocument{ids})
				}
				when := "given to their steps now, or as soon as their pipeline runs; penstock dead-letter list tells what has become of them"
				if _, direct := in.(directBox); direct {
					when = "given to their steps when penstock run runs their pipeline: no host runs now"
				}
				return a.printLine(fmt.Sprintf("%s: %s", rows(len(ids)), when))
			})
		},
	}
	chooseFlags(cmd, h, &all)
	return cmd
}

func (a *app) discardCommand() *cobra.Command {
	h, all, yes := &host{}, false, false
	cmd := &cobra.Command{
		Use:   "discard ID... | --all PIPELINE",
		Short: "Forget rows that steps could not work on",
		Long: `Discard forgets rows that steps could not work on. They are lost: only a pipeline
that begins anew reads them again. On a terminal it asks before it does that,
unless --yes is given.`,
		Example: "  penstock dead-letter discard k7wq2m9xtp\n  penstock dead-letter discard --all swaps --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all && len(args) == 0 {
				return usagef("discard all rows of which pipeline? penstock dead-letter discard --all PIPELINE")
			}
			return a.withLetters(cmd.Context(), h, func(ctx context.Context, in letterBox) error {
				ids, err := chosen(ctx, in, args, all)
				if err != nil || len(ids) == 0 {
					return errors.Join(err, a.nothing(err, h, "discard"))
				}
				if !yes && !a.confirmed(fmt.Sprintf("Discard %s? They are lost. [y/N] ", rows(len(ids)))) {
					return errors.New("nothing was discarded")
				}
				return a.discard(ctx, h, in, ids)
			})
		},
	}
	chooseFlags(cmd, h, &all)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func (a *app) discard(ctx context.Context, h *host, in letterBox, ids []string) error {
	if err := in.discard(ctx, ids); err != nil {
		return withSome(ctx, in, "", err)
	}
	if h.json {
		return printJSON(a.stdout, idsDocument{ids})
	}
	return a.printLine(rows(len(ids)) + ": discarded")
}

// idsDocument tells as JSON to which letters something was done.
type idsDocument struct {
	IDs []string `json:"ids"`
}

// chooseFlags are those of commands that do something to several letters.
func chooseFlags(cmd *cobra.Command, h *host, all *bool) {
	h.flags(cmd, controlTimeout)
	cmd.Flags().BoolVar(all, "all", false, "all rows, or those of a pipeline, that are not replayed already")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case *all && len(args) > 1:
			return usagef("--all takes one PIPELINE, and no IDs")
		case !*all && len(args) == 0:
			return usagef("which rows? Name IDs, which penstock dead-letter list tells, or --all")
		}
		return nil
	}
}

// chosen are the IDs of the letters that are meant.
func chosen(ctx context.Context, in letterBox, args []string, all bool) ([]string, error) {
	if !all {
		return args, nil
	}
	letters, _, err := in.list(ctx) // damaged ones are named one by one
	if err != nil {
		return nil, err
	}
	pipeline := strings.Join(args, "")
	some := ofPipeline(letters, pipeline)
	if len(some) == 0 && len(letters) > 0 {
		return nil, errors.New(none(letters, pipeline))
	}
	var ids []string
	for _, l := range some {
		if l.State == store.LetterDead {
			ids = append(ids, l.ID)
		}
	}
	return ids, nil
}

// nothing tells that there was nothing to do, unless something is wrong.
func (a *app) nothing(err error, h *host, what string) error {
	switch {
	case err != nil:
		return nil //nolint:nilerr // the caller has it
	case h.json:
		return printJSON(a.stdout, idsDocument{IDs: []string{}})
	}
	return a.printLine("there is nothing to " + what)
}

func (a *app) printLine(text string) error {
	_, err := fmt.Fprintln(a.stdout, text)
	return err
}

func rows(n int) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

// ofPipeline are the letters of a pipeline, all if it is "".
func ofPipeline(letters []store.DeadLetter, pipeline string) []store.DeadLetter {
	var out []store.DeadLetter
	for _, l := range letters {
		if pipeline == "" || l.Pipeline == pipeline {
			out = append(out, l)
		}
	}
	return out
}

// none says that there are no letters, and of whom there are some.
func none(letters []store.DeadLetter, pipeline string) string {
	if pipeline == "" || len(letters) == 0 {
		return "no step has put a row aside"
	}
	var others []string
	for _, l := range letters {
		if !slices.Contains(others, l.Pipeline) {
			others = append(others, l.Pipeline)
		}
	}
	return fmt.Sprintf("no step of %s has put a row aside; steps of %s have", pipeline, strings.Join(others, ", "))
}

// someIDs is how many letters are named to whoever has named a wrong one.
const someIDs = 5

// withSome adds to an error about an ID which ones there are.
func withSome(ctx context.Context, in letterBox, id string, err error) error {
	if !errors.Is(err, store.ErrNoLetter) {
		return err
	}
	letters, _, listErr := in.list(ctx)
	if listErr != nil || len(letters) == 0 {
		return fmt.Errorf("%w: no step has put a row aside", err)
	}
	var ids []string
	for _, l := range letters {
		ids = append(ids, l.ID)
	}
	if near := registry.Nearest(id, ids); near != "" {
		return fmt.Errorf("%w; did you mean %s?", err, near)
	}
	more := ""
	if len(ids) > someIDs {
		ids, more = ids[:someIDs], " and others; penstock dead-letter list tells all"
	}
	return fmt.Errorf("%w: there are %s%s", err, strings.Join(ids, ", "), more)
}

// letterBox is where dead letters are.
type letterBox interface {
	list(ctx context.Context) (letters []store.DeadLetter, damage, err error)
	read(ctx context.Context, id string) (store.DeadLetter, error)
	replay(ctx context.Context, ids []string) error
	discard(ctx context.Context, ids []string) error
}

// withLetters finds the letters of a host, or of a data directory on which none
// runs.
func (a *app) withLetters(ctx context.Context, h *host, do func(ctx context.Context, in letterBox) error) error {
	return interruptible(ctx, func(ctx context.Context) error {
		err := h.ask(ctx, func(ctx context.Context, c *api.Client) error { return do(ctx, hostBox{c}) })
		if !errors.As(err, new(*api.NoHostError)) {
			return err
		}
		dir, dirErr := h.dir()
		if dirErr != nil {
			return dirErr
		}
		if has, statErr := store.Has(dir); statErr != nil || !has {
			return errors.Join(err, statErr)
		}
		s, err := store.Open(dir)
		if err != nil {
			return err
		}
		return errors.Join(do(ctx, directBox{s}), s.Close())
	})
}

// hostBox is that of a host that runs.
type hostBox struct{ c *api.Client }

func (b hostBox) list(ctx context.Context) (letters []store.DeadLetter, damage, err error) {
	letters, err = b.c.DeadLetters(ctx)
	if letters != nil {
		return letters, err, nil
	}
	return nil, nil, err
}

func (b hostBox) read(ctx context.Context, id string) (store.DeadLetter, error) {
	return b.c.DeadLetter(ctx, id)
}
func (b hostBox) replay(ctx context.Context, ids []string) error  { return b.c.Replay(ctx, ids...) }
func (b hostBox) discard(ctx context.Context, ids []string) error { return b.c.Discard(ctx, ids...) }

// directBox is that of a data directory on which no host runs.
type directBox struct{ s *store.Store }

func (b directBox) list(context.Context) (letters []store.DeadLetter, damage, err error) {
	letters, err = b.s.DeadLetters("")
	if errors.As(err, new(*store.DamageError)) {
		return letters, err, nil
	}
	return letters, nil, err
}

func (b directBox) read(_ context.Context, id string) (store.DeadLetter, error) {
	return b.s.DeadLetter(id)
}

func (b directBox) replay(_ context.Context, ids []string) error {
	var letters []store.DeadLetter
	for _, id := range ids {
		letter, err := b.s.DeadLetter(id)
		if err != nil {
			return err
		}
		letter.State = store.LetterReplaying
		letters = append(letters, letter)
	}
	return b.s.PutDeadLetters(letters...)
}

func (b directBox) discard(_ context.Context, ids []string) error {
	return b.s.DiscardDeadLetters(ids...)
}

// stamp is a time as a person reads it.
func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// writeLetters writes a line for every letter.
func writeLetters(w *bytes.Buffer, letters []store.DeadLetter) {
	w.WriteString("ID\tPIPELINE\tSTEP\tROW\tSTATE\tATTEMPTS\tLAST\tCAUSE\n")
	for _, l := range letters {
		cause, _, _ := strings.Cut(view.Plain(l.Cause), "\n")
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%d\t%s\t%s\n", l.ID, l.Pipeline, l.Step, l.Row, l.State, l.Attempts, stamp(l.Last), cut(cause))
	}
}

// widestCause is how much of a cause stands in a table.
const widestCause = 80

func cut(text string) string {
	text = strings.ReplaceAll(text, "\t", " ")
	if runes := []rune(text); len(runes) > widestCause {
		return string(runes[:widestCause-1]) + "…"
	}
	return text
}
