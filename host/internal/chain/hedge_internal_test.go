package chain

import (
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk/chain"
)

func TestSlowIsWhatFewAnswersAre(t *testing.T) {
	var took times
	for i := range few - 1 {
		took.add(time.Duration(i) * time.Millisecond)
	}
	if after, known := took.slow(); known {
		t.Errorf("of %d answers %s is slow, want that it is not known", few-1, after)
	}
	for i := range 1000 {
		took.add(time.Duration(1+i%20) * time.Millisecond)
	}
	if after, known := took.slow(); !known || after < 18*time.Millisecond || after > 20*time.Millisecond {
		t.Errorf("of answers that take 1 to 20 ms %s is slow", after)
	}
}

func TestHedgeAfter(t *testing.T) {
	endpoints := []config.Endpoint{{Name: "a", URL: "http://a.example"}, {Name: "b", URL: "http://b.example"}}
	batch := []*ask{{query: &chain.Query{Method: "eth_call"}, class: "eth_call"}}
	sending := []*ask{{query: &chain.Query{Method: "eth_sendRawTransaction"}, class: "eth_sendRawTransaction"}}
	for hedge, want := range map[string]time.Duration{"": 0, "off": 0, "2s": 2 * time.Second, "auto": 30 * time.Millisecond} {
		n, err := NewNetwork(NetworkConfig{Network: &config.Network{RPC: config.RPC{Hedge: hedge}, Endpoints: endpoints}})
		if err != nil {
			t.Fatal(err)
		}
		if after, ok := n.hedgeAfter(n.endpoints[0], batch); ok && hedge == "auto" {
			t.Errorf("auto: hedged after %s before anything is known", after)
		}
		for range few {
			n.endpoints[0].took(batch, 30*time.Millisecond)
			n.endpoints[0].took(sending, 30*time.Millisecond)
		}
		if after, ok := n.hedgeAfter(n.endpoints[0], batch); after != want || ok != (want > 0) {
			t.Errorf("%q: hedged after %s, %v, want %s", hedge, after, ok, want)
		}
		if _, ok := n.hedgeAfter(n.endpoints[0], sending); ok {
			t.Errorf("%q: a call that changes something is hedged", hedge)
		}
		n.Close()
	}
}

// One exchange in twenty may be hedged, and not many at once.
func TestHedgesAreSavedUpFor(t *testing.T) {
	var h hedging
	hedges := 0
	for range 1000 {
		h.save()
		if h.spend() {
			hedges++
		}
	}
	if hedges < 45 || hedges > 50 {
		t.Errorf("%d of 1000 were hedged, want about 50", hedges)
	}
	for range 1000 {
		h.save()
	}
	for hedges = 0; h.spend(); hedges++ {
	}
	if hedges != savings {
		t.Errorf("%d at once, want %d", hedges, savings)
	}
}
