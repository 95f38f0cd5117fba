package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/plugintest"
)

// What the loader reaches with nobody listening and with clients that do, and the
// ratio of that to encoding/json, which a server of somebody's own would use.
func BenchmarkLoad(b *testing.B) {
	rows := make([]uniswapSwap, 1024)
	for i := range rows {
		rows[i] = uniswapSwap{BlockNumber: uint64(i / 100), TxHash: common.Hash{byte(i)}, Pair: common.Address{byte(i)}, Sender: common.Address{1, byte(i)}, Amount0In: *uint256.NewInt(uint64(i) * 1_000_000_007)}
	}
	began, times := time.Now(), 0
	for ; time.Since(began) < 300*time.Millisecond; times++ {
		for i := range rows {
			if _, err := json.Marshal(&rows[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
	bare := float64(times*len(rows)) / time.Since(began).Seconds()
	for _, clients := range []int{0, 10} {
		b.Run(fmt.Sprint(clients, " clients"), func(b *testing.B) {
			l := started(b, newHouse(time.Minute), startAt[uniswapSwap](b, 1, 0, 0, "a"), nil)
			defer l.house.close()
			for range clients {
				v := visit(b, l)
				v.say(`{"op":"subscribe","channel":"a"}`)
				go func() {
					for {
						if _, _, err := v.conn.Read(v.ctx()); err != nil {
							return
						}
					}
				}()
			}
			batch := plugintest.Batch(b, rows...)
			n := 0
			for b.Loop() {
				if err := l.Load(b.Context(), 0, batch); err != nil {
					b.Fatal(err)
				}
				n += len(rows)
			}
			speed := float64(n) / b.Elapsed().Seconds()
			b.ReportMetric(speed, "rows/s")
			b.ReportMetric(speed/bare, "x-bare")
			b.ReportMetric(0, "ns/op")
			closed(b, l)
		})
	}
}
