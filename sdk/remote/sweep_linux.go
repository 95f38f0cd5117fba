package remote

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Sweep kills what plugins of an earlier host with the same run directory have
// left running, and returns how many processes that were. A host that is killed
// takes its plugins with it, but not what they had started. Whoever calls it has
// the directory to himself; what descends from the calling process is left alone.
func Sweep(runDir string) (killed int) {
	runDir, err := filepath.Abs(runDir)
	if err != nil {
		return 0
	}
	all := make(map[int]stat)
	for _, pid := range processes() {
		if s, ok := statOf(pid); ok {
			all[pid] = s
		}
	}
	ours := func(pid int) bool { return below(all, pid, os.Getpid()) }
	for _, pid := range leftIn(runDir, all) {
		if !ours(pid) && unix.Kill(pid, unix.SIGKILL) == nil {
			killed++
		}
	}
	return killed + sweepGroups(runDir, ours)
}

// leftIn are the processes that have the environment of a plugin whose socket is
// below runDir, and those in the sessions of such plugins, which may have cleared
// theirs.
func leftIn(runDir string, all map[int]stat) []int {
	marked, sessions := make(map[int]bool), make(map[int]bool)
	for pid, s := range all {
		if startedIn(pid, runDir) {
			marked[pid] = true
			if _, led := all[s.session]; s.session > 1 && (!led || startedIn(s.session, runDir)) {
				sessions[s.session] = true
			}
		}
	}
	var out []int
	for pid, s := range all {
		if marked[pid] || sessions[s.session] {
			out = append(out, pid)
		}
	}
	return out
}

// below tells whether a process descends from another.
func below(all map[int]stat, pid, ancestor int) bool {
	for range len(all) { // what was read at several times could hold a circle
		s, ok := all[pid]
		if pid == ancestor || !ok {
			return ok
		}
		pid = s.parent
	}
	return false
}

// startedIn tells whether a process has the environment of a plugin whose socket
// is below runDir.
func startedIn(pid int, runDir string) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false // it is gone, or somebody else's
	}
	for variable := range bytes.SplitSeq(text, []byte{0}) {
		if dir, found := strings.CutPrefix(string(variable), socketDirEnv+"="); found && filepath.Dir(dir) == runDir {
			return true
		}
	}
	return false
}

// staleAfter is how old an empty directory of groups must be before it is taken
// for that of a host which is gone and has no successor.
const staleAfter = time.Minute

// sweepGroups kills what is in the control groups of an earlier host, and removes
// them and all that are empty.
func sweepGroups(runDir string, ours func(pid int) bool) (killed int) {
	root, _ := groupRoot()
	if root == "" {
		return 0
	}
	hosts, _ := filepath.Glob(filepath.Join(root, "penstock-*")) // the pattern is good
	for _, host := range hosts {
		info, err := os.Stat(host)
		same := filepath.Base(host) == groupOf(runDir)
		if err != nil || !same && time.Since(info.ModTime()) < staleAfter {
			continue
		}
		groups, _ := filepath.Glob(filepath.Join(host, "*", "cgroup.procs")) // as above
		for _, path := range groups {
			g := &group{path: filepath.Dir(path)}
			if members := g.members(); same && len(members) > 0 && !ours(members[0]) && g.kill() {
				killed += len(members)
				g.remove()
				continue
			}
			_ = unix.Rmdir(g.path) // something is in it
		}
		_ = unix.Rmdir(host) // as above
	}
	return killed
}
