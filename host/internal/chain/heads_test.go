package chain_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	sdk "github.com/penstock-io/penstock/sdk/chain"
)

// headed answers with a head that moves.
type headed struct {
	faked
	head atomic.Pointer[string]
}

func newHeaded(subscribable bool) *headed {
	h := &headed{}
	h.moveTo(headJSON(100, "100", "99"))
	h.answer = func(q sdk.Query) (string, *sdk.Error) {
		switch {
		case q.Method == "eth_getBlockByNumber" && strings.Contains(string(q.Params), "latest"):
			return *h.head.Load(), nil
		case q.Method == "eth_getBlockByNumber" && strings.Contains(string(q.Params), "finalized"):
			return headJSON(90, "90", "89"), nil
		}
		return fmt.Sprintf(`{"number":"0x5f","at":%q}`, *h.head.Load()), nil
	}
	if subscribable {
		h.events = make(chan string)
	}
	return h
}

func (h *headed) moveTo(head string) { h.head.Store(&head) }

const latest = `eth_getBlockByNumber["latest",false]`

// watch follows heads as somebody who takes each at once.
func watch(t *testing.T, s *chain.Service, params string) (heads <-chan string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan string, 1000), make(chan error, 1)
	go func() {
		ended <- s.Subscribe(ctx, sdk.Subscription{Asker: asker, Network: "main", Params: []byte(params)}, func(event []byte) error {
			told <- string(event)
			return nil
		})
	}()
	synctest.Wait()
	return told, func() error {
		cancel()
		return <-ended
	}
}

func numbers(t *testing.T, heads <-chan string) (out []string) {
	t.Helper()
	synctest.Wait()
	for {
		select {
		case event := <-heads:
			var number string
			if _, err := fmt.Sscanf(event, `{"number":"0x%3s`, &number); err != nil {
				number, _, _ = strings.Cut(strings.TrimPrefix(event, `{"number":"0x`), `"`)
			}
			number, _, _ = strings.Cut(number, `"`)
			out = append(out, number)
		default:
			return out
		}
	}
}

func wantNumbers(t *testing.T, what string, heads <-chan string, want ...string) {
	t.Helper()
	if got := numbers(t, heads); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: told of %v, want %v", what, got, want)
	}
}

// Many watch, one subscription tells them all: of the head as it is at once, and of
// each that follows as soon as it is there.
func TestHeadsFromOneSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newHeaded(true)
		s := serviceOf(t, &n.faked)
		a, stopA := watch(t, s, `["newHeads"]`)
		wantNumbers(t, "at once", a, "64")
		n.tell(headJSON(101, "101", "100"))
		n.moveTo(headJSON(101, "101", "100"))
		wantNumbers(t, "an event", a, "65")
		b, stopB := watch(t, s, `["newHeads"]`)
		wantNumbers(t, "who comes later, at once", b, "65")
		before := time.Now()
		n.tell(headJSON(102, "102", "101"))
		n.moveTo(headJSON(102, "102", "101"))
		wantNumbers(t, "another event", a, "66")
		wantNumbers(t, "another event", b, "66")
		if took := time.Since(before); took != 0 {
			t.Errorf("it took %s until all were told", took)
		}
		n.tell(headJSON(102, "102", "101"))
		wantNumbers(t, "the same again", a)
		if n.subscriptions() != 1 {
			t.Errorf("%d subscriptions, want 1", n.subscriptions())
		}
		if st := s.Status()[0].Heads; st.Watchers != 2 || st.Mode != "subscription" {
			t.Errorf("the status of heads is %+v", st)
		}
		for _, stop := range []func() error{stopA, stopB} {
			if err := stop(); !errors.Is(err, context.Canceled) {
				t.Errorf("a watcher whose ctx has ended got %v", err)
			}
		}
		synctest.Wait()
		asked := n.calls()
		time.Sleep(time.Hour)
		if n.calls() != asked {
			t.Errorf("the head is followed though nobody wants it")
		}
	})
}

