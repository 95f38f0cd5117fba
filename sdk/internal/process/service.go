package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/internal/hostlink"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Service answers a host for the registers of one plugin.
type Service struct {
	registers   map[string]Register
	description *pluginv1.DescribeResponse
	logger      hclog.Logger
	turns       turns
	link        *hostlink.Link
}

// NewService checks the registers; everything that is wrong with them is told
// at once.
func NewService(registers []Register, version, sdkVersion string, logger hclog.Logger) (*Service, error) {
	if len(registers) == 0 {
		return nil, errors.New("it has no registers: give Serve at least one")
	}
	s := &Service{
		registers:   make(map[string]Register),
		description: &pluginv1.DescribeResponse{Version: version, SdkVersion: sdkVersion, Protocol: wire.Protocol},
		logger:      logger,
		link:        hostlink.NewLink(),
	}
	var errs []error
	for _, r := range registers {
		if err := r.checkNames(); err != nil {
			errs = append(errs, err)
		}
		if _, twice := s.registers[r.Name]; twice {
			errs = append(errs, fmt.Errorf("register %s: it is served twice: give one of the two another name", r.Name))
		}
		s.registers[r.Name] = r
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("register %s: %w", r.Name, r.Err))
			continue
		}
		s.description.Registers = append(s.description.Registers, r.message())
	}
	return s, errors.Join(errs...)
}

// checkName refuses names that hosts refuse.
func checkName(name string) error {
	for word := range strings.SplitSeq(name, ".") {
		wrong := func(r rune) bool { return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }
		if word == "" || word[0] < 'a' || word[0] > 'z' || strings.ContainsFunc(word, wrong) {
			return errors.New("this is no name: write words of small letters, digits and _ that begin with a letter, with dots between, such as eth.logs")
		}
	}
	return nil
}

// checkNames checks the name of a register and those that it reads by default.
func (r Register) checkNames() error {
	if err := checkName(r.Name); err != nil {
		return fmt.Errorf("register %q: %w", r.Name, err)
	}
	for _, name := range r.Dependencies {
		if err := checkName(name); err != nil {
			return fmt.Errorf("register %s, which reads %q: %w", r.Name, name, err)
		}
	}
	return nil
}

// message is the register as the host sees it.
func (r Register) message() *pluginv1.Register {
	m := &pluginv1.Register{
		Name: r.Name, Type: r.Type, Doc: sendable(r.Doc), ManyInputs: r.ManyInputs,
		Dependencies: r.Dependencies, Addressable: r.Addressable, Settings: r.Settings,
		Truncates: r.Truncates, Unrepeatable: r.Unrepeatable,
		Exclusive: r.Exclusive, Network: r.Network, SnapshotVersion: r.version(), OldestSnapshot: r.oldest(),
		Output: r.outputMessage(),
	}
	for _, p := range r.Inputs {
		in := &pluginv1.Port{Name: p.Name, Any: p.Any}
		if !p.Any {
			in.Type = &pluginv1.DataType{Name: p.Type.Name, Schema: p.Type.MarshalSchema()}
		}
		m.Inputs = append(m.Inputs, in)
	}
	return m
}

func (r Register) version() uint32 { return max(r.Version, 1) }

func (r Register) oldest() uint32 {
	if r.Oldest == 0 {
		return r.version()
	}
	return r.Oldest
}

// checkVersion refuses snapshots that the register cannot begin with.
func (r Register) checkVersion(version uint32) error {
	version = max(version, 1)
	if version >= r.oldest() && version <= r.version() {
		return nil
	}
	can := fmt.Sprintf("version %d", r.version())
	if r.oldest() < r.version() {
		can = fmt.Sprintf("versions %d to %d", r.oldest(), r.version())
	}
	return fmt.Errorf("the snapshot of register %s has version %d, and this plugin can begin with %s", r.Name, version, can)
}

// outputMessage is the type of what the register emits, nil for loaders.
func (r Register) outputMessage() *pluginv1.DataType {
	if r.Output.Name == "" {
		return nil
	}
	return &pluginv1.DataType{Name: r.Output.Name, Schema: r.Output.MarshalSchema()}
}

// Description is what Describe answers.
func (s *Service) Description() *pluginv1.DescribeResponse { return s.description }

// Describe tells what the plugin offers.
func (s *Service) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	return s.description, nil
}

// Configure checks settings on a worker that is thrown away.
func (s *Service) Configure(_ context.Context, req *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	r, err := s.register(req.Register)
	if err != nil {
		return nil, err
	}
	_, mistakes := r.New(req.Settings)
	res := &pluginv1.ConfigureResponse{}
	for _, m := range mistakes {
		res.Mistakes = append(res.Mistakes, &pluginv1.Mistake{Attribute: sendable(m.Attribute), Message: sendable(m.Message)})
	}
	return res, nil
}

func (s *Service) register(name string) (Register, error) {
	if r, ok := s.registers[name]; ok {
		return r, nil
	}
	nearest, best := "", len(name)/3+2
	for other := range s.registers {
		if d := levenshtein.Distance(name, other, nil); d < best || d == best && other < nearest {
			best, nearest = d, other
		}
	}
	if nearest == "" {
		return Register{}, fmt.Errorf("this plugin has no register %q", name)
	}
	return Register{}, fmt.Errorf("this plugin has no register %q: did you mean %q?", name, nearest)
}

// checkInputs holds a host to the register's ports: each is wired once, or,
// where it takes many, at least once.
func (r Register) checkInputs(inputs []*pluginv1.Input) error {
	wired := make(map[string]string, len(inputs))
	for _, in := range inputs {
		if !slices.ContainsFunc(r.Inputs, func(p Port) bool { return p.Name == in.GetPort() }) {
			return fmt.Errorf("register %s has no input %q, which %s is wired to", r.Name, in.GetPort(), in.GetName())
		}
		if other, twice := wired[in.Port]; twice && !r.ManyInputs {
			return fmt.Errorf("input %q of register %s takes one stream, but %s and %s are wired to it", in.Port, r.Name, other, in.Name)
		}
		wired[in.Port] = in.Name
	}
	for _, p := range r.Inputs {
		if _, ok := wired[p.Name]; !ok {
			return fmt.Errorf("input %q of register %s is not wired to anything", p.Name, r.Name)
		}
	}
	return nil
}
