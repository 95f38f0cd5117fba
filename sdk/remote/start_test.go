package remote_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
)

// config starts this test's binary in a role.
func config(t *testing.T, role string, env ...string) remote.Config {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// With -race a program would take a second to end.
	env = append(env, roleEnv+"="+role, "PATH="+os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0")
	return remote.Config{Name: "tested", Path: path, RunDir: runDir(t), Env: env, HostVersion: "test", StartTimeout: patience}
}

// runDir is a directory with a short path that must be empty when the test
// ends.
func runDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "r") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Errorf("left in the run directory: %v %v", left, err)
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

// runDirOf is a short directory.
func runDirOf(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func start(t *testing.T, c remote.Config) *remote.Plugin {
	t.Helper()
	p, err := remote.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// alive tells whether a process runs; one that nobody has reaped does not.
func alive(pid int) bool {
	s := state(pid)
	return s != "" && s != "Z"
}

// state is the letter that the kernel gives a process's state, "" if there is
// no such process.
func state(pid int) string {
	stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, after, _ := strings.Cut(string(stat), ") ")
	letter, _, _ := strings.Cut(after, " ")
	return letter
}

// patience is longer than anything takes that does not hang, also where the machine
// has much else to do. Nothing that ends in time takes half of it.
const patience = 2 * time.Minute

// eventually polls until ok, and fails the test after a time that is never
// needed.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s: %s", patience, what)
		}
	}
}

func write(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// foreign is a program for another processor.
func foreign(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 4096)
	if _, err := f.Read(head); err != nil {
		t.Fatal(err)
	}
	machine := byte(183) // arm64
	if runtime.GOARCH == "arm64" {
		machine = 62 // amd64
	}
	head[18] = machine
	return write(t, string(head), 0o755)
}

// What does not start says why, each in its own words.
func TestStartErrors(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	missing := filepath.Join(t.TempDir(), "nothing")
	tests := []struct {
		name   string
		config func(t *testing.T) remote.Config
		reason error
		says   []string
	}{
		{"missing", at(missing), remote.ErrMissing, []string{"there is no file " + missing, "build or install"}},
		{"directory", at(os.TempDir()), remote.ErrNotExecutable, []string{"is a directory", "name the program in it"}},
		{"not executable", func(t *testing.T) remote.Config { t.Helper(); return at(write(t, "#!/bin/sh\n", 0o644))(t) }, remote.ErrNotExecutable, []string{"chmod +x"}},
		{"text", func(t *testing.T) remote.Config { t.Helper(); return at(write(t, "hello there", 0o755))(t) }, remote.ErrNotProgram, []string{`it begins with "hello there"`}},
		{"empty", func(t *testing.T) remote.Config { t.Helper(); return at(write(t, "", 0o755))(t) }, remote.ErrNotProgram, []string{"it is empty"}},
		{"other processor", func(t *testing.T) remote.Config { t.Helper(); return at(foreign(t))(t) }, remote.ErrNotProgram, []string{"is not a program for linux/", "it is built for ", "this machine is " + runtime.GOARCH}},
		{"no interpreter", func(t *testing.T) remote.Config {
			t.Helper()
			return at(write(t, "#!/no/such/interpreter\n", 0o755))(t)
		}, remote.ErrNotProgram, []string{"interpreter"}},
		{"prints and exits", role("stranger"), remote.ErrNotPlugin, []string{`"usage: stranger FILE", "try --help"`, "exited with code 64"}},
		{"exits at once", role("exit 3"), remote.ErrExited, []string{"exited with code 3", "no licence found"}},
		{"panics at once", role("panic"), remote.ErrExited, []string{"crashed: panic: boom at start"}},
		{"floods before the handshake", role("flood first"), remote.ErrNotPlugin, []string{`printed "xxxx`}},
		{"closes its output", role("closed stdout"), remote.ErrNotPlugin, []string{"closed its output without a handshake"}},
		{"other protocol", role("protocol 2"), remote.ErrProtocol, []string{"it speaks protocol 2", "this host protocol 1"}},
		{"other core protocol", role("core protocol 9"), remote.ErrProtocol, []string{"core protocol 9"}},
		{"no gRPC", role("netrpc"), remote.ErrProtocol, []string{"does not offer gRPC"}},
		{"slow", slow("slow"), remote.ErrSlow, []string{"start_timeout of 3s", `printed "warming up"`}},
		{"listens and is silent", slow("silent server"), remote.ErrSlow, []string{"start_timeout of 3s"}},
		{"sends a certificate", slow("certificate"), remote.ErrSlow, []string{"start_timeout"}},
		{"socket elsewhere", role("socket elsewhere"), remote.ErrSocket, []string{"elsewhere.sock", "outside of its own directory"}},
		{"socket above", role("socket above"), remote.ErrSocket, []string{"outside of its own directory"}},
		{"socket missing", role("socket missing"), remote.ErrSocket, []string{"no such file"}},
		{"socket is a file", role("socket is a file"), remote.ErrSocket, []string{"which is no socket"}},
		{"tcp", role("tcp"), remote.ErrSocket, []string{"127.0.0.1:1", "unix socket"}},
		{"another process serves", role("child serves"), remote.ErrPeer, []string{"the program itself"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := test.config(t)
			began := time.Now()
			p, err := remote.Start(t.Context(), c)
			if err == nil {
				p.Kill()
				t.Fatal("it started")
			}
			t.Log(err)
			if !errors.Is(err, test.reason) {
				t.Errorf("the reason is not %q", test.reason)
			}
			for _, part := range append(test.says, "start plugin tested: ") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("it does not say %q", part)
				}
			}
			if took := time.Since(began); took > patience/2 {
				t.Errorf("it took %s to say so", took)
			}
		})
	}
}

