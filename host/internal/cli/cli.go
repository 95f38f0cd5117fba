// Package cli is the penstock command: it reads what a person has typed and
// joins the parts of the host accordingly.
//
// Every command is a file of its own and decides nothing: what a pipeline file
// means, what a plugin offers and how a graph runs is known elsewhere. What is
// decided here is how people are told: results on standard output, everything
// else on standard error, and exit codes that scripts can rely on.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitChanges     = 2   // of a plan that was asked for it
	exitInterrupted = 130 // as a shell says it of a program that Ctrl-C has ended
)

// Main runs the command that the arguments of the process name, and returns
// its exit code.
func Main(version string) int {
	a := &app{version: version, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	err := a.root().ExecuteContext(context.Background())
	return a.tell(err)
}

// app is what all commands share.
type app struct {
	version               string
	stdin, stdout, stderr *os.File
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "penstock",
		Short: "Run pipelines of chain data through plugins",
		Long: `Penstock reads pipelines written in HCL, starts their reader, subscriber,
aggregator and loader plugins as separate programs, checks the types of what
flows between them, and keeps it flowing.`,
		Example: `  penstock run --devchain      run pipelines.hcl on a development chain
  penstock validate            find every mistake in pipelines.hcl
  penstock graph               draw what would run
  penstock register list       list what can stand in a pipeline`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(flagError)
	section(root, "Running pipelines:", a.runCommand(), a.statusCommand(), a.eventsCommand(), a.pauseCommand(), a.resumeCommand(), a.stopCommand(), a.checkpointCommand(),
		a.rewindCommand(), a.planCommand(), a.applyCommand(), a.rollbackCommand(), a.stateCommand(), a.rpcCommand(), a.deadLetterCommand())
	section(root, "Writing pipelines and trying them:", a.validateCommand(), a.graphCommand(), a.fmtCommand(), a.registerCommand(), a.estimateCommand(),
		a.reconcileCommand(), a.chaosCommand(), a.devchainCommand())
	section(root, "Plugins, and what flows through them:", a.pluginCommand(), a.tapCommand(), a.recordCommand(), a.replayRecordingCommand())
	root.AddCommand(a.versionCommand())
	group(root)
	root.InitDefaultCompletionCmd()
	strict(root)
	return root
}

// section adds commands under a title of the help.
func section(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, cmd := range commands {
		cmd.GroupID = title
		root.AddCommand(cmd)
	}
}

// tell prints why a command failed, if it did, and returns the exit code.
func (a *app) tell(err error) int {
	code := exitFailed
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errSaid):
		return exitFailed
	case errors.Is(err, errChanges):
		return exitChanges
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, new(*usageError)):
		code = exitUsage
	}
	for _, err := range each(err) {
		a.say(err)
	}
	return code
}

// say tells a person something, in a line.
func (a *app) say(words ...any) {
	_, _ = fmt.Fprintln(a.stderr, append([]any{"penstock:"}, words...)...) // there is nowhere else to tell it
}

// each takes errors that were joined apart, so that each has its line. Others
// that wrap several speak for all of them themselves.
func each(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || err.Error() != errors.Join(joined.Unwrap()...).Error() {
		return []error{err}
	}
	return joined.Unwrap()
}

// beside is the path of a file in the directory of this program.
func beside(name string) (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find %s beside penstock: %w", name, err)
	}
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	return filepath.Join(filepath.Dir(program), name), nil
}

// colored tells whether colours are of use on a file.
func colored(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && drawable(f)
}

// drawable tells whether a file is a terminal whose cursor can be moved.
func drawable(f *os.File) bool {
	return os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
