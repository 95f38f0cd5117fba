package chain_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
	sdkchain "github.com/penstock-io/penstock/sdk/chain"
)

// server is a node that counts what it is asked, and can be told to misbehave.
type server struct {
	url string

	mu     sync.Mutex
	asked  map[string]int
	answer func(c asked) string // nil: the first parameter
}

func start(t *testing.T, answer func(c asked) string) *server {
	t.Helper()
	s := &server{asked: map[string]int{}, answer: answer}
	s.url = node(t, func(c asked) string {
		s.mu.Lock()
		s.asked[c.Method]++
		answer := s.answer
		s.mu.Unlock()
		if answer == nil {
			return `"result":` + string(c.Params[0])
		}
		return answer(c)
	})
	return s
}

func (s *server) count(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[method]
}

func (s *server) now(answer func(c asked) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func just(text string) func(asked) string { return func(asked) string { return text } }

func roles(roles ...string) config.Network {
	var n config.Network
	for _, role := range roles {
		n.Endpoints = append(n.Endpoints, config.Endpoint{Role: role})
	}
	return n
}

func TestFallbackIsAskedOnlyInNeedAndThePrimaryComesBack(t *testing.T) {
	down := just(failing(-32603, "internal error"))
	first, second := start(t, nil), start(t, nil)
	n := open(t, roles("primary", "fallback"), first.url, second.url)
	said(t, n.ask(t, say(3)...))
	if second.count("say") != 0 {
		t.Error("the fallback was asked although the primary serves")
	}
	first.now(down)
	for range 5 { // its breaker opens
		said(t, n.ask(t, say(1)...))
	}
	if got := n.status(t, "e0").State; got != "resting" {
		t.Fatalf("after five failures the primary is %s, want resting", got)
	}
	before := first.count("say")
	said(t, n.ask(t, say(3)...))
	if first.count("say") != before {
		t.Error("the primary was asked while it rests")
	}
	first.now(nil)
	n.clock.hold()
	n.clock.advance(time.Minute)
	until(t, "the primary serves again", func() bool {
		said(t, n.ask(t, say(1)...))
		return n.status(t, "e0").State == "serving"
	})
	before, served := second.count("say"), first.count("say")
	said(t, n.ask(t, say(3)...))
	if second.count("say") != before || first.count("say") != served+3 {
		t.Error("the fallback was asked although the primary is back")
	}
}

// When a rest is over the endpoint is asked one call, whoever else asks meanwhile:
// they are served by others. A probe that fails begins another rest.
func TestHalfOpenIsOneCall(t *testing.T) {
	var (
		asked   atomic.Int32
		broken  atomic.Bool
		arrived = make(chan struct{}, 8)
		release = make(chan struct{})
	)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if broken.Load() {
			asked.Add(1)
			if calls[0].Method == "eth_chainId" {
				arrived <- struct{}{}
				<-release
			}
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, echo(calls, batch))
	})
	n := open(t, roles("", ""), url, start(t, nil).url)
	said(t, n.ask(t, say(1)...))
	broken.Store(true)
	for n.status(t, "e0").State == "serving" {
		said(t, n.ask(t, say(1)...))
		n.clock.advance(10 * time.Second)
	}
	if got := asked.Load(); got != 5 {
		t.Errorf("the breaker opened after %d failures, want 5", got)
	}
	n.clock.advance(time.Minute)
	for range 8 {
		said(t, n.ask(t, say(1)...))
	}
	<-arrived
	if s := n.status(t, "e0"); s.State != "probing" || asked.Load() != 6 {
		t.Errorf("it is %s and was asked %d times, want one more call", s.State, asked.Load())
	}
	close(release)
	until(t, "the probe is over", func() bool { return n.status(t, "e0").State == "resting" })
	for range 8 {
		said(t, n.ask(t, say(1)...))
	}
	if got := asked.Load(); got != 6 {
		t.Errorf("it was asked %d times while it rests again", got)
	}
}

