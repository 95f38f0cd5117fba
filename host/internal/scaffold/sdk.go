package scaffold

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
)

// sdkModule is the module that has the SDK.
const sdkModule = "github.com/penstock-io/penstock"

// unpublished is the version that go.mod names where the SDK comes from a
// checkout: the next one that there will be.
const unpublished = "v0.1.0"

// SDK says where the plugin's SDK comes from.
type SDK struct {
	// Version is what go.mod requires.
	Version string `json:"version"`
	// Replace is the checkout that go.mod takes instead, as it stands there; "":
	// the version is published.
	Replace string `json:"replace,omitempty"`
	// Found says how the checkout was found; "": it was named.
	Found string `json:"found,omitempty"`
}

// findSDK decides where the SDK of a plugin in dir comes from.
func findSDK(named, dir string) (SDK, error) {
	if named != "" {
		root, err := filepath.Abs(named)
		if err != nil {
			return SDK{}, fmt.Errorf("find the SDK at %s: %w", named, err)
		}
		if !isCheckout(root) {
			return SDK{}, fmt.Errorf("there is no checkout of %s at %s: --sdk names the directory that its go.mod is in", sdkModule, named)
		}
		return fromCheckout(root, dir, "")
	}
	if version := publishedAs(); version != "" {
		return SDK{Version: version}, nil
	}
	for _, place := range places() {
		if root := above(place.dir); root != "" {
			return fromCheckout(root, dir, place.name)
		}
	}
	return SDK{}, errors.New("this penstock is no published version, so the SDK has to come from a checkout, and none was found: name one with --sdk")
}

// published are versions that can be had by everybody. Those with anything
// after the numbers stand for a commit, perhaps one that nobody else has.
var published = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+$`)

// publishedAs is the version that this program was installed as, "" if it was
// built from a checkout.
func publishedAs() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Path != sdkModule || info.Main.Sum == "" || !published.MatchString(info.Main.Version) {
		return ""
	}
	return info.Main.Version
}

// place is a directory in or below a checkout, perhaps.
type place struct{ dir, name string }

// places are where a checkout is looked for: what is nearest to the person first.
func places() []place {
	var all []place
	if dir, err := os.Getwd(); err == nil {
		all = append(all, place{dir, "the working directory is in it"})
	}
	if program, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(program); err == nil {
			program = real
		}
		all = append(all, place{filepath.Dir(program), "this penstock is in it"})
	}
	if _, source, _, ok := runtime.Caller(0); ok && filepath.IsAbs(source) {
		all = append(all, place{filepath.Dir(source), "this penstock was built from it"})
	}
	return all
}

// above is the checkout that a directory is in, "" if it is in none.
func above(dir string) string {
	for {
		if isCheckout(dir) {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// isCheckout tells whether the SDK's go.mod is in a directory.
func isCheckout(dir string) bool {
	f, err := os.Open(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if module, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "module "); ok {
			return strings.Trim(strings.TrimSpace(module), `"`) == sdkModule
		}
	}
	return false
}

// fromCheckout takes the SDK from a checkout: by a path that stays right when
// both are moved, if the plugin is in it.
func fromCheckout(root, dir, found string) (SDK, error) {
	s := SDK{Version: unpublished, Replace: root, Found: found}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return SDK{}, err
	}
	if up, err := filepath.Rel(dir, root); err == nil && above(dir) == root {
		s.Replace = filepath.ToSlash(up)
	}
	if strings.ContainsAny(s.Replace, " \t\"'`") {
		return SDK{}, fmt.Errorf("the checkout of the SDK is at %q: go.mod needs a path without spaces and quotes: name another with --sdk", s.Replace)
	}
	return s, nil
}