// Where nothing can be subscribed to, the head is asked for, as often as the most
// eager one wants.
func TestHeadsByAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newHeaded(false)
		s := serviceOf(t, &n.faked)
		a, _ := watch(t, s, `["newHeads"]`)
		wantNumbers(t, "at once", a, "64")
		n.moveTo(headJSON(101, "101", "100"))
		time.Sleep(499 * time.Millisecond)
		wantNumbers(t, "too early", a)
		time.Sleep(time.Millisecond)
		wantNumbers(t, "after half a second", a, "65")
		before := n.count(latest)
		time.Sleep(10*time.Second + time.Millisecond)
		if got := n.count(latest) - before; got != 20 {
			t.Errorf("asked %d times within ten seconds, want 20", got)
		}
		b, _ := watch(t, s, `["newHeads",{"every":"100ms"}]`)
		wantNumbers(t, "at once", b, "65")
		n.moveTo(headJSON(102, "102", "101"))
		time.Sleep(100 * time.Millisecond)
		wantNumbers(t, "for the eager one", b, "66")
		wantNumbers(t, "for the other", a, "66")
	})
}

// A subscription that breaks is made again; meanwhile the head is asked for.
func TestHeadsWhileTheSubscriptionIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newHeaded(true)
		s := serviceOf(t, &n.faked)
		heads, _ := watch(t, s, `["newHeads"]`)
		wantNumbers(t, "at once", heads, "64")
		n.tell(headJSON(101, "101", "100"))
		n.moveTo(headJSON(101, "101", "100"))
		wantNumbers(t, "an event", heads, "65")
		n.mu.Lock()
		broken := n.events
		n.events = make(chan string)
		n.mu.Unlock()
		close(broken)
		synctest.Wait()
		n.moveTo(headJSON(102, "102", "101"))
		time.Sleep(500 * time.Millisecond)
		wantNumbers(t, "while it is broken", heads, "66")
		time.Sleep(time.Second)
		if n.subscriptions() != 2 {
			t.Fatalf("%d subscriptions, want another after a second", n.subscriptions())
		}
		n.tell(headJSON(103, "103", "102"))
		wantNumbers(t, "from the second subscription", heads, "67")
	})
}

// A subscription that says nothing may be dead: after a while the head is asked
// for, and if there is one, it is made again.
func TestSilentSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newHeaded(true)
		s := serviceOf(t, &n.faked)
		heads, _ := watch(t, s, `["newHeads"]`)
		n.tell(headJSON(101, "101", "100"))
		n.moveTo(headJSON(101, "101", "100"))
		wantNumbers(t, "events", heads, "64", "65")
		asked := n.count(latest)
		time.Sleep(40 * time.Second)
		if got := n.count(latest) - asked; got != 2 || n.subscriptions() != 1 {
			t.Errorf("on a quiet chain it was asked %d times and subscribed %d times, want 2 within 40 seconds, and 1", got, n.subscriptions())
		}
		n.moveTo(headJSON(102, "102", "101"))
		time.Sleep(15 * time.Second)
		wantNumbers(t, "what the subscription kept to itself", heads, "66")
		if n.subscriptions() != 2 {
			t.Errorf("%d subscriptions, want 2", n.subscriptions())
		}
	})
}

// Who is slow gets the newest head, and keeps nobody from getting every one.
func TestSlowWatcherGetsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newHeaded(true)
		s := serviceOf(t, &n.faked)
		fast, _ := watch(t, s, `["newHeads"]`)
		slow, got := make(chan struct{}), make(chan string, 100)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.Subscribe(ctx, sdk.Subscription{Network: "main", Params: []byte(`["newHeads"]`)}, func(event []byte) error {
				got <- string(event)
				<-slow
				return nil
			})
		}()
		synctest.Wait()
		for i := 101; i < 111; i++ {
			n.tell(headJSON(i, fmt.Sprint(i), fmt.Sprint(i-1)))
			n.moveTo(headJSON(i, fmt.Sprint(i), fmt.Sprint(i-1)))
			synctest.Wait()
		}
		close(slow)
		wantNumbers(t, "the slow one", got, "64", "6e")
		wantNumbers(t, "the fast one", fast, "64", "65", "66", "67", "68", "69", "6a", "6b", "6c", "6d", "6e")
		cancel()
		<-done
	})
}

// A node that lags tells of an earlier head: nobody is told that the chain has
// gone back.
func TestLaggingNodeIsNotAFork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newHeaded(false)
		s := serviceOf(t, &n.faked)
		heads, _ := watch(t, s, `["newHeads"]`)
		for _, head := range []string{headJSON(101, "101", "100"), headJSON(100, "100", "99"), headJSON(101, "101", "100"), headJSON(102, "102", "101")} {
			n.moveTo(head)
			time.Sleep(500 * time.Millisecond)
			synctest.Wait() // until it has been asked for, which is due just now
		}
		wantNumbers(t, "each once", heads, "64", "65", "66")
		if got := s.Status()[0].Forks; got != 0 {
			t.Errorf("%d forks were seen, want none", got)
		}
	})
}

