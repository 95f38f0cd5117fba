package chain_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk"
	sdkchain "github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// benched is a service of one endpoint.
func benched(b *testing.B, url string, batch int) *chain.Service {
	b.Helper()
	s, err := chain.New(chain.Config{Networks: []*config.Network{{
		Name: "main", Finality: "finalized", Endpoints: []config.Endpoint{{Name: "memory", URL: url, Batch: uint64(batch)}},
	}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s
}

// What a call costs that is answered from what was kept, that another has made
// already, and that goes to a node in memory through nothing at all.
func BenchmarkKeptAndShared(b *testing.B) {
	answer := `{"number":"0x10","extra":"` + strings.Repeat("x", 2000) + `"}`
	calls := requestOf(`eth_getBlockByHash["` + someHash + `",false]`)
	ask := func(b *testing.B, s *chain.Service, r sdkchain.Request) {
		b.Helper()
		if _, err := s.Exchange(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	make := func(b *testing.B, n *faked) *chain.Service {
		b.Helper()
		s, err := chain.NewServiceOf(chain.Config{Networks: []*config.Network{networkOf("main")}}, func(*config.Network, func(chain.Observation)) (chain.Nodes, error) {
			return n, nil
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(s.Close)
		return s
	}
	b.Run("kept", func(b *testing.B) {
		s := make(b, &faked{answer: always(answer)})
		for b.Loop() {
			ask(b, s, calls)
		}
	})
	b.Run("asked", func(b *testing.B) {
		n := &faked{answer: always(answer)}
		s := make(b, n)
		for b.Loop() {
			ask(b, s, requestOf(`eth_gasPrice[]`))
			n.asked, n.requests = nil, nil
		}
	})
	b.Run("shared", func(b *testing.B) {
		s := make(b, &faked{answer: always(answer)})
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.Exchange(context.Background(), requestOf(`eth_gasPrice[]`)); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// answering serves one answer to every call, whatever its id.
func answering(b *testing.B, size int) string {
	b.Helper()
	result := `{"number":"0x10","extra":"` + strings.Repeat("0", size) + `"}`
	return serve(b, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is cut short has fewer ids
		var out bytes.Buffer
		batch := bytes.HasPrefix(body, []byte("["))
		for i, rest := 0, body; ; i++ {
			_, after, found := bytes.Cut(rest, []byte(`"id":`))
			if !found {
				break
			}
			rest = after
			out.WriteByte("[,"[min(i, 1)])
			out.WriteString(`{"jsonrpc":"2.0","id":`)
			out.Write(rest[:bytes.IndexAny(rest, ",}")])
			out.WriteString(`,"result":` + result + `}`)
		}
		answer := out.Bytes()
		if batch {
			answer = append(answer, ']')
		} else {
			answer = bytes.Replace(answer[1:], []byte(result), []byte(`"0x1"`), 1) // the chain id
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer) // whoever does not want it any more is gone
	})
}

// client is a reader that only hands its client out.
type client struct{ out chan *sdkchain.Client }

type nothing struct{ N int64 }

func (nothing) TransitType() string { return "bench.nothing" }

func (c client) Read(ctx context.Context, _ sdk.Start, _ *sdk.Output[nothing]) error {
	c.out <- sdk.Chain(ctx)
	<-ctx.Done()
	return nil
}

// Batches of blocks on their way from a plugin through its host to a node, and back,
// against a plugin that asks the node itself with go-ethereum's client. Both take
// turns in one run; the ratio is what of that client's speed is left.
func BenchmarkWayOfAPlugin(b *testing.B) {
	for _, c := range []struct {
		name          string
		answer, batch int
	}{{"numbers", 10, 100}, {"headers", 2 << 10, 100}, {"blocks", 96 << 10, 100}} {
		b.Run(c.name, func(b *testing.B) { benchWay(b, c.answer, c.batch) })
	}
}

func benchWay(b *testing.B, answer, batch int) {
	b.Helper()
	url := answering(b, answer)
	reader := client{make(chan *sdkchain.Client, 1)}
	p := plugintest.Run(b, sdk.Reader("bench.reader", reader))
	p.Host(b, benched(b, url, batch), nil)
	plugintest.Open(b, p, plugintest.Step{Register: "bench.reader", Start: sdk.Start{Network: sdk.Network{Name: "main"}}})
	c := <-reader.out
	through := func() error {
		calls := make([]sdkchain.Call, batch)
		for i := range calls {
			calls[i] = sdkchain.Call{Method: "bench_answer", Params: []any{"0x10"}, Decode: func([]byte) error { return nil }}
		}
		return c.Do(b.Context(), calls)
	}
	own, err := rpc.DialContext(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer own.Close()
	itself := func() error {
		calls := make([]rpc.BatchElem, batch)
		for i := range calls {
			calls[i] = rpc.BatchElem{Method: "bench_answer", Args: []any{"0x10"}, Result: new(json.RawMessage)}
		}
		return own.BatchCallContext(b.Context(), calls)
	}
	if err := through(); err != nil { // the chain id, and what answers come to
		b.Fatal(err)
	}
	var spent [2]time.Duration
	rounds := 0
	for b.Loop() {
		for i, ask := range []func() error{itself, through} {
			began := time.Now()
			several(b, ask)
			spent[i] += time.Since(began)
		}
		rounds++
	}
	calls := float64(rounds * inFlight * 4 * batch)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(spent[0].Seconds()/spent[1].Seconds(), "through/itself")
	b.ReportMetric(float64(spent[1].Nanoseconds())/calls, "ns/call")
	b.ReportMetric(float64(spent[0].Nanoseconds())/calls, "itself-ns/call")
	b.ReportMetric(calls*float64(answer)/1e6/spent[1].Seconds(), "MB/s")
}
