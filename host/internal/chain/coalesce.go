package chain

import (
	"context"
	"strings"
	"sync"

	"github.com/penstock-io/penstock/sdk/chain"
)

// flights are the exchanges that are under way. Who asks for what one of them is
// about to answer waits for it instead of asking again. An exchange goes on as
// long as somebody waits for it, whoever has begun it.
type flights struct {
	mu   sync.Mutex // protects what follows, and the waiting of each flight
	open map[flightKey]leg
	all  sync.WaitGroup
}

// flightKey is a call at a time: those that follow the head are the same only
// while the head is.
type flightKey struct {
	callKey
	once, never bool
	era         uint64
}

// flight is one exchange.
type flight struct {
	done    chan struct{} // closed when results and err are there
	results []chain.Result
	err     error
	calls   int
	waiting int
	cancel  context.CancelFunc
}

// leg is one call of a flight.
type leg struct {
	*flight
	at int
}

// small is how many calls a request may lack of those of a flight that it waits
// for: nobody waits for a hundred answers who wants one.
const small = 8

// join finds a flight that will answer a call. The caller holds f.mu, and leaves
// what it has joined.
func (f *flights) join(key flightKey, calls int) (leg, bool) {
	l, ok := f.open[key]
	if !ok || l.calls > 2*calls+small {
		return leg{}, false
	}
	return l, true
}

// begin starts an exchange of calls, of which those that have a key may be joined
// from now on. The caller holds f.mu.
func (f *flights) begin(ctx context.Context, keys []*flightKey, exchange func(context.Context) ([]chain.Result, error)) *flight {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &flight{done: make(chan struct{}), calls: len(keys), cancel: cancel}
	for i, key := range keys {
		if key == nil {
			continue
		}
		if f.open == nil {
			f.open = make(map[flightKey]leg)
		}
		f.open[*key] = leg{l, i}
	}
	f.all.Go(func() {
		defer cancel()
		results, err := exchange(ctx)
		f.mu.Lock()
		f.land(l, keys)
		l.results, l.err = results, err
		f.mu.Unlock()
		close(l.done)
	})
	return l
}

// land takes a flight out of those that can be joined.
func (f *flights) land(l *flight, keys []*flightKey) {
	for _, key := range keys {
		if key != nil && f.open[*key].flight == l {
			delete(f.open, *key)
		}
	}
}

// leave notes that one less waits. What nobody waits for is given up.
func (f *flights) leave(flights []*flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range flights {
		if l.waiting--; l.waiting == 0 {
			l.cancel()
			f.abandon(l)
		}
	}
}

// abandon keeps others from joining a flight that is given up.
func (f *flights) abandon(l *flight) {
	select {
	case <-l.done:
		return
	default:
	}
	for key, open := range f.open {
		if open.flight == l {
			delete(f.open, key)
		}
	}
}

// forget lets nobody join what is under way: a fork has come between.
func (f *flights) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.open)
}

// close returns when nothing is under way any more.
func (f *flights) close() { f.all.Wait() }

// repeatable tells methods that may be answered once for several who ask: they
// change nothing, and nothing depends on who asks.
func repeatable(method string) bool {
	namespace, name, _ := strings.Cut(method, "_")
	switch namespace {
	case "eth":
		return strings.HasPrefix(name, "get") && !strings.HasPrefix(name, "getFilter") && name != "getWork" || repeatableNames[name]
	case "trace", "net", "web3", "txpool":
		return true
	case "debug":
		return strings.HasPrefix(name, "trace") || strings.HasPrefix(name, "getRaw")
	}
	return false
}

// repeatableNames are those of the eth namespace that do not say so by their name.
var repeatableNames = map[string]bool{
	"blockNumber": true, "call": true, "chainId": true, "estimateGas": true, "feeHistory": true, "gasPrice": true,
	"maxPriorityFeePerGas": true, "blobBaseFee": true, "syncing": true, "createAccessList": true,
}
