// Package registry knows what can run: it holds the registers that plugins
// announce and gives processes and paths their identities.
//
// A register is a named blueprint: a process type, the ports it reads, the
// type it gives, the registers it depends on and the settings it takes. Every
// other part of the host speaks of registers by name and asks here for the
// rest.
package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/sdk/transit"
)

// Register is the blueprint of a process, as its plugin announced it.
type Register struct {
	Name         string       // dotted and unique, such as eth.logs
	Type         ProcessType  // what kind of process it makes
	Doc          string       // one sentence for people
	Plugin       string       // the plugin that constructs it
	Inputs       []Port       // in the order in which the plugin numbers them
	ManyInputs   bool         // a port takes any number of steps, not exactly one
	Output       transit.Type // nothing for a loader
	Dependencies []string     // registers it reads when a pipeline does not say
	Addressable  bool         // its state can be asked for by key
	Truncates    bool         // a loader in which every row is there once, whatever happened
	Unrepeatable bool         // a reader whose source cannot be read a second time
	Exclusive    bool         // two of its processes cannot be open at once
	Network      bool         // it is of no use without a network
	// Snapshot is the version of the snapshots it writes, OldestSnapshot the
	// oldest that it can begin with; 0 is 1.
	Snapshot, OldestSnapshot uint32
	Settings                 Settings // what may stand in its block
	Number                   uint8    // its byte in a PID, 0 until one is given
}

// Port is one input of a register.
type Port struct {
	Name string
	Type transit.Type // the columns it needs; nothing if Any
	Any  bool         // takes every type
}

// Settings describes a plugin's own attributes and blocks.
type Settings struct {
	Attributes []Attribute
	Blocks     []Block
}

// Attribute is one setting. Type is written as HCL writes types: string,
// list(string), any.
type Attribute struct {
	Name, Type, Doc     string
	Required, Sensitive bool
	Access              Access // to the file or directory that the value names
	Default             json.RawMessage
}

// Access is what a process does with the file or directory that a setting names.
type Access uint8

// The kinds of access.
const (
	NoAccess    Access = iota
	ReadAccess         // it reads what is there
	WriteAccess        // it makes and changes the file, and others beside it
)

// String is "", "reads" or "writes".
func (a Access) String() string {
	switch a {
	case ReadAccess:
		return "reads"
	case WriteAccess:
		return "writes"
	case NoAccess:
	}
	return ""
}

// Block is a group of settings that stands in braces. Many allows several of
// the same name.
type Block struct {
	Name, Doc      string
	Many, Required bool
	Settings       Settings
}

// Registry is a set of registers. It is not safe for use while Add is called;
// once filled, any number of goroutines may read it.
type Registry struct {
	registers map[string]Register
}

// New returns an empty registry.
func New() *Registry {
	return &Registry{registers: make(map[string]Register)}
}

// Add enters a register. It refuses a name that is taken, naming both plugins,
// and a register that could never run. Dependencies may be added later.
func (r *Registry) Add(reg Register) error {
	if earlier, taken := r.registers[reg.Name]; taken {
		if earlier.Plugin == reg.Plugin {
			return fmt.Errorf("add register %q: plugin %q announces it twice", reg.Name, reg.Plugin)
		}
		return fmt.Errorf("add register %q of plugin %q: plugin %q already has a register of that name; remove or rename one of them",
			reg.Name, reg.Plugin, earlier.Plugin)
	}
	if err := reg.check(); err != nil {
		return fmt.Errorf("add register %q of plugin %q: %w", reg.Name, reg.Plugin, err)
	}
	r.registers[reg.Name] = reg
	return nil
}

// Lookup returns the register of that name.
func (r *Registry) Lookup(name string) (Register, bool) {
	reg, ok := r.registers[name]
	return reg, ok
}

// All returns every register, sorted by name.
func (r *Registry) All() []Register {
	all := make([]Register, 0, len(r.registers))
	for _, reg := range r.registers {
		all = append(all, reg)
	}
	slices.SortFunc(all, func(a, b Register) int { return strings.Compare(a.Name, b.Name) })
	return all
}

