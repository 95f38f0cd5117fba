package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc/credentials"
)

// CertificateEnv is set in a plugin's environment where host and plugin prove to
// each other who they are: to the host's certificate. The plugin then leaves its
// own in its socket directory before it says where it listens. Neither key ever
// leaves the process that has made it.
const CertificateEnv = "PENSTOCK_HOST_CERTIFICATE"

const (
	// certificateFile is where in its socket directory a plugin leaves its
	// certificate.
	certificateFile = "plugin.crt"
	// socketDirEnv tells a plugin where that directory is.
	socketDirEnv = "PLUGIN_UNIX_SOCKET_DIR"
	// subject is the name in all certificates. Which one is meant is known: it is
	// the only one that is trusted.
	subject = "penstock"
	// largestCertificate bounds what a host reads of such a file.
	largestCertificate = 16 << 10
)

// Identity is a key that lives as long as a process, and its certificate.
type Identity struct{ certificate tls.Certificate }

// NewIdentity makes a key.
func NewIdentity() (Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Identity{}, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: subject},
		DNSNames:     []string{subject},
		NotBefore:    time.Now().Add(-time.Hour), // a clock may be set back
		NotAfter:     time.Now().AddDate(10, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Identity{}, fmt.Errorf("make a certificate: %w", err)
	}
	return Identity{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}, nil
}

// Env is what a plugin finds in its environment that is to trust this host only.
func (i Identity) Env() string {
	return CertificateEnv + "=" + base64.StdEncoding.EncodeToString(i.certificate.Certificate[0])
}

// settings are those of a connection to the one who has the key of a certificate,
// and to nobody else.
func (i Identity) settings(trusted []byte) (*tls.Config, error) {
	certificate, err := x509.ParseCertificate(trusted)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the other side: %w", err)
	}
	only := x509.NewCertPool()
	only.AddCert(certificate)
	return &tls.Config{
		Certificates: []tls.Certificate{i.certificate},
		RootCAs:      only, ServerName: subject,
		ClientCAs: only, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS13,
	}, nil
}

// HostCredentials are the transport credentials of a host towards the plugin
// whose socket directory it is.
func (i Identity) HostCredentials(socketDir string) credentials.TransportCredentials {
	return hostOf{TransportCredentials: credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13}), identity: i, dir: socketDir}
}

// hostOf is TLS with the certificate that a plugin has left, which is not there
// yet when the credentials are made.
type hostOf struct {
	credentials.TransportCredentials
	identity Identity
	dir      string
}

func (h hostOf) ClientHandshake(ctx context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	trusted, err := PluginCertificate(h.dir)
	if err != nil {
		return nil, nil, err
	}
	settings, err := h.identity.settings(trusted)
	if err != nil {
		return nil, nil, err
	}
	return credentials.NewTLS(settings).ClientHandshake(ctx, subject, conn)
}

func (h hostOf) Clone() credentials.TransportCredentials { return h }

// PluginCertificate is what a plugin has left in its socket directory.
func PluginCertificate(socketDir string) ([]byte, error) {
	f, err := os.Open(filepath.Join(socketDir, certificateFile))
	if err != nil {
		return nil, fmt.Errorf("read the plugin's certificate: %w", errors.Unwrap(err))
	}
	defer func() { _ = f.Close() }() // it was only read
	der, err := io.ReadAll(io.LimitReader(f, largestCertificate))
	if err == nil {
		_, err = x509.ParseCertificate(der)
	}
	if err != nil {
		return nil, fmt.Errorf("read the plugin's certificate: %w", err)
	}
	return der, nil
}

// pluginCredentials are the transport credentials of a plugin's server: those of
// ServerCredentials, and beyond that, where the host has sent its certificate,
// TLS with it alone.
func pluginCredentials() (credentials.TransportCredentials, error) {
	parent := ServerCredentials()
	sent := os.Getenv(CertificateEnv)
	if sent == "" {
		return parent, nil
	}
	trusted, err := base64.StdEncoding.DecodeString(sent)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the host: %w", err)
	}
	identity, err := NewIdentity()
	if err != nil {
		return nil, err
	}
	settings, err := identity.settings(trusted)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(os.Getenv(socketDirEnv), certificateFile)
	if err := os.WriteFile(path, identity.certificate.Certificate[0], 0o600); err != nil {
		return nil, fmt.Errorf("leave a certificate for the host: %w", err)
	}
	return mutual{TransportCredentials: credentials.NewTLS(settings), peer: parent}, nil
}

// mutual is TLS with a peer whose process is known too.
type mutual struct {
	credentials.TransportCredentials
	peer credentials.TransportCredentials
}

func (m mutual) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, _, err := m.peer.ServerHandshake(conn)
	if err != nil {
		return nil, nil, err
	}
	return m.TransportCredentials.ServerHandshake(conn)
}

func (m mutual) Clone() credentials.TransportCredentials { return m }
