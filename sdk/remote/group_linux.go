package remote

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// group is the control group of one plugin: whatever it starts is in it, however
// it goes about it, and goes with it. A nil group is none.
type group struct {
	path   string
	bounds map[string]bool // the controllers that bound it
}

// groupOf is the name of the directory with the groups of the host that has a run
// directory: the next host there finds what was left behind.
func groupOf(runDir string) string {
	if abs, err := filepath.Abs(runDir); err == nil {
		runDir = abs
	}
	sum := sha256.Sum256([]byte(runDir))
	return "penstock-" + hex.EncodeToString(sum[:8])
}

// newGroup makes a group with limits, nil where that is not possible.
func newGroup(can abilities, name, runDir string, limits Limits) *group {
	if can.cgroup == "" {
		return nil
	}
	host := filepath.Join(can.cgroup, groupOf(runDir))
	if err := os.Mkdir(host, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil
	}
	for _, controller := range controllers() {
		if can.controllers[controller] { // the host's own group has it, or can have it
			_ = setting(can.cgroup, "cgroup.subtree_control", "+"+controller)
			_ = setting(host, "cgroup.subtree_control", "+"+controller)
		}
	}
	g := &group{path: filepath.Join(host, name), bounds: map[string]bool{}}
	if err := os.Mkdir(g.path, 0o755); err != nil {
		return nil
	}
	g.bound(limits)
	return g
}

// controllers are those that limits need.
func controllers() []string { return []string{"memory", "cpu", "pids"} }

// bound writes limits into the group, and remembers which were taken.
func (g *group) bound(l Limits) {
	if l.Memory > 0 {
		g.bounds["memory"] = setting(g.path, "memory.max", strconv.FormatUint(l.Memory, 10)) == nil
		_ = setting(g.path, "memory.oom.group", "1")
		_ = setting(g.path, "memory.swap.max", "0") // not there where there is no swap
	}
	if l.CPU > 0 {
		const period = 100_000
		g.bounds["cpu"] = setting(g.path, "cpu.max", fmt.Sprintf("%d %d", max(1000, int(l.CPU*period)), period)) == nil
	}
	if l.Processes > 0 { // the kernel counts threads: this only holds up what grows too fast to be watched
		g.bounds["pids"] = setting(g.path, "pids.max", strconv.FormatUint(l.Processes*threadsOfProcess, 10)) == nil
	}
}

// threadsOfProcess is how many threads a process may well have.
const threadsOfProcess = 64

// setting writes one of a group's files, which must be there.
func setting(path, name, value string) error {
	f, err := os.OpenFile(filepath.Join(path, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// has tells whether a controller bounds the group.
func (g *group) has(controller string) bool { return g != nil && g.bounds[controller] }

// door is where processes enter the group. It is opened before the thread that
// writes to it is restricted.
func (g *group) door() *os.File {
	if g == nil {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(g.path, "cgroup.procs"), os.O_WRONLY, 0)
	if err != nil {
		return nil
	}
	return f
}

// members are the processes in the group.
func (g *group) members() []int {
	text, err := os.ReadFile(filepath.Join(g.path, "cgroup.procs"))
	if err != nil {
		return nil
	}
	var out []int
	for field := range bytes.FieldsSeq(text) {
		if pid, err := strconv.Atoi(string(field)); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// kill kills everything in the group, and is false where the kernel is too old
// to do that at once.
func (g *group) kill() bool {
	return setting(g.path, "cgroup.kill", "1") == nil
}

// starved tells whether the kernel has killed the group for its memory.
func (g *group) starved() bool {
	text, err := os.ReadFile(filepath.Join(g.path, "memory.events"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if count, found := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); found {
			return count != "0"
		}
	}
	return false
}

// groupPatience is how long what was killed in a group may take to be gone.
const groupPatience = 500 * time.Millisecond

// remove removes the group, and that of the host with the last one. What is still
// on its way out is waited for. It is false where something stays.
func (g *group) remove() bool {
	for deadline := time.Now().Add(groupPatience); ; time.Sleep(time.Millisecond) {
		err := unix.Rmdir(g.path)
		if err == nil {
			_ = unix.Rmdir(filepath.Dir(g.path)) // others are in it
			return true
		}
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
			return false
		}
		g.kill()
	}
}

// groupRoot is where this process may make control groups, and which controllers
// can bound what is in them; "" where it may not. That is below its own group, or
// beside it where the one above was handed over to its user.
func groupRoot() (path string, bounds map[string]bool) {
	mount, own := unifiedMount(), ownGroup()
	if mount == "" || own == "" {
		return "", nil
	}
	for _, candidate := range []string{filepath.Join(mount, own), filepath.Join(mount, filepath.Dir(own))} {
		if unix.Access(candidate, unix.W_OK) != nil || unix.Access(filepath.Join(candidate, "cgroup.procs"), unix.W_OK) != nil {
			continue
		}
		found := boundsBelow(candidate)
		if path == "" || len(found) > len(bounds) {
			path, bounds = candidate, found
		}
	}
	return path, bounds
}

// boundsBelow are the controllers that groups in a group have, or can have: a
// group passes none on while processes are in it, but for the first of all.
func boundsBelow(path string) map[string]bool {
	passed := wordsOf(path, "cgroup.subtree_control")
	_, err := os.Stat(filepath.Join(path, "cgroup.type"))
	if first := os.IsNotExist(err); first || len(wordsOf(path, "cgroup.procs")) == 0 {
		passed = wordsOf(path, "cgroup.controllers")
	}
	out := map[string]bool{}
	for _, name := range controllers() {
		if passed[name] {
			out[name] = true
		}
	}
	return out
}

// wordsOf reads a list of words.
func wordsOf(path, file string) map[string]bool {
	out := map[string]bool{}
	text, err := os.ReadFile(filepath.Join(path, file))
	if err != nil {
		return out
	}
	for word := range strings.FieldsSeq(string(text)) {
		out[word] = true
	}
	return out
}

// unifiedMount is where the second version of control groups is mounted.
func unifiedMount() string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, found := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if found && len(fields) > 4 && strings.HasPrefix(after, "cgroup2 ") && fields[3] == "/" {
			return fields[4]
		}
	}
	return ""
}

// ownGroup is the group of this process below the mount.
func ownGroup() string {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if path, found := strings.CutPrefix(strings.TrimSpace(line), "0::"); found {
			return path
		}
	}
	return ""
}
