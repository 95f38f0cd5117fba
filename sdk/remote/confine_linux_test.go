package remote_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
)

// sandboxed starts a plugin in a sandbox.
func sandboxed(t *testing.T, box remote.Sandbox) *remote.Plugin {
	t.Helper()
	return start(t, sandboxedConfig(t, box))
}

func sandboxedConfig(t *testing.T, box remote.Sandbox) remote.Config {
	t.Helper()
	c := config(t, "good")
	c.Sandbox = &box
	return c
}

// try has the plugin try something.
func try(t *testing.T, p *remote.Plugin, what, with string) string {
	t.Helper()
	mistakes, err := p.Configure(t.Context(), "try "+what, []byte(with))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return mistakes[0].Message
}

func refused(t *testing.T, p *remote.Plugin, what, with string) {
	t.Helper()
	got := try(t, p, what, with)
	t.Logf("%s %s: %s", what, with, got)
	if !strings.Contains(got, "permission denied") && !strings.Contains(got, "operation not permitted") {
		t.Errorf("%s %s: got %q, want a refusal", what, with, got)
	}
}

func works(t *testing.T, p *remote.Plugin, what, with string) {
	t.Helper()
	if got := try(t, p, what, with); got != done {
		t.Errorf("%s %s: %s", what, with, got)
	}
}

// needs skips a test where the kernel lacks what it is about.
func needs(t *testing.T, what string, there func(remote.Confinement) bool) {
	t.Helper()
	if !there(remote.Config{Sandbox: &remote.Sandbox{}}.Confinement()) {
		t.Skip("this kernel has no " + what)
	}
}

func landlock(c remote.Confinement) bool { return c.Landlock > 0 }
func seccomp(c remote.Confinement) bool  { return c.Seccomp }
func scoped(c remote.Confinement) bool   { return c.Scoped }

func TestSandboxKeepsFilesAway(t *testing.T) {
	needs(t, "Landlock", landlock)
	outside, readable, writable := t.TempDir(), t.TempDir(), t.TempDir()
	for _, dir := range []string{outside, readable, writable} {
		if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := sandboxed(t, remote.Sandbox{Read: []string{readable}, Write: []string{writable, filepath.Join(writable, "not there")}})
	in := func(dir string) string { return filepath.Join(dir, "file") }
	refused(t, p, "read", in(outside))
	refused(t, p, "write", in(outside))
	refused(t, p, "write", filepath.Join(outside, "new"))
	refused(t, p, "remove", in(outside))
	refused(t, p, "list", outside)
	refused(t, p, "write", in(readable))
	refused(t, p, "remove", in(readable))
	refused(t, p, "rename", in(writable)+" "+filepath.Join(readable, "new"))
	refused(t, p, "read", "/etc/passwd")
	refused(t, p, "list", "/proc")
	works(t, p, "read", in(readable))
	works(t, p, "list", readable)
	works(t, p, "write", in(writable))
	works(t, p, "write", filepath.Join(writable, "new"))
	works(t, p, "rename", in(writable)+" "+filepath.Join(writable, "renamed"))
	works(t, p, "temporary", "")
	works(t, p, "read", "/proc/cpuinfo")
	works(t, p, "run", "/bin/sh")
	if err := os.Symlink(in(outside), filepath.Join(writable, "link")); err != nil {
		t.Fatal(err)
	}
	refused(t, p, "read", filepath.Join(writable, "link"))
	program := filepath.Join(writable, "program")
	copyFile(t, "/bin/sh", program, 0o755)
	refused(t, p, "run", program)
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, mode); err != nil {
		t.Fatal(err)
	}
}

// servers are what a plugin could want to reach: one on TCP, one on UDP and one
// on a unix socket.
func servers(t *testing.T) (tcp, udp, local string) {
	t.Helper()
	local = filepath.Join(runDirOf(t), "s")
	listen := func(network, address string) string {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l.Addr().String()
	}
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = packets.Close() })
	return listen("tcp", "127.0.0.1:0"), packets.LocalAddr().String(), listen("unix", local)
}

