package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/shared"
)

func (a *app) stateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "See and change what the steps of a pipeline share",
		Long: `The steps of a pipeline share sets of words, such as the addresses that a reader
looks at. These commands show and change them while the pipeline runs; steps are
told at once. Sets are kept over restarts of the host, and are no part of any
checkpoint: a pipeline that goes back goes on with what is in them then.

They ask the host that runs on the data directory, or change the directory where
none runs.`,
		Example: `  penstock state add treasury addresses 0x00000000219ab540356cbb839cbe05303d7705fa
  penstock state set treasury addresses --file addresses.txt
  penstock state list`,
	}
	group(cmd)
	cmd.AddCommand(a.listSetsCommand(), a.getSetCommand(), a.changeSetCommand(addWords), a.changeSetCommand(removeWords), a.changeSetCommand(setWords))
	return cmd
}

func (a *app) listSetsCommand() *cobra.Command {
	h := &host{}
	cmd := &cobra.Command{
		Use:   "list [PIPELINE]",
		Short: "List the sets that pipelines share",
		Long: `List tells which sets there are, how many words they hold, and their versions,
which grow with every change.`,
		Example:           "  penstock state list\n  penstock state list treasury --json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: h.pipelineNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSets(cmd.Context(), h, func(ctx context.Context, in setBox) error {
				sizes, damage, err := in.list(ctx, strings.Join(args, ""))
				if err != nil {
					return err
				}
				if h.json {
					return errors.Join(printJSON(a.stdout, sizeDocuments(sizes)), damage)
				}
				if len(sizes) == 0 {
					return errors.Join(a.printLine("nothing is shared: penstock state add PIPELINE KEY VALUES... begins a set"), damage)
				}
				return errors.Join(aligned(a.stdout, func(w *bytes.Buffer) { writeSizes(w, sizes) }), damage)
			})
		},
	}
	h.stateFlags(cmd, statusTimeout)
	return cmd
}

func writeSizes(w *bytes.Buffer, sizes []store.SetSize) {
	w.WriteString("PIPELINE\tKEY\tWORDS\tVERSION\n")
	for _, s := range sizes {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\n", s.Pipeline, s.Key, s.Words, s.Version)
	}
}

// sizeDocument is the size of a set as JSON.
type sizeDocument struct {
	Pipeline string `json:"pipeline"`
	Key      string `json:"key"`
	Words    int    `json:"words"`
	Version  uint64 `json:"version"`
}

func sizeDocuments(sizes []store.SetSize) []sizeDocument {
	out := make([]sizeDocument, 0, len(sizes))
	for _, s := range sizes {
		out = append(out, sizeDocument{Pipeline: s.Pipeline, Key: s.Key, Words: s.Words, Version: s.Version})
	}
	return out
}

// setDocument is a set as JSON.
type setDocument struct {
	Pipeline string   `json:"pipeline"`
	Key      string   `json:"key"`
	Version  uint64   `json:"version"`
	Members  []string `json:"members"`
}

func (a *app) getSetCommand() *cobra.Command {
	h := &host{}
	cmd := &cobra.Command{
		Use:   "get PIPELINE KEY",
		Short: "Print the words of a set, one a line",
		Long: `Get prints the words of a set in order, one a line, which set --file reads again.
A set that nobody has written to is empty.`,
		Example:           "  penstock state get treasury addresses\n  penstock state get treasury addresses >addresses.txt",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: h.pipelineNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSets(cmd.Context(), h, func(ctx context.Context, in setBox) error {
				of := store.SetOf{Pipeline: args[0], Key: args[1]}
				v, err := in.read(ctx, of)
				if err != nil {
					return err
				}
				if h.json {
					return printJSON(a.stdout, setDocument{Pipeline: of.Pipeline, Key: of.Key, Version: v.Version, Members: append([]string{}, v.Members...)})
				}
				return a.printWords(v)
			})
		},
	}
	h.stateFlags(cmd, statusTimeout)
	return cmd
}

func (a *app) printWords(v shared.Value) error {
	w := bufio.NewWriter(a.stdout)
	for _, word := range v.Members {
		_, _ = w.WriteString(word + "\n") // Flush has the error
	}
	return w.Flush()
}

// wordChange is a command that changes a set.
type wordChange struct {
	name, short, long string
	examples          []string
	of                func(words []string) store.SetChange
	none              bool // no words at all make sense
}

