package change_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/plan"
)

// told remembers which endpoints it was told of.
type told struct {
	mu     sync.Mutex
	urls   []string
	refuse bool
}

func (n *told) Update(networks []*config.Network) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refuse {
		return errors.New("this endpoint cannot be used")
	}
	n.urls = nil
	for _, network := range networks {
		for _, e := range network.Endpoints {
			n.urls = append(n.urls, e.URL)
		}
	}
	return nil
}

func (n *told) has(url string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.urls, url)
}

// Another endpoint is taken over while everything runs on. One that cannot be used
// is refused before anything happens.
func TestApplyChangesEndpoints(t *testing.T) {
	networks := &told{}
	r := begin(t, tuning{networks: networks})
	before := r.engine.Status()
	r.edit(`http://127.0.0.1:1`, `http://127.0.0.1:2`)
	for pipeline, effect := range r.planned(plan.Request{}) {
		if effect != plan.Live {
			t.Errorf("pipeline %s: the plan is %q, want %q", pipeline, effect, plan.Live)
		}
	}
	r.apply(plan.Request{})
	if !networks.has("http://127.0.0.1:2") || networks.has("http://127.0.0.1:1") {
		t.Errorf("the nodes that are asked are %v", networks.urls)
	}
	for i, p := range r.engine.Status() {
		if p.Generation != before[i].Generation {
			t.Errorf("pipeline %s has begun again", p.Pipeline)
		}
	}
	networks.mu.Lock()
	networks.refuse = true
	networks.mu.Unlock()
	r.edit(`http://127.0.0.1:2`, `http://127.0.0.1:3`)
	if _, err := r.Apply(t.Context(), plan.Request{}); err == nil || !strings.Contains(err.Error(), "cannot be used") {
		t.Errorf("got %v, want why it is refused", err)
	}
}