var (
	dottedName  = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$`)
	settingName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]*$`)
)

// check reports the first reason why the register could never run.
func (reg Register) check() error {
	if !dottedName.MatchString(reg.Name) {
		return errors.New("a register's name is lower-case words joined by dots, such as eth.logs")
	}
	if err := reg.checkShape(); err != nil {
		return err
	}
	if err := reg.checkPorts(); err != nil {
		return err
	}
	for i, name := range reg.Dependencies {
		if !dottedName.MatchString(name) {
			return fmt.Errorf("dependency %q: a register's name is lower-case words joined by dots, such as eth.logs", name)
		}
		if slices.Contains(reg.Dependencies[:i], name) {
			return fmt.Errorf("dependency %q stands there twice", name)
		}
	}
	for _, name := range hostNames {
		if reg.Settings.has(name) {
			return fmt.Errorf("setting %q: the host uses that name itself; choose another", name)
		}
	}
	return reg.Settings.check()
}

// checkShape compares inputs and output with what the process type allows.
func (reg Register) checkShape() error {
	switch reg.Type {
	case Reader:
		if len(reg.Inputs) > 0 || len(reg.Dependencies) > 0 {
			return errors.New("a reader has no inputs and no dependencies")
		}
	case Subscriber, Aggregator, Loader:
		if len(reg.Inputs) == 0 {
			return fmt.Errorf("%s %s needs an input", reg.Type.article(), reg.Type)
		}
	default:
		return fmt.Errorf("process type %d is unknown", reg.Type)
	}
	if reg.Type == Subscriber && len(reg.Inputs) > 1 {
		return fmt.Errorf("a subscriber has one input, this one has %d; several are joined by an aggregator", len(reg.Inputs))
	}
	switch {
	case reg.Type == Loader && reg.Output.Name != "":
		return fmt.Errorf("a loader has no output, this one gives %s", reg.Output.Name)
	case reg.Type != Loader && reg.Output.Name == "":
		return fmt.Errorf("%s %s needs an output", reg.Type.article(), reg.Type)
	}
	return nil
}

func (reg Register) checkPorts() error {
	seen := make(map[string]bool)
	for i, port := range reg.Inputs {
		if port.Name == "" && len(reg.Inputs) > 1 {
			return fmt.Errorf("input %d of %d has no name", i+1, len(reg.Inputs))
		}
		if seen[port.Name] {
			return fmt.Errorf("input %q stands there twice", port.Name)
		}
		seen[port.Name] = true
		if port.Type.Name == "" && !port.Any {
			return fmt.Errorf("input %q has no type", port.Name)
		}
	}
	return nil
}

// hostNames are the names in a step's block that mean something to the host.
var hostNames = []string{"after", "for_each", "input", "inputs", "policy", "retry", "scale"}

func (s Settings) has(name string) bool {
	return slices.ContainsFunc(s.Attributes, func(a Attribute) bool { return a.Name == name }) ||
		slices.ContainsFunc(s.Blocks, func(b Block) bool { return b.Name == name })
}

// check reports names that cannot be written or stand there twice, here and in
// every block within.
func (s Settings) check() error {
	seen := make(map[string]bool)
	name := func(n string) error {
		if !settingName.MatchString(n) {
			return fmt.Errorf("setting %q: a setting's name is a word of letters, digits and underscores", n)
		}
		if seen[n] {
			return fmt.Errorf("setting %q stands there twice", n)
		}
		seen[n] = true
		return nil
	}
	for _, attribute := range s.Attributes {
		if err := name(attribute.Name); err != nil {
			return err
		}
	}
	for _, block := range s.Blocks {
		if err := name(block.Name); err != nil {
			return err
		}
		if err := block.Settings.check(); err != nil {
			return fmt.Errorf("block %s: %w", block.Name, err)
		}
	}
	return nil
}
