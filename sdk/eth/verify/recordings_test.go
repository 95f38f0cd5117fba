package verify_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/penstock-io/penstock/sdk/eth/verify"
)

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

func TestMainnetBlockVerifies(t *testing.T) {
	block, receipts := recordedBlock(t)
	if block == nil {
		t.Skip("PENSTOCK_RECORDINGS is unset: it names a folder of recorded answers of a node")
	}
	var v verify.Verifier
	r := read(t, 1, block, receipts)
	if err := all(&v, &r); err != nil {
		t.Error(err)
	}
	if len(r.Transactions) == 0 || len(r.logs) == 0 {
		t.Errorf("got %d transactions and %d logs", len(r.Transactions), len(r.logs))
	}
}
