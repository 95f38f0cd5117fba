package recorded_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/penstock-io/penstock/host/internal/chain/recorded"
	"github.com/penstock-io/penstock/sdk/chain"
)

// node answers calls from a table, by method and parameters; anything else is an
// error of the connection.
type node struct {
	chain.Service

	mu      sync.Mutex // protects the field below
	answers map[string]chain.Result
}

func (n *node) Exchange(_ context.Context, r chain.Request) ([]chain.Result, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]chain.Result, len(r.Calls))
	for i, q := range r.Calls {
		answer, ok := n.answers[q.Method+string(q.Params)]
		if !ok {
			answer.Err = &chain.Error{Kind: chain.Transient, Endpoint: "own (http://secret)", Err: errors.New("connection refused by http://secret")}
		}
		out[i] = answer
	}
	return out, nil
}

func ask(t *testing.T, s chain.Service, calls ...string) {
	t.Helper()
	r := chain.Request{}
	for _, c := range calls {
		method, params, _ := strings.Cut(c, "[")
		r.Calls = append(r.Calls, chain.Query{Method: method, Params: []byte("[" + params)})
	}
	if _, err := s.Exchange(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func block(number int) string {
	return fmt.Sprintf(`{"number":"0x%x","hash":"0x%064x","transactions":[]}`, number, 1000+number)
}

func recorder(t *testing.T, n *node, most int64) (*recorded.Recorder, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new", "answers")
	w, err := recorded.Create(dir, most)
	if err != nil {
		t.Fatal(err)
	}
	return &recorded.Recorder{Service: n, Writer: w}, dir
}

// What was recorded is answered again, and what would have another answer tomorrow
// is not there.
func TestRoundTrip(t *testing.T) {
	n := &node{answers: map[string]chain.Result{
		`eth_chainId[]`:                            {Raw: []byte(`"0x7"`), Endpoint: "own (http://secret)"},
		`eth_getBlockByNumber["latest",false]`:     {Raw: []byte(block(99))},
		`eth_getBlockByNumber["0x5",false]`:        {Raw: []byte(block(5))},
		`eth_getBlockByNumber["0x6",false]`:        {Raw: []byte(block(6))},
		`eth_getBlockByNumber["0x64",false]`:       {Raw: []byte(`null`)},
		`eth_blockNumber[]`:                        {Raw: []byte(`"0x63"`)},
		`eth_call[{"to":"0x01"},"0x5"]`:            {Err: &chain.Error{Kind: chain.Reverted, Err: &chain.RPCError{Code: 3, Message: "no", Data: []byte(`"0x08"`)}}},
		`eth_call[{"to":"0x02"},"0x5"]`:            {Err: &chain.Error{Kind: chain.Pruned, Err: &chain.RPCError{Code: -32000, Message: "missing trie node"}}},
		`trace_block["0x5"]`:                       {Err: &chain.Error{Kind: chain.NoMethod, Err: &chain.RPCError{Code: -32601, Message: "no such method"}}},
		`eth_call[{"to":"0x03"},"latest"]`:         {Raw: []byte(`"0x"`)},
		`eth_getLogs[{"toBlock":"latest"}]`:        {Raw: []byte(`[]`)},
		`eth_getUncleByBlockNumberAndIndex["0x5"]`: {Raw: []byte(`null`)},
	}}
	r, dir := recorder(t, n, 1<<20)
	for call := range n.answers {
		ask(t, r, call, call)
	}
	ask(t, r, `eth_getBalance["0x01","0x5"]`)
	if err := errors.Join(r.Head(5), r.Writer.Close()); err != nil {
		t.Fatal(err)
	}
	if got := r.Writer.Written().Answers; got != 6 {
		t.Errorf("%d answers were written, want 6: chain id, two blocks, a revert, a method that is not there, the head", got)
	}
	if r.Newest() != 100 && r.Newest() != 6 {
		t.Errorf("the newest block asked for is %d", r.Newest())
	}
	a, err := recorded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for call, want := range map[string]string{
		`eth_chainId[]`:                          `"0x7"`,
		`eth_getBlockByNumber["0x5",false]`:      block(5),
		`eth_getBlockByNumber["0x6",false]`:      block(6), // it is beyond the head, but was answered
		`eth_getBlockByNumber["latest",false]`:   `"number":"0x5"`,
		`eth_getBlockByNumber["0x7",false]`:      `null`,
		`eth_blockNumber[]`:                      `"0x5"`,
		`eth_call[{"to":"0x01"},"0x5"]`:          `no (code 3, "0x08")`,
		`trace_block["0x5"]`:                     `no such method (code -32601)`,
		`eth_call[{"to":"0x02"},"0x5"]`:          `was recorded`,
		`eth_call[{"to":"0x03"},"latest"]`:       `was recorded`,
		`eth_getBalance["0x01","0x5"]`:           `was recorded`,
		`eth_getUncleByBlockNumberAndIndex["5"]`: `was recorded`,
	} {
		method, params, _ := strings.Cut(call, "[")
		got, err := a.Answer(t.Context(), method, []byte("["+params))
		if err != nil {
			got = []byte(err.Error())
		}
		if !strings.Contains(string(got), want) {
			t.Errorf("%s: got %s, want %s", call, got, want)
		}
	}
	for _, name := range names(t, dir) {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || strings.Contains(string(text), "secret") {
			t.Errorf("%s: %v, or it says where the node is: %s", name, err, text)
		}
	}
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// An answer that its reader refused is not the one that counts.
func TestTheBetterAnswerCounts(t *testing.T) {
	call := `eth_getBlockByNumber["0x5",false]`
	n := &node{answers: map[string]chain.Result{call: {Raw: []byte(block(4))}}}
	r, dir := recorder(t, n, 1<<20)
	ask(t, r, call)
	n.answers[call] = chain.Result{Raw: []byte(block(5))}
	_, err := r.Exchange(t.Context(), chain.Request{Calls: []chain.Query{{
		Method: "eth_getBlockByNumber", Params: []byte(`["0x5",false]`), Rejected: []chain.Rejection{{Endpoint: "own", Reason: "of another block"}},
	}}})
	if err := errors.Join(err, r.Writer.Close()); err != nil {
		t.Fatal(err)
	}
	a, err := recorded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := a.Answer(t.Context(), "eth_getBlockByNumber", []byte(`["0x5",false]`)); string(got) != block(5) {
		t.Errorf("got %s and %v", got, err)
	}
}

// Logs that were asked for by some ranges are there by others.
func TestLogsOfOtherRanges(t *testing.T) {
	logs := func(numbers ...int) string {
		var all []string
		for _, n := range numbers {
			all = append(all, fmt.Sprintf(`{"blockNumber":"0x%x"}`, n))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	n := &node{answers: map[string]chain.Result{
		`eth_getLogs[{"address":["0xE1"],"fromBlock":"0x0","toBlock":"0x9"}]`:  {Raw: []byte(logs(2, 2, 9))},
		`eth_getLogs[{"address":["0xE1"],"fromBlock":"0x5","toBlock":"0xf"}]`:  {Raw: []byte(logs(9, 12))},
		`eth_getLogs[{"address":["0xE2"],"fromBlock":"0x0","toBlock":"0x4f"}]`: {Raw: []byte(logs())},
		`eth_getBlockByNumber["0x2",false]`:                                    {Raw: []byte(block(2))},
	}}
	r, dir := recorder(t, n, 1<<20)
	for call := range n.answers {
		ask(t, r, call)
	}
	if err := r.Writer.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := recorded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for params, want := range map[string]string{
		`{"toBlock":"0xf","fromBlock":"0x0","address":["0xe1"]}`:                  logs(2, 2, 9, 12),
		`{"fromBlock":"0x3","toBlock":"0xa","address":["0xe1"]}`:                  logs(9),
		`{"fromBlock":"0x3","toBlock":"0x3","address":["0xe1"]}`:                  `[]`,
		`{"blockHash":"0x` + fmt.Sprintf("%064x", 1002) + `","address":["0xe1"]}`: logs(2, 2),
		`{"fromBlock":"0x3","toBlock":"0x10","address":["0xe1"]}`:                 "was recorded",
		`{"fromBlock":"0x3","toBlock":"0x4","address":["0xe3"]}`:                  "was recorded",
	} {
		got, err := a.Answer(t.Context(), "eth_getLogs", []byte("["+params+"]"))
		if err != nil {
			got = []byte(err.Error())
		}
		if !strings.Contains(string(got), want) {
			t.Errorf("%s: got %s, want %s", params, got, want)
		}
	}
}

// Whether a block is final is another thing when a recording is read: what was
// asked by its hash is answered by its number, and the other way.
func TestByHashAndByNumber(t *testing.T) {
	hash := func(number int) string { return fmt.Sprintf("0x%064x", 1000+number) }
	n := &node{answers: map[string]chain.Result{
		`eth_getBlockByNumber["0x5",false]`:                                   {Raw: []byte(block(5))},
		`eth_getBlockByNumber["0x6",false]`:                                   {Raw: []byte(block(6))},
		`eth_call[{"to":"0xE1"},{"blockHash":"` + hash(5) + `"}]`:             {Raw: []byte(`"0x05"`)},
		`eth_call[{"to":"0xE1"},{"blockHash":"` + hash(7) + `"}]`:             {Raw: []byte(`"0x07"`)}, // of another branch
		`eth_call[{"to":"0xE1"},"0x6"]`:                                       {Raw: []byte(`"0x06"`)},
		`debug_traceBlockByHash["` + hash(5) + `",{"tracer":"callTracer"}]`:   {Raw: []byte(`["five"]`)},
		`debug_traceBlockByNumber["0x6",{"tracer":"callTracer"}]`:             {Raw: []byte(`["six"]`)},
		`eth_getLogs[{"address":["0xE1"],"blockHash":"` + hash(5) + `"}]`:     {Raw: []byte(`[{"blockNumber":"0x5"}]`)},
		`eth_getLogs[{"address":["0xE1"],"fromBlock":"0x6","toBlock":"0x8"}]`: {Raw: []byte(`[{"blockNumber":"0x6"}]`)},
		`eth_getBlockReceipts["` + hash(5) + `"]`:                             {Raw: []byte(`[{"logs":[]}]`)},
	}}
	r, dir := recorder(t, n, 1<<20)
	for call := range n.answers {
		ask(t, r, call)
	}
	if err := r.Writer.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := recorded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for call, want := range map[string]string{
		`eth_call[{"to":"0xe1"},"0x5"]`: `"0x05"`,
		`eth_call[{"to":"0xe1"},"0x7"]`: `was recorded`,
		`eth_call[{"to":"0xe1"},{"blockHash":"` + hash(6) + `","requireCanonical":true}]`: `"0x06"`,
		`eth_call[{"to":"0xe1"},{"blockHash":"` + hash(5) + `","requireCanonical":true}]`: `"0x05"`,
		`debug_traceBlockByNumber["0x5",{"tracer":"callTracer"}]`:                         `["five"]`,
		`debug_traceBlockByHash["` + hash(6) + `",{"tracer":"callTracer"}]`:               `["six"]`,
		`eth_getLogs[{"address":["0xe1"],"fromBlock":"0x5","toBlock":"0x6"}]`:             `[{"blockNumber":"0x5"},{"blockNumber":"0x6"}]`,
		`eth_getBlockReceipts["0x5"]`:                                                     `[{"logs":[]}]`,
	} {
		method, params, _ := strings.Cut(call, "[")
		got, err := a.Answer(t.Context(), method, []byte("["+params))
		if err != nil {
			got = []byte(err.Error())
		}
		if !strings.Contains(string(got), want) {
			t.Errorf("%s: got %s, want %s", call, got, want)
		}
	}
}

// Fees that were asked for by some stretches of blocks are there by others.
func TestFeesOfOtherStretches(t *testing.T) {
	n := &node{answers: map[string]chain.Result{
		`eth_feeHistory["0x2","0x6",[50]]`: {Raw: []byte(`{"oldestBlock":"0x5","reward":[["0x1"],["0x2"]],"baseFeePerGas":["0x5","0x6","0x7"],"gasUsedRatio":[0.5,0.25],
			"baseFeePerBlobGas":["0x1","0x1","0x1"],"blobGasUsedRatio":[0,1]}`)},
		`eth_feeHistory[1,"0x7",[50]]`: {Raw: []byte(`{"oldestBlock":"0x7","reward":[["0x3"]],"baseFeePerGas":["0x7","0x8"],"gasUsedRatio":[0.75],
			"baseFeePerBlobGas":["0x1","0x2"],"blobGasUsedRatio":[0.5]}`)},
	}}
	for number := 5; number <= 7; number++ {
		n.answers[fmt.Sprintf(`eth_getBlockByNumber["0x%x",false]`, number)] = chain.Result{Raw: []byte(block(number))}
	}
	r, dir := recorder(t, n, 1<<20)
	for call := range n.answers {
		ask(t, r, call)
	}
	if err := r.Writer.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := recorded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for params, want := range map[string]string{
		`"0x2","0x7",[50]`: `{"oldestBlock":"0x6","reward":[["0x2"],["0x3"]],"baseFeePerGas":["0x6","0x7","0x8"],"gasUsedRatio":[0.25,0.75],` +
			`"baseFeePerBlobGas":["0x1","0x1","0x2"],"blobGasUsedRatio":[1,0.5]}`,
		`1,"latest",[50]`:  `"oldestBlock":"0x7"`,
		`"0x3","0x6",[50]`: `was recorded`,
		`"0x1","0x6",[10]`: `was recorded`,
		`"0x1","0x6"`:      `was recorded`,
	} {
		got, err := a.Answer(t.Context(), "eth_feeHistory", []byte("["+params+"]"))
		if err != nil {
			got = []byte(err.Error())
		}
		if !strings.Contains(string(got), want) {
			t.Errorf("%s: got %s, want %s", params, got, want)
		}
	}
}
