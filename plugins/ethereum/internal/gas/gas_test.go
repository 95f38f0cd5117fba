package gas_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/go-hclog"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/gas"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/realnode"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/eth"
)

// between answers some calls in the place of a node.
type between struct {
	*nodetest.Service
	answer func(q chain.Query) (raw string, fault *chain.RPCError)
	asked  map[string]int
}

func (b *between) Exchange(ctx context.Context, r chain.Request) ([]chain.Result, error) {
	results, err := b.Service.Exchange(ctx, r)
	for i, q := range r.Calls {
		b.asked[q.Method]++
		if b.answer == nil || err != nil {
			continue
		}
		switch raw, fault := b.answer(q); {
		case fault != nil:
			results[i] = chain.Result{Err: &chain.Error{Kind: chain.KindOfAnswer(fault), Endpoint: "between", What: q.Method, Err: fault}}
		case raw != "":
			results[i] = chain.Result{Raw: []byte(raw), Endpoint: "between"}
		}
	}
	return results, err
}

func open(t *testing.T, url string, answer func(q chain.Query) (string, *chain.RPCError)) (*gas.Source, *between) {
	t.Helper()
	b := &between{Service: &nodetest.Service{URL: url, Tries: 2}, answer: answer, asked: map[string]int{}}
	t.Cleanup(b.Close)
	client, log := chain.NewClient(b, "test", chain.Asker{}), hclog.NewNullLogger()
	return &gas.Source{
		Client: client, States: &place.States{Client: client, Log: log}, ChainID: realnode.ChainID, Percentiles: []float64{0, 25, 50, 100}, Prices: true, Log: log,
	}, b
}

// busy is a node with blocks of all sizes.
func busy(t *testing.T) (*realnode.Node, follow.Extent) {
	t.Helper()
	n := realnode.Start(t, map[common.Address][]byte{{0xbb}: common.FromHex("5b60005a116000575b00"), {0xcc}: common.FromHex("5b620493e05a1160005700")})
	for i := range 30 {
		for range i % 4 {
			n.Send(t, &common.Address{1}, big.NewInt(1), nil)
		}
		n.Commit()
	}
	h := n.Head()
	return n, follow.Extent{From: 0, To: 30, Head: view.Ref{Number: 30, Hash: h.Hash(), Parent: h.ParentHash}}
}

func none(method string) func(q chain.Query) (string, *chain.RPCError) {
	return func(q chain.Query) (string, *chain.RPCError) {
		if strings.HasPrefix(q.Method, method) {
			return "", &chain.RPCError{Code: -32601, Message: "the method " + q.Method + " does not exist/is not available"}
		}
		return "", nil
	}
}

