package chain_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	sdkchain "github.com/penstock-io/penstock/sdk/chain"
)

// Batches of one size, so many in flight, once by a client that only sends and
// reads, and once by a Network. The ratio is what of the bare client's speed is
// left; both take turns in one run.
func BenchmarkExchange(b *testing.B) {
	for _, c := range []struct {
		name          string
		answer, batch int
	}{{"numbers", 10, 100}, {"receipts", 4 << 10, 100}, {"blocks", 96 << 10, 40}} {
		b.Run(c.name, func(b *testing.B) { benchExchange(b, c.answer, c.batch) })
	}
}

const inFlight = 8

func benchExchange(b *testing.B, answer, batch int) {
	b.Helper()
	url := memory(b, answer, batch)
	n, err := chain.NewNetwork(chain.NetworkConfig{Network: &config.Network{Endpoints: []config.Endpoint{{URL: url, Batch: uint64(batch)}}}})
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	ours := func() error {
		calls := make([]sdkchain.Query, batch)
		for i := range calls {
			calls[i] = sdkchain.Query{Method: "bench_answer", Params: []byte(`["0x10"]`)}
		}
		results, err := n.Exchange(b.Context(), sdkchain.Request{Calls: calls})
		for i := range results {
			if results[i].Err != nil {
				return results[i].Err
			}
		}
		return err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
	defer client.CloseIdleConnections()
	bare := func() error {
		var body bytes.Buffer
		for i := range batch {
			fmt.Fprintf(&body, `%c{"jsonrpc":"2.0","id":%d,"method":"bench_answer","params":["0x10"]}`, "[,"[min(i, 1)], i+1)
		}
		body.WriteByte(']')
		resp, err := client.Post(url, "application/json", &body)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		answer := make([]byte, resp.ContentLength)
		_, err = io.ReadFull(resp.Body, answer)
		return err
	}
	if err := ours(); err != nil { // the chain id, and what answers come to
		b.Fatal(err)
	}
	var spent [2]time.Duration
	rounds := 0
	for b.Loop() {
		for i, ask := range []func() error{bare, ours} {
			began := time.Now()
			several(b, ask)
			spent[i] += time.Since(began)
		}
		rounds++
	}
	calls := float64(rounds * inFlight * 4 * batch)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(spent[0].Seconds()/spent[1].Seconds(), "ours/bare")
	b.ReportMetric(float64(spent[1].Nanoseconds())/calls, "ns/call")
	b.ReportMetric(calls*float64(answer)/1e6/spent[1].Seconds(), "MB/s")
	b.ReportMetric(calls*float64(answer)/1e6/spent[0].Seconds(), "bare-MB/s")
}

// several asks four times in each of the lanes at once.
func several(b *testing.B, ask func() error) {
	b.Helper()
	var group sync.WaitGroup
	for range inFlight {
		group.Go(func() {
			for range 4 {
				if err := ask(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// memory serves one answer to every batch, from memory.
func memory(b *testing.B, answer, batch int) string {
	b.Helper()
	result := `[{"hash":"0x` + strings.Repeat("ab", 32) + `","logs":"0x` + strings.Repeat("0", max(0, answer-120)) + `"}]`
	if answer < 120 {
		result = `"0x1234"`
	}
	parts := make([]string, batch)
	for i := range parts {
		parts[i] = fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":%s}`, i+1, result)
	}
	body := []byte("[" + strings.Join(parts, ",") + "]")
	return serve(b, func(w http.ResponseWriter, r *http.Request) {
		first := make([]byte, 1)
		_, _ = io.ReadFull(r.Body, first)
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if first[0] == '{' {
			_, _ = io.WriteString(w, `{"id":1,"result":"0x1"}`)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body)
	})
}

// What hedging saves and costs where one answer in fifty takes long.
func BenchmarkHedge(b *testing.B) {
	for _, hedge := range []string{"off", "auto"} {
		b.Run(hedge, func(b *testing.B) {
			var asked atomic.Int64
			answer := func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if asked.Add(1)%50 == 0 {
					select {
					case <-time.After(100 * time.Millisecond):
					case <-r.Context().Done():
					}
				}
				_, _ = io.WriteString(w, `{"id":1,"result":"0x1"}`)
			}
			n, err := chain.NewNetwork(chain.NetworkConfig{Network: &config.Network{
				RPC: config.RPC{Hedge: hedge}, Endpoints: []config.Endpoint{{Name: "a", URL: serve(b, answer)}, {Name: "b", URL: serve(b, answer)}},
			}})
			if err != nil {
				b.Fatal(err)
			}
			defer n.Close()
			ask := func(q sdkchain.Query) time.Duration {
				began := time.Now()
				if results, err := n.Exchange(b.Context(), sdkchain.Request{Calls: []sdkchain.Query{q}}); err != nil || results[0].Err != nil {
					b.Fatal(err, results)
				}
				return time.Since(began)
			}
			both := query("eth_gasPrice") // both endpoints are known
			both.Rejected = []sdkchain.Rejection{{Endpoint: "a (" + n.Status()[0].URL + ")"}}
			ask(both)
			var all []time.Duration
			for b.Loop() {
				all = append(all, ask(query("eth_gasPrice")))
			}
			slices.Sort(all)
			b.ReportMetric(all[len(all)/2].Seconds()*1e3, "p50-ms")
			b.ReportMetric(all[len(all)*99/100].Seconds()*1e3, "p99-ms")
			b.ReportMetric(100*float64(n.Status()[1].Hedges)/float64(len(all)), "%hedged")
		})
	}
}

// The same over an IPC socket, beside go-ethereum's client.
func BenchmarkSocket(b *testing.B) {
	const batch, answer = 100, 4 << 10
	result := `[{"hash":"0x` + strings.Repeat("ab", 32) + `","logs":"0x` + strings.Repeat("0", answer-120) + `"}]`
	path := talk(b, func(line string, conn net.Conn) {
		first, _ := strconv.Atoi(idOf(line))
		parts := make([]string, batch)
		for i := range parts {
			parts[i] = fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":%s}`, first+i, result)
		}
		_, _ = io.WriteString(conn, "["+strings.Join(parts, ",")+"]")
	})
	n, err := chain.NewNetwork(chain.NetworkConfig{Network: &config.Network{Endpoints: []config.Endpoint{{URL: path, Batch: batch}}}})
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	client, err := rpc.DialIPC(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	ways := []func() error{func() error {
		calls := make([]rpc.BatchElem, batch)
		for i := range calls {
			calls[i] = rpc.BatchElem{Method: "bench_answer", Args: []any{"0x10"}, Result: new(json.RawMessage)}
		}
		return client.BatchCallContext(b.Context(), calls)
	}, func() error {
		results, err := n.Exchange(b.Context(), sdkchain.Request{Calls: slices.Repeat([]sdkchain.Query{query("bench_answer", "0x10")}, batch)})
		if err == nil && results[batch-1].Err != nil {
			err = results[batch-1].Err
		}
		return err
	}}
	var spent [2]time.Duration
	rounds := 0
	for b.Loop() {
		for i, ask := range ways {
			began := time.Now()
			if err := ask(); err != nil {
				b.Fatal(err)
			}
			spent[i] += time.Since(began)
		}
		rounds++
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(spent[0].Seconds()/spent[1].Seconds(), "ours/go-ethereum")
	b.ReportMetric(float64(rounds*batch*answer)/1e6/spent[1].Seconds(), "MB/s")
}
