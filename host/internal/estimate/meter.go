package estimate

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// Meter passes calls on and counts them: those that a range of blocks costs, and
// apart from them those that are about the head, which come once whatever is read.
// It is safe for concurrent use.
type Meter struct {
	chain.Service

	mu     sync.Mutex // protects the fields below
	counts counts
	first  time.Time
	last   time.Time
}

// counts are what calls came to.
type counts struct {
	calls map[string]uint64 // by method
	bytes uint64            // of their answers
}

// Exchange counts calls that were answered.
func (m *Meter) Exchange(ctx context.Context, r chain.Request) ([]chain.Result, error) {
	begin := time.Now()
	results, err := m.Service.Exchange(ctx, r)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range results {
		q := &r.Calls[i]
		if results[i].Err != nil || aboutHead(q) {
			continue
		}
		if m.counts.calls == nil {
			m.counts.calls = make(map[string]uint64)
		}
		if m.first.IsZero() {
			m.first = begin
		}
		m.last = time.Now()
		m.counts.calls[q.Method]++
		m.counts.bytes += uint64(len(results[i].Raw))
	}
	return results, nil
}

// aboutHead tells calls whose number does not depend on how much is read.
func aboutHead(q *chain.Query) bool {
	if q.Method == "eth_chainId" || q.Method == "eth_blockNumber" {
		return true
	}
	var params []any
	if json.Unmarshal(q.Params, &params) != nil || len(params) == 0 {
		return false
	}
	word, _ := params[0].(string)
	return slices.Contains([]string{"latest", "safe", "finalized", "pending"}, strings.ToLower(word))
}

// take is what was counted since the last time, and how long that took.
func (m *Meter) take() (counts, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, took := m.counts, m.last.Sub(m.first)
	m.counts, m.first, m.last = counts{}, time.Time{}, time.Time{}
	return c, took
}