func TestCheapestThatServesWellComesFirst(t *testing.T) {
	dear, cheap := start(t, nil), start(t, nil)
	n := open(t, config.Network{Endpoints: []config.Endpoint{{Cost: 3}, {Cost: 0.5}}}, dear.url, cheap.url)
	said(t, n.ask(t, say(1)...))
	if dear.count("say") != 0 || cheap.count("say") != 1 {
		t.Errorf("the dear one was asked %d times, the cheap one %d times", dear.count("say"), cheap.count("say"))
	}
	cheap.now(just(failing(-32603, "internal error")))
	said(t, n.ask(t, say(1)...))
	if dear.count("say") != 1 {
		t.Error("the dear one was not asked although the cheap one fails")
	}
}

func TestArchiveIsAskedForOldState(t *testing.T) {
	missing := failing(-32000, "missing trie node abc (path ) state 0xdef is not available")
	full, archive := start(t, nil), start(t, nil)
	pruned := func(c asked) string {
		switch {
		case c.Method == "eth_blockNumber":
			return `"result":"0x2710"` // 10000
		case strings.Contains(string(c.Params[1]), "0x26f0"): // 9968
			return `"result":"0x1"`
		}
		return missing
	}
	full.now(pruned)
	archive.now(just(`"result":"0x2"`))
	n := open(t, roles("", "archive"), full.url, archive.url)
	balance := func(block uint64) string {
		t.Helper()
		r := n.ask(t, query("eth_getBalance", "0xaa", sdkchain.Hex(block)))[0]
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		return string(r.Raw)
	}
	n.ask(t, query("eth_blockNumber"))
	if got := balance(9968); got != `"0x1"` || archive.count("eth_getBalance") != 0 {
		t.Errorf("new state: got %s, of the archive %d times", got, archive.count("eth_getBalance"))
	}
	if got := balance(9000); got != `"0x2"` || full.count("eth_getBalance") != 1 {
		t.Errorf("state 1000 blocks behind the head: got %s, and the full node was asked", got)
	}
	if got := balance(9950); got != `"0x2"` || full.count("eth_getBalance") != 2 {
		t.Errorf("state that the full node turns out to miss: got %s", got)
	}
	if got := balance(9949); got != `"0x2"` || full.count("eth_getBalance") != 2 {
		t.Errorf("older state than the full node missed: got %s, and the full node was asked", got)
	}
	if s := n.status(t, "e0"); s.Failures != 0 {
		t.Errorf("the full node has %d failures, want none", s.Failures)
	}
}

func TestPrunedEverywhereComesBack(t *testing.T) {
	a, b := start(t, just(failing(4444, "pruned history unavailable"))), start(t, just(failing(-32000, "missing trie node x")))
	n := open(t, config.Network{}, a.url, b.url)
	r := n.ask(t, query("eth_getBlockByNumber", "0x1", true))[0]
	if r.Err == nil || r.Err.Kind != sdkchain.Pruned || a.count("eth_getBlockByNumber") != 1 || b.count("eth_getBlockByNumber") != 1 {
		t.Errorf("got %v, asked %d and %d times; want Pruned of both, asked once", r.Err, a.count("eth_getBlockByNumber"), b.count("eth_getBlockByNumber"))
	}
}