func at(path string) func(*testing.T) remote.Config {
	return func(t *testing.T) remote.Config {
		t.Helper()
		c := config(t, "good")
		c.Path = path
		return c
	}
}

func role(name string) func(*testing.T) remote.Config {
	return func(t *testing.T) remote.Config {
		t.Helper()
		return config(t, name)
	}
}

func slow(name string) func(*testing.T) remote.Config {
	return func(t *testing.T) remote.Config {
		t.Helper()
		c := config(t, name)
		c.StartTimeout = 3 * time.Second
		return c
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := remote.Start(ctx, config(t, "slow"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Start: got %v, want %v", err, context.Canceled)
	}
}

// A line before the handshake is forgiven, and logged.
func TestStartForgivesPrintingFirst(t *testing.T) {
	c := config(t, "chatty")
	log := newRecorder()
	c.Logger = log.logger
	start(t, c)
	if e := log.find(t, "a library says hello"); e["stream"] != "stdout" || e["@level"] != "info" {
		t.Errorf("got %v, want stream stdout at info", e)
	}
}

// The socket's directory may stand at a path that no socket could have.
func TestStartWithLongRunDir(t *testing.T) {
	c := config(t, "good")
	c.RunDir = filepath.Join(c.RunDir, strings.Repeat("long/", 30))
	start(t, c)
}

// The kernel kills a child when the thread that started it ends. Whoever calls
// Start must not have to care.
func TestPluginOutlivesTheThreadThatStartedIt(t *testing.T) {
	var p *remote.Plugin
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		p, err = remote.Start(t.Context(), config(t, "good"))
	}()
	<-ended
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	for range 20 {
		if _, err := p.Describe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("SECRET_OF_THE_HOST", "1")
	c := config(t, "good", "GREETING=hello")
	p := start(t, c)
	for _, variable := range ask(t, p, "environment") {
		name, _, _ := strings.Cut(variable, "=")
		switch name {
		case "GREETING", roleEnv, "PATH", "GORACE": // from the configuration
		case "PENSTOCK_PLUGIN", "PENSTOCK_LIVENESS": // ours
		case "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_UNIX_SOCKET_DIR": // go-plugin's
		default:
			t.Errorf("the plugin sees %s", variable)
		}
	}
	got := ask(t, p, "directory")
	if filepath.Dir(got[0]) != c.RunDir || got[1] != "drwx------" {
		t.Errorf("the socket directory is %v, want one in %s that only its owner can enter", got, c.RunDir)
	}
}

// A plugin has its three streams and its own liveness pipe, and nothing of the
// host or of its neighbours.
func TestDescriptorsAreNotInherited(t *testing.T) {
	start(t, config(t, "good"))
	p := start(t, config(t, "good"))
	outer := descriptors() // what whoever started the test passes on to all
	var pipes int
	for _, fd := range ask(t, p, "descriptors") {
		number, to, _ := strings.Cut(fd, " ")
		switch {
		case number == "0" && to != "/dev/null":
			t.Errorf("standard input is %s", to)
		case strings.HasPrefix(to, "pipe:") && !slices.Contains(outer, fd):
			pipes++
		}
	}
	// Standard output and error, liveness, and two pipes with both ends that
	// go-plugin has made for itself.
	if want := 3 + 4; pipes != want {
		t.Errorf("the plugin holds %d pipe ends, want %d", pipes, want)
	}
}

// ask returns the plugin's answer to one of the test's own questions.
func ask(t *testing.T, p *remote.Plugin, question string) []string {
	t.Helper()
	mistakes, err := p.Configure(t.Context(), question, nil)
	if err != nil {
		t.Fatal(err)
	}
	var answer []string
	for _, m := range mistakes {
		answer = append(answer, m.Message)
	}
	return answer
}

// Only the host that started a plugin can talk to it.
func TestOthersCannotConnect(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the kernel does not tell who connects")
	}
	c := config(t, "good")
	start(t, c)
	sockets, err := filepath.Glob(filepath.Join(c.RunDir, "*", "plugin*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range sockets {
		if info, err := os.Stat(path); err != nil || info.Mode().Type() != os.ModeSocket {
			continue
		}
		cmd := exec.Command(c.Path)
		cmd.Env = append(os.Environ(), roleEnv+"=intrude", "INTRUDE_AT="+path)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if !strings.Contains(string(out), "Unavailable") {
			t.Errorf("an intruder got: %s", out)
		}
		return
	}
	t.Fatalf("no socket among %v", sockets)
}

// Sockets are not made where somebody else could put his in their place.
func TestRunDirOfSomebodyElse(t *testing.T) {
	open, link := runDirOf(t), filepath.Join(runDirOf(t), "link")
	if err := os.Chmod(open, 0o777); err != nil { //nolint:gosec // that is the point
		t.Fatal(err)
	}
	if err := os.Symlink(runDirOf(t), link); err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{open: "others may write to " + open, link: link + " is a link"}
	if os.Geteuid() == 0 {
		foreign := runDirOf(t)
		if err := os.Chown(foreign, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		dirs[foreign] = foreign + " was made by another user"
	}
	for dir, want := range dirs {
		c := config(t, "good")
		c.RunDir = dir
		p, err := remote.Start(t.Context(), c)
		if err == nil {
			p.Kill()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start: got %v, want %q", err, want)
		}
	}
}
