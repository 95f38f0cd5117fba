// Package plugintest runs the registers of a plugin inside a test, over the
// same wire that a host uses.
//
// Run serves them in the test's own process. Transform, Aggregate, Read and
// Load then run one process from its first row to its last:
//
//	p := plugintest.Run(t, sdk.Subscriber("whale.alert", &whale{Above: 1000}))
//	alerts := plugintest.Transform[Alert](t, p, "whale.alert", nil, []Transfer{{Value: 2000}})
//
// Open hands out the conversation itself, for tests of checkpoints, rewinds and
// failures: rows, safe points and barriers go in with Send, SafePoint and
// Barrier, and what the process answers comes out of Next, in order.
//
// Contract and Storm are tests that are written already, for loaders that
// truncate: what their store holds whatever happens, at every commit and, where
// their process is killed for real, in the end. Spawn runs registers in a process
// of its own, for tests that kill one.
//
// Every wait has a deadline. What goes wrong fails the test with what was being
// waited for, so that nothing here returns an error.
package plugintest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Patience is how long a single wait may take before the test fails: longer than
// anything takes that does not hang, also on a machine that has much else to do.
const Patience = time.Minute

// TB is the part of testing.TB that is used here.
type TB interface {
	Helper()
	Cleanup(f func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any) // does not return
	Output() io.Writer                 // for what the registers log
}

// Plugin serves registers inside a test.
type Plugin struct {
	client  wire.Client
	serving sync.WaitGroup // what registers ask of their host
}

// Run serves registers until the test has ended. It fails the test if they
// could not be served, and at its end if a process does not end.
func Run(t TB, registers ...sdk.Register) *Plugin {
	t.Helper()
	path := socketPath(t)
	running, err := serve(path, registers, t.Output())
	if err != nil {
		t.Fatalf("plugintest: %v", err)
	}
	t.Cleanup(func() {
		if err := running.stop(); err != nil {
			t.Errorf("plugintest: %v", err)
		}
	})
	return &Plugin{client: dial(t, path)}
}

// socketPath is that of a socket, short enough for one, which those of t.TempDir
// may not be.
func socketPath(t TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "plugintest")
	if err != nil {
		t.Fatalf("plugintest: make a directory for the socket: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// serving is a plugin as its host sees it: a server on a socket.
type serving struct {
	server  *grpc.Server
	adapter *wire.Adapter
	served  chan error
}

func serve(path string, registers []sdk.Register, logs io.Writer) (*serving, error) {
	specs := make([]process.Register, len(registers))
	for i, r := range registers {
		specs[i] = r.Internal()
	}
	logger := hclog.New(&hclog.LoggerOptions{Output: logs, Level: hclog.Debug, DisableTime: true})
	service, err := process.NewService(specs, "test", sdk.Version, logger)
	if err != nil {
		return nil, fmt.Errorf("these registers cannot be served:\n%w", err)
	}
	s := &serving{server: grpc.NewServer(wire.ServerOptions()...), adapter: &wire.Adapter{Service: service}, served: make(chan error, 1)}
	if err := s.adapter.GRPCServer(nil, s.server); err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	socket, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	go func() { s.served <- s.server.Serve(socket) }()
	return s, nil
}

// stop ends all processes and waits for them, though not for ever.
func (s *serving) stop() error {
	s.server.Stop()
	if err := <-s.served; err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if s.adapter.Wait(ctx) != nil {
		return fmt.Errorf("a process has not ended within %s of its stream: its methods have to return when their ctx has ended", Patience)
	}
	return nil
}

func dial(t TB, path string) wire.Client {
	t.Helper()
	options := append(wire.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient("unix://"+path, options...)
	if err != nil {
		t.Fatalf("plugintest: connect: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return wire.NewClient(conn)
}

// Mistakes are what the register finds wrong with settings, as a user is told
// before anything starts. Settings are as in Step.
func Mistakes(t TB, p *Plugin, register string, settings any) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	res, err := p.client.Configure(ctx, &pluginv1.ConfigureRequest{Register: register, Settings: encode(t, settings)})
	if err != nil {
		t.Fatalf("plugintest: check the settings of %s: %v", register, err)
	}
	var all []string
	for _, m := range res.Mistakes {
		text := m.Message
		if m.Attribute != "" {
			text = m.Attribute + ": " + text
		}
		all = append(all, text)
	}
	return all
}

// encode makes a JSON object of settings.
func encode(t TB, settings any) []byte {
	t.Helper()
	switch s := settings.(type) {
	case nil:
		return nil
	case string:
		return []byte(s)
	case []byte:
		return s
	}
	object, err := json.Marshal(settings)
	if err != nil {
		t.Fatalf("plugintest: write the settings %v as JSON: %v", settings, err)
	}
	return object
}

// failf fails a test for what went wrong in a process.
func (p *Process) failf(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("plugintest: %s: %s", p.step.Register, fmt.Sprintf(format, args...))
}
