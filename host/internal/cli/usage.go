package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// usageError tells that what was typed makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// flagError explains a flag that is not known or has a wrong value.
func flagError(cmd *cobra.Command, err error) error {
	// The command before the flag may be what is wrong.
	if words := cmd.Flags().Args(); cmd.HasSubCommands() && len(words) > 0 {
		return unknownCommand(cmd, words)
	}
	unknown := (*pflag.NotExistError)(nil)
	if !errors.As(err, &unknown) {
		return usagef("%w (see %s --help)", err, cmd.CommandPath())
	}
	name := unknown.GetSpecifiedName()
	dashes := "--"
	if unknown.GetSpecifiedShortnames() != "" {
		dashes = "-"
	}
	hint := ""
	if nearest := registry.Nearest(name, flagNames(cmd)); nearest != "" {
		hint = fmt.Sprintf(", did you mean --%s?", nearest)
	}
	return usagef("unknown flag: %s%s%s (%s --help lists them)", dashes, name, hint, cmd.CommandPath())
}

func flagNames(cmd *cobra.Command) []string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// group makes a command one that only has others below it.
func group(cmd *cobra.Command) {
	cmd.Args = unknownCommand
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// unknownCommand refuses every word, as commands that are known never get here.
func unknownCommand(cmd *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	hint := ""
	if nearest := registry.Nearest(words[0], names); nearest != "" {
		hint = fmt.Sprintf(", did you mean %q?", nearest)
	}
	return usagef("unknown command: %q%s (%s --help lists them)", words[0], hint, cmd.CommandPath())
}

// strict has every command refuse arguments that it does not take as misuse.
func strict(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		check = cobra.NoArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil || errors.As(err, new(*usageError)) {
			return err
		}
		usage := strings.TrimSuffix(cmd.UseLine(), " [flags]")
		if counted(err) {
			return usagef("wrong number of arguments: %d (usage: %s; %s --help has examples)", len(args), usage, cmd.CommandPath())
		}
		return usagef("%w (usage: %s)", err, usage)
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}

// counted tells that a command was given another number of arguments than it
// takes, which the library says in words of its own.
func counted(err error) bool {
	return strings.HasPrefix(err.Error(), "accepts ") || strings.HasPrefix(err.Error(), "requires ")
}

// oneOf refuses a flag's value that is none of some words.
func oneOf(flag, value string, words []string) error {
	if slices.Contains(words, value) {
		return nil
	}
	hint := ""
	if nearest := registry.Nearest(value, words); nearest != "" {
		hint = fmt.Sprintf(", did you mean %q?", nearest)
	}
	return usagef("--%s %q: it is one of %s%s", flag, value, strings.Join(words, ", "), hint)
}
