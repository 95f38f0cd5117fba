package remote_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/remote"
)

// certified starts a plugin that proves who it is.
func certified(t *testing.T) (p *remote.Plugin, socketDir string) {
	t.Helper()
	c := config(t, "sdk")
	c.MutualTLS = true
	p = start(t, c)
	certificates, _ := filepath.Glob(filepath.Join(c.RunDir, "*", "plugin.crt"))
	if len(certificates) != 1 {
		t.Fatalf("the plugin has left no certificate: %v", certificates)
	}
	return p, filepath.Dir(certificates[0])
}

func TestRowsFlowOverMutualTLS(t *testing.T) {
	p, _ := certified(t)
	if d, err := p.Describe(t.Context()); err != nil || d.Version != "1.2.3" {
		t.Errorf("Describe: got %+v, %v", d, err)
	}
	s := open(t, p, "echo")
	for range 3 {
		sent := batch(64 << 10)
		if err := s.Send(sent); err != nil {
			t.Fatal(err)
		}
		f, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.Bytes(), sent.Bytes()) {
			t.Error("other bytes came back")
		}
		f.Free()
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// A client in the right process, but without the host's key, gets nowhere; no more
// does one that takes the plugin for another.
func TestForeignClientsAreRefused(t *testing.T) {
	_, dir := certified(t)
	sockets, _ := filepath.Glob(filepath.Join(dir, "plugin[0-9]*"))
	if len(sockets) != 1 {
		t.Fatalf("sockets: got %v, want one", sockets)
	}
	stranger, err := wire.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, creds := range map[string]credentials.TransportCredentials{
		"without a certificate": insecure.NewCredentials(),
		"with its own":          stranger.HostCredentials(dir),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := grpc.NewClient("unix:"+sockets[0], grpc.WithTransportCredentials(creds))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "plugin"})
			if status.Code(err) != codes.Unavailable {
				t.Errorf("got %v, want that it is refused", err)
			}
		})
	}
}

// A plugin whose SDK knows nothing of certificates does not start.
func TestPluginWithoutCertificate(t *testing.T) {
	c := config(t, "good")
	c.MutualTLS = true
	p, err := remote.Start(t.Context(), c)
	if err == nil {
		p.Kill()
	}
	if !errors.Is(err, remote.ErrProtocol) || !strings.Contains(err.Error(), "has left no certificate") || !strings.Contains(err.Error(), "take mtls out of its plugin block") {
		t.Errorf("got %v, want what to do about it", err)
	}
}
