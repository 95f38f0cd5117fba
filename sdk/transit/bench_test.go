package transit_test

import (
	"fmt"
	"testing"

	"github.com/penstock-io/penstock/sdk/transit"
)

// sizes are the numbers of rows in a batch.
var sizes = []int{1, 16, 256, 1024, 4096}

// perRow reports the time and the bytes of a row.
func perRow(b *testing.B, rows, bytes int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
	b.ReportMetric(float64(bytes)/float64(rows), "bytes/row")
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("transit/%d", n), func(b *testing.B) {
			e := must(transit.NewEncoder[logRow]())(b)
			rows := someLogs(n)
			message := must(e.Append(nil, rows))(b)
			b.ReportAllocs()
			for b.Loop() {
				message = must(e.Append(message[:0], rows))(b)
			}
			perRow(b, n, len(message))
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("transit/%d", n), func(b *testing.B) {
			e := must(transit.NewEncoder[logRow]())(b)
			d := must(transit.NewDecoder[logRow](e.Type()))(b)
			message := must(e.Append(nil, someLogs(n)))(b)
			rows := must(d.Append(nil, message))(b)
			b.ReportAllocs()
			for b.Loop() {
				rows = must(d.Append(rows[:0], message))(b)
			}
			perRow(b, n, len(message))
		})
	}
}
