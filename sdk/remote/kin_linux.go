package remote

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// stat is what the kernel tells everybody about a process.
type stat struct {
	pid, parent, group, session int
	state                       byte
	begun                       uint64 // in ticks since the machine started
}

// statOf reads about a process, and is false if it is not there.
func statOf(pid int) (stat, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	end := bytes.LastIndexByte(text, ')') // a name may hold anything
	if err != nil || end < 0 {
		return stat{}, false
	}
	fields := bytes.Fields(text[end+1:])
	if len(fields) < 20 {
		return stat{}, false
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(string(fields[i])) // the kernel writes numbers
		return n
	}
	begun, _ := strconv.ParseUint(string(fields[19]), 10, 64) // as above
	return stat{pid: pid, state: fields[0][0], parent: number(1), group: number(2), session: number(3), begun: begun}, true
}

// beginning is when a process began, 0 if that is not known.
func beginning(pid int) uint64 {
	s, _ := statOf(pid)
	return s.begun
}

// processes are the IDs of all there are.
func processes() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1) // those that were read are looked at
	var out []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// family are the processes that belong to a plugin as far as that can be seen:
// its session, its group, and whatever descends from one of them. One that has
// left all three before anybody looked is not among them.
func family(pid int) []stat {
	all := make(map[int]stat)
	for _, id := range processes() {
		if s, ok := statOf(id); ok {
			all[id] = s
		}
	}
	var out []stat
	for _, s := range all {
		if descends(all, s, pid) {
			out = append(out, s)
		}
	}
	return out
}

func descends(all map[int]stat, s stat, pid int) bool {
	for range len(all) { // what was read at several times could hold a circle
		if s.pid == pid || s.session == pid || s.group == pid {
			return true
		}
		parent, ok := all[s.parent]
		if !ok {
			return false
		}
		s = parent
	}
	return false
}

// kill kills what the plugin has started. Its own process group is left to the
// caller.
func (c *confinement) kill(pid int) {
	if c.killGroup() || c.scoped { // strays are found once the plugin is gone
		return
	}
	for _, s := range elsewhere(func() []stat { return family(pid) }) {
		if s.pid != pid && s.group != pid {
			_ = unix.Kill(s.pid, unix.SIGKILL) // it has ended meanwhile
		}
	}
}

// killGroup kills what is in the control group, and is false where there is none.
func (c *confinement) killGroup() bool {
	return c.group != nil && elsewhere(c.group.kill)
}

// leave removes what was made for the process, when nothing of it is left.
func (c *confinement) leave() {
	if c.group != nil {
		c.starved = elsewhere(c.group.starved)
		elsewhere(c.group.remove)
	}
}

// strayRounds bounds how often what is left is looked for: something that starts
// others faster than they are killed runs into its limits.
const strayRounds = 50

// killStrays kills what the plugin has started and what has left its process
// group and its session since. The calling thread is the one that the plugin was
// started on: Landlock lets it send signals to what was started there, wherever
// that has gone, and to nobody else.
func (c *confinement) killStrays() {
	if !c.scoped || c.begun == 0 {
		return
	}
	for range strayRounds {
		strays := c.strays()
		if len(strays) == 0 {
			return
		}
		for _, pid := range strays {
			_ = unix.Kill(pid, unix.SIGKILL) // it has ended meanwhile
		}
	}
}

// strays are the processes that the calling thread may send signals to. Should
// one be among them that was there before the plugin, then the kernel does not
// keep its word, and nothing is believed.
func (c *confinement) strays() []int {
	var reachable []int
	for _, pid := range elsewhere(processes) {
		if pid > 1 && pid != os.Getpid() && unix.Kill(pid, 0) == nil {
			reachable = append(reachable, pid)
		}
	}
	if len(reachable) == 0 {
		return nil
	}
	return elsewhere(func() []int { return c.younger(reachable) })
}

// younger are those of the processes that still run, nil if one of them is older
// than the plugin.
func (c *confinement) younger(pids []int) []int {
	var out []int
	for _, pid := range pids {
		s, ok := statOf(pid)
		switch {
		case !ok || s.state == 'Z' || s.state == 'X':
		case s.begun < c.begun:
			return nil
		default:
			out = append(out, pid)
		}
	}
	return out
}

// elsewhere runs f on a thread that is not restricted.
func elsewhere[T any](f func() T) T {
	out := make(chan T)
	go func() { out <- f() }()
	return <-out
}
