package catalog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/penstock-io/penstock/host/internal/config"
)

// SignatureSuffix is what the name of a plugin's signature adds to that of the
// plugin.
const SignatureSuffix = ".sig"

// domain begins every statement that is signed, so that no signature of a plugin
// can pass for one of anything else, nor the other way round.
const domain = "penstock plugin signature v1"

// signature says that somebody vouches for these bytes of a plugin.
type signature struct {
	plugin, version, digest string
	key                     ed25519.PublicKey
	signed                  []byte
}

// statement is what is signed. None of its values can hold a line break.
func (s signature) statement() []byte {
	return fmt.Appendf(nil, "%s\nplugin %s\nversion %s\nsha256 %s\n", domain, s.plugin, s.version, strings.TrimPrefix(s.digest, digestPrefix))
}

// Sign vouches for bytes of a plugin and returns the content of the signature's
// file.
func Sign(plugin, version, digest string, key ed25519.PrivateKey) ([]byte, error) {
	if err := config.CheckPluginName(plugin); err != nil {
		return nil, err
	}
	if strings.ContainsAny(version, "\r\n") {
		return nil, fmt.Errorf("sign plugin %s: its version %q has a line break", plugin, version)
	}
	s := signature{plugin: plugin, version: version, digest: digest, key: key.Public().(ed25519.PublicKey)} // what it is documented to be
	return fmt.Appendf(nil, "%skey %s\nsignature %s\n", s.statement(), config.KeyText(s.key),
		base64.StdEncoding.EncodeToString(ed25519.Sign(key, s.statement()))), nil
}

// parseSignature reads what Sign writes, and nothing else.
func parseSignature(content []byte) (s signature, err error) {
	broken := fmt.Errorf("it is not what penstock plugin sign writes")
	text, ok := strings.CutPrefix(string(content), domain+"\n")
	if !ok {
		return s, broken
	}
	values := map[string]string{}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		word, value, _ := strings.Cut(line, " ")
		if fields := []string{"plugin", "version", "sha256", "key", "signature"}; i >= len(fields) || word != fields[i] {
			return s, broken
		}
		values[word] = value
	}
	s = signature{plugin: values["plugin"], version: values["version"], digest: digestPrefix + values["sha256"]}
	if s.key, err = config.ParseKey(values["key"]); err != nil {
		return s, broken
	}
	if s.signed, err = base64.StdEncoding.Strict().DecodeString(values["signature"]); err != nil {
		return s, broken
	}
	return s, nil
}

// check says what keeps a signature from vouching for an artifact. Without keys
// to trust, one by anybody does.
func (s signature) check(a Artifact, trusted []ed25519.PublicKey) error {
	known := trusted == nil
	for _, key := range trusted {
		known = known || key.Equal(s.key)
	}
	switch {
	case s.plugin != a.Plugin:
		return fmt.Errorf("it is for plugin %q", s.plugin)
	case s.digest != a.Digest:
		return fmt.Errorf("it is for other bytes, %s instead of %s", Short(s.digest), Short(a.Digest))
	case !known:
		return fmt.Errorf("it is by %s, which is not among trusted_keys", config.KeyText(s.key))
	case !ed25519.Verify(s.key, s.statement(), s.signed):
		return errors.New("it was not made with the key that it names, or was changed since")
	}
	return nil
}

// signed returns the key that has signed an artifact, "" if none has. The error
// says what is missing where a signature is asked for.
func (c *Catalog) signed(a Artifact) (signer string, err error) {
	trusted := c.cfg.TrustedKeys
	why := fs.ErrNotExist
	for _, path := range []string{c.keptSignature(a), a.Source + SignatureSuffix} {
		s, wrong := readSignature(path)
		if wrong == nil {
			wrong = s.check(a, trusted)
		}
		if wrong == nil {
			return config.KeyText(s.key), nil
		}
		if !errors.Is(wrong, fs.ErrNotExist) {
			why = fmt.Errorf("signature %s does not hold: %w", path, wrong)
		}
	}
	switch {
	case trusted == nil:
		return "", nil
	case errors.Is(why, fs.ErrNotExist):
		return "", fmt.Errorf("plugin %s is not signed: trusted_keys asks for a signature, and there is no %s: get it from whoever has built the plugin, or make it with penstock plugin sign",
			a.Plugin, a.Source+SignatureSuffix)
	}
	return "", fmt.Errorf("plugin %s may not run: %w: get the right one from whoever has built %s (%s)", a.Plugin, why, a.Source, Short(a.Digest))
}

// keptSignature is where the signature of an artifact lies in the store, "" if
// there is no store.
func (c *Catalog) keptSignature(a Artifact) string {
	if c.vault.dir == "" {
		return ""
	}
	return c.vault.path(a.Digest) + SignatureSuffix
}

// largestSignature bounds what is read of a file that should be small.
const largestSignature = 16 << 10

func readSignature(path string) (signature, error) {
	file, err := openRegular(path)
	if err != nil {
		return signature{}, err
	}
	defer func() { _ = file.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(file, largestSignature))
	if err != nil {
		return signature{}, err
	}
	return parseSignature(content)
}

// keepSignature puts the signature of bytes that are in the store beside them, if
// it holds.
func (c *Catalog) keepSignature(a Artifact) error {
	from, to := a.Source+SignatureSuffix, c.keptSignature(a)
	s, err := readSignature(from)
	if err != nil || to == "" || s.check(a, c.cfg.TrustedKeys) != nil {
		return nil //nolint:nilerr // where one is needed it was found before
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if there, err := os.ReadFile(to); err == nil && bytes.Equal(there, content) {
		return nil
	}
	return WriteFile(to, content, 0o400)
}

// Digest is that of the file at a plugin's path, which need not be a program for
// this machine.
func (c *Catalog) Digest(ctx context.Context, plugin string) (string, error) {
	if _, err := c.lane(plugin); err != nil {
		return "", err
	}
	s, err := c.vault.read(ctx, plugin, c.binaries[plugin])
	if err != nil {
		return "", err
	}
	defer c.vault.give(s)
	return s.digest, nil
}

// GenerateKey makes a key to sign with. The first result is the content of its
// file, the second the public key as it is written in trusted_keys.
func GenerateKey() (file []byte, public string, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, "", err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), config.KeyText(pub), nil
}

// ParsePrivateKey reads the content of a key's file.
func ParsePrivateKey(content []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(content)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("it is no PEM file with a PRIVATE KEY: make one with penstock plugin keygen")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("its key cannot be read: %w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("its key is of another kind (%T), ed25519 is needed: make one with penstock plugin keygen", parsed)
	}
	return key, nil
}
