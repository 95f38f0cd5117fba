package registry

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// PID says what a process is: layer, path type, process type and the number of
// its register, one byte each. Equal processes have equal PIDs.
type PID [4]byte

// NewPID puts the four bytes together.
func NewPID(layer Layer, path PathType, process ProcessType, register uint8) PID {
	return PID{byte(layer), byte(path), byte(process), register}
}

// Layer returns the layer of the network that the process works on.
func (p PID) Layer() Layer { return Layer(p[0]) }

// PathType returns the type of the paths that the process is part of.
func (p PID) PathType() PathType { return PathType(p[1]) }

// ProcessType returns what the process does.
func (p PID) ProcessType() ProcessType { return ProcessType(p[2]) }

// Register returns the number of the process's register.
func (p PID) Register() uint8 { return p[3] }

// String returns eight hex digits.
func (p PID) String() string { return hex.EncodeToString(p[:]) }

// MarshalText writes what String returns.
func (p PID) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (p *PID) UnmarshalText(text []byte) error { return decodeHex(p[:], string(text)) }

// PathPID says what a path is: its type, the PID of its output end and the PID
// of its reader. Paths that differ only in the middle have equal PathPIDs; a
// fingerprint tells those apart.
type PathPID [9]byte

// NewPathPID puts the nine bytes together.
func NewPathPID(path PathType, end, reader PID) PathPID {
	var p PathPID
	p[0] = byte(path)
	copy(p[1:5], end[:])
	copy(p[5:9], reader[:])
	return p
}

// PathType returns the type of the path.
func (p PathPID) PathType() PathType { return PathType(p[0]) }

// End returns the PID of the process at the output end.
func (p PathPID) End() PID { return PID(p[1:5]) }

// Reader returns the PID of the reader.
func (p PathPID) Reader() PID { return PID(p[5:9]) }

// String returns eighteen hex digits.
func (p PathPID) String() string { return hex.EncodeToString(p[:]) }

// MarshalText writes what String returns.
func (p PathPID) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (p *PathPID) UnmarshalText(text []byte) error { return decodeHex(p[:], string(text)) }

// ProcessID names one process among equal ones: the PID is the same on every
// run, the UUID never.
type ProcessID struct {
	PID  PID
	UUID uuid.UUID
}

// NewProcessID returns an ID with a fresh UUID.
func NewProcessID(pid PID) ProcessID {
	return ProcessID{PID: pid, UUID: uuid.New()}
}

// String returns the PID and the whole UUID, joined by a dash.
func (id ProcessID) String() string { return id.PID.String() + "-" + id.UUID.String() }

// MarshalText writes what String returns.
func (id ProcessID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (id *ProcessID) UnmarshalText(text []byte) error {
	return decodeID(string(text), id.PID[:], &id.UUID)
}

// PathID names one path among equal ones.
type PathID struct {
	PID  PathPID
	UUID uuid.UUID
}

// NewPathID returns an ID with a fresh UUID.
func NewPathID(pid PathPID) PathID {
	return PathID{PID: pid, UUID: uuid.New()}
}

// String returns the PID and the whole UUID, joined by a dash.
func (id PathID) String() string { return id.PID.String() + "-" + id.UUID.String() }

// MarshalText writes what String returns.
func (id PathID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (id *PathID) UnmarshalText(text []byte) error {
	return decodeID(string(text), id.PID[:], &id.UUID)
}

func decodeHex(to []byte, text string) error {
	if len(text) != 2*len(to) {
		return fmt.Errorf("parse pid %q: want %d hex digits, got %d characters", text, 2*len(to), len(text))
	}
	if _, err := hex.Decode(to, []byte(text)); err != nil {
		return fmt.Errorf("parse pid %q: %w", text, err)
	}
	return nil
}

func decodeID(text string, pid []byte, id *uuid.UUID) error {
	first, rest, found := strings.Cut(text, "-")
	if !found {
		return fmt.Errorf("parse id %q: want a pid, a dash and a uuid", text)
	}
	if err := decodeHex(pid, first); err != nil {
		return err
	}
	parsed, err := uuid.Parse(rest)
	if err != nil {
		return fmt.Errorf("parse id %q: %w", text, err)
	}
	*id = parsed
	return nil
}
