package remote

import (
	"fmt"

	"google.golang.org/grpc/mem"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Frame is one message on a Stream. A received frame's Free must be called once
// by whoever drops it; a frame that is sent stays the sender's.
type Frame = wire.Frame

// Bytes is a body of one's own, which Free does not take away.
func Bytes(body []byte) mem.BufferSlice { return mem.BufferSlice{mem.SliceBuffer(body)} }

// Cursor is a place in a source: everything up to and including it is meant.
type Cursor = wire.Cursor

// What a frame may carry beside its header and body.
type (
	// Snapshot is the state of a process.
	Snapshot = pluginv1.Snapshot
	// Progress is what a process reports now and then.
	Progress = pluginv1.Progress
)

// Kind tells what a frame says.
type Kind = pluginv1.Kind

// The kinds, as the protocol explains them.
const (
	KindOpen      = pluginv1.Kind_KIND_OPEN
	KindRewind    = pluginv1.Kind_KIND_REWIND
	KindFinal     = pluginv1.Kind_KIND_FINAL
	KindDrain     = pluginv1.Kind_KIND_DRAIN
	KindBatch     = pluginv1.Kind_KIND_BATCH
	KindBarrier   = pluginv1.Kind_KIND_BARRIER
	KindSafePoint = pluginv1.Kind_KIND_SAFE_POINT
	KindEnded     = pluginv1.Kind_KIND_ENDED
	KindProbe     = pluginv1.Kind_KIND_PROBE
	KindOpened    = pluginv1.Kind_KIND_OPENED
	KindReorg     = pluginv1.Kind_KIND_REORG
	KindProgress  = pluginv1.Kind_KIND_PROGRESS
	KindFailed    = pluginv1.Kind_KIND_FAILED
)

// Class tells what to do about a failure.
type Class = pluginv1.Class

// The classes, as the protocol explains them.
const (
	ClassRetry  = pluginv1.Class_CLASS_RETRY
	ClassRewind = pluginv1.Class_CLASS_REWIND
	ClassStop   = pluginv1.Class_CLASS_STOP
	ClassPoison = pluginv1.Class_CLASS_POISON
)

// Access is what a process does with the file or directory that a setting names.
type Access = pluginv1.Access

// The kinds of access, as the protocol explains them.
const (
	AccessNone  = pluginv1.Access_ACCESS_UNSPECIFIED
	AccessRead  = pluginv1.Access_ACCESS_READ
	AccessWrite = pluginv1.Access_ACCESS_WRITE
)

// ProcessType is what kind of process a register makes.
type ProcessType uint8

// The process types. Their numbers are frozen.
const (
	Reader     = ProcessType(pluginv1.ProcessType_PROCESS_TYPE_READER)
	Subscriber = ProcessType(pluginv1.ProcessType_PROCESS_TYPE_SUBSCRIBER)
	Aggregator = ProcessType(pluginv1.ProcessType_PROCESS_TYPE_AGGREGATOR)
	Loader     = ProcessType(pluginv1.ProcessType_PROCESS_TYPE_LOADER)
)

func (t ProcessType) String() string {
	switch t {
	case Reader:
		return "reader"
	case Subscriber:
		return "subscriber"
	case Aggregator:
		return "aggregator"
	case Loader:
		return "loader"
	}
	return fmt.Sprintf("process type %d", uint8(t))
}

// PolicyKind is when an aggregator's tuple is complete.
type PolicyKind = pluginv1.Policy_Kind

// The policy kinds, as the protocol explains them.
const (
	PolicyBlock   = pluginv1.Policy_KIND_BLOCK
	PolicyEpoch   = pluginv1.Policy_KIND_EPOCH
	PolicyTrigger = pluginv1.Policy_KIND_TRIGGER
)
