package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command that a page shows is one that there is, with flags that it has and
// as many arguments as it takes.
func TestCommandsOfPages(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", ".tools", "bin", "data", "node_modules"}, entry.Name()):
			return filepath.SkipDir
		case filepath.Ext(path) != ".md" && filepath.Ext(path) != ".hcl":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, line := range shownCommands(string(text)) {
			found++
			if err := takes(strings.Fields(line)); err != nil {
				t.Errorf("%s shows %q: %v", strings.TrimPrefix(filepath.ToSlash(path), "../../../"), "penstock "+line, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 150 {
		t.Errorf("%d commands were found: the pages have more", found)
	}
}

var (
	shown = regexp.MustCompile("(?m)(?:^[# ]*(?:\\$ )?|`|&& |\\$\\()(?:bin/)?penstock ([a-z][^`#\n]*)")
	ended = regexp.MustCompile(` *(?:[|;&<()]|2?>|\d>).*$`)
)

// shownCommands are those that a page shows, each without the name of the program.
// Sentences are none, and neither are those that leave words out.
func shownCommands(text string) []string {
	var lines []string
	for _, match := range shown.FindAllStringSubmatch(text, -1) {
		line := strings.NewReplacer("[", "", "]", "", "'", "", `"`, "").Replace(match[1])
		line, _, _ = strings.Cut(ended.ReplaceAllString(line, ""), "   ")
		if line = strings.TrimSpace(line); line != "" && !strings.ContainsAny(line, "…{*") && !strings.HasSuffix(line, ",") && !strings.HasSuffix(line, " plays it") {
			lines = append(lines, line)
		}
	}
	return lines
}

// takes tells what is wrong with a command line.
func takes(args []string) error {
	root := (&app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}).root()
	root.InitDefaultHelpCmd()
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if cmd.DisableFlagParsing || len(rest) == 0 {
		return nil // of other programs, or only named
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if words := cmd.Flags().Args(); len(words) > 0 || !cmd.HasSubCommands() {
		return checked(cmd, words)
	}
	return nil
}

// checked has a command count its arguments. One without any is only named.
func checked(cmd *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	return cmd.ValidateArgs(words)
}
