package recording

import (
	"encoding/json"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// OpenMessage is what the process is told when it is opened to be played to. A
// loader begins anew, because its store knows nothing of the checkpoint.
func (r *Recording) OpenMessage(settings json.RawMessage) *pluginv1.Open {
	h := r.Header
	m := &pluginv1.Open{
		Register: h.Register, Pipeline: h.Pipeline, Step: h.Step, ProcessId: "replay of " + h.Pipeline + "/" + h.Step, Settings: settings,
		Network: &pluginv1.Network{Name: h.Network.Name, ChainId: h.Network.ChainID, Finality: h.Network.Finality},
		Cursor:  h.Cursor.wire().Proto(), From: h.From, FromLatest: h.FromLatest, To: h.To, Policy: h.Policy.message(),
		Domain: h.Domain, Checkpoint: h.Checkpoint, Forks: h.Forks,
	}
	for _, in := range h.Inputs {
		m.Inputs = append(m.Inputs, &pluginv1.Input{
			Name: in.Name, Port: in.Port, Rows: in.Rows, Type: &pluginv1.DataType{Name: in.Type.Name, Schema: in.Type.Schema},
		})
	}
	if h.Loader() {
		m.Checkpoint, m.Forks, m.Cursor, m.Fresh = 0, 0, nil, true
		for _, in := range m.Inputs {
			in.Rows = 0
		}
	}
	return m
}

func (p *Policy) message() *pluginv1.Policy {
	if p == nil {
		return nil
	}
	out := &pluginv1.Policy{
		Kind: pluginv1.Policy_KIND_BLOCK, Size: p.Size, First: p.First, Offset: p.Offset, On: p.On, Latest: p.Latest, Require: p.Require,
		Max: p.Max, TimeoutNs: int64(p.Timeout),
	}
	switch p.Kind {
	case "epoch":
		out.Kind = pluginv1.Policy_KIND_EPOCH
	case "trigger":
		out.Kind = pluginv1.Policy_KIND_TRIGGER
	}
	return out
}
