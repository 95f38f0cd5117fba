// Package attach lets a plugin that a person has started by hand take the place
// of the one that a running host has started: it serves the host on a socket of
// its own, asks it through its control socket to come there, and tells the
// person what happens.
//
// Whatever ends the program ends the attachment: the host hears of it because the
// call that asked for it ends.
package attach

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// DefaultDir is where a host keeps its data unless it is told otherwise.
const DefaultDir = ".penstock"

// Options are what a person says on the command line.
type Options struct {
	Dir   string   // the data directory of the host
	Name  string   // what the plugin is called in what runs
	Steps []string // only these; nil: all of the plugin
}

// Usage is what people read who write something wrong.
const Usage = `To debug it in a pipeline that runs, start it beside the host, from its directory:

  PLUGIN --attach[=DATA_DIR] [--attach-name NAME] [--attach-step STEP]...

  --attach       the data directory of the host, ` + DefaultDir + ` if none is named
  --attach-name  what the plugin is called there, if not like its binary
  --attach-step  only this step, as PIPELINE/STEP or STEP; all of the plugin if none is named
`

// Parse reads a command line, program first. wanted: it asks to attach. A line
// that does not is nobody's business here: it may be the author's own.
func Parse(line []string) (o Options, wanted bool, err error) {
	if !asks(line) {
		return Options{}, false, nil
	}
	o.Name = nameOf(line[0])
	flags := flag.NewFlagSet("attach", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Var((*directory)(&o.Dir), "attach", "")
	flags.StringVar(&o.Name, "attach-name", o.Name, "")
	flags.Func("attach-step", "", func(step string) error {
		o.Steps = append(o.Steps, step)
		return nil
	})
	if err := flags.Parse(line[1:]); err != nil {
		return o, true, err
	}
	if rest := flags.Args(); len(rest) > 0 {
		return o, true, fmt.Errorf("%q stands there too much: a data directory is written as --attach=%s", rest[0], rest[0])
	}
	switch {
	case o.Dir == "":
		return o, true, errors.New("--attach-name and --attach-step go with --attach")
	case o.Name == "":
		return o, true, fmt.Errorf("%s is a name that a debugger has made: add --attach-name NAME, the name of the plugin in your pipeline files", filepath.Base(line[0]))
	}
	return o, true, nil
}

// asks tells whether any argument is about attaching.
func asks(line []string) bool {
	for _, arg := range line[min(1, len(line)):] {
		name, dashed := strings.CutPrefix(arg, "-")
		name, _, _ = strings.Cut(strings.TrimPrefix(name, "-"), "=")
		if dashed && (name == "attach" || name == "attach-name" || name == "attach-step") {
			return true
		}
	}
	return false
}

// nameOf is what a plugin is called whose binary has a path, "" if that cannot
// be told: dlv builds into files whose names it makes up.
func nameOf(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".exe")
	if strings.HasPrefix(name, "__debug_bin") || strings.HasPrefix(name, "debug.test") || strings.HasPrefix(name, "___") {
		return ""
	}
	return name
}

// directory is a flag that may stand without a value.
type directory string

func (d *directory) String() string   { return string(*d) }
func (d *directory) IsBoolFlag() bool { return true }

func (d *directory) Set(value string) error {
	if *d = directory(value); value == "true" || value == "" {
		*d = DefaultDir
	}
	return nil
}
