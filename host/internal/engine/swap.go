package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/sdk/remote"
)

// Phase is how far a swap has come.
type Phase string

// The phases of a swap, in their order. Up to SwapWarm nothing has happened to
// what runs.
const (
	SwapStaged     Phase = "staged"      // the bytes are in the host's store
	SwapDescribed  Phase = "handshaked"  // the new plugin has started and said what it offers
	SwapValidated  Phase = "validated"   // it fits the pipelines
	SwapWarm       Phase = "warm"        // its processes run beside those of the old one
	SwapCut        Phase = "cut"         // at a checkpoint rows began to flow through it
	SwapProbation  Phase = "probation"   // it is being watched; the old one is still warm
	SwapCommitted  Phase = "committed"   // the old one is gone
	SwapRefused    Phase = "refused"     // nothing has happened to what runs
	SwapRolledBack Phase = "rolled back" // the path went back to the checkpoint of the cut, on the old one
)

// Swap says what is to take the place of what.
type Swap struct {
	Number       uint64 // names the swap in events
	Plugin       string // the same for all replacements
	Replacements []Replacement
	Probation    Probation
	// Timeout bounds everything before the cut. 0: one minute.
	Timeout time.Duration
}

// Replacement is what one process is to become.
type Replacement struct {
	// Spec is the process as it is to be. Its name says which one it replaces; its
	// edges join the same processes in the same order.
	Spec *graph.Process
	// Launch starts its plugin, also when it has to be started again later. nil:
	// the engine's own.
	Launch func(ctx context.Context) (*remote.Plugin, error)
	// Attached: a person runs the plugin by hand. Deadlines are off for the process
	// and there is no probation; when it ends, the process goes back to what it was.
	Attached bool
}

// Probation says when a plugin that has taken over is trusted: after For, and
// after it was given Batches.
type Probation struct {
	For     time.Duration // 0: ten seconds
	Batches uint64        // 0: 16; a path on which so little flows is trusted after ten times For
	// MaxPoison is the share of rows that it may refuse, or others may refuse of its
	// own; 0: 0.01, beyond what the old one refused.
	MaxPoison float64
	// MaxSlower is how many times longer than the old one it may take to answer a
	// barrier, beyond 100 milliseconds. 0: 10.
	MaxSlower float64
}

// SwapError tells why a swap was not made, or was taken back.
type SwapError struct {
	Plugin     string
	Phase      Phase // how far it had come
	RolledBack bool  // the old plugin runs again, from the checkpoint of the cut
	Err        error
}

func (e *SwapError) Error() string {
	if e.RolledBack {
		return fmt.Sprintf("plugin %s was put back, because the new one failed in %s: %v", e.Plugin, e.Phase, e.Err)
	}
	return fmt.Sprintf("plugin %s was not swapped and runs on as it was: %v", e.Plugin, e.Err)
}

func (e *SwapError) Unwrap() error { return e.Err }
