package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/transit"
)

// secretive is a registry with a register that has a sensitive setting, and one
// that needs a network.
func secretive(t *testing.T) *registry.Registry {
	t.Helper()
	r := registry.New()
	for _, reg := range []registry.Register{
		{
			Name: "secret.reader", Plugin: "p", Type: registry.Reader, Output: transit.Type{Name: "secret.row"},
			Settings: registry.Settings{Attributes: []registry.Attribute{{Name: "password", Type: "string", Sensitive: true}, {Name: "plain", Type: "string"}}},
		},
		{Name: "net.reader", Plugin: "net", Type: registry.Reader, Output: transit.Type{Name: "net.row"}, Network: true},
	} {
		if err := r.Add(reg); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// A register that is of no use without a network is refused where its plugin may
// not have one, once for a plugin, with the line to write.
func TestNetworkIsAllowedByTheFile(t *testing.T) {
	const steps = `
network "n" {
  endpoint "e" { url = "http://127.0.0.1:1" }
}
pipeline "p" {
  reader "net.reader" "a" {}
  reader "net.reader" "b" {}
}
`
	for block, want := range map[string]string{
		"":                                 `plugin "net" { network = true }`,
		`plugin "net" { dev = true }`:      "network = true into the block of plugin \"net\" at a.hcl:1:1",
		`plugin "net" { network = false }`: "network = true into the block",
		`plugin "net" { network = true }`:  "",
		"plugin \"net\" {\nsandbox { enabled = false }\n}": "",
	} {
		f, _ := config.Parse([]config.Source{{Name: "a.hcl", Bytes: []byte(block + steps)}}, config.Options{})
		_, diags := f.Resolve(secretive(t))
		var errs []*config.Diagnostic
		for _, d := range diags {
			if d.Severity == config.Error {
				errs = append(errs, d)
			}
		}
		switch {
		case want == "" && len(errs) == 0:
		case want == "" || len(errs) != 1:
			t.Errorf("%q: got %d errors: %v", block, len(errs), diags)
		case !strings.Contains(errs[0].Detail, want) || errs[0].Subject.Start.Line < 6:
			t.Errorf("%q: got %v at %v, want %s at the first step", block, errs[0].Detail, errs[0].Subject, want)
		}
	}
}

// Whoever shows text that others wrote can leave out what nobody may see:
// sensitive variables and what is made of them, sensitive settings, and what
// gives access in an endpoint's URL.
func TestSecrets(t *testing.T) {
	src := `
variable "token" {
  default   = "token-of-a-variable"
  sensitive = true
}
variable "keys" {
  default   = { a = ["key-in-a-list"], n = 123456 }
  sensitive = true
}
variable "short" {
  default   = "on"
  sensitive = true
}
variable "open" {
  default = "open-value"
}
locals {
  header = "Bearer ${var.token}"
}
network "n" {
  endpoint "one" { url = "https://user:pass%20word@node.example/v2/words" }
  endpoint "two" { url = "https://node.example/v3/0123456789abcdef0123?apikey=query-key" }
}
plugin "p" {
  env = { AUTH = local.header, LEVEL = "debug-level", OTHER = var.open }
}
pipeline "p" {
  reader "secret.reader" "r" {
    password = "typed-password"
    plain    = "plain-text"
  }
}
`
	f, _ := config.Parse([]config.Source{{Name: "a.hcl", Bytes: []byte(src)}}, config.Options{})
	m, diags := f.Resolve(secretive(t))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, secret := range []string{
		"token-of-a-variable", "key-in-a-list", "123456", "Bearer token-of-a-variable", "pass word", "0123456789abcdef0123", "query-key", "typed-password",
	} {
		if !slices.Contains(m.Secrets, secret) {
			t.Errorf("%s is not among the secrets %q", secret, m.Secrets)
		}
	}
	for _, open := range []string{"on", "open-value", "debug-level", "plain-text", "words", "node.example"} {
		if slices.ContainsFunc(m.Secrets, func(s string) bool { return strings.Contains(open, s) }) {
			t.Errorf("%s is hidden by one of the secrets %q", open, m.Secrets)
		}
	}
	if !slices.IsSortedFunc(m.Secrets, func(a, b string) int { return len(b) - len(a) }) {
		t.Errorf("the longest do not come first: %q", m.Secrets)
	}
}

// Diagnostics show no secret, not even one that stands in the line they are about.
func TestDiagnosticsShowNoSecrets(t *testing.T) {
	src := `
network "n" {
  endpoint "e" { url = "http://user:hunter22@127.0.0.1:1" }
}
variable "token" {
  default   = "token-of-a-variable"
  sensitive = true
}
pipeline "p" {
  reader "secret.reader" "r" {
    password = "typed-password"
    plain    = ["typed-password", "token-of-a-variable", "hunter22"]
  }
}
`
	f, _ := config.Parse([]config.Source{{Name: "a.hcl", Bytes: []byte(src)}}, config.Options{})
	_, diags := f.Resolve(secretive(t))
	var text strings.Builder
	if err := f.Write(&text, diags, false, 0); err != nil {
		t.Fatal(err)
	}
	if !diags.HasErrors() {
		t.Fatal("there is no mistake")
	}
	for _, secret := range []string{"hunter22", "token-of-a-variable", "typed-password"} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("%s is shown:\n%s", secret, text.String())
		}
	}
}