// What is final is not asked again and marks no node bad.
func TestFinalErrorsMarkNoNodeBad(t *testing.T) {
	cases := map[sdkchain.Kind]string{
		sdkchain.Reverted:         failing(3, "execution reverted"),
		sdkchain.Invalid:          failing(-32602, "invalid argument 0: hex string has length 2"),
		sdkchain.TooManyAddresses: failing(-32602, "exceed max addresses or topics per search position"),
		sdkchain.TooMuch:          failing(-32602, "exceed maximum block range: 5"),
	}
	for kind, answer := range cases {
		a, b := start(t, just(answer)), start(t, nil)
		n := open(t, config.Network{}, a.url, b.url)
		q := query("eth_getLogs", map[string]string{"fromBlock": "0x1", "toBlock": "0x100"})
		for range 8 {
			r := n.ask(t, q)[0]
			if r.Err == nil || r.Err.Kind != kind || r.Err.Tries != 1 {
				t.Errorf("%s: got %v, want kind %d after one try", answer, r.Err, kind)
			}
			if kind == sdkchain.TooMuch && (r.Err == nil || r.Err.Limit != sdkchain.Limit{Blocks: 5}) {
				t.Errorf("%s: got %v, want its limit", answer, r.Err)
			}
		}
		if s := n.status(t, "e0"); s.Failures != 0 || s.State != "serving" || b.count("eth_getLogs") != 0 {
			t.Errorf("%s: %+v; the other was asked %d times", answer, s, b.count("eth_getLogs"))
		}
	}
}

func TestMethodThatOneEndpointDoesNotKnow(t *testing.T) {
	plain, tracing := start(t, just(failing(-32601, "the method trace_block does not exist/is not available"))), start(t, just(`"result":[]`))
	n := open(t, config.Network{}, plain.url, tracing.url)
	for range 3 {
		if r := n.ask(t, query("trace_block", "0x1"))[0]; r.Err != nil || string(r.Raw) != "[]" {
			t.Errorf("got %s, %v", r.Raw, r.Err)
		}
	}
	if got := plain.count("trace_block"); got != 1 {
		t.Errorf("the endpoint that does not know the method was asked %d times, want once", got)
	}
	tracing.now(just(failing(-32601, "no")))
	if r := n.ask(t, query("trace_block", "0x2"))[0]; r.Err == nil || r.Err.Kind != sdkchain.NoMethod {
		t.Errorf("got %v, want that nobody knows the method", r.Err)
	}
}

func TestUnclearComesBackWhenTwoSayIt(t *testing.T) {
	a, b := start(t, just(failing(-32000, "no wish to"))), start(t, just(failing(-32000, "no wish to")))
	n := open(t, config.Network{}, a.url, b.url)
	r := n.ask(t, query("eth_getLogs", map[string]string{"fromBlock": "0x1", "toBlock": "0x100"}))[0]
	if r.Err == nil || r.Err.Kind != sdkchain.Unclear || !strings.Contains(r.Err.Error(), "no wish to") {
		t.Errorf("got %v", r.Err)
	}
	if a.count("eth_getLogs") == 0 || b.count("eth_getLogs") == 0 || a.count("eth_getLogs")+b.count("eth_getLogs") > 4 {
		t.Errorf("asked %d and %d times", a.count("eth_getLogs"), b.count("eth_getLogs"))
	}
	once := query("eth_getLogs", map[string]string{"fromBlock": "0x1", "toBlock": "0x100"})
	once.Once = true
	if r := n.ask(t, once)[0]; r.Err == nil || r.Err.Kind != sdkchain.Unclear || r.Err.Tries != 1 {
		t.Errorf("Once: got %v, want the first answer", r.Err)
	}
	never := query("eth_call", 1)
	never.Never = true
	a.now(just(failing(-32000, "header not found")))
	b.now(just(failing(-32000, "header not found")))
	if r := n.ask(t, never)[0]; r.Err == nil || r.Err.Tries != 1 {
		t.Errorf("Never: got %v, want the first answer", r.Err)
	}
}

