package store

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// Checkpoint is a place that a domain can go back to. The keys of Readers and
// States are names of processes ("pipeline/step").
type Checkpoint struct {
	Number     uint64
	Time       time.Time
	Generation uint64
	Readers    map[string]Place  // where each reader goes on
	States     map[string]State  // snapshots; a process without state is absent
	Counts     map[string]uint64 // rows that have gone along each edge since the beginning, by the edge's name
	Positions  map[string]uint64 // positions in journals, by journal
	Replayed   []string          // IDs of dead letters whose rows are part of it
	Final      bool              // nothing before it will be asked for any more; see MarkFinal
	Took       time.Duration     // from the first barrier to the record
}

// Place is where a reader stands.
type Place struct {
	ChainID  uint64
	Block    uint64
	Hash     [32]byte
	Position []byte
	Known    bool    // false: the reader has not come to a safe point
	From     *uint64 // the first block, where the pipeline begins at the head: known once the reader has begun
}

// State is the snapshot of one process.
type State struct {
	Version uint32 // of the format that the process writes
	Bytes   []byte // nil where only the size is told
	Size    int    // of Bytes; Record takes no notice of it
}

// placeText is a Place as it stands in the file.
type placeText struct {
	ChainID  uint64  `json:"chain,omitempty"`
	Block    uint64  `json:"block"`
	Hash     string  `json:"hash,omitempty"`
	Position []byte  `json:"position,omitempty"`
	Known    bool    `json:"known,omitempty"`
	From     *uint64 `json:"from,omitempty"`
}

// MarshalJSON writes the hash in hex, and not at all if there is none.
func (p Place) MarshalJSON() ([]byte, error) {
	text := placeText{ChainID: p.ChainID, Block: p.Block, Position: p.Position, Known: p.Known, From: p.From}
	if p.Hash != [32]byte{} {
		text.Hash = "0x" + hex.EncodeToString(p.Hash[:])
	}
	return json.Marshal(text)
}

// UnmarshalJSON reads what MarshalJSON has written.
func (p *Place) UnmarshalJSON(data []byte) error {
	var text placeText
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	*p = Place{ChainID: text.ChainID, Block: text.Block, Position: text.Position, Known: text.Known, From: text.From}
	if text.Hash == "" {
		return nil
	}
	if len(text.Hash) != 2+2*len(p.Hash) || text.Hash[:2] != "0x" {
		return fmt.Errorf("%q is no hash", text.Hash)
	}
	if _, err := hex.Decode(p.Hash[:], []byte(text.Hash[2:])); err != nil {
		return fmt.Errorf("%q is no hash: %w", text.Hash, err)
	}
	return nil
}

// copied shares nothing with p.
func (p Place) copied() Place {
	p.Position = bytes.Clone(p.Position)
	if p.From != nil {
		from := *p.From
		p.From = &from
	}
	return p
}

// entry is a checkpoint as it stands in the file: of its snapshots it says only
// where they are.
type entry struct {
	Number     uint64               `json:"number"`
	Time       time.Time            `json:"time"`
	Generation uint64               `json:"generation"`
	Readers    map[string]Place     `json:"readers,omitempty"`
	Snapshots  map[string]*snapshot `json:"states,omitempty"`
	Counts     map[string]uint64    `json:"counts,omitempty"`
	Positions  map[string]uint64    `json:"positions,omitempty"`
	Replayed   []string             `json:"replayed,omitempty"`
	Final      bool                 `json:"final,omitempty"`
	Took       time.Duration        `json:"took_ns,omitempty"`

	damage error // why nothing but Number can be told
}

// snapshot says where the bytes of a state are. Checkpoints in a row whose bytes
// are equal share them.
type snapshot struct {
	Version uint32 `json:"version,omitempty"`
	Size    int    `json:"size"`
	Sum     uint32 `json:"crc32c"`
	At      uint64 `json:"at"` // the checkpoint that they were written with
}

// newEntry describes a checkpoint whose states are all written with it.
func newEntry(c Checkpoint) *entry {
	e := &entry{
		Number: c.Number, Time: c.Time.Round(0), Generation: c.Generation, Final: c.Final, Took: c.Took,
		Counts: maps.Clone(c.Counts), Positions: maps.Clone(c.Positions), Replayed: slices.Clone(c.Replayed),
	}
	if len(c.Readers) > 0 {
		e.Readers = make(map[string]Place, len(c.Readers))
	}
	for name, place := range c.Readers {
		e.Readers[name] = place.copied()
	}
	if len(c.States) > 0 {
		e.Snapshots = make(map[string]*snapshot, len(c.States))
	}
	for name, state := range c.States {
		e.Snapshots[name] = &snapshot{
			Version: state.Version, Size: len(state.Bytes),
			Sum: crc32.Checksum(state.Bytes, castagnoli), At: c.Number,
		}
	}
	return e
}

// checkpoint tells what an entry holds, without the bytes of its states.
func (e *entry) checkpoint() Checkpoint {
	c := Checkpoint{
		Number: e.Number, Time: e.Time, Generation: e.Generation, Final: e.Final, Took: e.Took,
		Readers: e.Readers, Counts: e.Counts, Positions: e.Positions, Replayed: e.Replayed,
		States: make(map[string]State, len(e.Snapshots)),
	}
	for name, s := range e.Snapshots {
		c.States[name] = State{Version: s.Version, Size: s.Size}
	}
	return c
}

// share points every snapshot of e whose bytes the one before had too to those.
func (e *entry) share(before *entry, states map[string]State, bucket *bbolt.Bucket) {
	if before == nil {
		return
	}
	for name, s := range e.Snapshots {
		old, ok := before.Snapshots[name]
		if !ok || old.Size != s.Size || old.Sum != s.Sum {
			continue
		}
		if bytes.Equal(bucket.Get(snapshotKey(name, old.At)), states[name].Bytes) {
			s.At = old.At
		}
	}
}

// snapshotKey is where the bytes of a process's state are.
func snapshotKey(process string, at uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(process), 0), at)
}

// numberKey is where a checkpoint is: numbers sort as they grow.
func numberKey(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }

// readStates fills the bytes of an entry's states in, and copies them: the
// file's own memory goes with the transaction.
func (e *entry) readStates(c *Checkpoint, bucket *bbolt.Bucket) (process string, err error) {
	for name, s := range e.Snapshots {
		key := snapshotKey(name, s.At)
		var kept []byte
		if bucket != nil {
			kept = bucket.Get(key)
		}
		if kept == nil {
			return name, fmt.Errorf("the %d bytes that were written with checkpoint %d are gone", s.Size, s.At)
		}
		if sum := crc32.Checksum(kept, castagnoli); len(kept) != s.Size || sum != s.Sum {
			return name, fmt.Errorf("%d bytes with checksum %08x are there instead of %d with %08x", len(kept), sum, s.Size, s.Sum)
		}
		c.States[name] = State{Version: s.Version, Bytes: append(make([]byte, 0, len(kept)), kept...), Size: len(kept)}
	}
	return "", nil
}
