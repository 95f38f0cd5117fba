package config_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/config"
)

func TestNetworkThatIsAnyChain(t *testing.T) {
	file, diags := config.Parse([]config.Source{{Name: "p.hcl", Bytes: []byte(`
network "any" {
  endpoint "node" {
    url = "http://127.0.0.1:8545"
  }
}
pipeline "logs" {
  reader "eth.logs" "logs" {}
}
`)}}, config.Options{})
	model, more := file.Resolve(registers(t))
	if len(diags)+len(more) > 0 {
		t.Fatalf("a network without chain_id: %v %v", diags, more)
	}
	if id := model.Pipelines[0].Network.ChainID; id != 0 {
		t.Errorf("its chain id is %d, want 0, which stands for whatever the node says", id)
	}
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string][]config.Rate{
		"":                                       nil,
		"25/s":                                   {{Units: 25, Per: time.Second}},
		"0.5/hour":                               {{Units: 0.5, Per: time.Hour}},
		" 300 / m ":                              {{Units: 300, Per: time.Minute}},
		"100000000/day;20000/minute;2500/second": {{Units: 1e8, Per: 24 * time.Hour}, {Units: 20000, Per: time.Minute}, {Units: 2500, Per: time.Second}},
	} {
		if got, err := config.ParseRate(text); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("ParseRate(%q): got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"25", "25/", "/s", "25/ms", "-1/s", "0/s", "1e3/s", "25/s;", "25/s,3/m"} {
		if got, err := config.ParseRate(text); err == nil {
			t.Errorf("ParseRate(%q): got %v, want an error", text, got)
		}
	}
}

func TestHedgeAfter(t *testing.T) {
	for text, want := range map[string]struct {
		after time.Duration
		auto  bool
	}{"": {}, "off": {}, "auto": {auto: true}, "2s": {after: 2 * time.Second}} {
		if after, auto := (config.RPC{Hedge: text}).HedgeAfter(); after != want.after || auto != want.auto {
			t.Errorf("HedgeAfter of %q: got %v, %v, want %v", text, after, auto, want)
		}
	}
}

// What an endpoint's headers hold is as secret as a key in its URL.
func TestHeadersAreSecrets(t *testing.T) {
	file, _ := config.Parse([]config.Source{{Name: "p.hcl", Bytes: []byte(`
network "m" {
  endpoint "node" {
    url     = "http://127.0.0.1:8545"
    headers = { Authorization = "Bearer hunter3" }
  }
}
`)}}, config.Options{})
	if !slices.Contains(file.Secrets(), "Bearer hunter3") {
		t.Errorf("secrets: got %q, want the value of the header among them", strings.Join(file.Secrets(), ", "))
	}
}

// Sockets and directories may be named in many ways, none of which is taken for a
// computer.
func TestPathsOfEndpoints(t *testing.T) {
	for text, want := range map[string]string{
		"/run/geth.ipc": "/run/geth.ipc", "geth.ipc": "base/geth.ipc", "./data/geth": "base/data/geth", "data/geth.ipc": "base/data/geth.ipc",
		"era1:/history": "era1:/history", "recorded:answers": "recorded:base/answers", "socket": "base/socket",
	} {
		file, diags := config.Parse([]config.Source{{Name: "p.hcl", Bytes: []byte(`
network "m" {
  endpoint "node" { url = "` + text + `" }
}
pipeline "p" {
  reader "eth.logs" "logs" {}
}
`)}}, config.Options{BaseDir: "base"})
		if diags.HasErrors() {
			t.Errorf("%s: %v", text, diags)
			continue
		}
		if got := file.Networks[0].Endpoints[0].URL; got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
