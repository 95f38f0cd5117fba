package wire

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Started tells whether a host started this program, rather than a person.
func Started() bool {
	h := Handshake()
	return os.Getenv(h.MagicCookieKey) == h.MagicCookieValue
}

// Serve answers a host until it hangs up or is gone. It returns when the host
// has asked the plugin to stop and every process has ended or had a second to,
// and ends the program, with what it has started, when the host is dead.
func Serve(service Service, logger hclog.Logger) {
	if os.Getenv(LivenessEnv) == "1" {
		go dieWithHost(os.NewFile(LivenessFD, "liveness"))
	}
	floor := heapFloor()
	defer runtime.KeepAlive(floor)
	adapter := &Adapter{Service: service, called: restoreOutput(os.Stdout, os.Stderr)}
	trusted, err := pluginCredentials()
	if err != nil {
		logger.Error("this plugin cannot make itself known to its host", "error", err)
		os.Exit(1)
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{
			Protocol: {PluginName: adapter},
		},
		Logger: logger,
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			options = append(options, ServerOptions()...)
			return grpc.NewServer(append(options, grpc.Creds(trusted))...)
		},
	})
	ctx, cancel := context.WithTimeout(context.Background(), lastGrace)
	defer cancel()
	if err := adapter.Wait(ctx); err != nil {
		logger.Warn("processes did not end in time", "error", err)
	}
}

// restoreOutput returns what gives a program the output back that it was
// started with. go-plugin replaces it by pipes that it carries to the host over
// gRPC; what is in them when the plugin stops is lost. The host reads the real
// output to its end.
func restoreOutput(stdout, stderr *os.File) func() {
	return func() { os.Stdout, os.Stderr = stdout, stderr }
}

// lastGrace is how long processes may take to return once their streams are
// gone. It is less than what the host waits before it kills.
const lastGrace = time.Second

// dieWithHost ends the program when the pipe's other end closes: the host was
// killed, and nobody will ever read what this plugin sends.
func dieWithHost(pipe *os.File) {
	var one [1]byte
	for {
		if n, err := pipe.Read(one[:]); err != nil || n == 0 {
			killGroup()
			os.Exit(exitHostGone)
		}
	}
}

// exitHostGone is the exit code of a plugin whose host has died.
const exitHostGone = 75
