package catalog_test

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
)

// keyOf makes a key as a person does.
func keyOf(t *testing.T) (ed25519.PrivateKey, ed25519.PublicKey) {
	t.Helper()
	file, public, err := catalog.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := catalog.ParsePrivateKey(file)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := config.ParseKey(public)
	if err != nil || !pub.Equal(key.Public()) {
		t.Fatalf("%s is not the public key: %v", public, err)
	}
	return key, pub
}

func (b *bench) sign(t *testing.T, plugin, digest string, key ed25519.PrivateKey) string {
	t.Helper()
	content, err := catalog.Sign(plugin, "1.2.0", digest, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.path+catalog.SignatureSuffix, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Where keys are trusted, only what one of them has signed runs.
func TestSignatures(t *testing.T) {
	b := newBench(t)
	key, public := keyOf(t)
	stranger, _ := keyOf(t)
	_, second := keyOf(t)
	b.config.TrustedKeys = []ed25519.PublicKey{second, public}
	digest := digestOf(version(t, "first"))
	other := "sha256:" + strings.Repeat("0", 64)
	edit := func(old, with string) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			content := b.sign(t, "tested", digest, key)
			edited := strings.Replace(content, old, with, 1)
			if edited == content {
				t.Fatalf("there is no %q in %q", old, content)
			}
			if err := os.WriteFile(b.path+catalog.SignatureSuffix, []byte(edited), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	by := func(plugin, digest string, key ed25519.PrivateKey) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			b.sign(t, plugin, digest, key)
		}
	}
	tests := []struct {
		name string
		sign func(*testing.T)
		says string // "": it runs
	}{
		{"none", func(*testing.T) {}, "is not signed"},
		{"right", by("tested", digest, key), ""},
		{"of a stranger", by("tested", digest, stranger), "not among trusted_keys"},
		{"of other bytes", by("tested", other, key), "it is for other bytes"},
		{"of another plugin", by("another", digest, key), `it is for plugin "another"`},
		{"moved to another version", edit("1.2.0", "9.9.9"), "was changed since"},
		{"with a trusted key's name on it", edit("key "+config.KeyText(public), "key "+config.KeyText(second)), "not made with the key that it names"},
		{"cut off", edit("signature ", "signature"), "not what penstock plugin sign writes"},
		{"with more behind it", edit("plugin tested", "plugin tested\nplugin other"), "not what penstock plugin sign writes"},
		{"of something else", edit("penstock plugin", "penstock checkpoint"), "not what penstock plugin sign writes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b.config.DataDir = t.TempDir()
			test.sign(t)
			c := b.open(t)
			_, staging := c.Stage(t.Context(), "tested", b.path)
			for _, err := range []error{staging, b.open(t).DescribeOne(t.Context(), "tested").Err} {
				if test.says != "" {
					says(t, err, "plugin tested", test.says)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}

	// No flag takes the signature out of account.
	b.config.Dev = true
	if err := b.open(t).DescribeOne(t.Context(), "tested").Err; err == nil {
		t.Error("it runs unsigned with Dev")
	}
}

// The signature of bytes in the store is there when the file that they came from
// is not.
func TestSignatureIsKept(t *testing.T) {
	b := newBench(t)
	key, public := keyOf(t)
	b.config.TrustedKeys = []ed25519.PublicKey{public}
	b.sign(t, "tested", digestOf(version(t, "first")), key)
	path := filepath.Join(t.TempDir(), "second")
	content := version(t, "second")
	write(t, path, content)
	signature, err := catalog.Sign("tested", "", digestOf(content), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+catalog.SignatureSuffix, signature, 0o600); err != nil {
		t.Fatal(err)
	}
	c := b.open(t)
	a, err := c.Stage(t.Context(), "tested", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Use(a); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if got := current(t, b.open(t), ""); got != a.Digest {
		t.Errorf("%s runs, want %s", got, a.Digest)
	}
	kept := b.stored(a.Digest) + catalog.SignatureSuffix
	if err := c.Collect(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("the signature of what runs was removed: %v", err)
	}
	found, err := b.found(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Use(found), c.Collect()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); err == nil {
		t.Error("the signature of what nothing names is still there")
	}
}

// found is what lies in the plugin directory, as a host without memory has it.
func (b *bench) found(t *testing.T) (catalog.Artifact, error) {
	t.Helper()
	forgetful := *b
	forgetful.config.DataDir = ""
	return forgetful.open(t).Current("tested", "")
}

func TestParsePrivateKey(t *testing.T) {
	for name, content := range map[string]string{
		"nothing": "", "text": "hello", "public": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		"garbage": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	} {
		if _, err := catalog.ParsePrivateKey([]byte(content)); err == nil {
			t.Errorf("%s: it is a key", name)
		}
	}
}
