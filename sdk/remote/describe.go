package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Description is what a plugin says about itself.
type Description struct {
	Version    string
	SDKVersion string
	Protocol   uint32
	Features   []string
	Registers  []Register
}

// Register is a blueprint of processes that the plugin offers.
type Register struct {
	Name         string
	Type         ProcessType
	Doc          string
	Inputs       []Port
	ManyInputs   bool         // a loader that takes any number of inputs on its one port
	Output       transit.Type // the zero Type for a loader
	Dependencies []string     // registers it reads, in the order of its inputs
	Addressable  bool
	Truncates    bool // a loader that removes what it holds beyond a checkpoint
	Unrepeatable bool // a reader whose source cannot be read a second time
	Exclusive    bool // two of its processes cannot be open at once
	Network      bool // it is of no use without a network
	// SnapshotVersion is that of the snapshots it writes, OldestSnapshot the
	// oldest that it can begin with; both are at least 1.
	SnapshotVersion, OldestSnapshot uint32
	Settings                        Settings
}

// Port is one input of a register.
type Port struct {
	Name string
	Type transit.Type // the zero Type if Any
	Any  bool         // takes every type
}

// Settings describes a register's own attributes and blocks.
type Settings struct {
	Attributes []Attribute
	Blocks     []Block
}

// Attribute is one setting. Type is written as HCL writes types.
type Attribute struct {
	Name, Type, Doc     string
	Required, Sensitive bool
	Access              Access          // to the file or directory that the value names
	Default             json.RawMessage // nil if there is none
}

// Block is a group of settings in braces.
type Block struct {
	Name, Doc      string
	Many, Required bool
	Settings       Settings
}

// Mistake is one thing wrong with settings.
type Mistake struct {
	Attribute string // "" where it is about the whole
	Message   string
}

// Describe asks the plugin what it offers. The answer is checked for everything
// that could hurt whoever reads it; whether registers make sense together is
// the registry's to judge. A panic in the plugin is a *Failure.
func (p *Plugin) Describe(ctx context.Context) (Description, error) {
	ctx, cancel := p.callContext(ctx)
	defer cancel()
	res, err := p.wire.Describe(ctx, &pluginv1.DescribeRequest{HostVersion: p.version})
	if err != nil {
		return Description{}, fmt.Errorf("ask plugin %s to describe itself: %w", p.Name(), p.cause(ctx, err))
	}
	d, err := newDescription(res)
	p.hides.description(&d)
	if err != nil {
		return Description{}, fmt.Errorf("read how plugin %s describes itself: %w", p.Name(), err)
	}
	return d, nil
}

// Configure has the plugin check settings, a JSON object, without starting
// anything. The mistakes are the user's; the error is not.
func (p *Plugin) Configure(ctx context.Context, register string, settings []byte) ([]Mistake, error) {
	ctx, cancel := p.callContext(ctx)
	defer cancel()
	res, err := p.wire.Configure(ctx, &pluginv1.ConfigureRequest{Register: register, Settings: settings})
	if err != nil {
		return nil, fmt.Errorf("have plugin %s check the settings of %s: %w", p.Name(), register, p.cause(ctx, err))
	}
	mistakes := make([]Mistake, 0, len(res.Mistakes))
	for _, m := range res.Mistakes[:min(len(res.Mistakes), maxMistakes)] {
		mistakes = append(mistakes, Mistake{Attribute: clean(m.Attribute), Message: p.hides.Text(clean(m.Message))})
	}
	return mistakes, nil
}

