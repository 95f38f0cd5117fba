package engine

import (
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/remote"
)

// openOf is what a process is told when it opens.
func (d *domain) openOf(p *graph.Process, generation uint64, from store.Checkpoint) (remote.Open, error) {
	open := remote.Open{
		Register:   p.Register.Name,
		Pipeline:   p.Pipeline.Name,
		Step:       p.Step.Name,
		ProcessID:  p.ID.String(),
		Generation: generation,
		Settings:   p.Step.Settings,
		Network:    networkOf(p.Pipeline.Network, p.Register.Network),
		Domain:     d.spec.Name,
		Checkpoint: from.Number,
		Forks:      d.memory.Forks(),
		Fresh:      d.isFresh(),
		Cursor:     d.cursorOf(p, from),
		From:       p.Pipeline.From,
		FromLatest: p.Pipeline.FromLatest,
		To:         p.Pipeline.To,
		Policy:     policyOf(p.Step.Policy, p.Pipeline),
	}
	if state, ok := from.States[p.Name()]; ok {
		open.Snapshot = &remote.Snapshot{Version: state.Version, State: state.Bytes}
	}
	if first := d.pinned(p); first != nil {
		open.From, open.FromLatest = *first, false
	}
	for _, e := range p.Inputs {
		rows, err := d.rowsBefore(e, from)
		if err != nil {
			return open, err
		}
		open.Inputs = append(open.Inputs, remote.Input{Name: e.From.Step.Name, Port: e.Port, Type: e.From.Register.Output, Rows: rows})
	}
	return open, nil
}

// networkOf is what a step is told of its network. Only those that reach nodes
// themselves are told where they are: the keys in URLs stay with the host.
func networkOf(n *config.Network, reaches bool) remote.Network {
	if n == nil {
		return remote.Network{}
	}
	out := remote.Network{Name: n.Name, ChainID: n.ChainID, Finality: n.Finality}
	if !reaches {
		return out
	}
	for _, e := range n.Endpoints {
		out.Endpoints = append(out.Endpoints, remote.Endpoint{Name: e.Name, URL: e.URL, Rate: e.Rate})
	}
	return out
}

func policyOf(p *config.Policy, pipeline *config.Pipeline) *remote.Policy {
	if p == nil {
		return nil
	}
	out := &remote.Policy{
		On: p.On, Latest: p.Bucket == "latest", Require: p.Require, Max: p.Max, Timeout: p.Timeout,
	}
	switch p.Kind {
	case "trigger":
		out.Kind = remote.PolicyTrigger
	case "epoch":
		out.Kind = remote.PolicyEpoch
		if pipeline.Epoch != nil {
			out.Size, out.First, out.Offset = pipeline.Epoch.Size, pipeline.From, pipeline.Epoch.Offset
		}
	default:
		out.Kind = remote.PolicyBlock
	}
	return out
}

// Opening is what a process of a domain would be told that opens at its beginning,
// for those who ask a plugin about it without running it.
func Opening(domain string, p *graph.Process) remote.Open {
	open := remote.Open{
		Register: p.Register.Name, Pipeline: p.Pipeline.Name, Step: p.Step.Name, Domain: domain, Settings: p.Step.Settings,
		Network: networkOf(p.Pipeline.Network, p.Register.Network), From: p.Pipeline.From, FromLatest: p.Pipeline.FromLatest, To: p.Pipeline.To,
	}
	for _, e := range p.Inputs {
		open.Inputs = append(open.Inputs, remote.Input{Name: e.From.Step.Name, Port: e.Port, Type: e.From.Register.Output})
	}
	return open
}