// What go-ethereum's own client says of fees is what the rows say, in history and at the head.
func TestGasOfARealNode(t *testing.T) {
	n, e := busy(t)
	s, _ := open(t, n.HTTP(t), nil)
	span, err := s.Span(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	want, err := n.Client.FeeHistory(t.Context(), 31, big.NewInt(30), s.Percentiles)
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range span.Rows {
		h, err := n.Client.HeaderByNumber(t.Context(), big.NewInt(int64(i)))
		if err != nil {
			t.Fatal(err)
		}
		var fees []uint256.Int
		for _, f := range want.Reward[i] {
			fees = append(fees, *uint256.MustFromBig(f))
		}
		if row.BlockHash != h.Hash() || row.BaseFeePerGas.ToBig().Cmp(h.BaseFee) != 0 || row.NextBaseFeePerGas.ToBig().Cmp(want.BaseFee[i+1]) != 0 ||
			row.GasUsed != h.GasUsed || row.GasLimit != h.GasLimit || row.GasUsedRatio != want.GasUsedRatio[i] || !cmp.Equal(fees, row.PriorityFees) ||
			*row.BlobGasUsed != *h.BlobGasUsed || row.BlobBaseFee.Uint64() != 1 || row.NextBlobBaseFee.Uint64() != 1 || row.ChainID != realnode.ChainID {
			t.Errorf("block %d: got %+v, want %v and %v of %+v", i, row, want.BaseFee[i+1], fees, h)
		}
		if head := i == 30; (row.GasPrice != nil) != head || (row.MaxPriorityFeePerGas != nil) != head {
			t.Errorf("block %d: suggested prices are %v and %v", i, row.GasPrice, row.MaxPriorityFeePerGas)
		}
	}
}

// Without a history the same follows from receipts, of whole blocks or one by one.
func TestGasFromReceipts(t *testing.T) {
	n, e := busy(t)
	url := n.HTTP(t)
	s, _ := open(t, url, nil)
	want, err := s.Span(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	unknown := cmpopts.IgnoreFields(eth.Gas{}, "BlobBaseFee", "NextBlobBaseFee", "BlobGasUsedRatio")
	for name, answer := range map[string]func(q chain.Query) (string, *chain.RPCError){
		"of blocks": none("eth_feeHistory"),
		"one by one": func(q chain.Query) (string, *chain.RPCError) {
			if q.Method == "eth_feeHistory" || q.Method == "eth_getBlockReceipts" {
				return none("eth_")(q)
			}
			return "", nil
		},
	} {
		for _, final := range []bool{true, false} {
			s, b := open(t, url, answer)
			e := e
			e.Final, s.Prices = final, false
			for range 2 {
				span, err := s.Span(t.Context(), e)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for i := range want.Rows {
					want.Rows[i].GasPrice, want.Rows[i].MaxPriorityFeePerGas = nil, nil
				}
				if diff := cmp.Diff(want.Rows, span.Rows, unknown); diff != "" {
					t.Errorf("%s, final %v (-history +receipts):\n%s", name, final, diff)
				}
			}
			if b.asked["eth_feeHistory"] != 1 {
				t.Errorf("%s: a history that is not there was asked for %d times", name, b.asked["eth_feeHistory"])
			}
		}
	}
}

// Nodes that tell of fewer blocks than asked, by leaving out the oldest or by an error, are asked again.
func TestShortHistories(t *testing.T) {
	n, e := busy(t)
	url := n.HTTP(t)
	s, _ := open(t, url, nil)
	want, err := s.Span(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	client, err := rpc.DialContext(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	params := func(q chain.Query) (count, newest uint64, percentiles json.RawMessage) {
		var list []json.RawMessage
		var a, b string
		if err := json.Unmarshal(q.Params, &list); err != nil {
			t.Error(err)
		}
		_, _ = json.Unmarshal(list[0], &a), json.Unmarshal(list[1], &b)
		_, _ = fmt.Sscan(a, &count)
		_, _ = fmt.Sscan(b, &newest)
		return count, newest, list[2]
	}
	for name, answer := range map[string]func(q chain.Query) (string, *chain.RPCError){
		"the oldest are left out": func(q chain.Query) (string, *chain.RPCError) {
			if q.Method != "eth_feeHistory" {
				return "", nil
			}
			count, newest, percentiles := params(q)
			var raw json.RawMessage
			if err := client.CallContext(t.Context(), &raw, q.Method, chain.Hex(min(count, 7)), chain.Hex(newest), percentiles); err != nil {
				t.Error(err)
			}
			return string(raw), nil
		},
		"an error": func(q chain.Query) (string, *chain.RPCError) {
			if q.Method != "eth_feeHistory" {
				return "", nil
			}
			if count, _, _ := params(q); count > 5 {
				return "", &chain.RPCError{Code: -32602, Message: "blockCount is larger than 5"}
			}
			return "", nil
		},
	} {
		for _, final := range []bool{true, false} {
			s, _ := open(t, url, answer)
			e := e
			e.Final = final
			span, err := s.Span(t.Context(), e)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(want.Rows[:30], span.Rows[:30]); diff != "" {
				t.Errorf("%s, final %v (-want +got):\n%s", name, final, diff)
			}
		}
	}
}

// A history that contradicts the headers is refused.
func TestHistoriesOfOtherBlocks(t *testing.T) {
	n, e := busy(t)
	url := n.HTTP(t)
	for want, answer := range map[string]string{
		"answered with those of block 3": `{"oldestBlock":"0x3","baseFeePerGas":["0x1","0x1"],"gasUsedRatio":[0]}`,
		"field baseFeePerGas of block 5": `{"oldestBlock":"0x5","baseFeePerGas":["0x1","0x1"],"gasUsedRatio":[0]}`,
		"answered with those of 2":       `{"oldestBlock":"0x4","baseFeePerGas":["0x1","0x1","0x1"],"gasUsedRatio":[0,0]}`,
		"field gasUsedRatio of block 5":  `{"oldestBlock":"0x5","baseFeePerGas":null,"gasUsedRatio":[0.5]}`,
	} {
		s, _ := open(t, url, func(q chain.Query) (string, *chain.RPCError) {
			if q.Method == "eth_feeHistory" {
				return answer, nil
			}
			return "", nil
		})
		s.Percentiles = nil
		_, err := s.Span(t.Context(), follow.Extent{From: 5, To: 5, Final: true, Head: e.Head})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "read the fees of blocks 5 to 5: ask") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// The fees of blobs follow from headers by the rules of the time, as EIP-4844 and its successors have them.
func TestBlobFeesByTheRules(t *testing.T) {
	hash := common.Hash{1}
	for _, test := range []struct {
		name         string
		time, excess uint64
		used         uint64
		fee, next    uint64
		ratio        float64
	}{
		// Mainnet, Cancun: target 3, max 6, fraction 3338477.
		{"Cancun, full", 1_720_000_000, 78_643_200, 786_432, 17_002_220_575, 19_127_498_403, 1},
		// Prague: target 6, max 9, fraction 5007716.
		{"Prague, empty", 1_750_000_000, 10_000_000, 0, 7, 6, 0},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var calls []struct{ ID json.RawMessage }
			if err := json.NewDecoder(r.Body).Decode(&calls); err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `[{"jsonrpc":"2.0","id":%s,"result":{"number":"0x1312d00","hash":%q,"parentHash":%q,"timestamp":"0x%x","gasLimit":"0x1c9c380","gasUsed":"0xe4e1c0",`+
				`"baseFeePerGas":"0x3b9aca00","excessBlobGas":"0x%x","blobGasUsed":"0x%x","transactions":[]}}]`, calls[0].ID, hash, hash, test.time, test.excess, test.used)
		}))
		defer server.Close()
		s, _ := open(t, server.URL, none("eth_feeHistory"))
		s.ChainID, s.Percentiles = 1, nil
		span, err := s.Span(t.Context(), follow.Extent{From: 20_000_000, To: 20_000_000, Final: true})
		if err != nil {
			t.Fatal(err)
		}
		row := span.Rows[0]
		if row.BlobBaseFee.Uint64() != test.fee || row.NextBlobBaseFee.Uint64() != test.next || *row.BlobGasUsedRatio != test.ratio {
			t.Errorf("%s: blobs cost %v and then %v, %v full; want %d, %d, %v", test.name, row.BlobBaseFee, row.NextBlobBaseFee, *row.BlobGasUsedRatio, test.fee, test.next, test.ratio)
		}
		if row.BaseFeePerGas.Uint64() != 1_000_000_000 || row.NextBaseFeePerGas.Uint64() != 1_000_000_000 {
			t.Errorf("%s: gas costs %v and then %v, want the same for a block that is half full", test.name, row.BaseFeePerGas, row.NextBaseFeePerGas)
		}
	}
}
