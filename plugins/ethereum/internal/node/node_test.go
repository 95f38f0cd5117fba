package node_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/node"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk"
)

func open(t *testing.T, c node.Config, urls ...string) *node.Node {
	t.Helper()
	for i, url := range urls {
		c.Endpoints = append(c.Endpoints, sdk.Endpoint{Name: fmt.Sprint("e", i), URL: url})
	}
	if c.Backoff == 0 {
		c.Backoff = time.Microsecond
	}
	n, err := node.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// serve answers HTTP as a function says.
func serve(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

// asked is a request as a server sees it.
type asked struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// requests reads the calls of a body; batch is false for a single one.
func requests(t *testing.T, r *http.Request) (calls []asked, batch bool) {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	if json.Unmarshal(body, &calls) == nil {
		return calls, true
	}
	calls = make([]asked, 1)
	if err := json.Unmarshal(body, &calls[0]); err != nil {
		t.Error(err)
	}
	return calls, false
}

// echo answers each call with its first parameter and eth_chainId with 1.
func echo(calls []asked, batch bool) string {
	var all []string
	for _, c := range calls {
		result := `"0x1"`
		if c.Method != "eth_chainId" {
			result = string(c.Params[0])
		}
		all = append(all, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, c.ID, result))
	}
	if batch {
		return "[" + strings.Join(all, ",") + "]"
	}
	return all[0]
}

// say makes calls that must be answered with their own number.
func say(n int) []node.Call {
	calls := make([]node.Call, n)
	for i := range calls {
		calls[i] = node.Call{Method: "say", Params: []any{i}, Decode: func(raw []byte) error {
			if string(raw) != fmt.Sprint(i) {
				return fmt.Errorf("got %s, want %d", raw, i)
			}
			return nil
		}}
	}
	return calls
}

// What passes is tried again, however it looks.
func TestTroubleThatPasses(t *testing.T) {
	cases := map[string]func(w http.ResponseWriter, calls []asked, batch bool){
		"HTML with status 200": func(w http.ResponseWriter, _ []asked, _ bool) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>one moment</html>")
		},
		"HTML said to be JSON": func(w http.ResponseWriter, _ []asked, _ bool) { _, _ = io.WriteString(w, "<html>one moment</html>") },
		"half an answer": func(w http.ResponseWriter, c []asked, b bool) {
			s := echo(c, b)
			_, _ = io.WriteString(w, s[:len(s)/2])
		},
		"an empty answer":     func(http.ResponseWriter, []asked, bool) {},
		"502":                 func(w http.ResponseWriter, _ []asked, _ bool) { w.WriteHeader(502) },
		"429":                 func(w http.ResponseWriter, _ []asked, _ bool) { w.WriteHeader(429) },
		"a broken connection": func(http.ResponseWriter, []asked, bool) { panic(http.ErrAbortHandler) },
		"a body cut short": func(w http.ResponseWriter, c []asked, b bool) {
			w.Header().Set("Content-Length", "100000")
			_, _ = io.WriteString(w, echo(c, b))
		},
		"an error of all": func(w http.ResponseWriter, _ []asked, _ bool) {
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"try later"}}`)
		},
		"null for one": func(w http.ResponseWriter, c []asked, b bool) {
			_, _ = io.WriteString(w, strings.Replace(echo(c, b), `"result":2`, `"result":null`, 1))
		},
		"one left out":  func(w http.ResponseWriter, c []asked, b bool) { _, _ = io.WriteString(w, echo(c[len(c)/2:], b)) },
		"an unknown id": func(w http.ResponseWriter, _ []asked, _ bool) { _, _ = io.WriteString(w, `[{"id":99,"result":0}]`) },
		"bad gzip": func(w http.ResponseWriter, _ []asked, _ bool) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "not gzip")
		},
	}
	for name, trouble := range cases {
		t.Run(name, func(t *testing.T) {
			var troubles atomic.Int32
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				calls, batch := requests(t, r)
				if calls[0].Method == "say" && troubles.Add(1) <= 3 {
					trouble(w, calls, batch)
					return
				}
				_, _ = io.WriteString(w, echo(calls, batch))
			})
			if err := open(t, node.Config{}, url).Do(t.Context(), say(4)); err != nil {
				t.Errorf("Do: %v", err)
			}
			if troubles.Load() < 2 {
				t.Error("there was no trouble")
			}
		})
	}
}

func TestAnswersInAnyOrder(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		for i, k := 0, len(calls)-1; i < k; i, k = i+1, k-1 {
			calls[i], calls[k] = calls[k], calls[i]
		}
		_, _ = io.WriteString(w, echo(calls, batch))
	})
	if err := open(t, node.Config{}, url).Do(t.Context(), say(10)); err != nil {
		t.Errorf("Do: %v", err)
	}
}

func TestErrorSaysWhereWhatAndHowOften(t *testing.T) {
	cases := []struct {
		name  string
		serve http.HandlerFunc
		want  []string
	}{
		{"refuses", nil, []string{"e0 (http://127.0.0.1:", "tried 3 times in", "connection refused"}},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // so that the server notices that the client has gone
			<-r.Context().Done()
		}, []string{"tried 3 times", "no answer within 50ms"}},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(503)
			_, _ = io.WriteString(w, "<h1>down</h1>")
		}, []string{`503 Service Unavailable: "<h1>down</h1>"`}},
		{"says why", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"id":1,"error":{"code":-32000,"message":"disk is full","data":"volume 3"}}`)
		}, []string{`disk is full (code -32000, "volume 3")`}},
		{"refuses entry", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(401)
			_, _ = io.WriteString(w, "no such key")
		}, []string{`401 Unauthorized: "no such key"`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			url := closedPort(t)
			if c.serve != nil {
				url = serve(t, c.serve)
			}
			url = strings.Replace(url, "http://", "http://user:secret@", 1) + "/v3/secret?key=secret"
			n := open(t, node.Config{Retries: 2, Timeout: 50 * time.Millisecond}, url)
			err := n.Do(t.Context(), say(1))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(c.want, "e0 (http://127.0.0.1:", "eth_chainId") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells a secret: %q", err)
			}
		})
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestErrorNamesTheParameters(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if calls[0].Method == "eth_chainId" {
			_, _ = io.WriteString(w, echo(calls, batch))
			return
		}
		_, _ = io.WriteString(w, `{"id":1,"error":{"code":-32601,"message":"the method say does not exist/is not available"}}`)
	})
	err := open(t, node.Config{}, url).Do(t.Context(), say(1))
	if node.KindOf(err) != node.NoMethod || !strings.Contains(err.Error(), "for say[0]: the method say does not exist") {
		t.Errorf("got %v of kind %d", err, node.KindOf(err))
	}
}

