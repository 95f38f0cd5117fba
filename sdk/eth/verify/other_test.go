package verify_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
	"github.com/penstock-io/penstock/sdk/eth/internal/made"
	"github.com/penstock-io/penstock/sdk/eth/verify"
)

// without decodes a block and its receipts from which fields were removed, or to which others were added.
func without(t *testing.T, b made.Block, change func(block map[string]any, transactions, receipts []map[string]any)) rows {
	t.Helper()
	var block map[string]any
	var transactions, receipts []map[string]any
	for raw, into := range map[*[]byte]any{&b.Full: &block, &b.Receipts: &receipts} {
		if err := json.Unmarshal(*raw, into); err != nil {
			t.Fatal(err)
		}
	}
	for _, tx := range block["transactions"].([]any) {
		transactions = append(transactions, tx.(map[string]any))
	}
	change(block, transactions, receipts)
	full, err := json.Marshal(block)
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(receipts)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, made.ChainID, full, list)
}

func TestWhatANodeLeavesOutIsNoMismatch(t *testing.T) {
	b := made.Make(t, made.Config{Number: 77, Fork: made.Prague, Transactions: 7, Logs: 2})
	for _, c := range []struct {
		field, reason string
		change        func(block map[string]any, transactions, receipts []map[string]any)
	}{
		{"hash", "left out mixHash", func(block map[string]any, _, _ []map[string]any) { delete(block, "mixHash") }},
		{"hash", "left out stateRoot", func(block map[string]any, _, _ []map[string]any) { delete(block, "stateRoot") }},
		{"hash", "left out receiptsRoot", func(block map[string]any, _, _ []map[string]any) { delete(block, "receiptsRoot") }},
		{"logsBloom", "left it out", func(block map[string]any, _, _ []map[string]any) { delete(block, "logsBloom") }},
		{"hash", "fields that Ethereum's do not have: [l1BlockNumber]", func(block map[string]any, _, _ []map[string]any) {
			block["l1BlockNumber"], block["gasLimit"] = "0x1", "0x1"
		}},
		{"transactions[3].hash", "left out maxFeePerGas", func(_ map[string]any, transactions, _ []map[string]any) { delete(transactions[3], "maxFeePerGas") }},
		{"transactions[3].hash", "left out maxPriorityFeePerGas", func(_ map[string]any, transactions, _ []map[string]any) {
			delete(transactions[3], "maxPriorityFeePerGas")
		}},
		{"transactions[5].hash", "left out maxFeePerBlobGas", func(_ map[string]any, transactions, _ []map[string]any) { delete(transactions[5], "maxFeePerBlobGas") }},
		{"transactions[1].hash", "left out r and s", func(_ map[string]any, transactions, _ []map[string]any) {
			delete(transactions[1], "r")
			delete(transactions[1], "s")
		}},
		{"transactions[2].hash", "no transactions of type 126", func(_ map[string]any, transactions, _ []map[string]any) { transactions[2]["type"] = "0x7e" }},
		{"receipts[4]", "left out status", func(_ map[string]any, _, receipts []map[string]any) { delete(receipts[4], "status") }},
		{"receipts[4]", "no transactions of type 126", func(_ map[string]any, _, receipts []map[string]any) { receipts[4]["type"] = "0x7e" }},
		{"receipts[5]", "used no gas", func(_ map[string]any, _, receipts []map[string]any) {
			receipts[5]["gasUsed"], receipts[5]["cumulativeGasUsed"] = "0x0", receipts[4]["cumulativeGasUsed"]
		}},
		{"transactions[0].hash", "no transactions of type 126", func(block map[string]any, transactions, _ []map[string]any) {
			transactions[0]["type"], block["withdrawals"] = "0x7e", nil
		}},
	} {
		var v verify.Verifier
		r := without(t, b, c.change)
		wantUnverifiable(t, firstOf(v.Block(&r.Block, r.extra...), v.Receipts(&r.Header, r.receipts, r.logs)), c.field, c.reason)
	}
}

