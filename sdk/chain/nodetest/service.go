package nodetest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/penstock-io/penstock/sdk/chain"
)

// Service is a plain chain.Service for tests of plugins: every request is batches to the endpoint at URL, which may be of any scheme
// that go-ethereum's client knows, and is made again a few times where that may help. Its fields are set before it is first asked.
type Service struct {
	URL   string
	Tries int           // of a call; 10
	Batch int           // most calls in a batch; 100
	Pause time.Duration // before another try, at most; 1 ms
	Poll  time.Duration // how often to ask for the head where the endpoint has no subscriptions; 10 ms

	mu     sync.Mutex // protects the fields below
	client *rpc.Client
	known  map[string]uint64
}

// Direct serves a node over HTTP until the test has ended, and returns a service that asks it.
func Direct(tb TB, n *Node) *Service {
	s := &Service{URL: n.Serve(tb), Batch: n.BatchItems}
	tb.Cleanup(s.Close)
	return s
}

// Close ends the connection.
func (s *Service) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
}

func (s *Service) dial(ctx context.Context) (*rpc.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	client, err := rpc.DialContext(ctx, s.URL)
	if err == nil {
		s.client = client
	}
	return client, err
}

// Exchange makes the calls as one batch.
func (s *Service) Exchange(ctx context.Context, r chain.Request) ([]chain.Result, error) {
	results := make([]chain.Result, len(r.Calls))
	open := make([]int, len(r.Calls))
	for i := range r.Calls {
		open[i] = i
	}
	began := time.Now()
	for try := 1; len(open) > 0; try++ {
		if try > 1 && !s.rest(ctx) {
			return nil, context.Cause(ctx)
		}
		faults := s.batch(ctx, r.Calls, open, results)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		open = s.weigh(r.Calls, open, faults, results, try, began)
		if r.Together && len(open) > 0 {
			open = open[:0]
			for i := range r.Calls {
				results[i] = chain.Result{}
				open = append(open, i)
			}
		}
	}
	return results, nil
}

// weigh keeps the faults that are to be told, and returns the calls that are to be made again.
func (s *Service) weigh(calls []chain.Query, open []int, faults []error, results []chain.Result, try int, began time.Time) (again []int) {
	for i, at := range open {
		q := &calls[at]
		if n := len(q.Rejected); faults[i] == nil && n < s.tries() {
			continue
		} else if faults[i] == nil {
			try, faults[i] = n, errors.New(q.Rejected[n-1].Reason)
		}
		e := faultOf(faults[i])
		e.Endpoint, e.What, e.Tries, e.Spent = s.URL, chain.Describe(q.Method, q.Params), try, time.Since(began)
		if s.mayPass(e, q) && try < s.tries() {
			again = append(again, at)
			continue
		}
		results[at] = chain.Result{Err: e, Endpoint: s.URL}
	}
	return again
}

func (s *Service) tries() int { return cmp.Or(s.Tries, 10) }

// mayPass reports whether a call is worth another try.
func (s *Service) mayPass(e *chain.Error, q *chain.Query) bool {
	_, told := errors.AsType[*chain.RPCError](e)
	switch {
	case q.Never && told, q.Once && e.Kind == chain.TimedOut:
		return false
	case q.Once && e.Kind == chain.Unclear:
		return e.Tries < 2
	}
	return e.Kind == chain.Transient || e.Kind == chain.Unclear || e.Kind == chain.TimedOut
}

func faultOf(err error) *chain.Error {
	told, ok := errors.AsType[rpc.Error](err)
	if !ok {
		return &chain.Error{Kind: chain.Transient, Err: err}
	}
	e := &chain.RPCError{Code: told.ErrorCode(), Message: told.Error()}
	if data, ok := errors.AsType[rpc.DataError](err); ok && data.ErrorData() != nil {
		e.Data, _ = json.Marshal(data.ErrorData()) //nolint:errchkjson // it was JSON
	}
	return &chain.Error{Kind: chain.KindOfAnswer(e), Err: e, Limit: chain.LimitOf(e)}
}