var (
	addWords = wordChange{
		name: "add", short: "Put words into a set",
		long: `Add puts words into a set and prints what became of it. Words that are there
already do no harm.`,
		examples: []string{"penstock state add treasury addresses 0x00000000219ab540356cbb839cbe05303d7705fa", "penstock state add treasury addresses --file more.txt"},
		of:       func(words []string) store.SetChange { return store.SetChange{Add: words} },
	}
	removeWords = wordChange{
		name: "remove", short: "Take words out of a set",
		long: `Remove takes words out of a set and prints what became of it. Words that are not
there do no harm.`,
		examples: []string{"penstock state remove treasury addresses 0x00000000219ab540356cbb839cbe05303d7705fa"},
		of:       func(words []string) store.SetChange { return store.SetChange{Remove: words} },
	}
	setWords = wordChange{
		name: "set", short: "Replace the words of a set",
		long: `Set replaces all words of a set, at once, and prints what became of it. Without
words the set is empty then.`,
		examples: []string{"penstock state set treasury addresses --file addresses.txt", "cut -d, -f1 accounts.csv | penstock state set treasury addresses --file -"},
		of:       func(words []string) store.SetChange { return store.SetChange{Clear: true, Add: words} },
		none:     true,
	}
)

func (a *app) changeSetCommand(c wordChange) *cobra.Command {
	h, from := &host{}, ""
	cmd := &cobra.Command{
		Use:               c.name + " PIPELINE KEY [VALUES...]",
		Short:             c.short,
		Long:              c.long + "\n\nWords are up to 128 bytes without spaces. A file has one a line; what begins\nwith # and empty lines are left out.",
		Example:           "  " + strings.Join(c.examples, "\n  "),
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: h.pipelineNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			words, err := a.words(args[2:], from)
			if err != nil {
				return err
			}
			if len(words) == 0 && !c.none && from == "" {
				return usagef("%s which words? penstock state %s PIPELINE KEY VALUES..., or --file F", c.name, c.name)
			}
			return a.withSets(cmd.Context(), h, func(ctx context.Context, in setBox) error {
				return a.changeSet(ctx, h, in, store.SetOf{Pipeline: args[0], Key: args[1]}, c.of(words))
			})
		},
	}
	h.stateFlags(cmd, controlTimeout)
	cmd.Flags().StringVar(&from, "file", "", "`file` with more words; - is standard input")
	return cmd
}

// stateFlags are those of a host, but that --file is for words.
func (h *host) stateFlags(cmd *cobra.Command, timeout time.Duration) {
	cmd.Flags().StringVar(&h.dataDir, "data-dir", "", "`directory` of the host's state (default .penstock, or data_dir of the host block of the pipelines)")
	cmd.Flags().StringVar(&h.file, "pipelines", "", "pipeline `file or directory` whose host block names the data directory (default pipelines.hcl, if it is there)")
	cmd.Flags().DurationVar(&h.timeout, "timeout", timeout, "how long to wait for the host")
	jsonFlag(cmd, &h.json)
}

// changedDocument is what became of a set, as JSON.
type changedDocument struct {
	sizeDocument
	Added   int `json:"added"`
	Removed int `json:"removed"`
}

func (a *app) changeSet(ctx context.Context, h *host, in setBox, of store.SetOf, c store.SetChange) error {
	size, added, removed, err := in.change(ctx, of, c)
	if err != nil {
		return err
	}
	if h.json {
		return printJSON(a.stdout, changedDocument{sizeDocuments([]store.SetSize{size})[0], added, removed})
	}
	text := fmt.Sprintf("%s of %s has %s: %d added, %d removed", of.Key, of.Pipeline, wordCount(size.Words), added, removed)
	if added+removed == 0 {
		text = fmt.Sprintf("%s of %s has %s: nothing has changed", of.Key, of.Pipeline, wordCount(size.Words))
	}
	return a.printLine(text)
}

func wordCount(n int) string {
	if n == 1 {
		return "1 word"
	}
	return fmt.Sprintf("%d words", n)
}

// words are those that were typed and those of a file.
func (a *app) words(typed []string, path string) ([]string, error) {
	words := typed
	if path != "" {
		more, err := a.readWords(path)
		if err != nil {
			return nil, fmt.Errorf("read words from %s: %w", path, err)
		}
		words = append(words, more...)
	}
	for _, word := range words {
		if err := store.CheckWord(word); err != nil {
			return nil, usagef("%w", err)
		}
	}
	return words, nil
}

// largestWordFile is more than the largest set can have.
const largestWordFile = 4 * store.MaxSetWords * store.MaxSetWord

func (a *app) readWords(path string) (words []string, err error) {
	in := io.Reader(a.stdin)
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	lines := bufio.NewScanner(io.LimitReader(in, largestWordFile))
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			words = append(words, line)
		}
	}
	return words, lines.Err()
}
