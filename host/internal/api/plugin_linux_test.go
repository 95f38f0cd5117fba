package api_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A plugin may not control its host, and neither may what it starts, wherever that
// has gone. Whoever else the user runs may.
func TestPluginsAreRefused(t *testing.T) {
	w := begin(t)
	plugin := &syscall.SysProcAttr{Setsid: true} // as package remote starts plugins
	tests := []struct {
		name    string
		env     string
		attr    *syscall.SysProcAttr
		refused bool
	}{
		{"a program of the user", "", nil, false},
		{"a program that a program of the user starts", "API_TEST_BELOW=1", nil, false},
		{"a plugin", "", plugin, true},
		{"what a plugin starts", "API_TEST_BELOW=1", plugin, true},
		{"what has left its plugin", "API_TEST_FILTER=1", nil, true},
	}
	for _, test := range tests {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = []string{"API_TEST_DIAL=" + w.dir, "GORACE=atexit_sleep_ms=0", test.env}
		cmd.SysProcAttr = test.attr
		out, err := cmd.CombinedOutput()
		if refused := strings.Contains(string(out), "plugins may not control their host"); refused != test.refused || (err == nil) == test.refused {
			t.Errorf("%s: got %v: %s", test.name, err, out)
		}
	}
}

// dialBelow has another process dial.
func dialBelow() int {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"API_TEST_DIAL=" + os.Getenv("API_TEST_DIAL")}
	out, err := cmd.CombinedOutput()
	fmt.Printf("%s", out)
	if err != nil {
		return 1
	}
	return 0
}

// filterCalls puts a filter on the calls of this process, as a sandbox does. It
// lets everything through.
func filterCalls() {
	allow := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	program := unix.SockFprog{Len: 1, Filter: &allow}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		panic(errno)
	}
}
