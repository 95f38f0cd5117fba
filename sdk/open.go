package sdk

import (
	"fmt"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

func wireCursor(c Cursor) *wire.Cursor {
	return &wire.Cursor{ChainID: c.ChainID, Block: c.Block, Hash: c.Hash, Position: c.Position}
}

func cursorOf(c *wire.Cursor) *Cursor {
	if c == nil {
		return nil
	}
	return &Cursor{ChainID: c.ChainID, Block: c.Block, Hash: c.Hash, Position: c.Position}
}

func pointFrame(p SafePoint) *wire.Frame {
	return &wire.Frame{
		Kind: pluginv1.Kind_KIND_SAFE_POINT, Cursor: wireCursor(p.Cursor), Head: p.Head, Finalized: p.Finalized,
	}
}

func pointOf(f *wire.Frame) SafePoint {
	return SafePoint{Cursor: *cursorOf(f.Cursor), Head: f.Head, Finalized: f.Finalized}
}

// startOf reads what a process is told when it opens.
func startOf(open *pluginv1.Open, generation uint64) (Start, error) {
	cursor, err := wire.CursorFromProto(open.Cursor)
	if err != nil {
		return Start{}, Stop(err)
	}
	s := Start{
		Pipeline: open.Pipeline, Step: open.Step, Cursor: cursorOf(cursor),
		From: open.From, FromLatest: open.FromLatest, To: open.To,
		Domain: open.Domain, Generation: generation, Checkpoint: open.Checkpoint, Forks: open.Forks, Fresh: open.Fresh,
	}
	if n := open.Network; n != nil {
		s.Network = Network{Name: n.Name, ChainID: n.ChainId, Finality: n.Finality}
		for _, e := range n.Endpoints {
			s.Network.Endpoints = append(s.Network.Endpoints, Endpoint{Name: e.Name, URL: e.Url, Rate: e.Rate})
		}
	}
	for _, in := range open.Inputs {
		if in.Type == nil {
			return Start{}, Stop(fmt.Errorf("input %q has no type", in.Name))
		}
		t, err := transit.ParseType(in.Type.Name, in.Type.Schema)
		if err != nil {
			return Start{}, Stop(fmt.Errorf("input %q: %w", in.Name, err))
		}
		s.Inputs = append(s.Inputs, Input{Name: in.Name, Port: in.Port, Type: t, Rows: in.Rows})
	}
	return s, nil
}

// rowDecoder makes a decoder for one stream of rows.
func rowDecoder[In transit.Row](in Input) (*transit.Decoder[In], error) {
	d, err := transit.NewDecoder[In](in.Type)
	if err != nil {
		return nil, Stop(fmt.Errorf("input %q: %w", in.Name, err))
	}
	return d, nil
}