func TestSandboxKeepsTheNetworkAway(t *testing.T) {
	needs(t, "seccomp", seccomp)
	tcp, udp, local := servers(t)
	p := sandboxed(t, remote.Sandbox{})
	refused(t, p, "tcp", tcp)
	refused(t, p, "udp", udp)
	refused(t, p, "unix", local)
	for _, what := range []string{"listen", "datagram pair", "netlink", "packets", "raw", "vsock", "io_uring", "namespace", "mount", "other call table"} {
		refused(t, p, what, os.TempDir())
	}
	p = sandboxed(t, remote.Sandbox{Network: true})
	works(t, p, "tcp", tcp)
	works(t, p, "udp", udp)
	works(t, p, "unix", local)
	works(t, p, "listen", "")
	works(t, p, "netlink", "")
	for _, what := range []string{"audit netlink", "packets", "raw", "vsock", "io_uring", "namespace", "mount", "other call table"} {
		refused(t, p, what, os.TempDir())
	}
}

func TestWithoutASandboxNothingIsRefused(t *testing.T) {
	tcp, _, local := servers(t)
	p := start(t, config(t, "good"))
	works(t, p, "tcp", tcp)
	works(t, p, "unix", local)
	works(t, p, "read", "/etc/passwd")
	if got := p.Confined(); got.Sandboxed || !got.Session || !got.NoNewPrivileges {
		t.Errorf("Confined: got %+v", got)
	}
}

func TestSandboxKeepsOtherProcessesAway(t *testing.T) {
	needs(t, "Landlock with scopes", scoped)
	self := strconv.Itoa(os.Getpid())
	p := sandboxed(t, remote.Sandbox{Network: true})
	refused(t, p, "signal", self)
	refused(t, p, "signal", "1")
	refused(t, p, "trace", self)
	refused(t, p, "memory of", self)
	for _, file := range []string{"environ", "cmdline", "maps", "fd/0", "root/etc/passwd"} {
		refused(t, p, "read", "/proc/"+self+"/"+file)
	}
	other := sandboxed(t, remote.Sandbox{})
	refused(t, p, "signal", strconv.Itoa(other.PID()))
	works(t, p, "signal", strconv.Itoa(p.PID()))
}

