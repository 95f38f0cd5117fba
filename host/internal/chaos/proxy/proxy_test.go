package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// chain is a node with blocks 0 to head, each with two logs.
type chain struct{ head uint64 }

type object = map[string]any

func hashOf(n uint64) string { return fmt.Sprintf("0x%064x", 0xb10c0000+n) }

func (c *chain) BlockNumber() string { return hex(c.head) }

func (c *chain) GetBlockByNumber(which string, _ bool) object {
	n, ok := quantity(which)
	if !ok {
		n = c.head
	}
	if n > c.head {
		return nil
	}
	return object{"number": hex(n), "hash": hashOf(n)}
}

func (c *chain) GetBlockByHash(hash string, _ bool) object {
	for n := range c.head + 1 {
		if hashOf(n) == hash {
			return object{"number": hex(n), "hash": hash}
		}
	}
	return nil
}

func (c *chain) GetLogs(q struct{ FromBlock, ToBlock, BlockHash string }) []object {
	from, okFrom := quantity(q.FromBlock)
	to, ok := quantity(q.ToBlock)
	if !ok {
		to = c.head
	}
	out := []object{}
	for n := uint64(0); okFrom && n <= min(to, c.head); n++ {
		if n >= from {
			out = append(out, object{"blockNumber": hex(n), "logIndex": "0x0"}, object{"blockNumber": hex(n), "logIndex": "0x1"})
		}
	}
	return out
}

// NewHeads announces block 1 to 20.
func (c *chain) NewHeads(ctx context.Context) (*rpc.Subscription, error) {
	notifier, _ := rpc.NotifierFromContext(ctx)
	sub := notifier.CreateSubscription()
	go func() {
		for n := range uint64(20) {
			if notifier.Notify(sub.ID, object{"number": hex(n + 1)}) != nil {
				return
			}
		}
	}()
	return sub, nil
}

// told are the faults that took place.
type told struct {
	mu  sync.Mutex
	all []Fault
}

func (t *told) add(f Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, f)
}

func (t *told) kinds() []Kind {
	t.mu.Lock()
	defer t.mu.Unlock()
	var kinds []Kind
	for _, f := range t.all {
		kinds = append(kinds, f.Kind)
	}
	return kinds
}

// serve starts a proxy whose first request, or notification, has a fault of a kind.
func serve(t *testing.T, kind Kind, c *chain) (*Proxy, *told) {
	t.Helper()
	server := rpc.NewServer()
	if err := server.RegisterName("eth", c); err != nil {
		t.Fatal(err)
	}
	ws := server.WebsocketHandler([]string{"*"})
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			ws.ServeHTTP(w, r)
			return
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(node.Close)
	t.Cleanup(server.Stop)
	faults := &told{}
	p, err := Start(t.Context(), Config{HTTP: node.URL, WS: "ws" + strings.TrimPrefix(node.URL, "http"), Seed: seedOf(t, kind), Tell: faults.add})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	p.SetRate(1)
	return p, faults
}

// seedOf finds a seed whose first fault is of a kind and takes no long time.
func seedOf(t *testing.T, kind Kind) uint64 {
	t.Helper()
	for seed := range uint64(100_000) {
		if f := draw(seed, 1, 1); f.Kind == kind && f.Pause < 1500*time.Millisecond {
			return seed
		}
	}
	t.Fatalf("no seed begins with %q", kind)
	return 0
}

// answered is what became of a request.
type answered struct {
	status      int
	after, kind string // the headers Retry-After and Content-Type
}

