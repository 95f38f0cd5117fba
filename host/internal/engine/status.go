package engine

import (
	"github.com/penstock-io/penstock/host/internal/registry"
)

// PathStatus is a picture of one domain.
type PathStatus struct {
	Pipeline   string          `json:"pipeline"`
	State      PathState       `json:"state"`
	Cause      string          `json:"cause,omitempty"` // of the state error
	Generation uint64          `json:"generation"`
	Committed  *uint64         `json:"committed,omitempty"` // newest block that every loader has committed
	Head       uint64          `json:"head"`                // newest block of the source
	Processes  []ProcessStatus `json:"processes"`           // producers first
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
	PID      int                  `json:"pid,omitempty"` // of the operating system
	RowsIn   uint64               `json:"rows_in"`
	RowsOut  uint64               `json:"rows_out"`
	BytesIn  uint64               `json:"bytes_in"`
	BytesOut uint64               `json:"bytes_out"`
	Poisoned uint64               `json:"poisoned"`
	Restarts uint64               `json:"restarts"`
	Block    *uint64              `json:"block,omitempty"` // its newest safe point
	Lag      *uint64              `json:"lag,omitempty"`   // blocks behind the head
	Inputs   []EdgeStatus         `json:"inputs,omitempty"`
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
