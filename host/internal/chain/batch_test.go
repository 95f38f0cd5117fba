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

// Batches shrink until the node takes them, whatever it says about large ones.
func TestBatchesShrink(t *testing.T) {
	refusals := map[string]func(w http.ResponseWriter, calls []asked){
		"413": func(w http.ResponseWriter, _ []asked) { w.WriteHeader(413) },
		"one error for the first call": func(w http.ResponseWriter, c []asked) {
			_, _ = fmt.Fprintf(w, `[{"id":%s,"error":{"code":-32600,"message":"batch too large"}}]`, c[0].ID)
		},
		"one error for all": func(w http.ResponseWriter, _ []asked) {
			_, _ = io.WriteString(w, `{"id":null,"error":{"code":-32600,"message":"batch too large"}}`)
		},
		"one error with status 400": func(w http.ResponseWriter, _ []asked) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"id":null,"error":{"code":-32600,"message":"Batch size too large: at most 5"}}`)
		},
		"no batches at all": func(w http.ResponseWriter, _ []asked) {
			_, _ = io.WriteString(w, `{"id":null,"error":{"code":-32600,"message":"batch requests are not supported"}}`)
		},
		"the rest of an answer is too large": func(w http.ResponseWriter, c []asked) {
			head := echo(c[:3], true)
			_, _ = io.WriteString(w, strings.TrimSuffix(head, "]"))
			for _, c := range c[3:] {
				_, _ = fmt.Fprintf(w, `,{"id":%s,"error":{"code":-32003,"message":"response too large"}}`, c.ID)
			}
			_, _ = io.WriteString(w, "]")
		},
		"more than is read": func(w http.ResponseWriter, _ []asked) {
			w.Header().Set("Content-Length", "1073741824")
			_, _ = io.WriteString(w, "[")
		},
	}
	for name, refuse := range refusals {
		t.Run(name, func(t *testing.T) {
			var largest, asked atomic.Int32
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				calls, batch := requests(t, r)
				asked.Add(1)
				if n := int32(len(calls)); n > largest.Load() {
					largest.Store(n)
				}
				if len(calls) > 5 {
					refuse(w, calls)
					return
				}
				_, _ = io.WriteString(w, echo(calls, batch))
			})
			n := open(t, config.Network{}, url)
			said(t, n.ask(t, say(60)...))
			if largest.Load() != 60 {
				t.Errorf("the first batch had %d calls", largest.Load())
			}
			if s := n.status(t, "e0"); s.Batch > 5 || s.Failures > 0 {
				t.Errorf("got %+v, want small batches and no failure", s)
			}
			before := asked.Load()
			said(t, n.ask(t, say(10)...))
			if got := asked.Load() - before; got > 10 || name != "no batches at all" && got > 5 {
				t.Errorf("ten more calls took %d exchanges", got)
			}
		})
	}
}

func TestBatchesAsConfigured(t *testing.T) {
	var largest atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		largest.Store(max(largest.Load(), int32(len(calls))))
		if len(calls) == 1 && batch {
			t.Error("a single call was sent as a batch")
		}
		_, _ = io.WriteString(w, echo(calls, batch))
	})
	for _, most := range []uint64{1, 7} {
		largest.Store(0)
		n := open(t, config.Network{Endpoints: []config.Endpoint{{Batch: most}}}, url)
		said(t, n.ask(t, say(30)...))
		if got := largest.Load(); got != int32(most) {
			t.Errorf("batches of %d, want %d", got, most)
		}
	}
}

// Batches follow the size of answers, kind by kind.
func TestBatchesFollowTheBytes(t *testing.T) {
	big := `"` + strings.Repeat("x", 400<<10) + `"`
	var (
		mu    sync.Mutex
		sizes []int
	)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if calls[0].Method == "big" {
			mu.Lock()
			sizes = append(sizes, len(calls))
			mu.Unlock()
		}
		_, _ = io.WriteString(w, answers(calls, batch, func(c asked) string {
			if c.Method == "big" {
				return `"result":` + big
			}
			return `"result":` + string(c.Params[0])
		}))
	})
	n := open(t, config.Network{Endpoints: []config.Endpoint{{Batch: 50}}}, url)
	for range 3 {
		calls := make([]sdkchain.Query, 60)
		for i := range calls {
			calls[i] = query("big")
		}
		for _, r := range n.ask(t, calls...) {
			if r.Err != nil || string(r.Raw) != big {
				t.Fatalf("got %d bytes, %v", len(r.Raw), r.Err)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(sizes)
	if most, next := sizes[len(sizes)-1], sizes[len(sizes)-2]; most != 50 || next != 10 {
		t.Errorf("batches of 400 kB answers: %d, want one of 50, and then 10", sizes)
	}
	before := n.status(t, "e0").Exchanges
	said(t, n.ask(t, say(50)...))
	if got := n.status(t, "e0").Exchanges - before; got != 1 {
		t.Errorf("50 small calls took %d exchanges, want 1", got)
	}
}

// A batch costs no more than the shortest window lets pass.
func TestBatchesFollowTheRate(t *testing.T) {
	var largest atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		largest.Store(max(largest.Load(), int32(len(calls))))
		_, _ = io.WriteString(w, echo(calls, batch))
	})
	n := open(t, config.Network{Endpoints: []config.Endpoint{{Rate: "1000/minute;100/s", Weights: map[string]float64{"say": 10}}}}, url)
	began := n.clock.Now()
	said(t, n.ask(t, say(200)...))
	if got := largest.Load(); got != 10 {
		t.Errorf("batches of %d calls that cost 10 each at 100 a second, want 10", got)
	}
	if got := n.clock.Now().Sub(began); got < 2*time.Minute || got > 130*time.Second {
		t.Errorf("2001 units at 1000 a minute took %s", got)
	}
	if got := n.status(t, "e0").SpentToday; got > 2001 {
		t.Errorf("spent %v units, want at most 2001", got)
	}
}

// A request of thousands of calls is in flight in several batches and at several
// endpoints at once.
func TestManyCallsAreSpread(t *testing.T) {
	var (
		flying  sync.WaitGroup
		arrived atomic.Int32
		all     = make(chan struct{})
	)
	defer flying.Wait()
	hold := func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if calls[0].Method == "say" {
			if arrived.Add(1) == 20 {
				close(all)
			}
			select {
			case <-all:
			case <-r.Context().Done():
			}
		}
		_, _ = io.WriteString(w, echo(calls, batch))
	}
	n := open(t, config.Network{}, serve(t, hold), serve(t, hold))
	n.ask(t, query("eth_chainId"))
	said(t, n.ask(t, say(5000)...))
	if a, b := n.status(t, "e0"), n.status(t, "e1"); a.Calls == 0 || b.Calls == 0 || a.Exchanges+b.Exchanges < 30 {
		t.Errorf("%d and %d calls in %d and %d exchanges", a.Calls, b.Calls, a.Exchanges, b.Exchanges)
	}
}

// Whoever is full has what is left over go to the next.
func TestFullEndpointSpillsOver(t *testing.T) {
	a, b := start(t, nil), start(t, nil)
	n := open(t, config.Network{Endpoints: []config.Endpoint{{Rate: "10/s"}, {Cost: 5}}}, a.url, b.url)
	said(t, n.ask(t, say(3)...))
	if b.count("say") != 0 {
		t.Error("the dear endpoint was asked although the cheap one has room")
	}
	for range 5 {
		said(t, n.ask(t, say(8)...))
	}
	if b.count("say") == 0 {
		t.Error("the endpoint with room was not asked while the other was full")
	}
}

func TestHedging(t *testing.T) {
	release := make(chan struct{})
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if calls[0].Method == "say" {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-release:
			case <-r.Context().Done():
				return
			}
		}
		_, _ = io.WriteString(w, echo(calls, batch))
	})
	fast := start(t, nil)
	network := config.Network{RPC: config.RPC{Hedge: "2s"}}
	n := open(t, network, slow, fast.url)
	n.ask(t, query("eth_chainId"))
	n.clock.hold()
	// The other is not known yet, so it is not asked beside.
	done := make(chan []sdkchain.Result)
	go func() { done <- n.ask(t, say(1)...) }()
	until(t, "somebody watches the time", func() bool { return n.clock.pending() == 1 })
	n.clock.advance(2 * time.Second)
	close(release)
	said(t, <-done)
	if got := n.status(t, "e1"); got.Hedges != 0 {
		t.Errorf("an endpoint was hedged with that has not told its chain: %+v", got)
	}
}

// The answer of who is faster counts; who is not needed is told to stop, and its
// slowness is not held against it.
func TestHedgeWins(t *testing.T) {
	stopped := make(chan struct{}, 16)
	var hang atomic.Bool
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if calls[0].Method == "say" && hang.Load() {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			stopped <- struct{}{}
			return
		}
		_, _ = io.WriteString(w, echo(calls, batch))
	})
	fast := start(t, nil)
	n := open(t, config.Network{RPC: config.RPC{Hedge: "2s"}}, slow, fast.url)
	client := func() sdkchain.Query {
		q := query("say", 0)
		q.Rejected = []sdkchain.Rejection{{Endpoint: "e0 (" + slow + ")", Reason: "to get to know the other"}}
		return q
	}
	n.ask(t, client())
	n.clock.hold()
	hang.Store(true)
	ask := func() {
		t.Helper()
		done := make(chan []sdkchain.Result)
		go func() { done <- n.ask(t, say(1)...) }()
		until(t, "somebody watches the time", func() bool { return n.clock.pending() > 0 })
		n.clock.advance(2 * time.Second)
		results := <-done
		said(t, results)
		if !strings.HasPrefix(results[0].Endpoint, "e1 ") {
			t.Errorf("the answer is of %s", results[0].Endpoint)
		}
		<-stopped
	}
	for range 20 {
		hang.Store(false)
		said(t, n.ask(t, say(1)...))
	}
	hang.Store(true)
	ask()
	if s := n.status(t, "e0"); s.Failures != 0 || s.InFlight != 0 {
		t.Errorf("who was slower: %+v", s)
	}
	if s := n.status(t, "e1"); s.Hedges != 1 {
		t.Errorf("got %d hedges, want 1", s.Hedges)
	}
	// Now the savings are spent: the next slow one is waited for.
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := n.Exchange(t.Context(), sdkchain.Request{Calls: say(1)}); err == nil {
			t.Error("a slow answer came")
		}
	}()
	until(t, "somebody watches the time", func() bool { return n.clock.pending() > 0 })
	n.clock.advance(2 * time.Second)
	if s := n.status(t, "e1"); s.Hedges != 1 {
		t.Errorf("got %d hedges of 22 exchanges, want 1", s.Hedges)
	}
	n.Close()
	<-done
}

// Where an endpoint takes no batches, one still answers all calls of a request
// made together.
func TestTogetherWithoutBatches(t *testing.T) {
	a, b := start(t, nil), start(t, nil)
	n := open(t, config.Network{Endpoints: []config.Endpoint{{Batch: 1}, {Batch: 1}}}, a.url, b.url)
	results, err := n.Exchange(t.Context(), sdkchain.Request{Calls: say(5), Together: true})
	if err != nil {
		t.Fatal(err)
	}
	said(t, results)
	if a.count("say") != 5 || b.count("say") != 0 {
		t.Errorf("asked %d and %d times, want 5 of one", a.count("say"), b.count("say"))
	}
	a.now(just(failing(-32603, "internal error")))
	b.now(just(failing(-32603, "internal error")))
	results, err = n.Exchange(t.Context(), sdkchain.Request{Calls: say(5), Together: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Err == nil && r.Raw == nil {
			t.Errorf("call %d has neither an answer nor an error", i)
		}
	}
	if results[0].Err == nil {
		t.Error("a call that was never answered has no error")
	}
}

// What the quota of a day no longer lets pass goes to the fallback; what a minute's
// does not, waits.
func TestUsedUpQuotaGoesToTheFallback(t *testing.T) {
	for rate, want := range map[string]int{"5/day": 7, "5/minute": 0} {
		a, b := start(t, nil), start(t, nil)
		network := roles("primary", "fallback")
		network.Endpoints[0].Rate = rate
		n := open(t, network, a.url, b.url)
		for range 11 {
			said(t, n.ask(t, say(1)...))
		}
		if got := b.count("say"); got != want {
			t.Errorf("%s: the fallback was asked %d times, want %d", rate, got, want)
		}
		if s := n.status(t, "e0"); rate == "5/day" && (s.Held < time.Hour || s.SpentToday != 5) {
			t.Errorf("%s: held for %s, %v spent", rate, s.Held, s.SpentToday)
		}
	}
}
