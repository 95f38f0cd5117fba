package main

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// signer signs requests. The zero signer does not.
type signer struct {
	secret []byte
	key    ed25519.PrivateKey
}

func newSigner(secret, text string) (signer, error) {
	s := signer{secret: []byte(secret)}
	if text == "" {
		return s, nil
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return s, errors.New(`signing_key is no PEM: make one with "openssl genpkey -algorithm ed25519 -out key.pem", and write file("key.pem")`)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return s, errors.New(`signing_key is no private key: make one with "openssl genpkey -algorithm ed25519 -out key.pem"`) // what is wrong with it may tell of it
	}
	var ok bool
	if s.key, ok = key.(ed25519.PrivateKey); !ok {
		return s, fmt.Errorf("signing_key is a %T: only Ed25519 is known: make one with \"openssl genpkey -algorithm ed25519 -out key.pem\"", key)
	}
	return s, nil
}

// sign is the header for a body that is sent at a time; "": nothing is signed.
func (s signer) sign(timestamp string, body []byte) string {
	var all []string
	if len(s.secret) > 0 {
		all = append(all, "sha256="+authenticate(s.secret, timestamp, body))
	}
	if s.key != nil {
		all = append(all, "ed25519="+hex.EncodeToString(ed25519.Sign(s.key, append([]byte(timestamp+"."), body...))))
	}
	return strings.Join(all, ",")
}

// authenticate is what a receiver that knows the secret compares the signature
// with.
func authenticate(secret []byte, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp))
	mac.Write([]byte("."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// trust has a transport check certificates against those in a file; "": against
// the system's.
func trust(t *http.Transport, path string) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the certificates of ca: %w: change ca", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("read the certificates of ca: %s has none as PEM: change ca", path)
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return nil
}
