package chain_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	sdkchain "github.com/penstock-io/penstock/sdk/chain"
)

// opened is a Network in a test, with a clock that does not wait.
type opened struct {
	*chain.Network
	clock *clock
}

// open makes a Network of endpoints e0, e1, …; what else there is to say about
// them is changed before.
func open(t *testing.T, network config.Network, urls ...string) *opened {
	t.Helper()
	for i, url := range urls {
		if i == len(network.Endpoints) {
			network.Endpoints = append(network.Endpoints, config.Endpoint{})
		}
		e := &network.Endpoints[i]
		e.Name, e.URL = fmt.Sprint("e", i), url
	}
	c := newClock()
	n, err := chain.NewNetwork(chain.NetworkConfig{Network: &network, Clock: c, Random: func() float64 { return 1 }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return &opened{n, c}
}

// ask makes calls of the step "p/s".
func (o *opened) ask(t *testing.T, calls ...sdkchain.Query) []sdkchain.Result {
	t.Helper()
	results, err := o.Exchange(t.Context(), sdkchain.Request{Asker: sdkchain.Asker{Step: "p/s"}, Calls: calls})
	if err != nil {
		t.Fatalf("Exchange: %v", err)
	}
	if len(results) != len(calls) {
		t.Fatalf("got %d results of %d calls", len(results), len(calls))
	}
	return results
}

func (o *opened) status(t *testing.T, name string) chain.EndpointStatus {
	t.Helper()
	for _, s := range o.Status() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no status of %s", name)
	return chain.EndpointStatus{}
}

// clock is a clock that goes on to the next timer at once, unless it is held.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	held   bool
	timers []*timer
	waited []time.Duration // what was waited for, in order
}

type timer struct {
	at   time.Time
	f    func()
	done bool
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) AfterFunc(d time.Duration, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waited = append(c.waited, d)
	t := &timer{at: c.now.Add(d), f: f}
	if c.held {
		c.timers = append(c.timers, t)
	} else {
		c.fire(t)
	}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		was := t.done
		t.done = true
		return !was
	}
}

func (c *clock) fire(t *timer) {
	if t.at.After(c.now) {
		c.now = t.at
	}
	if !t.done {
		t.done = true
		go t.f()
	}
}

// hold makes timers wait for advance.
func (c *clock) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = true
}

// release lets timers pass at once again.
func (c *clock) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
	for _, t := range c.timers {
		c.fire(t)
	}
	c.timers = nil
}

// advance lets time pass and fires what is due.
func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := c.now.Add(d)
	var later []*timer
	for _, t := range c.timers {
		if t.at.After(end) {
			later = append(later, t)
			continue
		}
		c.fire(t)
	}
	c.timers, c.now = later, end
}

// pending is how many timers wait.
func (c *clock) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, t := range c.timers {
		if !t.done {
			n++
		}
	}
	return n
}

// waits is what was waited for, in order.
func (c *clock) waits() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.waited)
}

// longest is the longest time that was waited for.
func (c *clock) longest() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	longest := time.Duration(0)
	for _, d := range c.waited {
		longest = max(longest, d)
	}
	return longest
}

// bound is longer than anything takes that does not hang, also where the machine
// has much else to do.
const bound = 2 * time.Minute

// until waits for something that another goroutine brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(bound)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %s", what, bound)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		<-ctx.Done()
		cancel()
	}
}

// serve answers HTTP as a function says.
func serve(tb testing.TB, f http.HandlerFunc) string {
	tb.Helper()
	s := httptest.NewServer(f)
	tb.Cleanup(s.Close)
	return s.URL
}

// asked is a call as a server sees it.
type asked struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// requests reads the calls of a body; batch is false for a single one.
func requests(tb testing.TB, r *http.Request) (calls []asked, batch bool) {
	tb.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, false // the client has gone
	}
	if json.Unmarshal(body, &calls) == nil {
		return calls, true
	}
	calls = make([]asked, 1)
	if err := json.Unmarshal(body, &calls[0]); err != nil {
		tb.Error(err)
	}
	return calls, false
}

// echo answers each call with its first parameter and eth_chainId with 1.
func echo(calls []asked, batch bool) string {
	return answers(calls, batch, func(c asked) string {
		if len(c.Params) == 0 {
			return `"result":null`
		}
		return `"result":` + string(c.Params[0])
	})
}

// answers writes what a function says to each call; eth_chainId is 1.
func answers(calls []asked, batch bool, what func(c asked) string) string {
	var all []string
	for _, c := range calls {
		text := `"result":"0x1"`
		if c.Method != "eth_chainId" {
			text = what(c)
		}
		all = append(all, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,%s}`, c.ID, text))
	}
	if batch {
		return "[" + strings.Join(all, ",") + "]"
	}
	return all[0]
}

// node serves answers to calls; what returns `"result":…` or `"error":…`.
func node(tb testing.TB, what func(c asked) string) string {
	tb.Helper()
	return serve(tb, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(tb, r)
		_, _ = io.WriteString(w, answers(calls, batch, what))
	})
}

// failing is an error answer.
func failing(code int, message string) string {
	return fmt.Sprintf(`"error":{"code":%d,"message":%q}`, code, message)
}

// query makes a call; params are Go values.
func query(method string, params ...any) sdkchain.Query {
	text, err := json.Marshal(params)
	if err != nil || len(params) == 0 {
		text = []byte("[]")
	}
	return sdkchain.Query{Method: method, Params: text}
}

// say makes calls that are answered with their own number.
func say(n int) []sdkchain.Query {
	calls := make([]sdkchain.Query, n)
	for i := range calls {
		calls[i] = query("say", i)
	}
	return calls
}

// said checks the answers to say.
func said(t *testing.T, results []sdkchain.Result) {
	t.Helper()
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("call %d: %v", i, r.Err)
		}
		if string(r.Raw) != fmt.Sprint(i) {
			t.Fatalf("call %d: got %s", i, r.Raw)
		}
	}
}

// service is a Network as plugins see it.
type service struct{ *opened }

func (s service) Subscribe(ctx context.Context, sub sdkchain.Subscription, take func(event []byte) error) error {
	return s.Network.Subscribe(ctx, sub.Params, take)
}

func (service) Known(context.Context, string) (map[string]uint64, error) { return nil, nil }

func (service) Learn(context.Context, string, string, uint64) error { return nil }
