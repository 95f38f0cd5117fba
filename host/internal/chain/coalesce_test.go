package chain_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	sdk "github.com/penstock-io/penstock/sdk/chain"
)

// Who asks what another waits for already gets the same answer, and the nodes are
// asked once. Each may do to his answer what he likes.
func TestSameCallsAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &faked{answer: always(`{"number":"0x70"}`), hold: make(chan struct{})}
		s := serviceOf(t, n)
		var all sync.WaitGroup
		answers := make([][]sdk.Result, 5)
		for i := range answers {
			all.Go(func() {
				var err error
				if answers[i], err = s.Exchange(t.Context(), requestOf(`eth_getBlockByNumber["0x70",true]`, `eth_call[{},"latest"]`)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		close(n.hold)
		all.Wait()
		if got := n.count(`eth_getBlockByNumber["0x70",true]`) + n.count(`eth_call[{},"latest"]`); got != 2 {
			t.Errorf("%d calls were made for five who wanted the same two, want 2", got)
		}
		for _, a := range answers {
			if string(a[0].Raw) != `{"number":"0x70"}` {
				t.Errorf("got %s", a[0].Raw)
			}
			clear(a[0].Raw)
		}
	})
}

// The one who has asked gives up: who waits with him still gets the answer. When
// nobody waits any more, the call is given up too.
func TestOneEndDoesNotFailOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &faked{answer: always(`"0x1"`), hold: make(chan struct{})}
		s := serviceOf(t, n)
		ask := func(ctx context.Context) <-chan error {
			done := make(chan error, 1)
			go func() {
				_, err := s.Exchange(ctx, requestOf(`eth_call[{},"latest"]`))
				done <- err
			}()
			synctest.Wait()
			return done
		}
		first, cancel := context.WithCancel(t.Context())
		a, b := ask(first), ask(t.Context())
		cancel()
		if err := <-a; !errors.Is(err, context.Canceled) {
			t.Errorf("the first got %v, want the end of his ctx", err)
		}
		close(n.hold)
		if err := <-b; err != nil {
			t.Errorf("the second got %v", err)
		}

		n.mu.Lock()
		n.hold = make(chan struct{})
		n.mu.Unlock()
		first, cancel = context.WithCancel(t.Context())
		a, b = ask(first), ask(first)
		cancel()
		if errA, errB := <-a, <-b; errA == nil || errB == nil {
			t.Errorf("both have given up, and got %v and %v", errA, errB)
		}
		synctest.Wait() // the exchange ends although the nodes still hold it
		if got := n.count(`eth_call[{},"latest"]`); got != 2 {
			t.Errorf("%d calls, want one for each pair", got)
		}
		c := ask(t.Context()) // and is not joined any more
		if got := n.count(`eth_call[{},"latest"]`); got != 3 {
			t.Errorf("%d calls, want another for who comes after all have left", got)
		}
		n.mu.Lock()
		close(n.hold)
		n.mu.Unlock()
		if err := <-c; err != nil {
			t.Error(err)
		}
	})
}

// What may not be answered for another, or is small beside what is under way, is
// asked for by itself.
func TestWhatIsNotShared(t *testing.T) {
	one := requestOf(`eth_blockNumber[]`)
	many := sdk.Request{Network: "main"}
	for range 11 {
		many.Calls = append(many.Calls, one.Calls[0])
	}
	together, rejected := one, one
	together.Together = true
	rejected.Calls = []sdk.Query{{Method: "eth_blockNumber", Params: []byte("[]"), Rejected: []sdk.Rejection{{Endpoint: "main"}}}}
	never := one
	never.Calls = []sdk.Query{{Method: "eth_blockNumber", Params: []byte("[]"), Never: true}}
	sent := requestOf(`eth_sendRawTransaction["0x1"]`)
	cases := map[string]struct {
		first, second sdk.Request
		calls         int
	}{
		"the same":                 {one, one, 1},
		"a transaction":            {sent, sent, 2},
		"together":                 {together, one, 2},
		"rejected":                 {one, rejected, 2},
		"without another try":      {one, never, 2},
		"one of many":              {many, one, 12},
		"one of a few":             {requestOf(`eth_blockNumber[]`, `eth_chainId[]`, `eth_gasPrice[]`), one, 3},
		"many that one waits for":  {one, requestOf(`eth_chainId[]`, `eth_blockNumber[]`), 2},
		"a method nobody knows of": {requestOf(`eth_wonders[]`), requestOf(`eth_wonders[]`), 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &faked{answer: always(`"0x1"`), hold: make(chan struct{})}
				s := serviceOf(t, n)
				var all sync.WaitGroup
				for _, r := range []sdk.Request{c.first, c.second} {
					all.Go(func() {
						if _, err := s.Exchange(t.Context(), r); err != nil {
							t.Error(err)
						}
					})
					synctest.Wait()
				}
				close(n.hold)
				all.Wait()
				if got := n.calls(); got != c.calls {
					t.Errorf("%d calls were made, want %d: %v", got, c.calls, n.asked)
				}
			})
		})
	}
}