// rest waits a little; false if ctx ended first.
func (s *Service) rest(ctx context.Context) bool {
	return pause(ctx, time.Duration(rand.Int64N(int64(cmp.Or(s.Pause, time.Millisecond)))))
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// batch makes calls and returns what became of each.
func (s *Service) batch(ctx context.Context, calls []chain.Query, open []int, results []chain.Result) []error {
	faults := make([]error, len(open))
	client, err := s.dial(ctx)
	most := cmp.Or(s.Batch, 100)
	for begin := 0; begin < len(open); begin += most {
		part := open[begin:min(len(open), begin+most)]
		if err == nil {
			s.one(ctx, client, calls, part, results, faults[begin:])
			continue
		}
		for i := range part {
			faults[begin+i] = err
		}
	}
	return faults
}

func (s *Service) one(ctx context.Context, client *rpc.Client, calls []chain.Query, part []int, results []chain.Result, faults []error) {
	elems := make([]rpc.BatchElem, len(part))
	raws := make([]json.RawMessage, len(part))
	for i, at := range part {
		q := &calls[at]
		var params []any
		var list []json.RawMessage
		if err := json.Unmarshal(q.Params, &list); err != nil {
			faults[i] = fmt.Errorf("the parameters of %s are no list: %w", q.Method, err)
		}
		for _, p := range list {
			params = append(params, p)
		}
		elems[i] = rpc.BatchElem{Method: q.Method, Args: params, Result: &raws[i]}
	}
	err := client.BatchCallContext(ctx, elems)
	for i, at := range part {
		faults[i] = cmp.Or(faults[i], err, elems[i].Error)
		if faults[i] == nil {
			raw := raws[i]
			if raw == nil {
				raw = json.RawMessage("null")
			}
			results[at] = chain.Result{Raw: raw, Endpoint: s.URL}
		}
	}
}

// Subscribe subscribes, or asks for the head again and again.
func (s *Service) Subscribe(ctx context.Context, sub chain.Subscription, take func(event []byte) error) error {
	client, err := s.dial(ctx)
	if err != nil {
		return err
	}
	var args []any
	if err := json.Unmarshal(sub.Params, &args); err != nil {
		return err
	}
	feed := make(chan json.RawMessage, 64)
	live, err := client.EthSubscribe(ctx, feed, args...)
	if errors.Is(err, rpc.ErrNotificationsUnsupported) {
		return s.ask(ctx, client, take)
	}
	if err != nil {
		return err
	}
	defer live.Unsubscribe()
	if err := s.head(ctx, client, take); err != nil {
		return err
	}
	for {
		select {
		case raw := <-feed:
			if err := take(raw); err != nil {
				return err
			}
		case err := <-live.Err():
			return cmp.Or(err, errors.New("the node ended the subscription"))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *Service) ask(ctx context.Context, client *rpc.Client, take func(event []byte) error) error {
	for {
		if err := s.head(ctx, client, take); err != nil {
			return err
		}
		if !pause(ctx, cmp.Or(s.Poll, 10*time.Millisecond)) {
			return context.Cause(ctx)
		}
	}
}

// head tells of the head as it is. That it could not be had is no end.
func (s *Service) head(ctx context.Context, client *rpc.Client, take func(event []byte) error) error {
	var raw json.RawMessage
	if err := client.CallContext(ctx, &raw, "eth_getBlockByNumber", "latest", false); err != nil || raw == nil || string(raw) == "null" {
		return context.Cause(ctx)
	}
	return take(raw)
}

// Known is what Learn was told.
func (s *Service) Known(context.Context, string) (map[string]uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.known), nil
}

// Learn keeps a number.
func (s *Service) Learn(_ context.Context, _, name string, value uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[string]uint64{}
	}
	s.known[name] = value
	if value == 0 {
		delete(s.known, name)
	}
	return nil
}
