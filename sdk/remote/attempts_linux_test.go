package remote_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// done is the answer of an attempt that went through.
const done = "done"

// attempt is what a hostile plugin does: it tries to reach what it must not.
func attempt(what, with string) string {
	attempts := map[string]func(string) error{
		"read":             func(path string) error { _, err := os.ReadFile(path); return err },
		"list":             func(path string) error { _, err := os.ReadDir(path); return err },
		"write":            func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) },
		"remove":           os.Remove,
		"rename":           rename,
		"run":              func(path string) error { return exec.Command(path, "-c", "exit 0").Run() },
		"temporary":        temporary,
		"tcp":              func(address string) error { return dial("tcp", address) },
		"udp":              func(address string) error { return dial("udp", address) },
		"unix":             func(address string) error { return dial("unix", address) },
		"listen":           listenTCP,
		"datagram pair":    func(string) error { _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0); return err },
		"netlink":          func(string) error { return socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE) },
		"audit netlink":    func(string) error { return socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT) },
		"packets":          func(string) error { return socket(unix.AF_PACKET, unix.SOCK_RAW, 0) },
		"raw":              func(string) error { return socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP) },
		"vsock":            func(string) error { return socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0) },
		"signal":           func(pid string) error { return unix.Kill(number(pid), 0) },
		"trace":            func(pid string) error { return unix.PtraceAttach(number(pid)) },
		"memory of":        func(pid string) error { return peek(number(pid)) },
		"io_uring":         ring,
		"namespace":        func(string) error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"mount":            func(path string) error { return unix.Mount("none", path, "tmpfs", 0, "") },
		"other call table": otherTable,
		"become root":      becomeRoot,
		"leave":            leave,
		"eat":              eat,
		"multiply":         multiply,
		"open":             openMany,
		"core":             core,
	}
	try, ok := attempts[what]
	if !ok {
		return "no attempt " + what
	}
	if err := try(with); err != nil {
		return err.Error()
	}
	return done
}

func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

func dial(network, address string) error {
	conn, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}

func listenTCP(string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return l.Close()
}

func socket(family, kind, protocol int) error {
	fd, err := unix.Socket(family, kind, protocol)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func rename(paths string) error {
	from, to, _ := strings.Cut(paths, " ")
	return os.Rename(from, to)
}

func temporary(string) error {
	f, err := os.CreateTemp("", "mine")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func peek(pid int) error {
	there := make([]byte, 8)
	remote := unix.RemoteIovec{Base: 0x400000, Len: len(there)}
	local := unix.Iovec{Base: &there[0]}
	local.SetLen(len(there))
	_, err := unix.ProcessVMReadv(pid, []unix.Iovec{local}, []unix.RemoteIovec{remote}, 0)
	return err
}

func ring(string) error {
	var params [120]byte
	_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 8, uintptr(unsafe.Pointer(&params[0])), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// otherTable makes a socket by the number that it has in x86-64's second table of
// calls.
func otherTable(string) error {
	_, _, errno := unix.Syscall(0x40000000|unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// becomeRoot runs a file that makes whoever runs it the superuser.
func becomeRoot(path string) error {
	out, err := exec.Command(path, "-u").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if strings.TrimSpace(string(out)) != "0" {
		return errors.New("it runs as " + string(out))
	}
	return nil
}

// leave starts a process that has a session of its own and no parent, and says
// which in a file.
func leave(path string) error {
	script := fmt.Sprintf("env -i setsid sh -c 'echo $$ >%s.new; mv %s.new %s; exec sleep 3600' >/dev/null 2>&1 &", path, path, path)
	return exec.Command("sh", "-c", script).Run()
}

// eat takes memory until somebody minds.
func eat(string) error {
	for {
		piece := make([]byte, 16<<20)
		for i := 0; i < len(piece); i += 4096 {
			piece[i] = 1
		}
		eaten = append(eaten, piece)
		time.Sleep(5 * time.Millisecond)
	}
}

var eaten [][]byte

// multiply starts as many processes as it was told.
func multiply(how string) error {
	for range number(how) {
		if err := exec.Command("sleep", "3600").Start(); err != nil {
			return err
		}
	}
	time.Sleep(time.Hour)
	return nil
}

func openMany(how string) error {
	for range number(how) {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return err
		}
		opened = append(opened, f)
	}
	return nil
}

var opened []*os.File

// core fails where a crash could write the process's memory to a file.
func core(string) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return err
	}
	if limit.Max != 0 {
		return fmt.Errorf("the limit is %d", limit.Max)
	}
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return err
	}
	if limit.Max != 0 {
		return fmt.Errorf("the limit was raised to %d", limit.Max)
	}
	return nil
}

// pidIn waits for a file with the ID of a process.
func pidIn(path string) (int, bool) {
	text, err := os.ReadFile(filepath.Clean(path))
	pid := number(strings.TrimSpace(string(text)))
	return pid, err == nil && pid > 0
}