// What a host is kept from by a sandbox is nothing: the threads that are
// restricted end with their plugins.
func TestSandboxStaysWithThePlugin(t *testing.T) {
	for range 5 {
		p := sandboxed(t, remote.Sandbox{})
		if _, err := os.ReadFile("/etc/passwd"); err != nil {
			t.Fatal(err)
		}
		p.Kill()
	}
	tcp, _, _ := servers(t)
	for range 50 {
		conn, err := net.Dial("tcp", tcp)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		if _, err := os.ReadFile("/etc/passwd"); err != nil {
			t.Fatal(err)
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil || strings.Contains(string(status), "NoNewPrivs:\t1") || strings.Contains(string(status), "Seccomp:\t2") {
		if before := os.Getenv("container"); before == "" {
			t.Errorf("the host itself is restricted: %v", err)
		}
	}
}

// A file that makes whoever runs it the superuser makes a plugin nothing.
func TestNoNewPrivileges(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a file that gives privileges away")
	}
	dir := runDirOf(t)
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // another user runs what is in it
		t.Fatal(err)
	}
	id, err := exec.LookPath("id")
	if err != nil {
		t.Skip("there is no id")
	}
	program := filepath.Join(dir, "id")
	copyFile(t, id, program, 0o755|os.ModeSetuid)
	out, err := asNobody(exec.Command(program, "-u")).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "0" {
		t.Skipf("the file does not make anybody the superuser here: %v %s", err, out)
	}
	c := config(t, "host")
	plugin := filepath.Join(dir, "plugin")
	copyFile(t, c.Path, plugin, 0o755)
	run := filepath.Join(dir, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(run, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	host := asNobody(exec.Command(plugin))
	host.Dir = dir
	host.Env = append(os.Environ(), roleEnv+"=trying host", "RUN_DIR="+run, "TRY=become root", "WITH="+program)
	out, err = host.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "it runs as 65534") {
		t.Errorf("got %v: %s", err, out)
	}
}

func asNobody(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd
}

// A process that leaves the plugin's session, its group and its parent is killed
// with it all the same.
func TestStraysDieWithThePlugin(t *testing.T) {
	needs(t, "Landlock with scopes", scoped)
	for name, end := range map[string]func(*remote.Plugin){
		"killed":  (*remote.Plugin).Kill,
		"stopped": func(p *remote.Plugin) { _ = p.Stop(t.Context()) },
		"crashed": func(p *remote.Plugin) { _ = syscall.Kill(p.PID(), syscall.SIGKILL); <-p.Done() },
	} {
		for _, grouped := range []bool{true, false} {
			dir := t.TempDir()
			c := sandboxedConfig(t, remote.Sandbox{Write: []string{dir}})
			if !grouped {
				c.RunDir = ""
			}
			p := start(t, c)
			marker := filepath.Join(dir, "pid")
			works(t, p, "leave", marker)
			var stray int
			eventually(t, "nothing has left", func() (ok bool) { stray, ok = pidIn(marker); return ok })
			if !alive(stray) {
				t.Fatalf("%s: what has left does not run", name)
			}
			end(p)
			eventually(t, name+": what has left runs on", func() bool { return !alive(stray) })
		}
	}
}

// Whoever runs into the sandbox is told so, with what to write.
func TestSandboxTellsAuthors(t *testing.T) {
	needs(t, "seccomp", seccomp)
	for network, want := range map[bool]string{false: `plugin "tested" { network = true }`, true: "penstock plugin describe tested"} {
		p := sandboxed(t, remote.Sandbox{Network: network})
		_, err := p.Configure(t.Context(), "dial", nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("network %v: got %v, want %s", network, err, want)
		}
	}
	_, err := start(t, config(t, "good")).Configure(t.Context(), "dial", nil)
	if err == nil || strings.Contains(err.Error(), "sandbox") || strings.Contains(err.Error(), "network = true") {
		t.Errorf("without a sandbox: got %v", err)
	}
}

func TestConfinedTellsWhatIsInForce(t *testing.T) {
	p := sandboxed(t, remote.Sandbox{Network: true, Read: []string{"/a"}, Write: []string{"/b"}})
	got := p.Confined()
	if !got.Sandboxed || !got.Network || !got.Session || !got.NoNewPrivileges || got.Read[0] != "/a" || got.Write[0] != "/b" {
		t.Errorf("got %+v", got)
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID()) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(stat), "NoNewPrivs:\t1") || got.Seccomp != strings.Contains(string(stat), "Seccomp:\t2") {
		t.Errorf("the kernel says otherwise:\n%s", stat)
	}
	if session, _, _ := strings.Cut(string(stat), "NSsid:\t"+strconv.Itoa(p.PID())); got.Session && session == string(stat) {
		t.Error("it has no session of its own")
	}
}

// A sandbox costs a start no more than a few milliseconds.
func BenchmarkStart(b *testing.B) {
	path, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for name, box := range map[string]*remote.Sandbox{"free": nil, "sandbox": {}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p, err := remote.Start(b.Context(), remote.Config{
					Path: path, RunDir: filepath.Join(dir, "r"), Sandbox: box, StartTimeout: time.Minute,
					Env: []string{roleEnv + "=good", "GORACE=atexit_sleep_ms=0"},
				})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				p.Kill()
				b.StartTimer()
			}
		})
	}
}
