package chain_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	sdkchain "github.com/penstock-io/penstock/sdk/chain"
)

func TestErrorSaysWhereWhatAndHowOften(t *testing.T) {
	cases := []struct {
		name  string
		serve http.HandlerFunc
		want  []string
	}{
		{"refuses", nil, []string{"e0 (http://127.0.0.1:", "eth_chainId, tried 3 times in", "connection refused"}},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // so that the server notices that the client has gone
			<-r.Context().Done()
		}, []string{"tried 3 times", "no answer within 1s"}},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(503)
			_, _ = io.WriteString(w, "<h1>down, secret12</h1>")
		}, []string{`503 Service Unavailable: "<h1>down, ***</h1>"`}},
		{"says why", func(w http.ResponseWriter, r *http.Request) {
			calls, batch := requests(t, r)
			_, _ = io.WriteString(w, answers(calls, batch, just(`"error":{"code":-32000,"message":"disk is full of user1 at /v3/secret12","data":"volume 3"}`)))
		}, []string{`say[7]`, "tried 3 times", `disk is full of *** at *** (code -32000, "volume 3")`}},
		{"repeats the key in data", func(w http.ResponseWriter, r *http.Request) {
			calls, batch := requests(t, r)
			_, _ = io.WriteString(w, answers(calls, batch, just(`"error":{"code":-32000,"message":"no","data":"secret34"}`)))
		}, []string{"no (code -32000)"}},
		{"refuses entry", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(401)
			_, _ = io.WriteString(w, "no such key: header56")
		}, []string{`401 Unauthorized: "no such key: ***"`}},
		{
			"sends us on", func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://elsewhere.example/secret12", http.StatusTemporaryRedirect)
			},
			[]string{"307 Temporary Redirect", "https://elsewhere.example", "write that address into the endpoint's url"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			url := "http://127.0.0.1:1" // nobody listens
			if c.serve != nil {
				url = serve(t, c.serve)
			}
			url = strings.Replace(url, "http://", "http://user1:secret99@", 1) + "/v3/secret12?key=secret34"
			network := config.Network{RPC: config.RPC{Retries: new(uint64(2)), Timeout: time.Second}}
			network.Endpoints = []config.Endpoint{{Headers: map[string]string{"Authorization": "Bearer header56"}}}
			n := open(t, network, url)
			err := n.ask(t, query("say", 7))[0].Err
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(c.want, "e0 (http://127.0.0.1:") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to say %q", err, want)
				}
			}
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", n.Status())} {
				for _, secret := range []string{"secret", "user1", "header56"} {
					if strings.Contains(text, secret) {
						t.Errorf("it tells a secret: %s", text)
					}
				}
			}
		})
	}
}