func TestNullOfALaggingReplicaIsAskedElsewhere(t *testing.T) {
	has := func(height uint64) func(c asked) string {
		return func(c asked) string {
			var number uint64
			switch _, err := fmt.Sscanf(string(c.Params[0]), `"0x%x"`, &number); {
			case string(c.Params[0]) == `"latest"`:
				return fmt.Sprintf(`"result":{"hash":"0x1","number":"0x%x"}`, height)
			case err != nil || number > height:
				return `"result":null`
			}
			return fmt.Sprintf(`"result":{"number":"0x%x"}`, number)
		}
	}
	behind, ahead := start(t, has(100)), start(t, has(110))
	n := open(t, config.Network{Endpoints: []config.Endpoint{{}, {Cost: 9}}}, behind.url, ahead.url)
	block := func(number uint64) string {
		t.Helper()
		r := n.ask(t, query("eth_getBlockByNumber", sdkchain.Hex(number), false))[0]
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		return string(r.Raw)
	}
	if got := block(110); got != "null" || ahead.count("eth_getBlockByNumber") != 0 {
		t.Errorf("a block that nobody has shown: got %s, after %d questions to the other", got, ahead.count("eth_getBlockByNumber"))
	}
	behind.now(just(failing(-32603, "internal error")))
	n.ask(t, query("eth_getBlockByNumber", "latest", false)) // the other shows 110
	behind.now(has(100))
	n.clock.hold()
	n.clock.advance(2 * time.Second)
	n.clock.release()
	was := behind.count("eth_getBlockByNumber")
	if got := block(110); got != `{"number":"0x6e"}` {
		t.Errorf("a block that one endpoint has shown: got %s", got)
	}
	if behind.count("eth_getBlockByNumber") != was+1 {
		t.Error("the cheaper endpoint was not asked first")
	}
	if got := block(110); got == "null" || behind.count("eth_getBlockByNumber") != was+1 {
		t.Error("the endpoint that lacks the block was asked for it again at once")
	}
	if s := n.status(t, "e0"); s.Failures != 1 || s.State != "serving" || s.Behind == 0 && s.Height != 0 {
		t.Errorf("the endpoint that is behind: %+v", s)
	}
	ahead.now(has(105)) // a shorter chain: the block is gone everywhere
	if got := block(110); got != "null" {
		t.Errorf("a block that is gone: got %s", got)
	}
	receipt := query("eth_getTransactionReceipt", "0xabc")
	behind.now(just(`"result":null`))
	ahead.now(just(`"result":{}`))
	if r := n.ask(t, receipt)[0]; string(r.Raw) != "{}" {
		t.Errorf("a receipt that one endpoint has: got %s, %v", r.Raw, r.Err)
	}
	ahead.now(just(`"result":null`))
	if r := n.ask(t, receipt)[0]; string(r.Raw) != "null" || r.Err != nil {
		t.Errorf("a receipt that nobody has: got %s, %v", r.Raw, r.Err)
	}
}

func TestRejectedAnswersAreAskedForElsewhere(t *testing.T) {
	liar, honest := start(t, just(`"result":"wrong"`)), start(t, just(`"result":"right"`))
	n := open(t, config.Network{}, liar.url, honest.url)
	client := sdkchain.NewClient(service{n}, "m", sdkchain.Asker{})
	var got []string
	err := client.Do(t.Context(), []sdkchain.Call{{Method: "eth_call", Params: []any{1}, Decode: func(raw []byte) error {
		got = append(got, string(raw))
		if string(raw) != `"right"` {
			return sdkchain.ErrMismatch
		}
		return nil
	}}})
	if err != nil || !slices.Equal(got, []string{`"wrong"`, `"right"`}) {
		t.Errorf("got %q, %v", got, err)
	}
	if s := n.status(t, "e0"); s.Mismatches != 1 {
		t.Errorf("got %d mismatches of the liar, want 1", s.Mismatches)
	}
	honest.now(just(`"result":"wrong"`))
	err = client.Do(t.Context(), []sdkchain.Call{{Method: "eth_call", Params: []any{2}, Decode: func([]byte) error { return sdkchain.ErrMismatch }}})
	if sdkchain.KindOf(err) != sdkchain.Mismatch || !strings.Contains(err.Error(), "it cannot be true") || liar.count("eth_call")+honest.count("eth_call") > 2+12 {
		t.Errorf("got %v after %d questions", err, liar.count("eth_call")+honest.count("eth_call"))
	}
	if got := n.clock.longest(); got != 1600*time.Millisecond { // the fifth round
		t.Errorf("the longest wait was %s, want one doubled by each round", got)
	}
}
