package config_test

import (
	"testing"

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
