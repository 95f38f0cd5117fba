package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// isolationDocument is what a plugin may reach and use, as machines read it.
type isolationDocument struct {
	Sandbox         bool            `json:"sandbox"`
	NeedsNetwork    []string        `json:"needs_network,omitempty"` // registers
	Network         bool            `json:"network"`
	Reads           []string        `json:"reads,omitempty"`
	Writes          []string        `json:"writes,omitempty"`
	Settings        []namedDocument `json:"settings,omitempty"` // that name files which their step may reach
	Environment     []string        `json:"environment,omitempty"`
	Limits          []limitDocument `json:"limits,omitempty"`
	Session         bool            `json:"session"`
	NoNewPrivileges bool            `json:"no_new_privileges"`
	Capabilities    bool            `json:"capabilities_dropped"`
	LandlockVersion int             `json:"landlock_version"`
	Scoped          bool            `json:"landlock_scopes"`
	Seccomp         bool            `json:"seccomp"`
	ControlGroup    bool            `json:"control_group"`
	Missing         []string        `json:"missing,omitempty"`
}

type namedDocument struct {
	Register  string `json:"register"`
	Attribute string `json:"attribute"`
	Access    string `json:"access"`
}

type limitDocument struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	By    string `json:"by"`
}

func newIsolationDocument(i catalog.Isolation) *isolationDocument {
	doc := &isolationDocument{
		Sandbox: i.Sandboxed, NeedsNetwork: i.Needs, Network: i.Network || !i.Sandboxed, Reads: i.Read, Writes: i.Write, Environment: i.Env,
		Session: i.Session, NoNewPrivileges: i.NoNewPrivileges, Capabilities: i.Capabilities, LandlockVersion: i.Landlock, Scoped: i.Scoped,
		Seccomp: i.Seccomp, ControlGroup: i.Cgroup, Missing: i.Missing,
	}
	for _, n := range i.Named {
		doc.Settings = append(doc.Settings, namedDocument{n.Register, n.Attribute, n.Access.String()})
	}
	for _, l := range i.Limits {
		doc.Limits = append(doc.Limits, limitDocument{l.Name, l.Value, l.By})
	}
	return doc
}

// write writes for people what plugin may reach.
func (d *isolationDocument) write(w io.Writer, plugin string) error {
	return aligned(w, func(w *bytes.Buffer) {
		fmt.Fprintf(w, "\nisolation\n")
		line := func(name, text string) { fmt.Fprintf(w, "  %s\t%s\n", name, text) }
		if !d.Sandbox {
			line("sandbox", "none: its block switches it off, so it reaches whatever its user reaches")
		}
		line("network", d.network(plugin))
		if d.Sandbox {
			line("reads", listing("the system's libraries and certificates", d.Reads, d.named(registry.ReadAccess)))
			line("writes", listing("a temporary directory of its own", d.Writes, d.named(registry.WriteAccess)))
		}
		line("environment", first(strings.Join(d.Environment, ", "), "nothing of the host's"))
		var limits []string
		for _, l := range d.Limits {
			limits = append(limits, fmt.Sprintf("%s %s (%s)", l.Name, l.Value, l.By))
		}
		line("limits", first(strings.Join(limits, ", "), "none"))
		line("kept by", first(strings.Join(d.keepers(), ", "), "nothing"))
		for _, missing := range d.Missing {
			line("missing", missing)
		}
	})
}

func (d *isolationDocument) network(plugin string) string {
	switch {
	case d.Network:
		return "allowed"
	case len(d.NeedsNetwork) > 0:
		return fmt.Sprintf("none, but there is no %s without one: write plugin %q { network = true }", strings.Join(d.NeedsNetwork, " and no "), plugin)
	}
	return "none"
}

// named are the settings whose values name files.
func (d *isolationDocument) named(access registry.Access) []string {
	var out []string
	for _, n := range d.Settings {
		switch {
		case n.Access != access.String():
		case access == registry.WriteAccess:
			out = append(out, fmt.Sprintf("the directory of %s's %s", n.Register, n.Attribute))
		default:
			out = append(out, fmt.Sprintf("what %s's %s names", n.Register, n.Attribute))
		}
	}
	return out
}

// listing lists what there is, always first.
func listing(always string, lists ...[]string) string {
	out := []string{always}
	for _, list := range lists {
		out = append(out, list...)
	}
	return strings.Join(out, ", ")
}

// keepers are the means by which all this holds.
func (d *isolationDocument) keepers() []string {
	var out []string
	add := func(is bool, name string) {
		if is {
			out = append(out, name)
		}
	}
	add(d.LandlockVersion > 0, fmt.Sprintf("Landlock %d", d.LandlockVersion))
	add(d.Scoped, "signals to its own processes only")
	add(d.Seccomp, "seccomp")
	add(d.NoNewPrivileges, "no new privileges")
	add(d.Capabilities, "no capabilities but for files")
	add(d.Session, "a session of its own")
	add(d.ControlGroup, "a control group")
	return out
}