// After a fork, what was kept about blocks above it is asked for again, before
// anybody is told: the same height has another hash then.
func TestForkForgetsWhatIsAbove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newHeaded(true)
		s := serviceOf(t, &n.faked, func(n *config.Network) { n.Finality = "3" }) // too few
		heads, _ := watch(t, s, `["newHeads"]`)
		parent := "100"
		for i := 101; i <= 110; i++ {
			n.tell(headJSON(i, fmt.Sprint(i), parent))
			parent = fmt.Sprint(i)
		}
		numbers(t, heads)
		const below, above = `eth_getBlockByNumber["0x68",false]`, `eth_getBlockByNumber["0x6b",false]`
		orphan := `eth_getBlockByHash["` + hashOf("110") + `",false]`
		answer := "old"
		n.set(func(q sdk.Query) (string, *sdk.Error) {
			number := strings.Trim(strings.Split(strings.Trim(string(q.Params), "[]"), ",")[0], `"`)
			if q.Method == "eth_getBlockByHash" {
				number = "0x6e"
			}
			return fmt.Sprintf(`{"number":%q,"x":%q}`, number, answer), nil
		})
		raws(t, s, below, above, orphan)
		raws(t, s, below, above, orphan)
		if got := n.count(above) + n.count(orphan) + n.count(below); got != 3 {
			t.Fatalf("asked %d times before the fork, want each once", got)
		}
		answer = "new"
		n.tell(headJSON(106, "106b", "105")) // 106 to 110 are no more
		wantNumbers(t, "the fork", heads, "6a")
		if got := raws(t, s, below, above, orphan); !strings.Contains(got[1], "new") || !strings.Contains(got[0], "old") {
			t.Errorf("after a fork at 105: got %v, want block 104 as it was and block 107 anew", got)
		}
		if n.count(below) != 1 || n.count(above) != 2 || n.count(orphan) != 2 {
			t.Errorf("asked %d, %d, %d times, want 1, 2, 2", n.count(below), n.count(above), n.count(orphan))
		}
		if st := s.Status()[0]; st.Forks != 1 || st.Cache.Purged != 2 {
			t.Errorf("%d forks, %d answers forgotten, want 1 and 2", st.Forks, st.Cache.Purged)
		}
	})
}

// An answer that was asked for before a fork and comes after it is given to nobody
// else.
func TestAnswerFromBeforeAFork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newHeaded(true)
		s := serviceOf(t, &n.faked)
		settled(t, s)
		heads, _ := watch(t, s, `["newHeads"]`)
		numbers(t, heads)
		n.mu.Lock()
		hold := make(chan struct{})
		n.hold = hold
		n.mu.Unlock()
		const call = `eth_getBlockByNumber["0x5f",false]`
		done := make(chan []sdk.Result)
		go func() {
			results, _ := s.Exchange(t.Context(), requestOf(call))
			done <- results
		}()
		synctest.Wait()
		n.tell(headJSON(99, "99b", "98")) // nobody knows block 98: the fork may be anywhere
		n.moveTo(headJSON(99, "99b", "98"))
		synctest.Wait()
		n.mu.Lock()
		n.hold = nil
		n.mu.Unlock()
		if got := raws(t, s, call); !strings.Contains(got[0], hashOf("99b")) {
			t.Errorf("who asked after the fork got %s", got[0])
		}
		close(hold)
		<-done
		raws(t, s, call)
		if got := n.count(call); got != 3 {
			t.Errorf("asked %d times, want 3: neither answer may be kept, as nobody knows what is final now", got)
		}
	})
}

// A head far above the last one may be on another fork, which is looked into.
func TestForkInAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newHeaded(true)
		s := serviceOf(t, &n.faked)
		settled(t, s)
		heads, _ := watch(t, s, `["newHeads"]`)
		const call = `eth_getBlockByNumber["0x50",false]`
		raws(t, s, call)
		same := n.answer
		n.set(func(q sdk.Query) (string, *sdk.Error) {
			if string(q.Params) == `["0x64",false]` {
				return headJSON(100, "another 100", "99"), nil
			}
			return same(q)
		})
		n.tell(headJSON(140, "140", "139"))
		wantNumbers(t, "after a gap", heads, "64", "8c")
		if got := s.Status()[0].Forks; got != 1 {
			t.Errorf("%d forks were seen, want 1", got)
		}
		raws(t, s, call)
		if got := n.count(call); got != 2 {
			t.Errorf("asked %d times for what was kept before the fork, want 2", got)
		}
	})
}
