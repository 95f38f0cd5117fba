package remote

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// confinement restricts one plugin. What a process inherits is put on the thread
// that starts it, which belongs to that plugin alone and ends with it: there is
// no program between the host and its plugin, and no instant in which the plugin
// runs free. The rest is done while the new process is held at its first
// instruction.
type confinement struct {
	sandbox   *Sandbox
	limits    Limits
	ruleset   int // Landlock's, -1: none
	filter    []unix.SockFilter
	group     *group   // nil: none
	door      *os.File // where processes enter the group, nil if nowhere
	scoped    bool     // the thread sends signals to what it has started, and to nobody else
	begun     uint64   // when the process began, in the kernel's ticks
	temporary string   // a directory for the plugin's temporary files, "" if it has none
	starved   bool     // the kernel has killed it for its memory; set when it is gone
	traced    bool     // the new process is held at its first instruction
}

// newConfinement prepares everything that the restricted thread could not open
// any more. It must be closed when the process has started, or could not.
func newConfinement(c Config, dir string) (_ *confinement, err error) {
	can := kernelCan()
	out := &confinement{sandbox: c.Sandbox, limits: c.Limits, ruleset: -1, traced: true}
	defer func() {
		if err != nil {
			out.close()
		}
	}()
	if c.RunDir != "" {
		out.group = newGroup(can, filepath.Base(dir), c.RunDir, c.Limits)
		out.door = out.group.door()
	}
	if c.Sandbox == nil {
		return out, nil
	}
	out.temporary = filepath.Join(dir, "tmp")
	if err := os.Mkdir(out.temporary, 0o700); err != nil {
		return nil, err
	}
	_, _ = os.FindProcess(os.Getpid()) // package os tries out what the kernel can when it is first asked, which must not be on a restricted thread
	if can.landlock > 0 {
		if out.ruleset, err = newRuleset(can, c.granted(dir), c.Sandbox.Network); err != nil {
			return nil, fmt.Errorf("make the rules of its sandbox: %w", err)
		}
		out.scoped = can.scoped
	}
	if can.seccomp {
		if out.filter, err = newFilter(c.Sandbox.Network); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// close lets go of what only a start needs.
func (c *confinement) close() {
	if c.ruleset >= 0 {
		_ = unix.Close(c.ruleset)
		c.ruleset = -1
	}
	if c.door != nil {
		_ = c.door.Close()
	}
}

// environment is what the plugin finds in its environment because of its limits
// and its sandbox.
func (c *confinement) environment() []string {
	var env []string
	if c.temporary != "" {
		env = append(env, "TMPDIR="+c.temporary)
	}
	if c.limits.Memory > 0 {
		env = append(env, "GOMEMLIMIT="+strconv.FormatUint(c.limits.Memory/10*9, 10))
	}
	if c.limits.CPU > 0 {
		env = append(env, "GOMAXPROCS="+strconv.Itoa(processors(c.limits.CPU)))
	}
	return env
}

// enter restricts the calling thread, for ever. The caller is locked to it and
// never lets go of it.
func (c *confinement) enter() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	if c.limits.CPU > 0 && !c.group.has("cpu") {
		pin(processors(c.limits.CPU))
	}
	if c.sandbox == nil {
		return nil
	}
	dropCapabilities(c.sandbox.Network)
	if c.ruleset >= 0 {
		if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(c.ruleset), 0, 0); errno != 0 {
			return fmt.Errorf("enter its sandbox: %w", errno)
		}
	}
	if len(c.filter) > 0 {
		program := unix.SockFprog{Len: uint16(len(c.filter)), Filter: &c.filter[0]}
		_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
		if errno != 0 {
			return fmt.Errorf("filter its system calls: %w", errno)
		}
	}
	return nil
}

// attributes has a command that the restricted thread is about to start held at
// its first instruction.
func (c *confinement) attributes(cmd *exec.Cmd) { cmd.SysProcAttr.Ptrace = c.traced }