func TestRootsThatAreLeftOut(t *testing.T) {
	var v verify.Verifier
	b := made.Make(t, made.Config{Number: 77, Fork: made.Prague, Transactions: 7, Logs: 2})
	r := read(t, made.ChainID, b.Full, b.Receipts)
	r.TransactionsRoot, r.ReceiptsRoot = common.Hash{}, common.Hash{}
	wantUnverifiable(t, v.Transactions(&r.Header, r.Transactions), "transactionsRoot", "left it out")
	wantUnverifiable(t, v.Receipts(&r.Header, r.receipts, r.logs), "receiptsRoot", "left it out")
}

// These nodes leave out, or add, what can be made up for.
func TestWhatCanBeMadeUpFor(t *testing.T) {
	b := made.Make(t, made.Config{Number: 77, Fork: made.Prague, Transactions: 7, Logs: 2})
	for name, change := range map[string]func(block map[string]any, transactions, receipts []map[string]any){
		"no blooms":      func(_ map[string]any, _, receipts []map[string]any) { delete(receipts[2], "logsBloom") },
		"a root":         func(_ map[string]any, _, receipts []map[string]any) { receipts[1]["root"] = common.Hash{9} },
		"an empty root":  func(_ map[string]any, _, receipts []map[string]any) { receipts[1]["root"] = "0x" },
		"a strange name": func(block map[string]any, _, _ []map[string]any) { block["l1BlockNumber"] = "0x5" },
		"no gas price":   func(_ map[string]any, transactions, _ []map[string]any) { delete(transactions[3], "gasPrice") },
		"no v": func(_ map[string]any, transactions, _ []map[string]any) {
			delete(transactions[3], "v")
			delete(transactions[4], "yParity")
		},
		"the most that was offered": func(_ map[string]any, transactions, _ []map[string]any) {
			transactions[3]["gasPrice"] = transactions[3]["maxFeePerGas"]
		},
		"no chain": func(_ map[string]any, transactions, _ []map[string]any) { delete(transactions[3], "chainId") },
	} {
		var v verify.Verifier
		r := without(t, b, change)
		if err := all(&v, &r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is wrong is said even where something else cannot be told.
func TestAMismatchBeforeWhatCannotBeTold(t *testing.T) {
	b := made.Make(t, made.Config{Number: 77, Fork: made.Prague, Transactions: 7})
	r := without(t, b, func(block map[string]any, transactions, _ []map[string]any) {
		delete(block, "mixHash")
		transactions[0]["type"], transactions[6]["nonce"] = "0x64", "0x99"
	})
	var v verify.Verifier
	wantMismatch(t, v.Block(&r.Block), "transactions[6].hash")
}

func TestListsThatDoNotBelong(t *testing.T) {
	var v verify.Verifier
	b := made.Make(t, made.Config{Number: 77, Fork: made.Prague, Transactions: 7, Logs: 3})
	r := read(t, made.ChainID, b.Full, b.Receipts)
	h := &r.Header
	wantMismatch(t, v.Transactions(h, r.Transactions[1:]), "transactionsRoot")
	wantMismatch(t, v.Transactions(h, nil), "transactionsRoot")
	wantMismatch(t, v.Withdrawals(h, nil), "withdrawalsRoot")
	wantMismatch(t, v.Receipts(h, r.receipts[:6], r.logs[:18]), "gasUsed")
	wantMismatch(t, v.Receipts(h, r.receipts, r.logs[:20]), "number of logs")
	wantMismatch(t, v.AllLogs(h, r.logs[:9]), "logsBloom")
	wantMismatch(t, v.AllLogs(h, r.logs[1:]), "logs[0].logIndex")
	wantMismatch(t, v.Logs(h, append([]eth.Log{}, r.logs[3], r.logs[3])), "logs[1].logIndex")
	wantMismatch(t, v.Outcomes(h, r.Transactions[1:], r.receipts), "receipts")
	if err := v.Logs(h, r.logs[2:9]); err != nil {
		t.Errorf("some of the logs: %v", err)
	}
	foreign := r.logs[2]
	foreign.Address[0]++
	wantMismatch(t, v.Logs(h, []eth.Log{foreign}), "logs[0].address")
	old := made.Make(t, made.Config{Number: 77, Fork: made.London})
	plain := read(t, made.ChainID, old.Full, old.Receipts)
	wantMismatch(t, v.Withdrawals(&plain.Header, r.Withdrawals), "withdrawalsRoot")
}

func TestUncles(t *testing.T) {
	var v verify.Verifier
	for count := range 3 {
		b := made.Make(t, made.Config{Number: 77, Fork: made.London, Uncles: count})
		r := read(t, made.ChainID, b.Full, b.Receipts)
		uncles := make([]eth.Header, count)
		for i, u := range b.Uncles() {
			raw, err := json.Marshal(u)
			if err != nil {
				t.Fatal(err)
			}
			var d decode.Decoder
			if uncles[i], _, err = d.Header(raw); err != nil {
				t.Fatal(err)
			}
		}
		if err := firstOf(v.Block(&r.Block), v.Uncles(&r.Header, uncles)); err != nil {
			t.Errorf("%d uncles: %v", count, err)
		}
		if count == 0 {
			r.Uncles = []common.Hash{{1}}
			wantMismatch(t, v.Block(&r.Block), "sha3Uncles")
			continue
		}
		wantMismatch(t, v.Uncles(&r.Header, uncles[1:]), "sha3Uncles")
		uncles[0].GasUsed++
		wantMismatch(t, v.Uncles(&r.Header, uncles), "uncles[0].hash")
		r.Uncles = nil
		wantMismatch(t, v.Block(&r.Block), "sha3Uncles")
	}
}

func TestBloomsAreGoEthereums(t *testing.T) {
	b := made.Make(t, made.Config{Number: 77, Fork: made.Prague, Transactions: 40, Logs: 4})
	bloom := b.Bloom()
	for i := range 2000 {
		address, topic := common.Address{byte(i), byte(i >> 8)}, common.Hash{5, byte(i), byte(i >> 8)}
		if i < len(b.Outcomes) {
			address, topic = b.Outcomes[i].Logs[1].Address, b.Outcomes[i].Logs[1].Topics[0]
		}
		for _, c := range []struct {
			addresses []common.Address
			topics    [][]common.Hash
			want      bool
		}{
			{nil, nil, true},
			{[]common.Address{address}, nil, bloom.Test(address[:])},
			{nil, [][]common.Hash{{topic}}, bloom.Test(topic[:])},
			{nil, [][]common.Hash{nil, {topic}}, bloom.Test(topic[:])},
			{[]common.Address{{1, 2, 3}, address}, [][]common.Hash{{topic, {7}}, {}}, (bloom.Test(address[:]) || bloom.Test(common.Address{1, 2, 3}.Bytes())) && (bloom.Test(topic[:]) || bloom.Test(common.Hash{7}.Bytes()))},
		} {
			if got := verify.Bloom(bloom[:]).May(c.addresses, c.topics); got != c.want {
				t.Fatalf("May(%v, %v): got %v, want %v", c.addresses, c.topics, got, c.want)
			}
		}
	}
	none := types.Bloom{}
	if verify.Bloom(none[:]).May([]common.Address{{1}}, nil) || !verify.Bloom(nil).May([]common.Address{{1}}, nil) {
		t.Error("an empty bloom has nothing, and one that is not there may have anything")
	}
}

func TestEthereum(t *testing.T) {
	if !verify.Ethereum(1) || !verify.Ethereum(11155111) || verify.Ethereum(10) || verify.Ethereum(0) {
		t.Error("which chains are Ethereum's")
	}
}

// Memory that is kept from block to block carries nothing over.
func TestOneAfterAnother(t *testing.T) {
	var v verify.Verifier
	for _, n := range []int{200, 0, 3, 300, 1} {
		b := made.Make(t, made.Config{Number: uint64(n), Fork: made.Prague, Transactions: n, Logs: n % 4})
		r := read(t, made.ChainID, b.Full, b.Receipts)
		if err := all(&v, &r); err != nil {
			t.Errorf("%d: %v", n, err)
		}
		r.Transactions = append(r.Transactions, eth.Transaction{TransactionType: 200, Value: *uint256.NewInt(1)})
		wantUnverifiable(t, v.Block(&r.Block), fmt.Sprintf("transactions[%d].hash", n), "type 200")
	}
}
