package main

import (
	"slices"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// house keeps hubs whose loader was closed, for the next one of the same step. It
// is shared by all loaders of the plugin.
type house struct {
	linger   time.Duration // how long a hub is kept
	patience time.Duration // how long to wait for an address that another process has

	mu      sync.Mutex
	resting map[string]*guest // by domain and step
	leaving sync.WaitGroup    // hubs that are being closed
}

// guest is a hub without a loader.
type guest struct {
	hub   *hub
	alarm *time.Timer // closes it
}

func newHouse(linger time.Duration) *house {
	return &house{linger: linger, patience: 5 * time.Second, resting: map[string]*guest{}}
}

// rest takes a hub in. Nobody can connect to it from then on; those who have
// stay.
func (h *house) rest(resting *hub) error {
	err := resting.deafen()
	h.mu.Lock()
	defer h.mu.Unlock()
	g := &guest{hub: resting}
	h.leaving.Add(1)
	g.alarm = time.AfterFunc(h.linger, func() {
		defer h.leaving.Done()
		h.forget(g)
		resting.close(restarting)
	})
	h.resting[resting.key] = g
	return err
}

func (h *house) forget(g *guest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.resting[g.hub.key] == g {
		delete(h.resting, g.hub.key)
	}
}

// take hands out the hub of a step; nil: there is none that fits. One that does
// not fit is closed.
func (h *house) take(key string, s server, names []string, inputs []sdk.Input) *hub {
	h.mu.Lock()
	g := h.resting[key]
	delete(h.resting, key)
	h.mu.Unlock()
	if g == nil || !g.alarm.Stop() {
		return nil
	}
	defer h.leaving.Done()
	if g.hub.fits(s, names, inputs) {
		return g.hub
	}
	g.hub.close(restarting)
	return nil
}

// fits tells whether clients can stay: the server is the same, and so are the
// channels.
func (h *hub) fits(s server, names []string, inputs []sdk.Input) bool {
	if !h.server.same(s) || len(names) != len(h.channels) {
		return false
	}
	for i, c := range h.channels {
		if c.name != names[i] || !sameColumns(c.typ, inputs[i].Type) {
			return false
		}
	}
	return true
}

func sameColumns(a, b transit.Type) bool {
	return a.Name == b.Name && slices.Equal(a.Columns(), b.Columns())
}

// close closes all hubs at once and waits until nothing of them is left.
func (h *house) close() {
	h.mu.Lock()
	for _, g := range h.resting {
		if g.alarm.Stop() {
			g.alarm.Reset(0)
		}
	}
	h.mu.Unlock()
	h.leaving.Wait()
}
