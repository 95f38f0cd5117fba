package engine

import (
	"maps"
	"slices"
	"time"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// PathStatus is a picture of one domain.
type PathStatus struct {
	Pipeline   string          `json:"pipeline"`
	State      PathState       `json:"state"`
	Cause      string          `json:"cause,omitempty"` // of the state error
	Generation uint64          `json:"generation"`
	Checkpoint *Checkpoint     `json:"checkpoint,omitempty"` // the newest that is recorded
	Pending    *Pending        `json:"pending,omitempty"`    // the one that is under way
	Kept       int             `json:"kept"`                 // checkpoints that the path can go back to
	Forks      uint64          `json:"forks"`                // reorganisations that took it back
	Committed  *uint64         `json:"committed,omitempty"`  // newest block of the newest checkpoint
	Head       uint64          `json:"head"`                 // newest block of the source
	From       *uint64         `json:"from,omitempty"`       // first block; nil: where the head was
	To         *uint64         `json:"to,omitempty"`         // last block; nil: it follows the head
	Swap       *SwapStatus     `json:"swap,omitempty"`       // the newest of a plugin, whatever became of it
	Processes  []ProcessStatus `json:"processes"`            // producers first
}

// Checkpoint is a place that a path can go back to.
type Checkpoint struct {
	Number uint64        `json:"number"`
	Time   time.Time     `json:"time"`
	Block  *uint64       `json:"block,omitempty"`
	Took   time.Duration `json:"took_ns"` // from the first barrier to the record
	Bytes  uint64        `json:"state_bytes"`
}

// Pending is a checkpoint that is being taken.
type Pending struct {
	Number  uint64    `json:"number"`
	Since   time.Time `json:"since"`
	Waiting []string  `json:"waiting_for"` // steps that have not answered
}

// ProcessStatus is a picture of one process.
type ProcessStatus struct {
	Step     string               `json:"step"`
	ID       registry.ProcessID   `json:"id"`
	Type     registry.ProcessType `json:"-"`
	Kind     string               `json:"kind"`
	Register string               `json:"register"`
	Plugin   string               `json:"plugin"`
	State    ProcessState         `json:"state"`
	PID      int                  `json:"pid,omitempty"`      // of the operating system
	Attached bool                 `json:"attached,omitempty"` // a person runs its plugin by hand, outside of the sandbox
	RowsIn   uint64               `json:"rows_in"`
	RowsOut  uint64               `json:"rows_out"`
	BytesIn  uint64               `json:"bytes_in"`
	BytesOut uint64               `json:"bytes_out"`
	Poisoned uint64               `json:"poisoned"`
	Restarts uint64               `json:"restarts"`
	// StateBytes is the size of its newest snapshot.
	StateBytes uint64       `json:"state_bytes,omitempty"`
	Waiting    *Waiting     `json:"waiting,omitempty"` // what it says that it waits for
	Block      *uint64      `json:"block,omitempty"`   // its newest safe point
	Lag        *uint64      `json:"lag,omitempty"`     // blocks behind the head
	Inputs     []EdgeStatus `json:"inputs,omitempty"`
}

// EdgeStatus is how full an edge is.
type EdgeStatus struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Port      string `json:"port"`
	Depth     int    `json:"depth"`     // frames that wait
	Threshold int    `json:"threshold"` // frames at which the producer has to wait
	Bytes     int    `json:"bytes"`
	Breaches  uint64 `json:"breaches"` // how often the producer had to wait
}

func (d *domain) status() PathStatus {
	d.mu.Lock()
	s := PathStatus{Pipeline: d.name, State: d.state, Generation: d.generation, Committed: committed(d.newest), Swap: d.swapped}
	p := d.spec.Processes[0].Pipeline
	if s.To = p.To; !p.FromLatest {
		s.From = &p.From
	}
	if d.state == PathError && d.cause != nil {
		s.Cause = d.cause.Error()
	}
	if c := d.newest; c != nil {
		s.Checkpoint = &Checkpoint{Number: c.Number, Time: c.Time, Block: s.Committed, Took: c.Took}
	}
	coordinator := d.coordinator
	d.mu.Unlock()
	s.Kept, s.Forks = len(d.memory.Kept()), d.memory.Forks()
	if coordinator != nil {
		s.Pending = coordinator.status()
	}
	for _, p := range d.processes {
		s.Head = max(s.Head, p.head.Load())
	}
	for _, p := range d.processes {
		one := p.status(s.Head)
		if s.Checkpoint != nil {
			s.Checkpoint.Bytes += one.StateBytes
		}
		s.Processes = append(s.Processes, one)
	}
	return s
}

func (c *coordinator) status() *Pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.over: // nobody takes it any more
		return nil
	default:
	}
	if c.pending == nil {
		return nil
	}
	out := &Pending{Number: c.pending.record.Number, Since: c.pending.began}
	for p := range maps.Keys(c.pending.waiting) {
		out.Waiting = append(out.Waiting, p.spec().Step.Name)
	}
	slices.Sort(out.Waiting)
	return out
}
