package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/transit"
)

// A step names the settings that nobody may be shown, however deep in them the
// secret is.
func TestSecretsOfSettings(t *testing.T) {
	known := registry.New()
	inner := registry.Settings{Attributes: []registry.Attribute{{Name: "key", Type: "string"}}}
	if err := known.Add(registry.Register{
		Name: "test.source", Type: registry.Reader, Plugin: "test", Output: transit.Type{Name: "test.row"},
		Settings: registry.Settings{
			Attributes: []registry.Attribute{{Name: "open", Type: "string"}, {Name: "hidden", Type: "list(string)"}, {Name: "home", Type: "string"}},
			Blocks:     []registry.Block{{Name: "auth", Settings: inner}, {Name: "plain", Settings: inner}},
		},
	}); err != nil {
		t.Fatal(err)
	}
	file, _ := config.Parse([]config.Source{{Name: "test.hcl", Bytes: []byte(`
variable "token" {
  default   = "abc"
  sensitive = true
}
network "n" {
  chain_id = 1
  endpoint "e" { url = "http://127.0.0.1:1" }
}
pipeline "p" {
  reader "test.source" "r" {
    open   = "seen"
    hidden = ["a", "x-${var.token}"]
    home   = env("HOME")
    auth { key = var.token }
    plain { key = "k" }
  }
}`)}}, config.Options{Env: func(string) (string, bool) { return "/home/x", true }})
	if diff := cmp.Diff([]string{"token"}, file.Variables()); diff != "" {
		t.Errorf("Variables (-want +got):\n%s", diff)
	}
	model, diags := file.Resolve(known)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	got := model.Pipelines[0].Steps[0].Secrets
	if diff := cmp.Diff([]string{"auth", "hidden", "home"}, got); diff != "" {
		t.Errorf("Secrets (-want +got):\n%s", diff)
	}
}
