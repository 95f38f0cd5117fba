package contracts_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/examples/devchain/contracts"
)

// The topics and the indexed parameters are those of the deployed Uniswap V2 and of every ERC-20.
func TestEventsAreThoseOfUniswapV2(t *testing.T) {
	set, err := contracts.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in      abi.ABI
		event   string
		topic   string
		indexed []bool
	}{
		{set.Pair.ABI, "Swap", "0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822", []bool{true, false, false, false, false, true}},
		{set.Pair.ABI, "Sync", "0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1", []bool{false, false}},
		{set.Pair.ABI, "Mint", "0x4c209b5fc8ad50758f13e2e1088ba56a560dff690a1c6fef26394f4c03821c4f", []bool{true, false, false}},
		{set.Pair.ABI, "Burn", "0xdccd412f0b1252819cb1fd330b93224ca42612892bb3f4f789976e6d81936496", []bool{true, false, false, true}},
		{set.Pair.ABI, "Transfer", "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef", []bool{true, true, false}},
		{set.Factory.ABI, "PairCreated", "0x0d3648bd0f6ba80134a33ba9275ac585d9d315f0ad8355cddefde31afa28d0e9", []bool{true, true, false, false}},
		{set.Token.ABI, "Transfer", "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef", []bool{true, true, false}},
		{set.Token.ABI, "Approval", "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925", []bool{true, true, false}},
	} {
		event, ok := c.in.Events[c.event]
		if !ok {
			t.Errorf("%s: not in the ABI", c.event)
			continue
		}
		if got := event.ID.Hex(); got != c.topic {
			t.Errorf("%s: topic got %s, want %s", c.event, got, c.topic)
		}
		var indexed []bool
		for _, input := range event.Inputs {
			indexed = append(indexed, input.Indexed)
		}
		if diff := cmp.Diff(c.indexed, indexed); diff != "" {
			t.Errorf("%s: indexed parameters (-want +got):\n%s", c.event, diff)
		}
	}
}

// A source that was changed, added or removed without `go generate` is noticed without the compiler.
func TestArtefactIsUpToDate(t *testing.T) {
	text, err := os.ReadFile("artefact.json")
	if err != nil {
		t.Fatal(err)
	}
	var artefact struct {
		Sources map[string]string `json:"sources"`
	}
	if err := json.Unmarshal(text, &artefact); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("*.sol")
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(source)
		sources[name] = hex.EncodeToString(sum[:])
	}
	if diff := cmp.Diff(artefact.Sources, sources); diff != "" {
		t.Errorf("artefact.json is not from these sources: run `go generate` in this folder (-artefact +sources):\n%s", diff)
	}
}

func TestDeploymentRefusesWrongArguments(t *testing.T) {
	set, err := contracts.Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Token.Deployment("only a name"); err == nil {
		t.Error("Deployment with a missing argument: got no error")
	}
	code, err := set.Pair.Deployment()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(set.Pair.Bytecode, code); diff != "" {
		t.Errorf("Deployment without arguments is not the init code (-want +got):\n%s", diff)
	}
}
