package catalog

import (
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/remote"
)

// Registers are what a plugin offers, as the registry knows it.
func Registers(d Description) []registry.Register {
	out := make([]registry.Register, 0, len(d.Registers))
	for _, r := range d.Registers {
		out = append(out, registerOf(d.Name, r))
	}
	return out
}

// registerOf is a plugin's register as the registry knows it.
func registerOf(plugin string, r remote.Register) registry.Register {
	out := registry.Register{
		Name: r.Name, Type: registry.ProcessType(r.Type), Doc: r.Doc, Plugin: plugin,
		ManyInputs: r.ManyInputs, Output: r.Output, Dependencies: r.Dependencies,
		Addressable: r.Addressable, Truncates: r.Truncates, Unrepeatable: r.Unrepeatable, Exclusive: r.Exclusive, Network: r.Network,
		Snapshot: r.SnapshotVersion, OldestSnapshot: r.OldestSnapshot, Settings: settingsOf(r.Settings),
	}
	for _, p := range r.Inputs {
		out.Inputs = append(out.Inputs, registry.Port{Name: p.Name, Type: p.Type, Any: p.Any})
	}
	return out
}

func settingsOf(s remote.Settings) registry.Settings {
	var out registry.Settings
	for _, a := range s.Attributes {
		attribute := registry.Attribute{Name: a.Name, Type: a.Type, Doc: a.Doc, Required: a.Required, Sensitive: a.Sensitive, Access: registry.Access(a.Access)}
		if len(a.Default) > 0 {
			attribute.Default = a.Default
		}
		out.Attributes = append(out.Attributes, attribute)
	}
	for _, b := range s.Blocks {
		out.Blocks = append(out.Blocks, registry.Block{
			Name: b.Name, Doc: b.Doc, Many: b.Many, Required: b.Required, Settings: settingsOf(b.Settings),
		})
	}
	return out
}
