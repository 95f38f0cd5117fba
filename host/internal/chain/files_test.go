package chain_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	chain "github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	sdk "github.com/penstock-io/penstock/sdk/chain"
)

// Answers that lie in files are an endpoint like any other.
func TestAnswersFromFiles(t *testing.T) {
	dir := t.TempDir()
	text := `[{"request":{"method":"eth_chainId"},"response":{"result":"0x7"}},
	 {"request":{"method":"eth_getBlockByNumber","params":["0x5",false]},"response":{"result":{"number":"0x5","hash":"0x` + strings.Repeat("ab", 32) + `","transactions":[]}}}]`
	if err := os.WriteFile(filepath.Join(dir, "answers.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := chain.NewNetwork(chain.NetworkConfig{Network: &config.Network{Name: "old", ChainID: 7, Endpoints: []config.Endpoint{{Name: "files", URL: "recorded:" + dir}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	got, err := n.Exchange(t.Context(), sdk.Request{Network: "old", Calls: []sdk.Query{
		{Method: "eth_blockNumber", Params: []byte(`[]`)}, {Method: "eth_call", Params: []byte(`[{}]`), Once: true, Never: true},
	}})
	if err != nil || string(got[0].Raw) != `"0x5"` || got[1].Err == nil || !strings.Contains(got[1].Err.Error(), "no answer to eth_call") {
		t.Errorf("got %+v and %v", got, err)
	}
	missing, err := chain.NewNetwork(chain.NetworkConfig{Network: &config.Network{
		Name: "old", RPC: config.RPC{Retries: new(uint64(0))}, Endpoints: []config.Endpoint{{Name: "files", URL: "era1:" + dir}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer missing.Close()
	got, err = missing.Exchange(t.Context(), sdk.Request{Network: "old", Calls: []sdk.Query{{Method: "eth_blockNumber", Params: []byte(`[]`)}}})
	if err == nil && (got[0].Err == nil || !strings.Contains(got[0].Err.Error(), "has no era1 files")) {
		t.Errorf("a directory without files: got %+v", got)
	}
}
