package engine

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
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

// What is sensitive is not part of a recording, however deep it lies.
func TestSensitiveSettingsAreLeftOut(t *testing.T) {
	schema := registry.Settings{
		Attributes: []registry.Attribute{{Name: "url"}, {Name: "token", Sensitive: true}, {Name: "unset", Sensitive: true}},
		Blocks: []registry.Block{
			{Name: "auth", Settings: registry.Settings{Attributes: []registry.Attribute{{Name: "user"}, {Name: "password", Sensitive: true}}}},
			{Name: "header", Many: true, Settings: registry.Settings{Attributes: []registry.Attribute{{Name: "name"}, {Name: "value", Sensitive: true}}}},
			{Name: "none", Settings: registry.Settings{Attributes: []registry.Attribute{{Name: "key", Sensitive: true}}}},
		},
	}
	const settings = `{"url":"u","token":"SECRET","auth":{"user":"me","password":"SECRET"},"header":[{"name":"a","value":"SECRET"},{"name":"b","value":"SECRET"}],"none":null}`
	got, left, err := harmless([]byte(settings), schema, "")
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"auth":{"user":"me"},"header":[{"name":"a"},{"name":"b"}],"none":null,"url":"u"}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if want := "auth.password header.value token"; strings.Join(left, " ") != want {
		t.Errorf("left out: %v, want %s", left, want)
	}
	if got, _, err := harmless(nil, schema, ""); err != nil || string(got) != "{}" {
		t.Errorf("no settings: got %s, %v", got, err)
	}
}