func TestConfigurationThatCannotWork(t *testing.T) {
	endpoint := func(e config.Endpoint) []config.Endpoint { e.Name = "main"; return []config.Endpoint{e} }
	cases := map[string][]config.Endpoint{
		`has no endpoint: add a block`:          nil,
		`has no url`:                            endpoint(config.Endpoint{}),
		`ftp is no scheme for a node: use http`: endpoint(config.Endpoint{URL: "ftp://host"}),
		`its url is malformed: write http://`:   endpoint(config.Endpoint{URL: "http://"}),
		`rate "often" is not understood: write`: endpoint(config.Endpoint{URL: "http://host", Rate: "often"}),
		`"chief" is no role: write "primary"`:   endpoint(config.Endpoint{URL: "http://host", Role: "chief"}),
	}
	for want, endpoints := range cases {
		_, err := chain.NewNetwork(chain.NetworkConfig{Network: &config.Network{Name: "m", Endpoints: endpoints}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `network "m"`) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestCallsThatAreNone(t *testing.T) {
	s := start(t, nil)
	n := open(t, config.Network{}, s.url)
	results := n.ask(t, sdkchain.Query{Method: "say", Params: []byte("[1")}, sdkchain.Query{Method: `x","y":"`}, sdkchain.Query{Params: []byte("[1]")},
		sdkchain.Query{Method: "say", Params: []byte(`{"a":1}`)}, query("say", 4))
	for i, r := range results[:4] {
		if r.Err == nil || r.Err.Kind != sdkchain.Invalid {
			t.Errorf("call %d: got %v", i, r.Err)
		}
	}
	if string(results[4].Raw) != "4" {
		t.Errorf("the call beside them: got %s, %v", results[4].Raw, results[4].Err)
	}
}

// Waits double, up to a bound, and end with the tries.
func TestBackoff(t *testing.T) {
	var asked atomic.Int32
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(502)
	})
	n := open(t, config.Network{}, url)
	err := n.ask(t, query("say", 1))[0].Err
	if err == nil || err.Kind != sdkchain.Transient || err.Tries != 11 || asked.Load() != 11 {
		t.Fatalf("got %v after %d questions, want 11", err, asked.Load())
	}
	want := []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000}
	got := n.clock.waits()
	for i := range want {
		if len(got) != len(want) || got[i] != want[i]*time.Millisecond {
			t.Fatalf("waited for %s, want %d milliseconds", got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	cases := map[string]struct {
		header   string
		from, to time.Duration
	}{
		"seconds":           {"7", 7 * time.Second, 7 * time.Second},
		"a fraction":        {"1.5", 1500 * time.Millisecond, 1500 * time.Millisecond},
		"a date":            {date(9 * time.Second), 6 * time.Second, 9 * time.Second},
		"a date gone by":    {date(-time.Hour), 100 * time.Millisecond, 100 * time.Millisecond},
		"more than allowed": {"1e300", 5 * time.Minute, 5 * time.Minute},
		"a far date":        {date(24 * time.Hour), 5 * time.Minute, 5 * time.Minute},
		"negative":          {"-7", 100 * time.Millisecond, 100 * time.Millisecond},
		"nonsense":          {"soon", 100 * time.Millisecond, 100 * time.Millisecond},
		"not a number":      {"NaN", 100 * time.Millisecond, 100 * time.Millisecond},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var troubles atomic.Int32
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				calls, batch := requests(t, r)
				if calls[0].Method == "say" && troubles.Add(1) == 1 {
					w.Header().Set("Retry-After", c.header)
					w.WriteHeader(429)
					return
				}
				_, _ = io.WriteString(w, echo(calls, batch))
			})
			n := open(t, config.Network{}, url)
			said(t, n.ask(t, say(1)...))
			if got := n.clock.longest(); got < c.from || got > c.to {
				t.Errorf("waited for %s, want %s to %s", got, c.from, c.to)
			}
		})
	}
}

// Whatever breaks many exchanges at once is one failure: one wait, one step
// towards the breaker.
func TestBurstOfFailuresIsOne(t *testing.T) {
	const calls = 12
	var (
		together sync.WaitGroup
		broken   atomic.Bool
	)
	together.Add(calls)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, batch := requests(t, r)
		if c[0].Method == "say" && !broken.Load() {
			together.Done()
			together.Wait()
			broken.Store(true)
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, echo(c, batch))
	})
	n := open(t, config.Network{}, url)
	n.ask(t, query("eth_chainId")) // admitted
	var group sync.WaitGroup
	for range calls {
		group.Go(func() { said(t, n.ask(t, say(1)...)) })
	}
	group.Wait()
	if s := n.status(t, "e0"); s.Failures < calls-1 || s.State != "serving" {
		t.Errorf("got %+v, want %d failures and an endpoint that serves", s, calls)
	}
	if got := n.clock.longest(); got != 100*time.Millisecond {
		t.Errorf("the longest wait was %s, want that of one failure", got)
	}
}

func TestBreakerAsConfigured(t *testing.T) {
	down, other := start(t, just(failing(-32603, "internal error"))), start(t, nil)
	n := open(t, config.Network{RPC: config.RPC{Breaker: config.Breaker{Failures: 2, Rest: time.Hour}}}, down.url, other.url)
	for i := range 3 {
		said(t, n.ask(t, say(1)...))
		n.clock.advance(10 * time.Second)
		if got, want := n.status(t, "e0").State == "resting", i >= 1; got != want {
			t.Errorf("after %d failures it rests: %v", i+1, got)
		}
	}
	if rest := n.status(t, "e0").Rests; rest < 59*time.Minute || rest > time.Hour {
		t.Errorf("it rests for %s, want about an hour", rest)
	}
}

// An endpoint that is the only one is asked on although it fails: at the pace of
// its failures.
func TestOnlyEndpointIsAskedWhileItRests(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	var asked atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if asked.Add(1) > 8 {
			broken.Store(false)
		}
		if broken.Load() {
			w.WriteHeader(502)
			return
		}
		_, _ = io.WriteString(w, echo(calls, batch))
	})
	n := open(t, config.Network{}, url)
	said(t, n.ask(t, say(3)...))
	if s := n.status(t, "e0"); s.State != "serving" || s.Failures == 0 {
		t.Errorf("got %+v", s)
	}
	if got := n.clock.longest(); got > 13*time.Second {
		t.Errorf("the longest wait was %s", got)
	}
}

