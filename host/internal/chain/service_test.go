package chain_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	sdk "github.com/penstock-io/penstock/sdk/chain"
)

// places are nodes by the URL of their endpoint.
type places map[string]*faked

// service makes one of networks whose nodes these are.
func (s places) service(t *testing.T, networks ...*config.Network) *chain.Service {
	t.Helper()
	out, err := chain.NewServiceOf(chain.Config{Networks: networks}, func(n *config.Network, _ func(chain.Observation)) (chain.Nodes, error) {
		if found := s[n.Endpoints[0].URL]; found != nil {
			return found, nil
		}
		return nil, errors.New("this endpoint cannot be used")
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Close)
	return out
}

func at(name, url string) *config.Network {
	n := networkOf(name)
	n.Endpoints[0].URL = url
	return n
}

// When the endpoints of a network are others, what is under way is asked for again
// there, heads come from there, and nothing that was kept is told.
func TestUpdateMovesToOtherEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := newHeaded(true), newHeaded(true)
		fresh.moveTo(headJSON(200, "200", "199"))
		s := places{"a": &old.faked, "b": &fresh.faked}.service(t, at("main", "a"))
		settled(t, s)
		heads, stop := watch(t, s, `["newHeads"]`)
		wantNumbers(t, "of the old node", heads, "64")
		const kept, slow = `eth_getBlockByNumber["0x5a",false]`, `eth_call[{},"latest"]`
		raws(t, s, kept)
		old.mu.Lock()
		old.hold = make(chan struct{}) // it answers nothing any more
		old.mu.Unlock()
		done := make(chan error, 1)
		go func() {
			_, err := s.Exchange(t.Context(), requestOf(slow))
			done <- err
		}()
		synctest.Wait()
		if err := s.Update([]*config.Network{at("main", "b")}); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || fresh.count(slow) != 1 {
			t.Errorf("what was under way: got %v, and the new node was asked %d times", err, fresh.count(slow))
		}
		raws(t, s, kept)
		if fresh.count(kept) != 1 {
			t.Error("what the old node has answered was told")
		}
		wantNumbers(t, "of the new node", heads, "c8")
		if !old.isClosed() {
			t.Error("the old node was not hung up on")
		}
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// A network whose block is the same goes on untouched.
func TestUpdateLeavesTheSameAlone(t *testing.T) {
	n := &faked{answer: always(`{"number":"0x10"}`)}
	s := places{"a": n}.service(t, at("main", "a"))
	settled(t, s)
	raws(t, s, `eth_getBlockByNumber["0x10",false]`)
	moved := at("main", "a")
	moved.Range = config.Range{Filename: "other.hcl"}
	if err := s.Update([]*config.Network{moved}); err != nil {
		t.Fatal(err)
	}
	raws(t, s, `eth_getBlockByNumber["0x10",false]`)
	if got := n.count(`eth_getBlockByNumber["0x10",false]`); got != 1 || n.isClosed() {
		t.Errorf("asked %d times, want what was kept; closed: %v", got, n.isClosed())
	}
}

// Where one network cannot be, all stay what they were.
func TestUpdateThatFails(t *testing.T) {
	s := places{"a": {answer: always(`"0xa"`)}, "c": {answer: always(`"0xc"`)}}.service(t, at("main", "a"))
	if err := s.Update([]*config.Network{at("more", "c"), at("main", "nowhere")}); err == nil || !strings.Contains(err.Error(), "cannot be used") {
		t.Errorf("got %v, want why it cannot be", err)
	}
	if got := raws(t, s, `eth_gasPrice[]`); got[0] != `"0xa"` {
		t.Errorf("after an update that failed: got %s", got[0])
	}
	if names := s.Status(); len(names) != 1 {
		t.Errorf("there are %d networks, want 1", len(names))
	}
}

// Who asks a network that is not there, or has no endpoint, is told what to do.
func TestNetworksThatAreNotThere(t *testing.T) {
	silent := networkOf("silent")
	silent.Endpoints = nil
	s := places{"a": {answer: always(`"0xa"`)}, "b": {answer: always(`"0xb"`)}}.service(t, at("main", "a"), at("more", "b"), silent)
	for name, want := range map[string]string{
		"mian":   `ask network "mian": there is no such network here: there is main, more`,
		"silent": `ask network "silent": it has no endpoint: write a block such as endpoint "local" { url = "http://127.0.0.1:8545" } into its block`,
		"":       `there are several networks, so say which one is to be asked: main, more`,
	} {
		_, err := s.Exchange(t.Context(), sdk.Request{Network: name})
		if err == nil || err.Error() != want {
			t.Errorf("network %q: got %v, want %s", name, err, want)
		}
		if _, err := s.Known(t.Context(), name); err == nil {
			t.Errorf("Known(%q) is no error", name)
		}
		if err := s.Subscribe(t.Context(), sdk.Subscription{Network: name, Params: []byte(`["newHeads"]`)}, nil); err == nil {
			t.Errorf("Subscribe(%q) is no error", name)
		}
	}
	if err := s.Update([]*config.Network{at("main", "a")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Exchange(t.Context(), sdk.Request{Calls: requestOf(`eth_gasPrice[]`).Calls}); err != nil {
		t.Errorf("the only network without a name: %v", err)
	}
	if _, err := s.Exchange(t.Context(), sdk.Request{Network: "more"}); err == nil {
		t.Error("a network that is gone answers")
	}
}

// Close ends who watches and who waits, and nothing begins after it.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newHeaded(true)
		s := places{"a": &n.faked}.service(t, at("main", "a"))
		watching := make(chan error, 2)
		for _, params := range []string{`["newHeads"]`, `["logs",{}]`} {
			go func() {
				watching <- s.Subscribe(t.Context(), sdk.Subscription{Network: "main", Params: []byte(params)}, func([]byte) error { return nil })
			}()
		}
		synctest.Wait()
		n.mu.Lock()
		n.hold = make(chan struct{})
		n.mu.Unlock()
		waiting := make(chan error, 1)
		go func() {
			_, err := s.Exchange(t.Context(), requestOf(`eth_gasPrice[]`))
			waiting <- err
		}()
		synctest.Wait()
		s.Close()
		for _, err := range []error{<-watching, <-watching, <-waiting} {
			if err == nil || !strings.Contains(err.Error(), "the host is ending") {
				t.Errorf("got %v, want that the host is ending", err)
			}
		}
		if _, err := s.Exchange(t.Context(), requestOf(`eth_gasPrice[]`)); err == nil {
			t.Error("a service that was closed answers")
		}
		if err := s.Update(nil); err == nil {
			t.Error("a service that was closed was updated")
		}
	})
}