// post asks the proxy and returns the answer, its body and why that could not be read.
func post(t *testing.T, p *Proxy, body string) (answered, string, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(p.HTTP(), "application/json", strings.NewReader(body))
	if err != nil {
		return answered{}, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answered{resp.StatusCode, resp.Header.Get("Retry-After"), resp.Header.Get("Content-Type")}, string(text), err
}

const (
	one   = `{"jsonrpc":"2.0","id":7,"method":"eth_blockNumber","params":[]}`
	logs  = `{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{"fromBlock":"0x1","toBlock":"0x9"}]}`
	batch = `[{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]},{"jsonrpc":"2.0","id":2,"method":"eth_getBlockByNumber","params":["0x2",false]},` +
		`{"jsonrpc":"2.0","id":3,"method":"eth_getBlockByNumber","params":["0x3",false]}]`
)

func TestWithoutFaultsAnswersAreThoseOfTheNode(t *testing.T) {
	p, faults := serve(t, Cut, &chain{head: 9})
	p.SetRate(0)
	for _, body := range []string{one, logs, batch, "nonsense"} {
		_, got, err := post(t, p, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(p.cfg.HTTP, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		want, err := io.ReadAll(resp.Body)
		if _ = resp.Body.Close(); err != nil || got != string(want) {
			t.Errorf("%s: got %s, want %s, %v", body, got, want, err)
		}
	}
	if kinds := faults.kinds(); len(kinds) > 0 {
		t.Errorf("faults at rate 0: %v", kinds)
	}
}

// over sends a body to a proxy whose first request goes wrong in a way.
func over(t *testing.T, kind Kind, body string) (answered, string, error) {
	t.Helper()
	p, faults := serve(t, kind, &chain{head: 9})
	resp, text, err := post(t, p, body)
	if got := faults.kinds(); !slices.Equal(got, []Kind{kind}) {
		t.Errorf("told of the faults %v, want %q", got, kind)
	}
	return resp, text, err
}

func TestBusyWantsTime(t *testing.T) {
	resp, _, err := over(t, Busy, one)
	if err != nil || resp.status != http.StatusTooManyRequests || resp.after != "1" {
		t.Errorf("got %v, %v; want 429 with Retry-After", resp, err)
	}
}

func TestBrokenIsAGatewaysPage(t *testing.T) {
	resp, text, err := over(t, Broken, one)
	if err != nil || resp.status < 500 || resp.kind != "text/html" || !strings.Contains(text, "<html>") {
		t.Errorf("got %v, %q, %v; want a page with a status of 500 or more", resp, text, err)
	}
}

func TestPageIsWellMeant(t *testing.T) {
	resp, text, err := over(t, Page, one)
	if err != nil || resp.status != http.StatusOK || !strings.Contains(text, "<html>") {
		t.Errorf("got %v, %q, %v; want a page with status 200", resp, text, err)
	}
}

func TestRefusedIsAnErrorForEveryCall(t *testing.T) {
	_, text, err := over(t, Refused, batch)
	var got []reply
	if err := errors.Join(err, json.Unmarshal([]byte(text), &got)); err != nil {
		t.Fatal(err)
	}
	for i, r := range got {
		if r.Error == nil || r.Result != nil || string(r.ID) != fmt.Sprint(i+1) {
			t.Errorf("answer %d: got %s, want an error with its id", i, text)
		}
	}
}

func TestTooMuchIsForRangesOfLogs(t *testing.T) {
	_, text, err := over(t, TooMuch, logs)
	if err != nil || !strings.Contains(text, `"error"`) || strings.Contains(text, `"result"`) {
		t.Errorf("got %s, %v; want an error", text, err)
	}
	p, faults := serve(t, TooMuch, &chain{head: 9})
	if _, text, err := post(t, p, one); err != nil || text != `{"jsonrpc":"2.0","id":7,"result":"0x9"}` || len(faults.kinds()) > 0 {
		t.Errorf("what is no range of logs: got %q, %v and faults %v; want the node's answer", text, err, faults.kinds())
	}
}

func TestSilentNeverAnswers(t *testing.T) {
	if _, text, err := over(t, Silent, one); err == nil {
		t.Errorf("got %q, want the connection to break", text)
	}
}

func TestWhatIsSilentIsLetGoWhenAllIsCalm(t *testing.T) {
	p, _ := serve(t, Silent, &chain{})
	began := time.Now()
	if p.hold(t.Context(), time.Millisecond) != true {
		t.Error("hold ended before its time")
	}
	p.SetRate(0)
	if !p.hold(t.Context(), time.Hour) || time.Since(began) > time.Minute {
		t.Error("hold goes on although nothing is to go wrong any more")
	}
}

func TestSlowAnswersLate(t *testing.T) {
	began := time.Now()
	p, faults := serve(t, Slow, &chain{head: 9})
	_, text, err := post(t, p, one)
	if err != nil || !strings.Contains(text, `"0x9"`) {
		t.Errorf("got %s, %v; want the node's answer", text, err)
	}
	if f := faults.all[0]; time.Since(began) < f.Pause {
		t.Errorf("the answer came after %s, want %s at least", time.Since(began), f.Pause)
	}
}

func TestCutIsHalfOfAnAnswer(t *testing.T) {
	_, text, err := over(t, Cut, batch)
	if err != nil || json.Valid([]byte(text)) || !strings.HasPrefix(text, "[{") {
		t.Errorf("got %q, %v; want the first half of an answer", text, err)
	}
}

func TestResetBreaksOffInTheMiddle(t *testing.T) {
	if _, text, err := over(t, Reset, batch); err == nil {
		t.Errorf("got %q, want the connection to break", text)
	}
}

func TestShuffledAnswersHaveTheirIDs(t *testing.T) {
	_, text, err := over(t, Shuffled, batch)
	var got []reply
	if err := errors.Join(err, json.Unmarshal([]byte(text), &got)); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || string(got[0].ID) == "1" {
		t.Errorf("got %s, want three answers in another order", text)
	}
	for _, r := range got {
		if string(r.ID) == "3" && !bytes.Contains(r.Result, []byte(hashOf(3))) {
			t.Errorf("call 3: got %s, want its own answer", r.Result)
		}
	}
}

func TestMissingLeavesOneAnswerOut(t *testing.T) {
	_, text, err := over(t, Missing, batch)
	var got []reply
	if err := errors.Join(err, json.Unmarshal([]byte(text), &got)); err != nil || len(got) != 2 {
		t.Errorf("got %s, %v; want two of three answers", text, err)
	}
}

func TestDoubledRepeatsALogOrAnAnswer(t *testing.T) {
	_, text, err := over(t, Doubled, logs)
	var got struct {
		Result []struct{ BlockNumber, LogIndex string }
	}
	if err := errors.Join(err, json.Unmarshal([]byte(text), &got)); err != nil {
		t.Fatal(err)
	}
	if unique := slices.Compact(slices.Clone(got.Result)); len(got.Result) != 19 || len(unique) != 18 {
		t.Errorf("got %d logs, %d of them different; want 19 and 18", len(got.Result), len(unique))
	}
	_, text, err = over(t, Doubled, batch)
	var answers []reply
	if err := errors.Join(err, json.Unmarshal([]byte(text), &answers)); err != nil || len(answers) != 4 {
		t.Errorf("got %s, %v; want an answer twice", text, err)
	}
}