func TestEndsWithItsContextAndItsNetwork(t *testing.T) {
	arrived := make(chan struct{}, 8)
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	n := open(t, config.Network{}, url)
	done := make(chan error)
	ask := func(ctx context.Context) {
		_, err := n.Exchange(ctx, sdkchain.Request{Calls: say(1)})
		done <- err
	}
	go ask(ctx)
	<-arrived
	cancel(cause)
	if err := <-done; !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
	go ask(t.Context())
	<-arrived
	n.Close()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "the network was closed") {
		t.Errorf("got %v, want that the network was closed", err)
	}
	if _, err := n.Exchange(t.Context(), sdkchain.Request{Calls: say(1)}); err == nil {
		t.Error("a closed network answers")
	}
}

// Of a request of many calls nothing more is tried once it cannot be had whole.
func TestDeadNodeEndsAllBatches(t *testing.T) {
	var asked atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if calls[0].Method == "say" {
			asked.Add(1)
			w.WriteHeader(502)
			return
		}
		_, _ = io.WriteString(w, echo(calls, batch))
	})
	n := open(t, config.Network{}, url)
	for i, r := range n.ask(t, say(20_000)...) {
		if r.Err == nil || !strings.Contains(r.Err.What, fmt.Sprintf("say[%d]", i)) {
			t.Fatalf("call %d: got %v", i, r.Err)
		}
	}
	if got := asked.Load(); got > 16*11 {
		t.Errorf("a dead node was asked %d times", got)
	}
}

func TestChainIDMustBeTheNetworks(t *testing.T) {
	s := start(t, nil) // chain 1
	n := open(t, config.Network{Name: "holesky", ChainID: 17000}, s.url)
	for range 2 {
		err := n.ask(t, query("say", 1))[0].Err
		if err == nil || err.Kind != sdkchain.WrongChain || !sdkchain.Hopeless(err) || s.count("say") != 0 {
			t.Fatalf("got %v, after %d questions", err, s.count("say"))
		}
		for _, want := range []string{"e0 (http://127.0.0.1:", "it serves chain 1", `network "holesky" is chain 17000`, "correct the endpoint's url"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got %q, want it to say %q", err, want)
			}
		}
	}
	if got := n.status(t, "e0").State; got != "wrong chain" {
		t.Errorf("its state is %s", got)
	}
}

// serveChain serves a chain whose id can change.
func serveChain(t *testing.T, id *atomic.Int64, asked *atomic.Int32, broken *atomic.Bool) string {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if calls[0].Method != "eth_chainId" {
			asked.Add(1)
			if broken.Load() {
				w.WriteHeader(502)
				return
			}
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(echo(calls, batch), `"0x1"`, fmt.Sprintf(`"0x%x"`, id.Load())))
	})
}

// An endpoint that comes back as another chain is not asked: not at first, and not
// after it was away.
func TestChainIDIsAskedForAgain(t *testing.T) {
	var (
		id     [2]atomic.Int64
		asked  [2]atomic.Int32
		broken [2]atomic.Bool
	)
	id[0].Store(5)
	id[1].Store(5)
	n := open(t, config.Network{}, serveChain(t, &id[0], &asked[0], &broken[0]), serveChain(t, &id[1], &asked[1], &broken[1]))
	said(t, n.ask(t, say(1)...))
	broken[0].Store(true)
	for n.status(t, "e0").State != "resting" {
		said(t, n.ask(t, say(1)...))
		n.clock.advance(10 * time.Second)
	}
	broken[0].Store(false)
	id[0].Store(6)
	was := asked[0].Load()
	n.clock.hold()
	n.clock.advance(time.Minute)
	until(t, "it is asked what it serves", func() bool {
		said(t, n.ask(t, say(1)...))
		return n.status(t, "e0").State == "wrong chain"
	})
	id[0].Store(5)
	if asked[0].Load() != was {
		t.Error("an endpoint of another chain was asked")
	}
	n.clock.advance(time.Minute)
	until(t, "it serves the chain again", func() bool {
		said(t, n.ask(t, say(1)...))
		return n.status(t, "e0").State == "serving"
	})
}

func TestEndpointThatDoesNotLetUsInIsPassedOver(t *testing.T) {
	for _, status := range []int{401, 403, 404, 301} {
		closed := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		n := open(t, config.Network{RPC: config.RPC{Retries: new(uint64(0))}}, closed, start(t, nil).url)
		said(t, n.ask(t, say(1)...))
	}
}
