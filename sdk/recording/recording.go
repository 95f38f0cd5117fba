// Package recording keeps what flowed into and out of one process, so that it can
// be played to a plugin again: a golden test of what the plugin makes of it.
//
// A recording begins at a checkpoint, with the process's settings, its snapshot
// and the types of its inputs, and goes on with every frame that it was given, in
// order, and with every batch that it said. It ends at a barrier that the process
// has answered, or with the end of the process: what lies beyond that in the file
// is not part of it. How the two directions lay in time is not kept, since nobody
// can count on it.
//
// Writer makes such files, Open reads them, and Replay plays one.
//
// # Format
//
// A file begins with the line "PENSTOCK RECORDING 1". Records follow: the length
// of the record (4 bytes, big-endian), the CRC-32C of the record (4 bytes), the
// record. The first byte of a record says what it is:
//
//	H  the header, as JSON: once, first
//	S  the snapshot: its version (4 bytes), the state; once, second, if there is one
//	I  a frame that the process was given
//	O  a frame that it said
//	E  the end, as JSON: once, last
//
// A frame is its kind, input, number of rows, checkpoint, head and finalized block
// as varints, then a byte that is 1 where a cursor follows (chain and block as
// varints, 32 bytes of hash, the length of the position and the position), then the
// body: one Arrow IPC record batch message. Kinds have the numbers of the plugin
// protocol.
package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/transit"
)

// magic is how every file begins; the number is that of the format.
const (
	magic   = "PENSTOCK RECORDING "
	version = 1
)

// Header says what was recorded, and how the process was opened.
type Header struct {
	Recorded time.Time `json:"recorded"`
	Host     string    `json:"host,omitempty"` // its version

	Plugin   string `json:"plugin"`
	Register string `json:"register"`
	Kind     string `json:"kind"` // subscriber, aggregator or loader
	Pipeline string `json:"pipeline"`
	Step     string `json:"step"`
	Domain   string `json:"domain"`

	Network    Network `json:"network"`
	Checkpoint uint64  `json:"checkpoint"` // where the recording begins
	Forks      uint64  `json:"forks,omitempty"`
	Cursor     *Cursor `json:"cursor,omitempty"`
	From       uint64  `json:"from"`
	FromLatest bool    `json:"from_latest,omitempty"`
	To         *uint64 `json:"to,omitempty"`

	// Settings is a JSON object without what is sensitive; LeftOut names that.
	Settings json.RawMessage `json:"settings"`
	LeftOut  []string        `json:"left_out,omitempty"`

	Inputs []Input `json:"inputs"`
	Output *Type   `json:"output,omitempty"` // nil for a loader
	Policy *Policy `json:"policy,omitempty"` // of an aggregator
}

// Network is the chain that the process worked on. Its nodes are not kept: their
// addresses often are secrets.
type Network struct {
	Name     string `json:"name"`
	ChainID  uint64 `json:"chain_id"`
	Finality string `json:"finality,omitempty"`
}

// Input is a stream that went into the process.
type Input struct {
	Name string `json:"name"`
	Port string `json:"port,omitempty"`
	Rows uint64 `json:"rows"` // that lie before the recording
	Type Type   `json:"type"`
}

// Type is a data type.
type Type struct {
	Name    string `json:"name"`
	Columns string `json:"columns"` // for people
	Schema  []byte `json:"schema"`  // an Arrow IPC schema message
}

// TypeOf is a type as a header has it.
func TypeOf(t transit.Type) Type {
	return Type{Name: t.Name, Columns: t.String(), Schema: t.MarshalSchema()}
}

// Transit reads the type.
func (t Type) Transit() (transit.Type, error) { return transit.ParseType(t.Name, t.Schema) }

// Policy says when the tuples of an aggregator were complete.
type Policy struct {
	Kind    string        `json:"kind"` // block, epoch or trigger
	Size    uint64        `json:"size,omitempty"`
	First   uint64        `json:"first,omitempty"`
	Offset  uint64        `json:"offset,omitempty"`
	On      string        `json:"on,omitempty"`
	Latest  bool          `json:"latest,omitempty"`
	Require bool          `json:"require,omitempty"`
	Max     uint64        `json:"max,omitempty"`
	Timeout time.Duration `json:"timeout_ns,omitempty"`
}

// Cursor is a place in a source.
type Cursor struct {
	ChainID  uint64      `json:"chain_id"`
	Block    uint64      `json:"block"`
	Hash     common.Hash `json:"hash"` // zero where the source has none
	Position []byte      `json:"position,omitempty"`
}

// Snapshot is the state of the process where the recording begins.
type Snapshot struct {
	Version uint32
	State   []byte
}

// Loader tells whether the process was a loader, which says no rows.
func (h *Header) Loader() bool { return h.Kind == "loader" }

func (h *Header) check() error {
	switch {
	case h.Register == "":
		return errors.New("the header names no register")
	case h.Kind != "subscriber" && h.Kind != "aggregator" && h.Kind != "loader":
		return fmt.Errorf("the header is of a %q: only subscribers, aggregators and loaders are recorded", h.Kind)
	case h.Loader() != (h.Output == nil):
		return fmt.Errorf("the header of a %s does not go with its output", h.Kind)
	case len(h.Inputs) == 0:
		return errors.New("the header names no input")
	}
	for _, in := range h.Inputs {
		if _, err := in.Type.Transit(); err != nil {
			return fmt.Errorf("the type of input %s: %w", in.Name, err)
		}
	}
	if h.Output != nil {
		if _, err := h.Output.Transit(); err != nil {
			return fmt.Errorf("the type of the output: %w", err)
		}
	}
	return nil
}

// end is the last record.
type end struct {
	Ended      bool   `json:"ended"`      // the process has
	Checkpoint uint64 `json:"checkpoint"` // the barrier that it ends with, if not
	Reason     string `json:"reason"`
}

// FormatError tells that a file is no recording, or is damaged.
type FormatError struct {
	Path    string
	Message string
}

func (e *FormatError) Error() string {
	if e.Path == "" {
		return "read a recording: " + e.Message
	}
	return fmt.Sprintf("read recording %s: %s", e.Path, e.Message)
}
