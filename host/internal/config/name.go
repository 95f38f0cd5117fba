package config

import (
	"fmt"
	"strings"
	"unicode"
)

// longestName is what the name of a plugin may measure in bytes.
const longestName = 128

// CheckPluginName refuses a name that cannot be that of a plugin. Names become
// parts of paths: none may lead out of a directory, hide or hold what a terminal
// takes for a command.
func CheckPluginName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name of a plugin is missing")
	case strings.ContainsAny(name, `/\`):
		return fmt.Errorf("%q cannot be the name of a plugin: it is a path; a name is that of a file in the plugin directory", name)
	case strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-"):
		return fmt.Errorf("%q cannot be the name of a plugin: it begins with %q", name, name[:1])
	case len(name) > longestName:
		return fmt.Errorf("%q… cannot be the name of a plugin: it is longer than %d bytes", name[:20], longestName)
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' || r == '"' }):
		return fmt.Errorf("%q cannot be the name of a plugin: write it with letters, digits, dots, underscores and dashes", name)
	}
	return nil
}
