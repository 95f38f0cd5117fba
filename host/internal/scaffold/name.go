package scaffold

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// longestName bounds names: the binary's is part of paths and of log lines.
const longestName = 40

var (
	goodName   = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	goodModule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)
)

// reserved are names that would mean something else: to Go, to this tree, or to
// people who read them.
var reserved = []string{
	"all", "cmd", "devchain", "eth", "internal", "main", "penstock", "plugin", "plugins", "sdk", "std", "test", "testdata", "vendor",
	"console", "csv", "ethereum", "files", "jsonl", "sqlite", "uniswap", "webhook",
}

// keywords are Go's, which no package can be called.
var keywords = []string{
	"break", "case", "chan", "const", "continue", "default", "defer", "else", "fallthrough", "for", "func", "go", "goto", "if", "import",
	"interface", "map", "package", "range", "return", "select", "struct", "switch", "type", "var",
}

// checkName refuses what cannot be the name of a binary, of registers and of a
// module all at once.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the plugin needs a name, such as gas-watch")
	case strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, "."):
		return fmt.Errorf("%q is a path, no name: give the plugin a name such as gas-watch, and say where it goes with --dir", name)
	case len(name) > longestName:
		return fmt.Errorf("the name %q has %d letters: %d are the most", name[:longestName]+"...", len(name), longestName)
	case !goodName.MatchString(name):
		return fmt.Errorf("%q is no name for a plugin: write small letters and digits, a letter first, with - between words, such as gas-watch", name)
	case slices.Contains(keywords, name):
		return fmt.Errorf("%q is a word of the language Go: choose another name", name)
	case slices.Contains(reserved, name):
		return fmt.Errorf("the name %q is taken: choose another", name)
	}
	return nil
}

// checkModule refuses what is no path of a module, or somebody else's.
func checkModule(path string) error {
	if !goodModule.MatchString(path) || strings.HasSuffix(path, ".") || strings.Contains(path, "..") {
		return fmt.Errorf("%q is no path of a Go module: write one such as example.com/you/gas-watch", path)
	}
	if path == sdkModule || strings.HasPrefix(path, sdkModule+"/") {
		return fmt.Errorf("the module %s is Penstock's: write a path of your own, such as example.com/you/gas-watch", path)
	}
	return nil
}
