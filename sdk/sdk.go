// Package sdk is what the author of a Penstock plugin imports.
//
// A plugin is one program that serves one or more registers. Each register is
// a struct with one required method, wrapped by the constructor of its kind:
//
//	Reader      Read       collects rows from somewhere outside
//	Subscriber  Transform  turns each row of one stream into others
//	Aggregator  Aggregate  joins several streams, tuple by tuple
//	Loader      Load       ends a path: a database, files, a socket
//
// The struct is the settings: its fields with an hcl tag are what a step in a
// pipeline file can set, and the values of the struct given to the constructor
// are the defaults. Every process gets a copy of its own, so its methods are
// never called by two goroutines at once, and fields without a tag may hold
// whatever state the author needs. Maps and slices are copied too; what a
// pointer of the prototype points to is shared.
//
// Rows are structs that name their data type:
//
//	type Transfer struct { From, To common.Address; Value uint256.Int }
//	func (Transfer) TransitType() string { return "token.transfer" }
//
// A consumer's struct names the columns it needs, in any order; the host has
// checked before anything starts that the producer has them.
//
// Everything else is an optional one-method interface, found by assertion:
// Validator, Starter, Restorer, Snapshotter, Committer, Finalizer, Closer and
// BatchTransforming. A process lives through them in this order: its settings
// are set and validated, Start, Restore where there is a snapshot, rows with
// Snapshot and Commit between them, Close. A rewind is the end of one copy of
// the struct and the beginning of another.
//
// An error says what is to be done about it: a plain one is tried again from
// the last place that is safe, Stop is for good, Rewind goes back to a place,
// Poison and PutAside leave a row out and count it. A panic is an error with
// its stack, and ends its process alone.
//
// Package plugintest runs registers in a test, over the wire that hosts use.
package sdk

import (
	"context"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Cursor is a place in a source: everything up to and including it is done.
type Cursor struct {
	ChainID  uint64
	Block    uint64
	Hash     [32]byte // zero where the source has no hashes
	Position []byte   // opaque, for sources that are not block chains
}

// SafePoint says that all rows up to and including Cursor have been emitted.
type SafePoint struct {
	Cursor    Cursor
	Head      uint64 // the newest block the source has; 0: unknown
	Finalized uint64 // the newest block that cannot be undone; 0: unknown
}

// Start is what a process is told before its first row.
type Start struct {
	Pipeline string
	Step     string
	Network  Network
	// Domain names what is checkpointed together with this process. With Step
	// it is the same on every run, and unique in a host's data directory.
	Domain string
	// Generation is greater than that of every process that was opened for the
	// same step before. A loader that shares its store with others uses it to
	// keep a predecessor out that does not know yet that it is dead.
	Generation uint64
	// Checkpoint is the one to go on from, 0 for the beginning: all rows after
	// it will come again. A loader that truncates removes what it holds beyond
	// it; at 0 everything that it has written for Domain and Step.
	Checkpoint uint64
	// Forks counts the reorganisations that took the domain back. Rows that
	// follow Checkpoint may be others if it has grown, and also if not: a chain
	// may be reorganised while nobody reads it.
	Forks uint64
	// Fresh says that somebody wants the domain to begin anew. Without it
	// Checkpoint 0 may also mean that the host has lost what it remembered: a
	// loader should not remove rows that will not come again, as where FromLatest
	// is set.
	Fresh bool
	// Cursor is the place to go on from, of Checkpoint; nil: begin at From.
	// Where there are several readers, it is the one furthest behind.
	Cursor *Cursor
	// From is the first block, inclusive.
	From uint64
	// FromLatest: begin at the head of the chain instead of From.
	FromLatest bool
	// To is the last block, inclusive; nil: follow the head for ever.
	To *uint64
	// Inputs are the streams that come in, in the order of their indexes.
	Inputs []Input
}

// Network is the chain a pipeline reads.
type Network struct {
	Name      string
	ChainID   uint64 // 0: whatever the endpoint says
	Endpoints []Endpoint
	// Finality is "finalized", "safe", or a number of confirmations.
	Finality string
}

// Endpoint is one way to reach a network.
type Endpoint struct {
	Name string
	URL  string // http, https, ws, wss, or the path of an IPC socket
	Rate string // "25/s", or "" for no limit
}

// Input is one stream that comes in.
type Input struct {
	Name string // the step it comes from
	Port string // the register's input it is wired to
	Type transit.Type
	// Rows is how many rows of it lie before Start.Checkpoint, since the
	// beginning: the next one to come has this number, counted from 0.
	Rows uint64
}

// Commit tells a loader that what it has been given so far belongs together.
type Commit struct {
	// Checkpoint is the number of the checkpoint that the rows so far belong to,
	// to be remembered beside them; 0 when the commit is not part of one. A
	// loader is never more than one checkpoint ahead of what its host has recorded.
	Checkpoint uint64
	// Cursor is the newest place of which all rows have come; nil: unknown.
	Cursor *Cursor
}

// Logger is the logger of the process that ctx belongs to. Its lines arrive in
// the host's log with their level and fields, named after pipeline and step.
func Logger(ctx context.Context) hclog.Logger { return process.Logger(ctx) }
