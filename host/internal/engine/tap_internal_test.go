package engine

import (
	"testing"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/sdk/remote"
)

// BenchmarkPublish is what it costs to hand a frame to a consumer: with nobody
// who looks, and with taps that nobody reads.
func BenchmarkPublish(b *testing.B) {
	for name, taps := range map[string]int{"untapped": 0, "one stuck tap": 1, "sixteen stuck taps": 16} {
		b.Run(name, func(b *testing.B) {
			ready := make(chan struct{}, 1)
			e := newEdge(&graph.Edge{}, ready)
			p := &process{outputs: []*edge{e}, generation: 1}
			host := &Engine{domains: []*domain{{processes: []*process{p}}}}
			for range taps {
				t := &Tap{engine: host, p: p, every: 1, wake: make(chan struct{}, 1), closed: make(chan struct{}), generation: 1}
				if err := host.watch(p, t); err != nil {
					b.Fatal(err)
				}
				defer t.Close()
			}
			body := remote.Bytes(make([]byte, 64<<10))
			for b.Loop() {
				if err := p.publish(b.Context(), &remote.Frame{Kind: remote.KindBatch, Generation: 1, Rows: 256, Body: body}); err != nil {
					b.Fatal(err)
				}
				e.pop().Free()
			}
		})
	}
}
