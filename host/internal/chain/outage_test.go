package chain_test

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	sdkchain "github.com/penstock-io/penstock/sdk/chain"
)

// An endpoint that is down and has no other beside it is asked again and again: the log is told when it is given up, now and then how
// often it has failed since, and when it is back.
func TestOutageIsToldNowAndThen(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		calls, batch := requests(t, r)
		_, _ = w.Write([]byte(answers(calls, batch, just(`"result":"0x1"`))))
	})
	const rest = 20 * time.Second
	network := &config.Network{Name: "dark", Endpoints: []config.Endpoint{{Name: "e0", URL: url}}}
	network.RPC.Breaker.Rest = rest
	var text bytes.Buffer
	c := newClock()
	n, err := chain.NewNetwork(chain.NetworkConfig{
		Network: network, Clock: c, Random: func() float64 { return 1 },
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: &text}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ask := func() *sdkchain.Error {
		results, err := n.Exchange(t.Context(), sdkchain.Request{Calls: []sdkchain.Query{{Method: "eth_chainId"}}})
		if err != nil {
			t.Fatal(err)
		}
		return results[0].Err
	}
	began := c.Now()
	for range 30 {
		if ask() == nil {
			t.Fatal("an endpoint that is down has answered")
		}
	}
	took := c.Now().Sub(began)
	told := func(words string) int { return strings.Count(text.String(), words) }
	failures := n.Status()[0].Failures
	if got := told("left alone for a while"); got != 1 {
		t.Errorf("told %d times that the endpoint is left alone, want once:\n%s", got, &text)
	}
	still, most := told("still fails"), int(took/rest)
	if still == 0 || uint64(still+told("the endpoint failed")) > failures/4 || still > most {
		t.Errorf("told %d times of %d failures in %s:\n%s", still, failures, took, &text)
	}
	down.Store(false)
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	if got := told("serves again"); got != 1 {
		t.Errorf("told %d times that the endpoint is back, want once:\n%s", got, &text)
	}
}
