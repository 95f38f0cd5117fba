package catalog

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/remote"
)

// openFiles is how many files a process of a plugin may have open where its block
// does not say. Those that Penstock comes with have less than fifty.
const openFiles = 1024

// confine completes what a plugin is started with by what it may reach and use.
// One that is only asked something may read what its block allows, which it may
// need to begin at all, and reaches nothing else.
func (c *Catalog) confine(cfg remote.Config, s Start) remote.Config {
	block := c.cfg.Plugins[cfg.Name]
	if block == nil {
		block = &config.Plugin{}
	}
	if c.cfg.Secrets != nil {
		cfg.Secrets = c.cfg.Secrets()
	}
	cfg.Limits = remote.Limits{
		Memory: block.Limits.Memory, CPU: block.Limits.CPU, Processes: block.Limits.Processes, OpenFiles: block.Limits.OpenFiles,
	}
	if cfg.Limits.OpenFiles == 0 {
		cfg.Limits.OpenFiles = openFiles
	}
	if block.Sandbox.Off {
		return cfg
	}
	cfg.Sandbox = &remote.Sandbox{Read: absolute(block.Sandbox.Read)}
	if s.Step == "" {
		return cfg
	}
	reads, writes := named(s.Register.Settings, s.Settings)
	cfg.Sandbox.Network = block.Network
	cfg.Sandbox.Read = append(cfg.Sandbox.Read, reads...)
	cfg.Sandbox.Write = append(absolute(block.Sandbox.Write), writes...)
	return cfg
}

// settle makes ready for plugins that run in pipelines: what those of a host that
// was killed have left running is ended, and what the machine cannot do is told.
func (c *Catalog) settle() {
	if killed := remote.Sweep(c.cfg.RunDir); killed > 0 {
		c.cfg.Logger.Warn("processes that plugins of an earlier host had left running were killed", "processes", killed)
	}
	for _, missing := range (remote.Config{Sandbox: &remote.Sandbox{}}).Confinement().Missing {
		c.cfg.Logger.Warn(missing)
	}
}

// named are the files that settings name, as far as a person has written them: a
// plugin cannot open a file to itself by a default. What is written to is a
// directory, because databases make files beside theirs.
func named(schema registry.Settings, settings json.RawMessage) (reads, writes []string) {
	var values map[string]json.RawMessage
	if json.Unmarshal(settings, &values) != nil {
		return nil, nil
	}
	for _, a := range schema.Attributes {
		for _, path := range paths(values[a.Name]) {
			switch a.Access {
			case registry.ReadAccess:
				reads = append(reads, path)
			case registry.WriteAccess:
				writes = append(writes, filepath.Dir(path))
				if real, err := filepath.EvalSymlinks(path); err == nil { // a link to a file elsewhere
					writes = append(writes, filepath.Dir(real))
				}
			case registry.NoAccess:
			}
		}
	}
	for _, b := range schema.Blocks {
		for _, inner := range objects(values[b.Name]) {
			r, w := named(b.Settings, inner)
			reads, writes = append(reads, r...), append(writes, w...)
		}
	}
	slices.Sort(writes)
	return reads, slices.Compact(writes)
}

// paths are the strings in a value, which is one or a list of them.
func paths(value json.RawMessage) []string {
	var one string
	if json.Unmarshal(value, &one) == nil && one != "" {
		return absolute([]string{one})
	}
	var many []string
	if json.Unmarshal(value, &many) == nil {
		return absolute(many)
	}
	return nil
}

// objects are the objects in a value, which is one or a list of them.
func objects(value json.RawMessage) []json.RawMessage {
	if strings.HasPrefix(string(value), "{") {
		return []json.RawMessage{value}
	}
	var many []json.RawMessage
	if json.Unmarshal(value, &many) != nil {
		return nil
	}
	return many
}

// absolute are paths as they are from anywhere; those that are relative begin at
// the working directory, where plugins begin too.
func absolute(paths []string) []string {
	out := make([]string, 0, len(paths))
	for _, path := range paths {
		if abs, err := filepath.Abs(path); err == nil && path != "" {
			out = append(out, abs)
		}
	}
	return out
}

// Isolation tells what a plugin may reach and use when it runs in a pipeline.
type Isolation struct {
	// Needs are the registers that are of no use without a network.
	Needs []string
	// Named are the settings that name files which a step may then reach.
	Named []NamedFile
	// Env are the names of what it finds in its environment.
	Env []string
	remote.Confinement
}

// NamedFile is a setting that names a file.
type NamedFile struct {
	Register, Attribute string
	Access              registry.Access
}

// Isolation tells what a plugin may reach here, without starting it.
func (c *Catalog) Isolation(d Description) Isolation {
	cfg := c.confine(remote.Config{Name: d.Name, Path: d.Path, RunDir: "run"}, Start{Plugin: d.Name, Step: "any"})
	out := Isolation{Confinement: cfg.Confinement()}
	if block := c.cfg.Plugins[d.Name]; block != nil {
		out.Env = slices.Sorted(maps.Keys(block.Env))
	}
	for _, r := range Registers(d) {
		if r.Network {
			out.Needs = append(out.Needs, r.Name)
		}
		out.Named = append(out.Named, namedBy(r.Name, "", r.Settings)...)
	}
	return out
}

// namedBy are the settings below prefix that name files.
func namedBy(register, prefix string, s registry.Settings) []NamedFile {
	var out []NamedFile
	for _, a := range s.Attributes {
		if a.Access != registry.NoAccess {
			out = append(out, NamedFile{Register: register, Attribute: prefix + a.Name, Access: a.Access})
		}
	}
	for _, b := range s.Blocks {
		out = append(out, namedBy(register, prefix+b.Name+".", b.Settings)...)
	}
	return out
}
