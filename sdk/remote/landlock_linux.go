package remote

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What a rule gives. A rule for a file can only give what files have.
const (
	accessRead = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	// accessWrite leaves out to make devices, and to run what was written.
	accessWrite = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER
	accessOfFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// grant is what a sandbox lets a plugin do with a file, or with a directory and
// all that is below it.
type grant struct {
	path   string
	access uint64
}

// systemFiles are what programs need to run at all, to look names up and to
// check certificates. Of /proc nothing is there that is about other processes;
// what a process sees of itself lies in a directory that has no name before it is
// there, so that too is missing.
func systemFiles() []grant {
	var out []grant
	for _, path := range []string{
		"/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives",
		"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/crypto-policies",
		"/etc/resolv.conf", "/run/systemd/resolve", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols",
		"/etc/localtime", "/etc/timezone", "/etc/mime.types",
		"/dev/zero", "/dev/urandom", "/dev/random",
		"/sys/devices/system/cpu", "/sys/kernel/mm/transparent_hugepage",
		"/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/uptime", "/proc/loadavg", "/proc/version", "/proc/filesystems",
		"/proc/sys/kernel/osrelease", "/proc/sys/kernel/random", "/proc/sys/net/core/somaxconn", "/proc/sys/vm/overcommit_memory",
	} {
		out = append(out, grant{path, accessRead})
	}
	return append(out, grant{"/dev/null", accessWrite}, grant{"/dev/full", accessWrite})
}

// granted are the files that the plugin reaches, dir among them.
func (c Config) granted(dir string) []grant {
	out := append(systemFiles(), grant{c.Path, accessRead}, grant{dir, accessWrite})
	if c.Sealed != nil {
		out = append(out, grant{fmt.Sprintf("/proc/self/fd/%d", c.Sealed.Fd()), accessRead})
	}
	for _, path := range c.Sandbox.Read {
		out = append(out, grant{path, accessRead})
	}
	for _, path := range c.Sandbox.Write {
		out = append(out, grant{path, accessWrite})
	}
	return out
}

// newRuleset makes Landlock's rules, which are in force for a thread that enters
// them. All that the kernel knows to restrict is forbidden but for the grants.
func newRuleset(can abilities, grants []grant, network bool) (int, error) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1} // all of the first version
	if can.landlock >= landlockRefer {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if can.landlock >= landlockTruncate {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if can.landlock >= landlockNetwork && !network {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if can.landlock >= landlockDevices {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if can.scoped {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	fd, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), attrSize(can), 0)
	if errno != 0 {
		return -1, errno
	}
	ruleset := int(fd)
	for _, g := range grants {
		if err := addRule(ruleset, g, attr.Handled_access_fs); err != nil {
			_ = unix.Close(ruleset)
			return -1, &os.PathError{Op: "allow", Path: g.path, Err: err}
		}
	}
	return ruleset, nil
}

// attrSize is how much of the attributes a version knows.
func attrSize(can abilities) uintptr {
	var attr unix.LandlockRulesetAttr
	switch {
	case can.scoped:
		return unsafe.Sizeof(attr)
	case can.landlock >= landlockNetwork:
		return unsafe.Offsetof(attr.Scoped)
	}
	return unsafe.Offsetof(attr.Handled_access_net)
}

// addRule allows what is granted, as far as the ruleset restricts it. What is not
// there needs no rule, and what cannot even be looked at is not there for the
// plugin either.
func addRule(ruleset int, g grant, handled uint64) error {
	fd, err := unix.Open(g.path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return err
	}
	access := g.access & handled
	if info.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= accessOfFiles
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 && errno != unix.EBADFD { // a file in memory needs no rule, and gets none
		return errno
	}
	return nil
}
