package verify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
	"github.com/penstock-io/penstock/sdk/eth/internal/made"
	"github.com/penstock-io/penstock/sdk/eth/verify"
)

// recordings is a folder of what real nodes answered. Without it the test is skipped.
func recordings(tb testing.TB) string {
	tb.Helper()
	root := os.Getenv("PENSTOCK_RECORDINGS")
	if root == "" {
		tb.Skip("PENSTOCK_RECORDINGS is unset: it names a folder of recorded answers of a node")
	}
	return root
}

func file(tb testing.TB, path ...string) []byte {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// recordedBlock is mainnet block 18,000,000 and its receipts; nil where there are no recordings.
func recordedBlock(tb testing.TB) (block, receipts []byte) {
	tb.Helper()
	root := os.Getenv("PENSTOCK_RECORDINGS")
	if root == "" {
		return nil, nil
	}
	return file(tb, root, "block-18000000", "block.json"), file(tb, root, "block-18000000", "receipts.json")
}

func TestMainnetBlockVerifies(t *testing.T) {
	recordings(t)
	block, receipts := recordedBlock(t)
	var v verify.Verifier
	r := read(t, 1, block, receipts)
	if err := firstOf(all(&v, &r), v.Senders(&r.Header, r.Transactions)); err != nil {
		t.Error(err)
	}
	if len(r.Transactions) == 0 || len(r.logs) == 0 || len(r.extra) > 0 {
		t.Errorf("got %d transactions, %d logs, strange fields %v", len(r.Transactions), len(r.logs), r.extra)
	}
}

// Mainnet nodes of several kinds answered these, about blocks of all times.
func TestMainnetAnswersVerify(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(recordings(t), "mainnet-rpc", "eth_getBlockByNumber", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	var v verify.Verifier
	checked := 0
	for _, name := range files {
		var pairs []struct {
			Request  struct{ Params []any }
			Response struct{ Result json.RawMessage }
		}
		if err := json.Unmarshal(file(t, name), &pairs); err != nil {
			t.Fatal(err)
		}
		for _, p := range pairs {
			if len(p.Response.Result) == 0 || string(p.Response.Result) == "null" {
				continue
			}
			d := decode.Decoder{ChainID: 1}
			if p.Request.Params[1] == false {
				h, _, err := d.Header(p.Response.Result)
				if err := firstOf(err, v.Header(&h, d.Extra()...)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				checked++
				continue
			}
			b, err := d.Block(p.Response.Result)
			if err := firstOf(err, v.Block(&b, d.Extra()...), v.Senders(&b.Header, b.Transactions)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			checked++
		}
	}
	if checked < 3 {
		t.Errorf("only %d blocks", checked)
	}
}

// hive returns what a node of the test chain answered, by the name of the case.
func hive(t *testing.T, method string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(recordings(t), "hivechain", method, "*.io"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings of %s: %v", method, err)
	}
	out := map[string][]byte{}
	for _, name := range files {
		_, answer, _ := bytes.Cut(file(t, name), []byte("\n<< "))
		var response struct{ Result json.RawMessage }
		if json.Unmarshal(answer, &response) == nil && len(response.Result) > 0 && string(response.Result) != "null" {
			out[strings.TrimSuffix(filepath.Base(name), ".io")] = response.Result
		}
	}
	return out
}

// hiveChain is the number of the chain that was recorded.
const hiveChain = 3503995874084926

// Every block of a chain with all kinds of transactions, under every fork.
func TestHiveChainVerifies(t *testing.T) {
	var (
		raw    = bytes.NewReader(file(t, recordings(t), "hivechain", "chain.rlp"))
		blocks = rlp.NewStream(raw, 0)
		v      verify.Verifier
		count  int
		kinds  [5]int
	)
	for ; ; count++ {
		var block types.Block
		if err := blocks.Decode(&block); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		answer := made.Of(t, &block, big.NewInt(hiveChain))
		d := decode.Decoder{ChainID: hiveChain}
		b, err := d.Block(answer.Full)
		if err := firstOf(err, v.Block(&b), v.Senders(&b.Header, b.Transactions)); err != nil {
			t.Errorf("block %d: %v", block.NumberU64(), err)
		}
		for i := range b.Transactions {
			kinds[b.Transactions[i].TransactionType]++
			if b.Transactions[i].RLPBytes != block.Transactions()[i].Size() {
				t.Errorf("block %d: transaction %d has %d bytes, not %d", b.BlockNumber, i, b.Transactions[i].RLPBytes, block.Transactions()[i].Size())
			}
		}
	}
	for kind, n := range kinds {
		if n == 0 {
			t.Errorf("no transactions of type %d among %d blocks", kind, count)
		}
	}
}

func TestHiveAnswersVerify(t *testing.T) {
	var v verify.Verifier
	d := decode.Decoder{ChainID: hiveChain}
	headers := map[string]eth.Header{}
	for _, method := range []string{"eth_getBlockByNumber", "eth_getBlockByHash"} {
		for name, raw := range hive(t, method) {
			if h, _, err := d.Header(raw); err == nil {
				if err := v.Header(&h, d.Extra()...); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				headers[h.BlockHash.Hex()] = h
				continue
			}
			b, err := d.Block(raw)
			if err := firstOf(err, v.Block(&b, d.Extra()...)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			headers[b.BlockHash.Hex()] = b.Header
		}
	}
	checked := 0
	for name, raw := range hive(t, "eth_getBlockReceipts") {
		var list []*types.Receipt
		if err := json.Unmarshal(raw, &list); err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			continue
		}
		h, known := headers[list[0].BlockHash.Hex()]
		if !known {
			continue
		}
		checked++
		hashes := decode.HashesOf(nil, nil)
		for _, r := range list {
			hashes = append(hashes, r.TxHash)
		}
		receipts, logs, err := d.ReceiptsWithLogs(raw, &h, hashes, nil)
		if err := firstOf(err, v.Receipts(&h, receipts, logs), v.AllLogs(&h, logs)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(headers) < 5 || checked == 0 {
		t.Errorf("only %d headers and the receipts of %d", len(headers), checked)
	}
}
