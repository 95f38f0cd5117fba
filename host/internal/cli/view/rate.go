package view

import (
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// window is the time that a rate is measured over.
const window = 3 * time.Second

// rates turns counters into rows per second.
type rates struct {
	samples []sample // oldest first; the first is the newest that is older than window
	paces   map[string]*pace
}

type sample struct {
	at   time.Time
	rows map[key]uint64
}

// key names a process in a picture. The names of steps are unique in a
// pipeline, and pipelines in a host.
type key struct{ pipeline, step string }

// observe takes the counters of this moment.
func (r *rates) observe(now time.Time, paths []engine.PathStatus) {
	s := sample{at: now, rows: make(map[key]uint64)}
	for _, path := range paths {
		r.follow(now, path)
		for _, p := range path.Processes {
			s.rows[key{path.Pipeline, p.Step}] = rows(p)
		}
	}
	r.samples = append(r.samples, s)
	for len(r.samples) > 2 && now.Sub(r.samples[1].at) >= window {
		r.samples = r.samples[1:]
	}
}

// follow notes how far a path has come.
func (r *rates) follow(now time.Time, path engine.PathStatus) {
	at := reached(path)
	if at == nil {
		return
	}
	if r.paces == nil {
		r.paces = make(map[string]*pace)
	}
	if r.paces[path.Pipeline] == nil {
		r.paces[path.Pipeline] = &pace{}
	}
	r.paces[path.Pipeline].observe(now, *at)
}

// of is how many rows a second a process has passed on lately.
func (r *rates) of(pipeline, step string) float64 {
	if len(r.samples) < 2 {
		return 0
	}
	first, last := r.samples[0], r.samples[len(r.samples)-1]
	k := key{pipeline, step}
	if last.rows[k] < first.rows[k] || !last.at.After(first.at) {
		return 0
	}
	return float64(last.rows[k]-first.rows[k]) / last.at.Sub(first.at).Seconds()
}

// rows is what a process has done: a loader takes rows, all others give them.
func rows(p engine.ProcessStatus) uint64 {
	if p.Type == registry.Loader {
		return p.RowsIn
	}
	return p.RowsOut
}

// fullest is the input with the most waiting frames, nil if there is none.
func fullest(p engine.ProcessStatus) *engine.EdgeStatus {
	var most *engine.EdgeStatus
	for i := range p.Inputs {
		if e := &p.Inputs[i]; most == nil || e.Depth > most.Depth {
			most = e
		}
	}
	return most
}

func restarts(path engine.PathStatus) uint64 {
	var n uint64
	for _, p := range path.Processes {
		n += p.Restarts
	}
	return n
}
