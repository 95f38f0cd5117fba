package remote_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/remote"
)

// play is the main function of a process that is not the test itself.
func play(role string) {
	roles := map[string]func(){
		"good":              func() { serve(wire.Protocol) },
		"protocol 2":        func() { serve(2) },
		"exit 3":            func() { fmt.Fprintln(os.Stderr, "no licence found"); os.Exit(3) },
		"panic":             func() { panic("boom at start") },
		"slow":              func() { fmt.Println("warming up"); time.Sleep(time.Hour) },
		"stranger":          func() { fmt.Println("usage: stranger FILE"); fmt.Println("try --help"); os.Exit(64) },
		"closed stdout":     func() { _ = os.Stdout.Close(); time.Sleep(time.Hour) },
		"chatty":            func() { fmt.Println("a library says hello"); serve(wire.Protocol) },
		"flood first":       func() { flood(os.Stdout); serve(wire.Protocol) },
		"socket elsewhere":  func() { greet("unix", filepath.Join(os.TempDir(), "elsewhere.sock")) },
		"socket above":      func() { greet("unix", filepath.Join(socketDir(), "..", "elsewhere.sock")) },
		"socket missing":    func() { greet("unix", filepath.Join(socketDir(), "missing.sock")) },
		"socket is a file":  socketIsFile,
		"tcp":               func() { greet("tcp", "127.0.0.1:1") },
		"netrpc":            func() { fmt.Println("1|1|unix|" + socketDir() + "/x"); time.Sleep(time.Hour) },
		"core protocol 9":   func() { fmt.Println("9|1|unix|" + socketDir() + "/x|grpc|"); time.Sleep(time.Hour) },
		"silent server":     silentServer,
		"certificate":       certificate,
		"child serves":      childServes,
		"listen":            listen,
		"intrude":           intrude,
		"ignores shutdown":  ignoresShutdown,
		"host":              host,
		"sdk":               func() { wire.Serve(service{stdout: os.Stdout, stderr: os.Stderr}, hclog.Default()) },
		"sdk parent":        func() { startSleep(); wire.Serve(service{stdout: os.Stdout, stderr: os.Stderr}, hclog.Default()) },
		"parent":            func() { startSleep(); serve(wire.Protocol) },
		"leaves the output": leavesOutput,
		"trying host":       tryingHost,
		"tells":             func() { panic("the token is " + os.Getenv("TOKEN")) },
		"by hand":           byHand,
	}
	play, ok := roles[role]
	if !ok {
		fmt.Fprintf(os.Stderr, "no role %q\n", role)
		os.Exit(1)
	}
	play()
}

func socketDir() string { return os.Getenv("PLUGIN_UNIX_SOCKET_DIR") }

// serve is what a well-behaved plugin does. It keeps the standard output it was
// started with, because go-plugin replaces os.Stdout and os.Stderr.
func serve(protocol int) {
	service := service{stdout: os.Stdout, stderr: os.Stderr}
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: os.Stderr, JSONFormat: true, Name: "good"})
	adapter := &wire.Adapter{Service: service}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{protocol: {wire.PluginName: adapter}},
		Logger:           logger.Named("go-plugin"),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			options = append(options, wire.ServerOptions()...)
			return grpc.NewServer(append(options, grpc.Creds(wire.ServerCredentials()))...)
		},
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = adapter.Wait(ctx)
}

// greet prints a handshake and serves nothing.
func greet(network, address string) {
	fmt.Printf("1|1|%s|%s|grpc|\n", network, address)
	time.Sleep(time.Hour)
}

func socketIsFile() {
	path := filepath.Join(socketDir(), "file")
	_ = os.WriteFile(path, nil, 0o600)
	greet("unix", path)
}

// flood prints 2 MiB without a newline.
func flood(to io.Writer) {
	chunk := strings.Repeat("x", 64<<10)
	for range 32 {
		_, _ = io.WriteString(to, chunk)
	}
}

// silentServer accepts connections and never says a word.
func silentServer() {
	path := filepath.Join(socketDir(), "silent.sock")
	listenAt(path)
	greet("unix", path)
}

func listenAt(path string) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = syscall.Listen(fd, 8)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// certificate greets with what go-plugin takes for a TLS certificate.
func certificate() {
	path := filepath.Join(socketDir(), "cert.sock")
	listenAt(path)
	fmt.Printf("1|1|unix|%s|grpc|%s\n", path, strings.Repeat("QUFB", 40))
	time.Sleep(time.Hour)
}

// childServes names a socket at which another process listens.
func childServes() {
	path := filepath.Join(socketDir(), "child.sock")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"=listen", "LISTEN_AT="+path)
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for { // the file is there before anybody listens at it
		if conn, err := net.Dial("unix", path); err == nil {
			_ = conn.Close()
			break
		}
		time.Sleep(time.Millisecond)
	}
	greet("unix", path)
}

func listen() {
	listenAt(os.Getenv("LISTEN_AT"))
	time.Sleep(time.Hour)
}

// intrude calls a plugin that another process has started.
func intrude() {
	conn, err := grpc.NewClient("unix:"+os.Getenv("INTRUDE_AT"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "plugin"})
	}
	fmt.Printf("%v\n", err)
}

// ignoresShutdown goes on when its server has been stopped, and has started
// something that would go on too.
func ignoresShutdown() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
	startSleep()
	serve(wire.Protocol)
	time.Sleep(time.Hour)
}

// startSleep starts a process that outlives its parent, and says which.
func startSleep() {
	cmd := exec.Command("sleep", "3600")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = os.WriteFile(filepath.Join(socketDir(), "sleep.pid"), fmt.Append(nil, cmd.Process.Pid), 0o600)
}

// leavesOutput crashes and leaves its output open in a process outside of its
// group.
func leavesOutput() {
	cmd := exec.Command("sleep", "5")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	_ = cmd.Start()
	os.Exit(4)
}

// host starts a plugin and waits to be killed.
func host() {
	p, err := remote.Start(context.Background(), remote.Config{
		Path: os.Args[0], RunDir: os.Getenv("RUN_DIR"), Env: []string{roleEnv + "=" + os.Getenv("PLUGIN_ROLE"), "PATH=" + os.Getenv("PATH")},
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.PID())
	time.Sleep(time.Hour)
}

// tryingHost starts a plugin, has it try something and says what came of it.
func tryingHost() {
	ctx := context.Background()
	p, err := remote.Start(ctx, remote.Config{
		Path: os.Args[0], RunDir: os.Getenv("RUN_DIR"), Env: []string{roleEnv + "=good", "PATH=" + os.Getenv("PATH")},
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	answer, err := p.Configure(ctx, "try "+os.Getenv("TRY"), []byte(os.Getenv("WITH")))
	fmt.Println(answer, err)
	p.Kill()
}
