package multicall_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/hashicorp/go-hclog"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/multicall"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/realnode"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

var (
	echoes  = common.Address{0xec, 1}
	reverts = common.Address{0xec, 2}
	burns   = common.Address{0xec, 3}
)

func contracts() map[common.Address][]byte {
	return map[common.Address][]byte{
		echoes:  common.FromHex("366000600037366000f3"),
		reverts: common.FromHex("366000600037366000fd"),
		burns:   common.FromHex("fe"),
	}
}

// between sits between a client and a node, counts what is asked, and may answer itself.
type between struct {
	*nodetest.Service
	answer func(q chain.Query) (raw string, fault *chain.RPCError, ok bool)

	mu    sync.Mutex // protects asked
	asked map[string]int
}

func (b *between) Exchange(ctx context.Context, r chain.Request) ([]chain.Result, error) {
	out := make([]chain.Result, len(r.Calls))
	var rest []int
	for i, q := range r.Calls {
		name := q.Method
		if strings.Contains(string(q.Params), `"code"`) {
			name += " with a program"
		}
		b.mu.Lock()
		b.asked[name]++
		b.mu.Unlock()
		if b.answer != nil {
			if raw, fault, ok := b.answer(q); ok {
				out[i] = chain.Result{Raw: []byte(raw), Endpoint: "between"}
				if fault != nil {
					out[i] = chain.Result{Err: &chain.Error{Kind: chain.KindOfAnswer(fault), Endpoint: "between", What: q.Method, Err: fault}}
				}
				continue
			}
		}
		rest = append(rest, i)
	}
	passed := r
	passed.Calls = nil
	for _, i := range rest {
		passed.Calls = append(passed.Calls, r.Calls[i])
	}
	results, err := b.Service.Exchange(ctx, passed)
	for k, i := range rest {
		if err == nil {
			out[i] = results[k]
		}
	}
	return out, err
}

func (b *between) count(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[name]
}

func (b *between) caller() *multicall.Caller {
	client := chain.NewClient(b, "test", chain.Asker{})
	return &multicall.Caller{States: &place.States{Client: client, Log: hclog.NewNullLogger()}, Log: hclog.NewNullLogger()}
}

func open(t *testing.T, n *realnode.Node) *between {
	t.Helper()
	s := &nodetest.Service{URL: n.HTTP(t)}
	t.Cleanup(s.Close)
	return &between{Service: s, asked: map[string]int{}}
}

// calls are many, of which some fail, and what is to become of them.
func calls(n int) (list []multicall.Call, want []multicall.Result) {
	nothing := append(crypto.Keccak256([]byte("Error(string)"))[:4], common.FromHex("0000000000000000000000000000000000000000000000000000000000000020000000000000000000000000000000000000000000000000000000000000000400000000000000000000000000000000000000000000000000000000")...)
	nothing = append(nothing[:68], append([]byte("none"), make([]byte, 28)...)...)
	for i := range n {
		data := binary.BigEndian.AppendUint64(nil, uint64(i))
		switch i % 50 {
		case 7:
			list, want = append(list, multicall.Call{To: reverts, Data: nothing}), append(want, multicall.Result{Output: nothing, Reason: "none"})
		case 8:
			list, want = append(list, multicall.Call{To: reverts, Data: data}), append(want, multicall.Result{Output: data, Reason: "an error of the contract's own, 0x00000000"})
		case 9:
			list, want = append(list, multicall.Call{To: burns}), append(want, multicall.Result{Reason: "invalid opcode: INVALID"})
		default:
			list, want = append(list, multicall.Call{To: echoes, Data: data}), append(want, multicall.Result{Success: true, Output: data})
		}
	}
	return list, want
}

func compare(t *testing.T, want, got []multicall.Result) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d results, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].Success != want[i].Success || !bytes.Equal(got[i].Output, want[i].Output) || got[i].Reason != want[i].Reason {
			t.Errorf("call %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
}

func head(n *realnode.Node) view.Ref {
	h := n.Head()
	return view.Ref{Number: h.Number.Uint64(), Hash: h.Hash(), Parent: h.ParentHash}
}

// asMulticall3 answers calls to Multicall3 with what the node says to each of them.
func asMulticall3(t *testing.T, n *realnode.Node, from uint64) func(q chain.Query) (string, *chain.RPCError, bool) {
	t.Helper()
	return func(q chain.Query) (string, *chain.RPCError, bool) {
		var params []json.RawMessage
		if err := json.Unmarshal(q.Params, &params); err != nil {
			t.Error(err)
		}
		if q.Method == "eth_getCode" && !strings.Contains(string(params[1]), fmt.Sprintf("%q", chain.Hex(from-1))) {
			return `"0x01"`, nil, true
		}
		var request struct {
			To   common.Address
			Data hexutil.Bytes
		}
		if q.Method != "eth_call" {
			return "", nil, false
		}
		if err := json.Unmarshal(params[0], &request); err != nil {
			t.Error(err)
		}
		if request.To != multicall.Address {
			return "", nil, false
		}
		return fmt.Sprintf("%q", hexutil.Bytes(multicall.Answer(t, n.Client, request.Data))), nil, true
	}
}

// Whatever way calls are made, the same comes of them.
func TestWaysToCall(t *testing.T) {
	n := realnode.Start(t, contracts())
	n.Commit()
	at, list, want := head(n), []multicall.Call(nil), []multicall.Result(nil)
	list, want = calls(1200)
	for _, final := range []bool{true, false} {
		t.Run(fmt.Sprint("with a program, final ", final), func(t *testing.T) {
			b := open(t, n)
			got, err := b.caller().Call(t.Context(), at, final, list)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, want, got)
			if n := b.count("eth_call with a program"); n != 3 {
				t.Errorf("1200 calls were made in %d, want 3", n)
			}
			if n := b.count("eth_call"); n != 24 {
				t.Errorf("%d calls were made by themselves, want the 24 that failed without a word", n)
			}
		})
		t.Run(fmt.Sprint("by Multicall3, final ", final), func(t *testing.T) {
			b := open(t, n)
			b.answer = asMulticall3(t, n, 1)
			got, err := b.caller().Call(t.Context(), at, final, list)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, want, got)
			if n := b.count("eth_call with a program"); n != 0 {
				t.Errorf("%d programs were run", n)
			}
		})
		t.Run(fmt.Sprint("one by one, final ", final), func(t *testing.T) {
			b := open(t, n)
			c := b.caller()
			c.Plain = true
			got, err := c.Call(t.Context(), at, final, list[:100])
			if err != nil {
				t.Fatal(err)
			}
			compare(t, want[:100], got)
		})
	}
}

