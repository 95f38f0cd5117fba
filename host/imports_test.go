package main_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/penstock-io/penstock/"

// A rule says which of our own packages may be imported from below a folder.
// The first rule that fits a package holds for it.
type rule struct {
	below string   // a folder of the module
	may   []string // folders, each with all that is below it
}

// The walls of the house, from the outside in.
var rules = []rule{
	// Plugins and examples are third parties.
	{"plugins", []string{"plugins", "sdk"}},
	{"examples/devchain", []string{"examples/devchain"}},
	{"examples", []string{"examples", "sdk"}},

	// The SDK knows no host. Authors reach the wire through sdk only.
	{"sdk/transit", []string{"sdk/transit"}},
	{"sdk/eth", []string{"sdk/eth", "sdk/transit"}},
	{"sdk/internal/wire", []string{"sdk/internal/wire"}},
	{"sdk/chain", []string{"sdk/chain", "sdk/eth", "sdk/transit"}},
	{"sdk/shared", nil},
	{"sdk/digest", []string{"sdk/digest", "sdk/render", "sdk/transit"}},
	{"sdk/internal", []string{"sdk/internal", "sdk/chain", "sdk/digest", "sdk/shared", "sdk/transit"}},
	{"sdk/remote", []string{"sdk/remote", "sdk/internal", "sdk/chain", "sdk/digest", "sdk/shared", "sdk/transit"}},
	{"sdk/recording", []string{"sdk/recording", "sdk/internal/wire", "sdk/render", "sdk/transit"}},
	{"sdk", []string{"sdk"}},

	// In the host imports point one way.
	{"host/internal/registry", []string{"host/internal/registry", "sdk/transit"}},
	{"host/internal/config", []string{"host/internal/config", "host/internal/registry", "sdk/transit"}},
	{"host/internal/store", []string{"host/internal/store", "host/internal/registry", "sdk/shared"}},
	{"host/internal/chain", []string{"host/internal/chain", "host/internal/config", "sdk/chain", "sdk/eth", "sdk/transit"}},
	{"host/internal/extent", []string{"host/internal/config", "sdk/chain", "sdk/eth"}},
	{"host/internal/graph", []string{"host/internal/graph", "host/internal/config", "host/internal/registry", "sdk/transit"}},
	{"host/internal/catalog", []string{"host/internal/catalog", "host/internal/config", "host/internal/registry", "sdk/remote", "sdk/transit"}},
	{"host/internal/engine", []string{
		"host/internal/engine", "host/internal/graph", "host/internal/config", "host/internal/registry", "host/internal/catalog",
		"host/internal/store", "sdk/recording", "sdk/remote", "sdk/transit",
	}},
	{"host/internal/project", []string{
		"host/internal/project", "host/internal/catalog", "host/internal/config", "host/internal/graph", "host/internal/registry", "host/internal/store",
	}},
	{"host/internal/change", []string{
		"host/internal/change", "host/internal/catalog", "host/internal/config", "host/internal/engine", "host/internal/graph", "host/internal/plan",
		"host/internal/project", "host/internal/registry", "host/internal/store", "sdk/remote", "sdk/transit",
	}},
	{"host/internal/plan", []string{"host/internal/plan", "host/internal/config", "host/internal/graph", "host/internal/registry", "sdk/transit"}},
	{"host/internal/rerun", []string{"host/internal/config", "host/internal/engine", "host/internal/graph", "host/internal/registry", "host/internal/store", "sdk/digest", "sdk/remote"}},
	{"host/internal/estimate", []string{"sdk/chain", "sdk/digest"}},
	{"host/internal/reconcile", []string{"sdk/digest"}},
	{"host/internal/chaos", []string{"host/internal/chaos"}},
	{"host/internal/api", []string{
		"host/internal/api", "host/internal/chain", "host/internal/engine", "host/internal/plan", "host/internal/registry", "host/internal/store", "sdk/chain", "sdk/shared",
	}},
	{"host/internal/scaffold", []string{"host/internal/scaffold"}},
	{"host/internal/conformance", []string{"host/internal/conformance", "host/internal/catalog", "host/internal/registry", "sdk/chain", "sdk/remote", "sdk/shared", "sdk/transit"}},
	{"host/internal/cli", []string{"host/internal", "sdk/chain", "sdk/digest", "sdk/recording", "sdk/remote", "sdk/render", "sdk/shared", "sdk/transit"}},
	{"host/internal/bench", []string{"host", "sdk"}},
	{"host", []string{"host/internal/cli"}},
}

// Every package imports only what its wall lets through.
func TestImportsPointOneWay(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatalf("list the packages: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], module)
		r := ruleFor(pkg)
		if r == nil {
			t.Errorf("%s stands in no wall's plan: say in rules what it may import", pkg)
			continue
		}
		for _, imported := range words[1:] {
			target, ours := strings.CutPrefix(imported, module)
			if ours && !slices.ContainsFunc(r.may, func(folder string) bool { return below(target, folder) }) {
				t.Errorf("%s imports %s; below %s only these may be imported: %s", pkg, target, r.below, strings.Join(r.may, ", "))
			}
		}
	}
}

func ruleFor(pkg string) *rule {
	for i := range rules {
		if below(pkg, rules[i].below) {
			return &rules[i]
		}
	}
	return nil
}

func below(pkg, folder string) bool {
	return pkg == folder || strings.HasPrefix(pkg, folder+"/")
}

// What authors import never shows them the wire: no exported name of the SDK
// mentions a type of gRPC, protobuf, go-plugin or HCL.
func TestAuthorsNeverSeeTheWire(t *testing.T) {
	for _, pkg := range []string{"sdk", "sdk/eth", "sdk/transit", "sdk/plugintest"} {
		out, err := exec.CommandContext(t.Context(), "go", "doc", "-all", module+pkg).CombinedOutput()
		if err != nil {
			t.Errorf("read the documentation of %s: %v\n%s", pkg, err, out)
			continue
		}
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "func ") && !strings.HasPrefix(line, "type ") && !strings.HasPrefix(line, "\t") {
				continue
			}
			for _, word := range []string{"grpc.", "proto.", "pluginv1.", "plugin.", "hcl."} {
				if strings.Contains(line, word) && !strings.Contains(line, "\"") && !strings.Contains(line, "//") {
					t.Errorf("%s shows its users the wire: %s", pkg, strings.TrimSpace(line))
				}
			}
		}
	}
}
