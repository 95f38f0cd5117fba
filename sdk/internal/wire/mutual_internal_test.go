package wire

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The peer is checked before a word is said: a certificate alone is not enough.
func TestMutualTLSDoesNotReplaceThePeerCheck(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells who is at the other end")
	}
	host, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "w") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	t.Setenv(socketDirEnv, dir)
	t.Setenv(CertificateEnv, strings.TrimPrefix(host.Env(), CertificateEnv+"="))
	plugin, err := pluginCredentials()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	answered := make(chan error, 1)
	go func() {
		conn, err := net.Dial("unix", l.Addr().String()) // this process, which is not this one's parent
		if err != nil {
			answered <- err
			return
		}
		defer conn.Close()
		secure, _, err := host.HostCredentials(dir).ClientHandshake(t.Context(), "", conn)
		if err == nil {
			_, err = secure.Read(make([]byte, 1))
		}
		answered <- err
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = plugin.ServerHandshake(conn)
	_ = conn.Close()
	if err == nil || !strings.Contains(err.Error(), "refuse a connection: the socket's other end is process") {
		t.Errorf("got %v, want that the process is refused", err)
	}
	if err := <-answered; err == nil {
		t.Errorf("the host's key was enough for another process")
	}
}

func TestPluginCredentialsErrors(t *testing.T) {
	t.Setenv(socketDirEnv, filepath.Join(t.TempDir(), "none"))
	for certificate, want := range map[string]string{"no base64!": "read the certificate of the host", "AAAA": "read the certificate of the other side"} {
		t.Setenv(CertificateEnv, certificate)
		if _, err := pluginCredentials(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", certificate, err, want)
		}
	}
}