func newDescription(m *pluginv1.DescribeResponse) (Description, error) {
	if m.Protocol != wire.Protocol {
		return Description{}, fmt.Errorf("it claims protocol %d, but was started with protocol %d: rebuild it with a current SDK", m.Protocol, wire.Protocol)
	}
	if n := len(m.Registers); n == 0 || n > maxRegisters {
		return Description{}, fmt.Errorf("it has %d registers: a plugin has between 1 and %d", n, maxRegisters)
	}
	if err := errors.Join(checkText("version", m.Version), checkText("sdk_version", m.SdkVersion), checkNames("feature", m.Features)); err != nil {
		return Description{}, err
	}
	d := Description{Version: m.Version, SDKVersion: m.SdkVersion, Protocol: m.Protocol, Features: m.Features}
	seen := make(map[string]bool)
	for i, r := range m.Registers {
		if err := checkName(r.GetName()); err != nil {
			return Description{}, fmt.Errorf("register %d of %d: %w", i+1, len(m.Registers), err)
		}
		if seen[r.Name] {
			return Description{}, fmt.Errorf("register %s stands there twice", r.Name)
		}
		seen[r.Name] = true
		register, err := newRegister(r)
		if err != nil {
			return Description{}, fmt.Errorf("register %s: %w", r.Name, err)
		}
		d.Registers = append(d.Registers, register)
	}
	return d, nil
}

func newRegister(m *pluginv1.Register) (Register, error) {
	r := Register{
		Name: m.Name, Type: ProcessType(m.Type), Doc: clean(m.Doc), ManyInputs: m.ManyInputs,
		Dependencies: m.Dependencies, Addressable: m.Addressable,
		Truncates: m.Truncates, Unrepeatable: m.Unrepeatable, Exclusive: m.Exclusive, Network: m.Network,
		SnapshotVersion: max(m.SnapshotVersion, 1), OldestSnapshot: m.OldestSnapshot,
	}
	if m.Type < pluginv1.ProcessType_PROCESS_TYPE_READER || m.Type > pluginv1.ProcessType_PROCESS_TYPE_LOADER {
		return Register{}, fmt.Errorf("process type %d is unknown to this host", m.Type)
	}
	if r.OldestSnapshot == 0 {
		r.OldestSnapshot = r.SnapshotVersion
	}
	if r.OldestSnapshot > r.SnapshotVersion {
		return Register{}, fmt.Errorf("its oldest snapshot has version %d, newer than its own, %d", r.OldestSnapshot, r.SnapshotVersion)
	}
	if err := errors.Join(checkText("doc", m.Doc), checkNames("dependency", m.Dependencies)); err != nil {
		return Register{}, err
	}
	if n := len(m.Inputs); n > maxPorts {
		return Register{}, fmt.Errorf("it has %d inputs: %d are the most", n, maxPorts)
	}
	for i, input := range m.Inputs {
		port, err := newPort(input)
		if err != nil {
			return Register{}, fmt.Errorf("input %d of %d: %w", i+1, len(m.Inputs), err)
		}
		r.Inputs = append(r.Inputs, port)
	}
	var err error
	if r.Output, err = newType(m.Output); err != nil {
		return Register{}, fmt.Errorf("output: %w", err)
	}
	if (r.Type == Loader) != (r.Output.Name == "") {
		return Register{}, fmt.Errorf("a %s with output %q: every process but a loader has one", r.Type, r.Output.Name)
	}
	budget := maxSettings
	if r.Settings, err = newSettings(m.Settings, maxDepth, &budget); err != nil {
		return Register{}, fmt.Errorf("settings: %w", err)
	}
	return r, nil
}

func newPort(m *pluginv1.Port) (Port, error) {
	if m.GetName() != "" {
		if err := checkName(m.Name); err != nil {
			return Port{}, err
		}
	}
	typ, err := newType(m.GetType())
	if err != nil {
		return Port{}, err
	}
	if m.GetAny() == (typ.Name != "") {
		return Port{}, fmt.Errorf("port %q takes one type or any, not both and not none", m.GetName())
	}
	return Port{Name: m.GetName(), Type: typ, Any: m.GetAny()}, nil
}

// newType reads a data type; none is the zero Type.
func newType(m *pluginv1.DataType) (transit.Type, error) {
	if m.GetName() == "" && len(m.GetSchema()) == 0 {
		return transit.Type{}, nil
	}
	if err := checkName(m.Name); err != nil {
		return transit.Type{}, err
	}
	if len(m.Schema) > maxSchema {
		return transit.Type{}, fmt.Errorf("type %s: its schema has %d bytes: %d are the most", m.Name, len(m.Schema), maxSchema)
	}
	return transit.ParseType(m.Name, m.Schema)
}
