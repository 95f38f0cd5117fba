// Package scaffold writes the first files of a plugin: a Go module of its own
// that builds, passes its tests and runs on a development chain before anybody
// has changed a line.
//
// Its one idea: what it writes is a plugin that does something real, small enough
// to be read in a sitting, with the parts that its kind needs and no others. The
// files are templates in this folder, one directory for each kind.
package scaffold

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

//go:embed templates
var templates embed.FS

// Options say what to write. Name and Kind are required.
type Options struct {
	// Name is the plugin's name, which its binary has too.
	Name string
	// Kind is one of Kinds.
	Kind string
	// Dir is where the files go; the name if empty. It has to be empty, or not
	// there at all.
	Dir string
	// Module is the module's path; example.com/NAME if empty.
	Module string
	// SDK is a checkout of Penstock that the SDK is taken from. Empty: the version
	// that this program was published as, or, where it was not, a checkout that is
	// found.
	SDK string
}

// Result says what was written.
type Result struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	Dir    string   `json:"dir"`
	Module string   `json:"module"`
	Files  []string `json:"files"` // relative to Dir
	SDK    SDK      `json:"sdk"`
	Next   []string `json:"next"` // commands, to be typed in Dir
}

// Kinds are the kinds of plugins that there are.
func Kinds() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// New writes a plugin. Nothing is left of it where that fails.
func New(o Options) (Result, error) {
	k, err := kindOf(o.Kind)
	if err != nil {
		return Result{}, err
	}
	if err := checkName(o.Name); err != nil {
		return Result{}, err
	}
	o.Dir, o.Module = cmp.Or(o.Dir, o.Name), cmp.Or(o.Module, "example.com/"+o.Name)
	if err := checkModule(o.Module); err != nil {
		return Result{}, err
	}
	sdk, err := findSDK(o.SDK, o.Dir)
	if err != nil {
		return Result{}, err
	}
	r := Result{Name: o.Name, Kind: k.name, Dir: o.Dir, Module: o.Module, SDK: sdk}
	r.Next = k.commands(o.Name)
	files, err := render(k, newValues(k, r))
	if err != nil {
		return Result{}, err
	}
	for _, f := range files {
		r.Files = append(r.Files, f.name)
	}
	return r, write(o.Dir, files)
}

// file is one that is to be written.
type file struct {
	name    string
	content []byte
}

// values are what the templates show.
type values struct {
	Name, Kind, Module, Go string
	Register               string // what the names of its registers and types begin with
	SDK                    string // where go.mod takes it from; "": as it was published
	About, Settings, More  string
	Commands               []string
	Direct, Indirect       []string // requirements
}

func newValues(k kind, r Result) values {
	v := values{
		Name: r.Name, Register: strings.ReplaceAll(r.Name, "-", "_"), Kind: k.name, Module: r.Module, Go: goVersion, SDK: r.SDK.Replace,
		About: k.about, Settings: k.settings, More: k.more, Commands: r.Next,
	}
	v.Direct, v.Indirect = k.requirements(r.SDK.Version)
	return v
}

// render makes the files of a kind.
func render(k kind, v values) ([]file, error) {
	files := []file{{name: "go.sum", content: k.sums()}}
	for _, dir := range []string{"templates/common", "templates/" + k.name} {
		entries, err := templates.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("find the templates of a %s: %w", k.name, err)
		}
		for _, e := range entries {
			content, err := fill(dir+"/"+e.Name(), v)
			if err != nil {
				return nil, fmt.Errorf("fill in %s: %w", e.Name(), err)
			}
			files = append(files, file{name: nameOf(e.Name()), content: content})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	return files, nil
}

// nameOf is what a template's file is called where it is written to.
func nameOf(template string) string {
	name := strings.TrimSuffix(template, ".tmpl")
	if name == "gitignore" {
		return ".gitignore"
	}
	return name
}

// fill fills a template in.
func fill(path string, v values) ([]byte, error) {
	source, err := templates.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := template.New(path).Delims("[[", "]]").Parse(string(source))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, v)
	return b.Bytes(), err
}

// write writes files into a directory that has none.
func write(dir string, files []file) (err error) {
	made, err := empty(dir)
	if err != nil {
		return err
	}
	var written []string
	defer func() {
		if err == nil {
			return
		}
		for _, path := range written {
			_ = os.Remove(path) // the first error is what has to be told
		}
		if made {
			_ = os.Remove(dir)
		}
	}()
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		written = append(written, path)
		if err := os.WriteFile(path, f.content, 0o644); err != nil { //nolint:gosec // sources are for everybody to read
			return fmt.Errorf("write the plugin: %w", err)
		}
	}
	return nil
}

// empty makes a directory, or sees to it that there is nothing in it.
func empty(dir string) (made bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return false, fmt.Errorf("make a directory for the plugin: %w", err)
		}
		return true, nil
	case err != nil:
		return false, fmt.Errorf("write the plugin into %s: %w", dir, err)
	case len(entries) > 0:
		return false, fmt.Errorf("%s is not empty (it has %s): remove it, or choose another directory with --dir", dir, entries[0].Name())
	}
	return false, nil
}