func TestRetryAfterIsRespected(t *testing.T) {
	var first time.Time
	var waited time.Duration
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		switch {
		case calls[0].Method == "eth_chainId":
		case first.IsZero():
			first = time.Now()
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(429)
			return
		default:
			waited = time.Since(first)
		}
		_, _ = io.WriteString(w, echo(calls, batch))
	})
	if err := open(t, node.Config{}, url).Do(t.Context(), say(1)); err != nil || waited < time.Second {
		t.Errorf("got %v after %s, want nothing after a second", err, waited)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	n := open(t, node.Config{Backoff: time.Hour, Retries: 1000}, url)
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() { done <- n.Do(ctx, say(1)) }()
	cancel(cause)
	if err := <-done; !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
}

func TestConfigurationThatCannotWork(t *testing.T) {
	endpoint := func(url, rate string) []sdk.Endpoint { return []sdk.Endpoint{{Name: "main", URL: url, Rate: rate}} }
	cases := map[string]node.Config{
		`has no endpoint: add a block`:             {},
		`has no url`:                               {Endpoints: endpoint("", "")},
		`ftp is no scheme for a node: use http`:    {Endpoints: endpoint("ftp://host", "")},
		`its url is malformed: write http://`:      {Endpoints: endpoint("http://", "")},
		`rate "often" is not understood: write`:    {Endpoints: endpoint("http://host", "often")},
		`rate "5/fortnight" is not understood`:     {Endpoints: endpoint("http://host", "5/fortnight")},
		`finality "soon" is not understood: write`: {Endpoints: endpoint("http://host", ""), Finality: "soon"},
	}
	for want, c := range cases {
		if _, err := node.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestRateSpacesCallsOut(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		_, _ = io.WriteString(w, echo(calls, batch))
	})
	n, err := node.New(node.Config{Endpoints: []sdk.Endpoint{{URL: url, Rate: "100/s"}}, Batch: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	began := time.Now()
	if err := n.Do(t.Context(), say(130)); err != nil { // 100 at once, one for the chain id, 31 a hundredth of a second apart
		t.Fatal(err)
	}
	if spent := time.Since(began); spent < 300*time.Millisecond || spent > 5*time.Second {
		t.Errorf("131 calls at 100 a second took %s", spent)
	}
}

func TestAnswersMayBeCompressed(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls, batch := requests(t, r)
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			_, _ = io.WriteString(w, echo(calls, batch)) // loopback: nobody asks for it
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		_, _ = io.WriteString(z, echo(calls, batch))
		_ = z.Close()
		_, _ = w.Write(buf.Bytes())
	})
	if err := open(t, node.Config{}, url).Do(t.Context(), say(3)); err != nil {
		t.Errorf("Do: %v", err)
	}
}

func TestFinality(t *testing.T) {
	chain := nodetest.NewChain(100)
	chain.Finalize(64)
	cases := []struct {
		rule    string
		noFinal bool
		want    uint64
		known   bool
	}{
		{"finalized", false, 64, true},
		{"", false, 64, true},
		{"safe", false, 64, true},
		{"12", false, 88, true},
		{"0", false, 100, true},
		{"200", false, 0, false},
		{"finalized", true, 0, false},
	}
	for _, c := range cases {
		asked := 0
		url := (&nodetest.Node{Chain: chain, NoFinal: c.noFinal, Before: func(string, ...any) error { asked++; return nil }}).Serve(t)
		got, known, err := open(t, node.Config{Finality: c.rule}, url).Final(t.Context(), 100)
		if asked > 2 { // for the chain id and once for the block
			t.Errorf("%q: asked %d times", c.rule, asked)
		}
		if err != nil || got != c.want || known != c.known {
			t.Errorf("%q: got %d, %v, %v, want %d, %v", c.rule, got, known, err, c.want, c.known)
		}
	}
}

func TestCanonicalLeavesOutWhatIsNotThere(t *testing.T) {
	chain := nodetest.NewChain(10)
	n := open(t, node.Config{}, (&nodetest.Node{Chain: chain}).Serve(t))
	got, err := n.Canonical(t.Context(), []uint64{9, 10, 11})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]node.Ref{chain.At(9).Ref, chain.At(10).Ref, {}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