// A way that the node does not go is left, once and for all.
func TestWaysThatAreClosed(t *testing.T) {
	n := realnode.Start(t, contracts())
	n.Commit()
	at := head(n)
	list, want := calls(60)
	program := func(q chain.Query) bool { return strings.Contains(string(q.Params), `"code"`) }
	for name, answer := range map[string]func(q chain.Query) (string, *chain.RPCError, bool){
		"no third parameter": func(q chain.Query) (string, *chain.RPCError, bool) {
			return "", &chain.RPCError{Code: -32602, Message: "too many arguments, want at most 2"}, program(q)
		},
		"the third parameter is left out": func(q chain.Query) (string, *chain.RPCError, bool) { return `"0x"`, nil, program(q) },
		"the rules are too old": func(q chain.Query) (string, *chain.RPCError, bool) {
			return "", &chain.RPCError{Code: -32000, Message: "invalid opcode: STATICCALL"}, program(q)
		},
		"nothing is ever enough": func(q chain.Query) (string, *chain.RPCError, bool) {
			return "", &chain.RPCError{Code: -32000, Message: "out of gas"}, program(q)
		},
		"the code is of something else": func(q chain.Query) (string, *chain.RPCError, bool) {
			return `"0x60"`, nil, q.Method == "eth_getCode"
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, n)
			b.answer = answer
			c := b.caller()
			for range 2 {
				got, err := c.Call(t.Context(), at, true, list)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, want, got)
			}
			if n := b.count("eth_call with a program"); n > 16 {
				t.Errorf("a way that is closed was tried %d times", n)
			}
		})
	}
}

// Calls are made in fewer at a time where a node objects to many.
func TestFewerCallsAtATime(t *testing.T) {
	n := realnode.Start(t, contracts())
	n.Commit()
	b := open(t, n)
	b.answer = func(q chain.Query) (string, *chain.RPCError, bool) {
		return "", &chain.RPCError{Code: -32000, Message: "out of gas"}, len(q.Params) > 8_000
	}
	list, want := calls(1000)
	c := b.caller()
	for range 2 {
		got, err := c.Call(t.Context(), head(n), true, list)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, want, got)
	}
	if n := b.count("eth_call with a program"); n > 50 {
		t.Errorf("2 times 1000 calls were made in %d", n)
	}
}

// Balances are exact, whatever way they are looked up.
func TestBalances(t *testing.T) {
	n := realnode.Start(t, contracts())
	addresses := []common.Address{n.Rich, {0xaa}}
	amount, _ := new(big.Int).SetString("123456789012345678901", 10)
	n.Send(t, &addresses[1], amount, nil)
	n.Commit()
	for i := range 1100 {
		addresses = append(addresses, common.BigToAddress(big.NewInt(int64(i+1_000_000))))
	}
	at := head(n)
	rich, err := n.Client.BalanceAt(t.Context(), n.Rich, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, prepare := range map[string]func(*between, *multicall.Caller){
		"with a program": func(*between, *multicall.Caller) {},
		"by Multicall3":  func(b *between, _ *multicall.Caller) { b.answer = asMulticall3(t, n, 1) },
		"one by one":     func(_ *between, c *multicall.Caller) { c.Plain = true },
	} {
		b := open(t, n)
		c := b.caller()
		prepare(b, c)
		got, err := c.Balances(t.Context(), at, false, addresses)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got[0].ToBig().Cmp(rich) != 0 || got[1].ToBig().Cmp(amount) != 0 || slices.ContainsFunc(got[2:], func(n uint256.Int) bool { return !n.IsZero() }) {
			t.Errorf("%s: got %v and %v, want %v and %v", name, &got[0], &got[1], rich, amount)
		}
		if made := b.count("eth_getBalance"); (name == "one by one") != (made == len(addresses)) {
			t.Errorf("%s: %d balances were asked for by themselves", name, made)
		}
	}
}
