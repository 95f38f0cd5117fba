package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/recording"
	"github.com/penstock-io/penstock/sdk/remote"
	"github.com/penstock-io/penstock/sdk/transit"
)

// answers are what processes have said to the barrier of a checkpoint so far. It is
// called under the coordinator's lock; what else a checkpoint has is not its concern.
func answers(c *store.Checkpoint) store.Checkpoint {
	return store.Checkpoint{
		Number: c.Number, Readers: maps.Clone(c.Readers), States: maps.Clone(c.States), Counts: maps.Clone(c.Counts), Positions: maps.Clone(c.Positions),
	}
}

// headerOf says of a recording what the process was opened with, without what is
// nobody's to see.
func headerOf(p *graph.Process, open remote.Open, output transit.Type) (recording.Header, error) {
	h := recording.Header{
		Plugin: p.Register.Plugin, Register: p.Register.Name, Kind: p.Register.Type.String(),
		Pipeline: open.Pipeline, Step: open.Step, Domain: open.Domain,
		Network:    recording.Network{Name: open.Network.Name, ChainID: open.Network.ChainID, Finality: open.Network.Finality},
		Checkpoint: open.Checkpoint, Forks: open.Forks, From: open.From, FromLatest: open.FromLatest, To: open.To,
	}
	if c := open.Cursor; c != nil {
		h.Cursor = &recording.Cursor{ChainID: c.ChainID, Block: c.Block, Hash: c.Hash, Position: c.Position}
	}
	for _, in := range open.Inputs {
		h.Inputs = append(h.Inputs, recording.Input{Name: in.Name, Port: in.Port, Rows: in.Rows, Type: recording.TypeOf(in.Type)})
	}
	if p.Register.Type != registry.Loader {
		typ := recording.TypeOf(output)
		h.Output = &typ
	}
	if l := open.Policy; l != nil {
		h.Policy = &recording.Policy{
			Kind: policyKind(l.Kind), Size: l.Size, First: l.First, Offset: l.Offset, On: l.On, Latest: l.Latest, Require: l.Require, Max: l.Max, Timeout: l.Timeout,
		}
	}
	var err error
	h.Settings, h.LeftOut, err = harmless(open.Settings, p.Register.Settings, "")
	return h, err
}

func policyKind(k remote.PolicyKind) string {
	switch k {
	case remote.PolicyTrigger:
		return "trigger"
	case remote.PolicyEpoch:
		return "epoch"
	default:
		return "block"
	}
}

// harmless is settings without those that are sensitive, and the names of these,
// dotted through blocks.
func harmless(settings []byte, schema registry.Settings, within string) (out []byte, left []string, err error) {
	if len(bytes.TrimSpace(settings)) == 0 {
		return []byte("{}"), nil, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(settings, &members); err != nil {
		return nil, nil, fmt.Errorf("leave sensitive settings out: %w", err)
	}
	for _, a := range schema.Attributes {
		if _, set := members[a.Name]; set && a.Sensitive {
			delete(members, a.Name)
			left = append(left, within+a.Name)
		}
	}
	for _, b := range schema.Blocks {
		raw, set := members[b.Name]
		if !set {
			continue
		}
		safe, more, err := harmlessBlock(raw, b, within+b.Name+".")
		if err != nil {
			return nil, nil, err
		}
		members[b.Name] = safe
		left = append(left, more...)
	}
	slices.Sort(left)
	out, err = json.Marshal(members)
	return out, slices.Compact(left), err
}

// harmlessBlock is the same for a block, or all blocks of a name.
func harmlessBlock(raw json.RawMessage, b registry.Block, within string) (json.RawMessage, []string, error) {
	switch first := bytes.TrimSpace(raw); {
	case bytes.HasPrefix(first, []byte("{")):
		return harmless(raw, b.Settings, within)
	case !bytes.HasPrefix(first, []byte("[")):
		return raw, nil, nil // null
	}
	var many []json.RawMessage
	if err := json.Unmarshal(raw, &many); err != nil {
		return nil, nil, fmt.Errorf("leave sensitive settings out: %w", err)
	}
	var left []string
	for i := range many {
		safe, more, err := harmlessBlock(many[i], b, within)
		if err != nil {
			return nil, nil, err
		}
		many[i], left = safe, append(left, more...)
	}
	out, err := json.Marshal(many)
	return out, left, err
}
