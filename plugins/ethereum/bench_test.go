package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/transit"
)

// counted is a sink that drops rows.
type counted[T transit.Row] struct{ rows int }

func (c *counted[T]) EmitAll(rows []T) error {
	c.rows += len(rows)
	return nil
}
func (c *counted[T]) SafePoint(sdk.SafePoint) error { return nil }
func (c *counted[T]) Reorg(sdk.Cursor) error        { return nil }

// history reads the blocks of a node that answers from memory, with neither a transport nor a plugin's wire between.
func history[T transit.Row](b *testing.B, n *nodetest.Node, to uint64, c connection, open opener[T]) (rows int) {
	b.Helper()
	out := &counted[T]{}
	client := chain.NewClient(&nodetest.Memory{Node: n}, "bench", chain.Asker{})
	start := sdk.Start{Network: sdk.Network{Name: "bench", ChainID: 1}, To: &to}
	if err := runOn(b.Context(), client, hclog.NewNullLogger(), c, start, out, open); err != nil {
		b.Fatal(err)
	}
	return out.rows
}

// processor is the time that this process has computed: what others do on the machine does not count.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rate runs something that reads blocks and rows, and returns how many blocks a second that was.
func rate(b *testing.B, name string, blocks uint64, once func(b *testing.B) (rows int)) (perSecond float64) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		rows := 0
		used := processor(b)
		for b.Loop() {
			rows = once(b)
		}
		used = processor(b) - used
		seconds := b.Elapsed().Seconds() / float64(b.N)
		b.ReportMetric(float64(used.Microseconds())/float64(b.N)/float64(blocks), "cpu-µs/block")
		perSecond = float64(blocks) / seconds
		b.ReportMetric(perSecond, "blocks/s")
		b.ReportMetric(float64(rows)/seconds, "rows/s")
	})
	return perSecond
}

// bare asks the node over HTTP for blocks as fast as it can, with a batch size and so many batches at once, and throws the answers away.
func bare(b *testing.B, url string, to uint64, batch uint64, width int, calls func(number uint64) []string) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: width}}
	defer client.CloseIdleConnections()
	var (
		next atomic.Uint64
		all  sync.WaitGroup
	)
	for range width {
		all.Go(func() {
			for {
				end := next.Add(batch)
				if end-batch > to {
					return
				}
				var body bytes.Buffer
				body.WriteByte('[')
				for number := end - batch; number < min(end, to+1); number++ {
					for i, call := range calls(number) {
						if body.Len() > 1 {
							body.WriteByte(',')
						}
						fmt.Fprintf(&body, `{"jsonrpc":"2.0","id":%d,%s}`, 2*number+uint64(i), call)
					}
				}
				body.WriteByte(']')
				res, err := client.Post(url, "application/json", &body)
				if err != nil {
					b.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, res.Body)
				if err == nil {
					err = res.Body.Close()
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func wholeBlock(number uint64) []string {
	at := "0x" + strconv.FormatUint(number, 16)
	return []string{
		`"method":"eth_getBlockByNumber","params":["` + at + `",true]`,
		`"method":"eth_getBlockReceipts","params":["` + at + `"]`,
	}
}

// BenchmarkBackfill reads full blocks with receipts, verified, next to what a bare client gets out of the same node over HTTP without
// decoding anything. The node shares the machine with its client.
func BenchmarkBackfill(b *testing.B) {
	const to = 1500
	n := &nodetest.Node{Chain: nodetest.Make(nodetest.Config{Transactions: [2]int{100, 200}, Logs: [2]int{0, 5}, Data: 64, Bodies: 24}, to+200)}
	n.Chain.Finalize(to + 100)
	server := httptest.NewServer(n)
	defer server.Close()
	best := 0.0
	for _, batch := range []uint64{1, 10, 50} {
		for _, width := range []int{2, 8} {
			best = max(best, rate(b, fmt.Sprintf("bare/batch=%d/width=%d", batch, width), to+1, func(b *testing.B) int {
				b.Helper()
				bare(b, server.URL, to, batch, width, wholeBlock)
				return 0
			}))
		}
	}
	for _, verified := range []bool{true, false} {
		ours := rate(b, fmt.Sprintf("reader/verify=%v", verified), to+1, func(b *testing.B) int {
			b.Helper()
			settings := &blocks{Receipts: true, Batch: fewBlocks, connection: defaults()}
			settings.Verify = verified
			return history(b, n, to, settings.connection, settings.source)
		})
		b.Logf("reader, verify=%v: %.2f of the best bare client", verified, ours/best)
	}
}

// BenchmarkHeaders reads headers, verified.
func BenchmarkHeaders(b *testing.B) {
	const to = 20_000
	n := &nodetest.Node{Chain: nodetest.Make(nodetest.Config{Bodies: 8}, to+200)}
	n.Chain.Finalize(to + 100)
	rate(b, "reader", to+1, func(b *testing.B) int {
		b.Helper()
		return history(b, n, to, defaults(), (&headers{Batch: manyBlocks}).source)
	})
}

// BenchmarkLogs reads logs: all of them, those of one contract of ten, and few.
func BenchmarkLogs(b *testing.B) {
	const to = 2000
	n := &nodetest.Node{Chain: nodetest.Make(nodetest.Config{Transactions: [2]int{100, 150}, Logs: [2]int{0, 4}, Data: 64, Contracts: 10, Bodies: 24}, to+200)}
	n.Chain.Finalize(to + 100)
	for name, settings := range map[string]*logs{
		"all":          {},
		"one contract": {Addresses: []common.Address{nodetest.Address(3)}},
		"none":         {Addresses: []common.Address{{9, 9}}},
	} {
		settings.connection, settings.Range = defaults(), mostBlocks
		chosen, err := settings.filter(nil)
		if err != nil {
			b.Fatal(err)
		}
		rate(b, name, to+1, func(b *testing.B) int {
			b.Helper()
			return history(b, n, to, settings.connection, settings.source(chosen, nil))
		})
	}
}

// arrivals notes when the rows of each block came.
type arrivals struct {
	counted[eth.Log]
	points chan sdk.SafePoint
}

func (a *arrivals) SafePoint(p sdk.SafePoint) error {
	a.points <- p
	return nil
}

// BenchmarkLive is how long it takes from a new head to the rows of its block.
func BenchmarkLive(b *testing.B) {
	made := nodetest.Make(nodetest.Config{Transactions: [2]int{100, 200}, Logs: [2]int{0, 5}, Data: 64, Bodies: 24}, 200)
	made.Finalize(150)
	n := &nodetest.Node{Chain: made}
	out := &arrivals{points: make(chan sdk.SafePoint, 1000)}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() {
		client := chain.NewClient(&nodetest.Memory{Node: n}, "bench", chain.Asker{})
		start := sdk.Start{Network: sdk.Network{Name: "bench", ChainID: 1}, FromLatest: true}
		settings := &logs{connection: defaults()}
		chosen, _ := settings.filter(nil)
		done <- runOn(ctx, client, hclog.NewNullLogger(), settings.connection, start, out, settings.source(chosen, nil))
	}()
	<-out.points
	var spent time.Duration
	for b.Loop() {
		began := time.Now()
		made.Mine(1)
		for p := range out.points {
			if p.Cursor.Block == made.Height() {
				break
			}
		}
		spent += time.Since(began)
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N)/1000, "ms/head")
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		b.Error(err)
	}
}
