// Package process is a plugin's side of the conversation with its host: it
// describes registers, opens processes, hands them frames in order, and tells
// what became of them.
//
// It knows nothing of the types that authors write. Package sdk wraps each of
// an author's structs in a Worker; this package calls the worker, one call at
// a time and in the order of the stream.
package process

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/internal/settings"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Register is one blueprint that a plugin serves.
type Register struct {
	Name         string
	Doc          string
	Type         pluginv1.ProcessType
	Dependencies []string
	Addressable  bool
	Truncates    bool   // a loader that removes what it holds beyond a checkpoint
	Unrepeatable bool   // a reader whose source cannot be read a second time
	Exclusive    bool   // two of its processes cannot be open at once
	Network      bool   // it is of no use without a network
	Version      uint32 // of its snapshots; 0 is 1
	Oldest       uint32 // version of a snapshot that it can begin with; 0 is Version
	Inputs       []Port
	ManyInputs   bool               // any number of inputs on the one port
	Output       transit.Type       // the zero Type for loaders
	Settings     *pluginv1.Settings // what New understands

	// New makes a worker with the settings, a JSON object, in place, and tells
	// everything that is wrong with them.
	New func(object []byte) (Worker, []settings.Mistake)

	// Err is what is wrong with the author's types. A register that has one is
	// not served.
	Err error
}

// Port is one input of a register.
type Port struct {
	Name string
	Type transit.Type
	Any  bool // takes every type
}

// Worker is one process without its types. It is a Consumer or a Producer.
// Open, Restore where there is a snapshot, and Close are called once each.
type Worker interface {
	// Open makes the worker ready for the streams that open names.
	Open(ctx context.Context, open *pluginv1.Open, out *Sender) error
	// Restore takes back what Barrier gave to the host, perhaps from an older
	// version of the register, which is one of those that it says it can begin with.
	Restore(version uint32, state []byte) error
	// Close is called when Open was, whatever came of it.
	Close() error
}

// Consumer is a worker with inputs. They are numbered as in Open.
type Consumer interface {
	Worker
	// Batch handles the body of one frame, which is the worker's to keep.
	Batch(ctx context.Context, input int, body []byte) error
	// SafePoint says that an input is complete up to a cursor.
	SafePoint(ctx context.Context, input int, point *wire.Frame) error
	// Idle says that nothing waits to be read. It returns how long to wait
	// before it is called again; 0: until something has come.
	Idle(ctx context.Context) (time.Duration, error)
	// Barrier makes durable what there is and returns the state.
	Barrier(ctx context.Context, checkpoint uint64) ([]byte, error)
	// Ended says that an input is over; drained: because the host stops.
	Ended(ctx context.Context, input int, drained bool) error
}

// Locator is a consumer that can tell which row of a batch it works on; ok is
// false while it works on none in particular.
type Locator interface {
	Row() (row int, ok bool)
}

// Finalizer is a consumer that wants to know what can no longer be undone.
type Finalizer interface {
	Final(ctx context.Context, checkpoint uint64) error
}

// Producer is a worker that collects rows from somewhere outside.
type Producer interface {
	Worker
	// Produce goes on until the source ends or ctx does. ErrDrained as ctx's
	// cause asks it to send what it has and to return nil; with any other cause
	// nobody wants what it has. over is false where it waits to be rewound.
	Produce(ctx context.Context) (over bool, err error)
	// Barrier asks for a checkpoint at the next safe point. It never waits for
	// the host, and may be called during Produce and after it.
	Barrier(checkpoint uint64) error
}

type loggerKey struct{}

// Logger is the logger of the process that ctx belongs to.
func Logger(ctx context.Context) hclog.Logger {
	if logger, ok := ctx.Value(loggerKey{}).(hclog.Logger); ok {
		return logger
	}
	return hclog.Default()
}