// yields tells whether a start that failed with err is worth another try: some
// machines do not let a process be held.
func (c *confinement) yields(err error) bool {
	if !c.traced || !errors.Is(err, unix.EPERM) {
		return false
	}
	c.traced = false
	return true
}

// settle does what can only be done to a process that is there, and lets it run.
// It is called by the thread that has started it. Where a process cannot be held
// it may already run: then it has had an instant without these limits.
func (c *confinement) settle(cmd *exec.Cmd) {
	pid := cmd.Process.Pid
	held := c.traced && awaitStop(pid)
	setLimit(pid, unix.RLIMIT_CORE, 0)
	if c.limits.OpenFiles > 0 {
		setLimit(pid, unix.RLIMIT_NOFILE, c.limits.OpenFiles)
	}
	if c.door != nil {
		_, _ = c.door.WriteString(strconv.Itoa(pid)) // without its group it is bounded and killed as where there are none
	}
	c.begun = elsewhere(func() uint64 { return beginning(pid) })
	if held {
		_ = unix.PtraceDetach(pid) // only a process that was killed meanwhile is not there
	}
}

// awaitStop waits until a process is held, and is false if it has ended before.
func awaitStop(pid int) bool {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT|unix.WALL, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil && info.Code == cldTrapped
		}
	}
}

// cldTrapped is how the kernel tells of a process that its tracer holds.
const cldTrapped = 4

// setLimit lowers a limit of a process, and leaves one alone that is lower already.
func setLimit(pid, what int, limit uint64) {
	var now unix.Rlimit
	if unix.Prlimit(pid, what, nil, &now) == nil {
		limit = min(limit, now.Max)
	}
	_ = unix.Prlimit(pid, what, &unix.Rlimit{Cur: limit, Max: limit}, nil) // it has ended meanwhile
}

// isFirstThread tells whether the calling thread is the one that the kernel takes
// for its process.
func isFirstThread() bool { return unix.Gettid() == unix.Getpid() }

// processors is how many processors a share of them needs.
func processors(share float64) int { return max(1, int(share+0.999)) }

// pin keeps the calling thread, and what it starts, on the first n of the
// processors that it may use.
func pin(n int) {
	var all, some unix.CPUSet
	if unix.SchedGetaffinity(0, &all) != nil || all.Count() <= n {
		return
	}
	for cpu := 0; some.Count() < n; cpu++ {
		if all.IsSet(cpu) {
			some.Set(cpu)
		}
	}
	_ = unix.SchedSetaffinity(0, &some) // GOMAXPROCS bounds a plugin that is written in Go all the same
}

// keptCapabilities are those that the superuser's plugins keep: they are about
// files, which the sandbox watches over.
const keptCapabilities = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID

// dropCapabilities takes from what the calling thread starts what a superuser
// can do beyond reading and writing files. Others have nothing to lose.
func dropCapabilities(network bool) {
	kept := uint64(keptCapabilities)
	if network {
		kept |= 1 << unix.CAP_NET_BIND_SERVICE
	}
	for capability := range unix.CAP_LAST_CAP + 1 {
		if kept&(1<<capability) == 0 && unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0) != nil {
			return
		}
	}
}

// kernelCan asks the kernel what it can do. That takes microseconds, and is asked
// for each plugin that is started.
func kernelCan() abilities {
	version, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		version = 0
	}
	a := abilities{
		session: true, noNewPrivileges: true, capabilities: os.Geteuid() == 0, limits: true,
		landlock: int(version), seccomp: canFilter(),
	}
	// Kernels without this correction keep the threads of one process from
	// sending signals to each other, which the runtime of a host needs.
	errata, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_ERRATA)
	a.scoped = a.landlock >= landlockScopes && errno == 0 && errata&erratumThreadSignals != 0
	a.cgroup, a.controllers = groupRoot()
	return a
}

// erratumThreadSignals is the kernel's number of that correction.
const erratumThreadSignals = 1 << 1
