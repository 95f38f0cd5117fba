package chain_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/penstock-io/penstock/host/internal/config"
	sdkchain "github.com/penstock-io/penstock/sdk/chain"
)

// trouble is a node that goes wrong at random, in all the ways that pass.
type trouble struct {
	tb   testing.TB
	mu   sync.Mutex
	seed *rand.Rand
}

func (m *trouble) roll(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seed.IntN(n)
}

func (m *trouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	calls, batch := requests(m.tb, r)
	if len(calls) == 0 {
		return
	}
	whole := echo(calls, batch)
	switch m.roll(30) {
	case 0:
		w.WriteHeader(http.StatusBadGateway)
	case 1:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	case 2:
		_, _ = io.WriteString(w, whole[:m.roll(len(whole))])
	case 3:
		panic(http.ErrAbortHandler)
	case 4:
		_, _ = io.WriteString(w, "<html>one moment</html>")
	case 5: // in any order
		m.mu.Lock()
		m.seed.Shuffle(len(calls), func(i, k int) { calls[i], calls[k] = calls[k], calls[i] })
		m.mu.Unlock()
		_, _ = io.WriteString(w, echo(calls, batch))
	case 6: // some are left out
		keep := 1 + m.roll(len(calls))
		_, _ = io.WriteString(w, echo(calls[:keep], batch))
	case 7: // some fail
		_, _ = io.WriteString(w, answers(calls, batch, func(c asked) string {
			texts := []string{"header not found", "rate limit exceeded", "internal error", "server is busy"}
			if i := m.roll(3 * len(texts)); i < len(texts) {
				return failing(-32000, texts[i])
			}
			return `"result":` + string(c.Params[0])
		}))
	case 8:
		if batch && len(calls) > 5 {
			_, _ = io.WriteString(w, `{"id":null,"error":{"code":-32600,"message":"batch too large"}}`)
			return
		}
		_, _ = io.WriteString(w, whole)
	default:
		_, _ = io.WriteString(w, whole)
	}
}

// Whatever passes passes unseen: every call has its own answer, whoever asks beside.
func TestNothingIsLostOrMixedUp(t *testing.T) {
	for seed := range uint64(8) {
		network := config.Network{
			RPC:       config.RPC{Retries: new(uint64(60)), Hedge: "auto"},
			Endpoints: []config.Endpoint{{Batch: 40}, {Batch: 100, Cost: 2}, {Role: config.Fallback}},
		}
		var urls []string
		for i := range uint64(3) {
			urls = append(urls, serve(t, (&trouble{tb: t, seed: rand.New(rand.NewPCG(seed, i))}).ServeHTTP))
		}
		n := open(t, network, urls...)
		var group sync.WaitGroup
		for asker := range 4 {
			group.Go(func() {
				calls := slices.Repeat(say(1), 300)
				for i := range calls {
					calls[i] = query("say", fmt.Sprintf("%d of %d", i, asker))
				}
				r := sdkchain.Request{Asker: sdkchain.Asker{Step: fmt.Sprint("p/", asker)}, Calls: calls, Together: asker == 3}
				if r.Together {
					r.Calls = calls[:20]
				}
				results, err := n.Exchange(t.Context(), r)
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
					return
				}
				for i, result := range results {
					if want := fmt.Sprintf("%q", fmt.Sprintf("%d of %d", i, asker)); result.Err != nil || string(result.Raw) != want {
						t.Errorf("seed %d: got %s, %v, want %s", seed, result.Raw, result.Err, want)
						return
					}
					if r.Together && result.Endpoint != results[0].Endpoint {
						t.Errorf("seed %d: answers of %s and %s to a request made together", seed, result.Endpoint, results[0].Endpoint)
					}
				}
			})
		}
		group.Wait()
		for _, s := range n.Status() {
			if s.InFlight != 0 || s.Waiting != 0 || strings.Contains(s.State, "wrong") {
				t.Errorf("seed %d: at the end %+v", seed, s)
			}
		}
	}
}
