package chain

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk/chain"
)

// Config is what a Service is made of.
type Config struct {
	Networks []*config.Network
	// DataDir is where what was learned about nodes is kept; "": it is forgotten
	// with the service.
	DataDir string
	Logger  hclog.Logger // nil: nothing is logged
}

// Service answers plugins for all networks of a project. Between them and the
// nodes it keeps answers that cannot change, asks once for what several want at
// the same time, follows each head once, and counts.
//
// It is safe for concurrent use, and is closed by whoever made it.
type Service struct {
	cfg  Config
	dial dialer

	mu       sync.RWMutex // protects the fields below
	networks map[string]*served
	silent   []string // networks without an endpoint
	closed   bool
}

// nodes are the endpoints of one network: *Network, or what a test has.
type nodes interface {
	Exchange(ctx context.Context, r chain.Request) ([]chain.Result, error)
	Subscribe(ctx context.Context, params []byte, take func(event []byte) error) error
	Status() []EndpointStatus
	Close()
}

var _ chain.Service = (*Service)(nil)

// New makes a service. It connects to nothing before it is asked something.
func New(c Config) (*Service, error) {
	return newService(c, func(n *config.Network, observe func(Observation)) (nodes, error) {
		logger := c.Logger
		if logger != nil {
			logger = logger.Named(n.Name)
		}
		return NewNetwork(NetworkConfig{Network: n, Logger: logger, Observe: observe})
	})
}

// dialer makes the nodes of a network, which tell of what becomes of each call.
type dialer func(n *config.Network, observe func(Observation)) (nodes, error)

func newService(c Config, dial dialer) (*Service, error) {
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	s := &Service{cfg: c, dial: dial, networks: make(map[string]*served)}
	if err := s.Update(c.Networks); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Update makes the networks what they are to be from now on. One whose block has
// not changed goes on untouched; of one that has, calls under way are made again
// at its new endpoints, and what was kept of its answers is forgotten. If a
// network cannot be, nothing changes.
func (s *Service) Update(networks []*config.Network) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errEnding
	}
	fresh, silent, err := s.changed(networks)
	if err != nil {
		return err
	}
	s.silent = silent
	for name, was := range s.networks {
		gone := !slices.ContainsFunc(networks, func(n *config.Network) bool { return n.Name == name && len(n.Endpoints) > 0 })
		if gone {
			delete(s.networks, name)
			was.close()
		}
	}
	for name, n := range fresh {
		if was := s.networks[name]; was != nil {
			was.move(n.line)
			continue
		}
		s.networks[name] = n
	}
	return nil
}

// changed connects the networks that are new, or have other blocks. Those without
// an endpoint cannot be asked, which is told to whoever tries.
func (s *Service) changed(networks []*config.Network) (fresh map[string]*served, silent []string, err error) {
	fresh = make(map[string]*served)
	for _, n := range networks {
		was := s.networks[n.Name]
		switch {
		case len(n.Endpoints) == 0:
			silent = append(silent, n.Name)
			continue
		case was != nil && was.current().same(n):
			continue
		}
		next, err := s.connect(n, was)
		if err != nil {
			for _, n := range fresh {
				n.line.end()
			}
			return nil, nil, err
		}
		fresh[n.Name] = next
	}
	return fresh, silent, nil
}

// connect makes a network, or a new line for one that there is.
func (s *Service) connect(n *config.Network, was *served) (*served, error) {
	cache, err := newCache(cacheSize(n))
	if err != nil {
		return nil, fmt.Errorf("network %q: make its cache: %w", n.Name, err)
	}
	next := &served{name: n.Name, logger: s.cfg.Logger.Named(n.Name), counters: newCounters()}
	if was != nil {
		next.counters = was.counters
	}
	dialled, err := s.dial(n, next.counters.observe)
	if err != nil {
		return nil, err
	}
	next.line = newLine(n, dialled, cache)
	if was == nil {
		dir := ""
		if s.cfg.DataDir != "" {
			dir = filepath.Join(s.cfg.DataDir, "chain")
		}
		next.learned = readLearned(dir, n, next.logger)
		next.heads = newHeads(next)
	}
	return next, nil
}

// defaultCache is how many bytes of answers are kept of one network.
const defaultCache = 64 << 20

func cacheSize(n *config.Network) uint64 {
	if n.RPC.Cache == nil {
		return defaultCache
	}
	return *n.RPC.Cache
}

var errEnding = errors.New("the host is ending: the nodes are asked nothing any more")

// find is the network of a name.
func (s *Service) find(name string) (*served, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if n := s.networks[name]; n != nil {
		return n, nil
	}
	known := slices.Sorted(maps.Keys(s.networks))
	switch {
	case s.closed:
		return nil, errEnding
	case name == "" && len(known) == 1:
		return s.networks[known[0]], nil
	}
	return nil, &UnknownError{Name: name, Known: known, Silent: slices.Contains(s.silent, name)}
}

// UnknownError tells that a network cannot be asked: a host has none of this name,
// or one without an endpoint.
type UnknownError struct {
	Name   string
	Known  []string // those that can be asked, sorted
	Silent bool     // it is there, but has no endpoint
}

func (e *UnknownError) Error() string {
	known := strings.Join(e.Known, ", ")
	switch {
	case e.Silent:
		return fmt.Sprintf("ask network %q: it has no endpoint: write a block such as endpoint \"local\" { url = \"http://127.0.0.1:8545\" } into its block", e.Name)
	case known == "":
		return fmt.Sprintf("ask network %q: there is no network here: write a network block with an endpoint", e.Name)
	case e.Name == "":
		return "there are several networks, so say which one is to be asked: " + known
	}
	return fmt.Sprintf("ask network %q: there is no such network here: there is %s", e.Name, known)
}

// Exchange answers calls from what was kept, from answers that others wait for
// already, and from nodes.
func (s *Service) Exchange(ctx context.Context, r chain.Request) ([]chain.Result, error) {
	n, err := s.find(r.Network)
	if err != nil {
		return nil, err
	}
	return n.exchange(ctx, r)
}

// Subscribe tells of events. Heads are followed once for all who want them, with
// every endpoint; anything else is subscribed to at a node that can, and ends
// when its connection breaks.
func (s *Service) Subscribe(ctx context.Context, sub chain.Subscription, take func(event []byte) error) error {
	n, err := s.find(sub.Network)
	if err != nil {
		return err
	}
	if every, is := wantsHeads(sub.Params); is {
		return n.heads.watch(ctx, every, take)
	}
	return n.subscribe(ctx, sub.Params, take)
}

// Known is what was learned about a network, as far as it is not too old.
func (s *Service) Known(_ context.Context, network string) (map[string]uint64, error) {
	n, err := s.find(network)
	if err != nil {
		return nil, err
	}
	return n.learned.all(), nil
}

// Learn keeps a number under a name; 0 forgets it.
func (s *Service) Learn(_ context.Context, network, name string, value uint64) error {
	n, err := s.find(network)
	if err != nil {
		return err
	}
	return n.learned.put(name, value)
}

// Close ends all that is under way and waits for it.
func (s *Service) Close() {
	s.mu.Lock()
	networks := s.networks
	s.networks, s.closed = nil, true
	s.mu.Unlock()
	for _, n := range networks {
		n.close()
	}
}
