package remote

import (
	"fmt"
	"slices"
	"strings"
)

// Sandbox is what a plugin may reach beside what every program needs to run: the
// system's libraries, its own binary and its own temporary directory.
type Sandbox struct {
	// Network lets it open sockets and connect to anybody. Without it nothing
	// but the socket that its host talks to it by can be made.
	Network bool
	// Read and Write are files and directories, each with all that is below it.
	// What is not there is left out.
	Read, Write []string
}

// Limits bound what a plugin and everything it starts may use together, but for
// OpenFiles, which is of each process. 0 is no limit.
type Limits struct {
	Memory    uint64  // bytes
	CPU       float64 // processors
	OpenFiles uint64
	Processes uint64
}

// Confinement tells what a plugin is kept from, and by what.
type Confinement struct {
	Sandboxed       bool // files, network and system calls are restricted
	Network         bool // it may use one
	Session         bool // it has a session and process group of its own
	NoNewPrivileges bool // nothing that it runs gains any
	Capabilities    bool // those of the superuser that a plugin has no use for are gone
	Landlock        int  // the kernel's version of it that keeps files away, 0: none does
	Scoped          bool // no signals to others and no abstract sockets of others
	Seccomp         bool // system calls are filtered
	Cgroup          bool // its processes are found and killed by their control group
	Read, Write     []string
	Limits          []Limit
	// Missing are sentences about what this machine cannot do.
	Missing []string
}

// Limit is a limit in force.
type Limit struct {
	Name  string // as Limits and pipeline files call it
	Value string
	By    string // what enforces it
}

// Confined tells what the plugin is kept from; nothing, where a person has
// started it.
func (p *Plugin) Confined() Confinement {
	if s, ok := p.body.(*started); ok {
		return s.child.confined
	}
	return Confinement{Network: true}
}

// Confinement tells what a plugin that is started with this configuration would
// be kept from, without starting it.
func (c Config) Confinement() Confinement {
	can := kernelCan()
	out := Confinement{Session: can.session, NoNewPrivileges: can.noNewPrivileges, Cgroup: can.cgroup != "" && c.RunDir != ""}
	out.Limits = c.Limits.inForce(can, out.Cgroup)
	if c.Sandbox == nil {
		return out
	}
	out.Sandboxed, out.Network = true, c.Sandbox.Network || !can.seccomp && can.landlock < landlockNetwork
	out.Capabilities, out.Landlock, out.Scoped, out.Seccomp = can.capabilities, can.landlock, can.scoped, can.seccomp
	out.Read, out.Write = slices.Clone(c.Sandbox.Read), slices.Clone(c.Sandbox.Write)
	out.Missing = can.missing()
	return out
}

// Landlock's versions, by what came with them.
const (
	landlockRefer    = 2 // renaming from one directory to another
	landlockTruncate = 3
	landlockNetwork  = 4
	landlockDevices  = 5
	landlockScopes   = 6
)

// abilities is what the kernel of this machine lets a host do to its plugins.
type abilities struct {
	session, noNewPrivileges, capabilities bool
	landlock                               int // version, 0: not there
	scoped, seccomp, limits                bool
	cgroup                                 string          // where groups can be made, "" if nowhere
	controllers                            map[string]bool // of such a group
}

func (a abilities) missing() []string {
	var out []string
	switch {
	case a.landlock == 0:
		out = append(out, "this kernel has no Landlock, so a plugin reaches all files that its user reaches")
	case !a.scoped:
		out = append(out, "this kernel's Landlock does not keep a plugin from sending signals to other programs of its user (Linux 6.12 and later do)")
	}
	switch {
	case !a.seccomp && a.landlock < landlockNetwork:
		out = append(out, "this kernel has no seccomp, so a plugin reaches the network whatever network says")
	case !a.seccomp:
		out = append(out, "this kernel has no seccomp, so only TCP is kept away from a plugin without network, and rare system calls are open to all")
	}
	return out
}

// inForce tells which limits hold, and by what.
func (l Limits) inForce(can abilities, grouped bool) []Limit {
	if !can.limits {
		return nil
	}
	by := func(controller, otherwise string) string {
		if grouped && can.controllers[controller] {
			return "cgroup"
		}
		return otherwise
	}
	var out []Limit
	if l.Memory > 0 {
		out = append(out, Limit{"memory", sizeText(l.Memory), by("memory", "watchdog")})
	}
	if l.CPU > 0 {
		out = append(out, Limit{"cpu", fmt.Sprint(l.CPU), by("cpu", "affinity")})
	}
	if l.OpenFiles > 0 {
		out = append(out, Limit{"open_files", fmt.Sprint(l.OpenFiles), "rlimit"})
	}
	if l.Processes > 0 {
		out = append(out, Limit{"processes", fmt.Sprint(l.Processes), by("pids", "watchdog")})
	}
	return append(out, Limit{"core", "0", "rlimit"})
}

// sizeText writes a number of bytes as people do.
func sizeText(n uint64) string {
	for _, unit := range []struct {
		name string
		size uint64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(unit.size)), ".0") + " " + unit.name
		}
	}
	return fmt.Sprintf("%d B", n)
}
