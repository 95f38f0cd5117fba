package decode_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// recorded returns the results of a method that a mainnet node answered, by file. Without recordings the test is skipped.
func recorded(tb testing.TB, method string) map[string]json.RawMessage {
	tb.Helper()
	root := os.Getenv("PENSTOCK_RECORDINGS")
	if root == "" {
		tb.Skip("PENSTOCK_RECORDINGS is unset: it names a folder of recorded answers of a node")
	}
	files, err := filepath.Glob(filepath.Join(root, "mainnet-rpc", method, "*.json"))
	if err != nil || len(files) == 0 {
		tb.Skipf("no recordings of %s under %s", method, root)
	}
	out := map[string]json.RawMessage{}
	for _, file := range files {
		var pairs []struct {
			Response struct {
				Result json.RawMessage `json:"result"`
			} `json:"response"`
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		if err := json.Unmarshal(raw, &pairs); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		for _, p := range pairs {
			if len(p.Response.Result) > 0 && string(p.Response.Result) != "null" {
				out[filepath.Base(file)] = p.Response.Result
			}
		}
	}
	return out
}

func TestRecordedBlocks(t *testing.T) {
	for file, raw := range recorded(t, "eth_getBlockByNumber") {
		var header types.Header
		if err := json.Unmarshal(raw, &header); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var light struct {
			Hash         common.Hash       `json:"hash"`
			Transactions []json.RawMessage `json:"transactions"`
		}
		if err := json.Unmarshal(raw, &light); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var d decode.Decoder
		if len(light.Transactions) > 0 && light.Transactions[0][0] == '"' {
			got, hashes, err := d.Header(raw)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			compareHeader(t, &got, &header)
			if len(hashes) != len(light.Transactions) || got.BlockHash != light.Hash {
				t.Errorf("%s: got %d transactions of block %s", file, len(hashes), got.BlockHash)
			}
			continue
		}
		got, err := d.Block(raw)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		compareHeader(t, &got.Header, &header)
		if len(got.Transactions) != len(light.Transactions) {
			t.Fatalf("%s: got %d transactions, want %d", file, len(got.Transactions), len(light.Transactions))
		}
		for i, raw := range light.Transactions {
			var tx types.Transaction
			if err := json.Unmarshal(raw, &tx); err != nil {
				t.Fatalf("%s: transaction %d: %v", file, i, err)
			}
			compareTransaction(t, &got.Transactions[i], &tx)
		}
	}
}

func TestRecordedReceipts(t *testing.T) {
	for file, raw := range recorded(t, "eth_getBlockReceipts") {
		var want []*types.Receipt
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		head := &eth.Header{BlockNumber: want[0].BlockNumber.Uint64(), BlockHash: want[0].BlockHash}
		hashes := make([]common.Hash, len(want))
		for i, r := range want {
			hashes[i] = r.TxHash
		}
		var d decode.Decoder
		got, err := d.Receipts(raw, head, hashes)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for i, r := range want {
			compareReceipt(t, file, &got[i], r)
		}
	}
}

func compareReceipt(t *testing.T, file string, got *eth.Receipt, want *types.Receipt) {
	t.Helper()
	contract := common.Address{}
	if got.ContractAddress != nil {
		contract = *got.ContractAddress
	}
	status := uint64(0)
	if got.Status != nil {
		status = *got.Status
	}
	g := []any{
		got.TransactionHash, got.TransactionIndex, got.TransactionType, status, got.GasUsed, got.CumulativeGasUsed, got.EffectiveGasPrice.Dec(),
		string(got.LogsBloom), got.LogCount, contract,
	}
	w := []any{
		want.TxHash, uint64(want.TransactionIndex), want.Type, want.Status, want.GasUsed, want.CumulativeGasUsed, want.EffectiveGasPrice.String(),
		string(want.Bloom[:]), uint64(len(want.Logs)), want.ContractAddress,
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("%s: receipt of %s (-want +got):\n%s", file, want.TxHash, diff)
	}
}

func TestRecordedLogs(t *testing.T) {
	for file, raw := range recorded(t, "eth_getLogs") {
		var want []types.Log
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var d decode.Decoder
		got, err := d.Logs(raw)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: got %d logs, want %d", file, len(got), len(want))
		}
		for i, w := range want {
			g := got[i]
			same := g.BlockNumber == w.BlockNumber && g.BlockHash == w.BlockHash && g.TransactionHash == w.TxHash && g.TransactionIndex == uint64(w.TxIndex) &&
				g.LogIndex == uint64(w.Index) && g.Address == w.Address && string(g.Data) == string(w.Data) && len(g.Topics) == len(w.Topics)
			for k := range w.Topics {
				same = same && g.Topics[k] == w.Topics[k]
			}
			if !same {
				t.Errorf("%s: log %d: got %+v, want %+v", file, i, g, w)
			}
		}
		if len(got) > 0 {
			if err := decode.InOrder(got, got[0].BlockNumber, got[len(got)-1].BlockNumber); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// recordedBlock is mainnet block 18,000,000 and its receipts; nil where there are no recordings.
func recordedBlock(tb testing.TB) (block, receipts []byte) {
	tb.Helper()
	root := os.Getenv("PENSTOCK_RECORDINGS")
	if root == "" {
		return nil, nil
	}
	read := func(name string) []byte {
		raw, err := os.ReadFile(filepath.Join(root, "block-18000000", name))
		if err != nil {
			tb.Fatal(err)
		}
		return raw
	}
	return read("block.json"), read("receipts.json")
}
