package change

import (
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// Record is a swap and what became of it.
type Record = store.SwapRecord

// SwapRequest says which bytes are to run. Plugin and Path are required.
type SwapRequest struct {
	Plugin, Path string
	Steps        []string // only these, as pipeline/step or by a name that is unique; nil: all of the plugin
	Lock         bool     // put the bytes into the lock file
	NoProbation  bool
	Probation    time.Duration // 0: ten seconds
	Timeout      time.Duration // of everything before the cut; 0: one minute
	// Progress is told of every phase. It must not block. nil: nobody listens.
	Progress func(engine.Event)
}

// RollbackRequest says whose newest swap is taken back. Plugin is required; the
// other fields are those of a SwapRequest.
type RollbackRequest struct {
	Plugin      string
	Lock        bool
	NoProbation bool
	Probation   time.Duration
	Timeout     time.Duration
	Progress    func(engine.Event)
}

// attempt is a swap that is under way.
type attempt struct {
	record Record
}