// What became of calls is counted by endpoint, method and step.
func TestCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &faked{answer: always(`{"number":"0x10"}`)}
		var observe func(chain.Observation)
		s, err := chain.NewServiceOf(chain.Config{Networks: []*config.Network{networkOf("main")}}, func(_ *config.Network, o func(chain.Observation)) (chain.Nodes, error) {
			observe = o
			return n, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		settled(t, s)
		const kept = `eth_getBlockByNumber["0x10",false]`
		raws(t, s, kept, `eth_gasPrice[]`)
		raws(t, s, kept)
		for i := range 100 {
			o := chain.Observation{
				Asker: asker, Endpoint: "main", Method: "eth_getBlockByNumber", OK: i%10 != 0, Kind: sdk.TimedOut, Bytes: 10, Units: 0.5,
				Duration: time.Duration(i+1) * time.Millisecond,
			}
			observe(o)
		}
		st := s.Status()[0]
		e := st.Endpoints[0]
		if e.Attempts != 100 || e.Failed[sdk.TimedOut] != 10 || e.Received != 1000 || e.Units != 50 || e.Recent != 10 || e.Times.Count != 100 {
			t.Errorf("the endpoint: %+v", e)
		}
		if e.P50 < 44*time.Millisecond || e.P50 > 57*time.Millisecond || e.P95 < 84*time.Millisecond || e.P95 > 107*time.Millisecond {
			t.Errorf("half of 1 to 100 ms took at most %s, nineteen of twenty %s", e.P50, e.P95)
		}
		if e.Pace <= 0 || e.Pace > 5 {
			t.Errorf("50 units within the last ten seconds are %v a second", e.Pace)
		}
		if got := st.Askers[len(st.Askers)-1]; got.Asker != asker || got.Calls != 4 || got.Kept != 1 || got.Attempts != 100 {
			t.Errorf("the step: %+v", got)
		}
		if m := st.Methods[1]; m.Method != "eth_getBlockByNumber" || m.Attempts != 100 || m.Wanted.Calls != 3 || m.Wanted.Kept != 1 || m.Wanted.Retries() != 98 {
			t.Errorf("the method: %+v", m)
		}
		time.Sleep(11 * time.Minute)
		e = s.Status()[0].Endpoints[0]
		if e.Recent != 0 || e.P95 != 0 || e.Pace != 0 || e.Attempts != 100 || e.Times.Count != 100 {
			t.Errorf("eleven minutes later: %+v", e)
		}
	})
}

// What is counted by names that plugins choose is bounded.
func TestCountersAreBounded(t *testing.T) {
	s := places{"a": {answer: always(`"0x1"`)}}.service(t, at("main", "a"))
	for i := range 3000 {
		r := requestOf(`eth_wonder` + strings.Repeat("s", i%1500) + `[]`)
		r.Step = strings.Repeat("x", i%1200)
		if _, err := s.Exchange(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	st := s.Status()[0]
	calls := uint64(0)
	for _, a := range st.Askers {
		calls += a.Calls
	}
	if len(st.Askers) > 1001 || calls != 3000 {
		t.Errorf("%d steps with %d calls are counted, want at most 1001 with all 3000", len(st.Askers), calls)
	}
}

// A network is unreachable when every endpoint has been tried and none answers.
func TestUnreachable(t *testing.T) {
	endpoint := func(state string, failures uint64) chain.EndpointReport {
		return chain.EndpointReport{EndpointStatus: chain.EndpointStatus{State: state, Failures: failures, LastError: "refused"}}
	}
	for name, c := range map[string]struct {
		endpoints []chain.EndpointReport
		want      bool
	}{
		"all rest":          {[]chain.EndpointReport{endpoint("resting", 5), endpoint("wrong chain", 1)}, true},
		"one serves":        {[]chain.EndpointReport{endpoint("resting", 5), endpoint("serving", 0)}, false},
		"not asked yet":     {[]chain.EndpointReport{endpoint("not asked yet", 0)}, false},
		"never got through": {[]chain.EndpointReport{endpoint("not asked yet", 2)}, true},
		"none":              {nil, false},
	} {
		n := chain.NetworkStatus{Endpoints: c.endpoints}
		if why, got := n.Unreachable(); got != c.want || got && why != "refused" {
			t.Errorf("%s: got %v, %q", name, got, why)
		}
	}
}
