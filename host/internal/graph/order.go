package graph

import (
	"container/heap"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/host/internal/config"
)

// sort orders processes so that producers come before consumers, and otherwise
// as in the file. If there are cycles it reports them and returns false.
func (b *builder) sort() ([]*Process, bool) {
	waiting := make(map[*Process]int, len(b.ordered))
	var ready byIndex
	for _, p := range b.ordered {
		waiting[p] = len(p.Inputs)
		if len(p.Inputs) == 0 {
			ready = append(ready, p)
		}
	}
	sorted := make([]*Process, 0, len(b.ordered))
	for len(ready) > 0 {
		p := heap.Pop(&ready).(*Process)
		sorted = append(sorted, p)
		for _, edge := range p.Outputs {
			waiting[edge.To]--
			if waiting[edge.To] == 0 {
				heap.Push(&ready, edge.To)
			}
		}
	}
	if len(sorted) == len(b.ordered) {
		return sorted, true
	}
	b.cycles()
	return nil, false
}

// cycles reports each edge that leads back to where a walk came from.
func (b *builder) cycles() {
	w := &cycleWalk{state: make(map[*Process]visit, len(b.ordered))}
	for _, p := range b.ordered {
		w.visit(p)
	}
	for _, cycle := range w.found {
		b.report(config.Error, cycle.at, "Cycle", "These steps read each other, so none could ever begin: "+cycle.text+".")
	}
}

type visit uint8

const (
	unseen visit = iota
	onTrail
	done
)

type cycle struct {
	text string
	at   config.Range
}

// cycleWalk goes through the graph depth first.
type cycleWalk struct {
	state map[*Process]visit
	trail []*Process
	found []cycle
}

func (w *cycleWalk) visit(p *Process) {
	if w.state[p] != unseen {
		return
	}
	w.state[p] = onTrail
	w.trail = append(w.trail, p)
	for _, edge := range p.Outputs {
		if w.state[edge.To] == onTrail {
			w.found = append(w.found, cycle{text: w.describe(edge.To), at: edge.Range})
		}
		w.visit(edge.To)
	}
	w.trail = w.trail[:len(w.trail)-1]
	w.state[p] = done
}

// describe writes the trail from a process to its end and back: a -> b -> a.
func (w *cycleWalk) describe(from *Process) string {
	var names []string
	for _, p := range w.trail[slices.Index(w.trail, from):] {
		names = append(names, p.Step.Name)
	}
	return strings.Join(append(names, from.Step.Name), " -> ")
}

// byIndex is a heap of processes, the first of the file on top.
type byIndex []*Process

func (h byIndex) Len() int           { return len(h) }
func (h byIndex) Less(i, j int) bool { return h[i].index < h[j].index }
func (h byIndex) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byIndex) Push(p any)        { *h = append(*h, p.(*Process)) }

func (h *byIndex) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// domains groups processes that are connected, in whatever direction.
func domains(sorted []*Process) []*Domain {
	root := make(map[*Process]*Process, len(sorted))
	find := func(p *Process) *Process {
		for root[p] != p {
			root[p] = root[root[p]] // halve the way for the next time
			p = root[p]
		}
		return p
	}
	for _, p := range sorted {
		root[p] = p
		for _, edge := range p.Inputs {
			root[find(p)] = find(edge.From)
		}
	}
	var list []*Domain
	byRoot := make(map[*Process]*Domain)
	for _, p := range sorted {
		d := byRoot[find(p)]
		if d == nil {
			d = &Domain{Name: p.Name()}
			byRoot[find(p)] = d
			list = append(list, d)
		}
		d.Processes = append(d.Processes, p)
	}
	return list
}
