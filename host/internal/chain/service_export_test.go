package chain

import (
	"github.com/penstock-io/penstock/host/internal/config"
)

// Nodes are what a service asks.
type Nodes = nodes

// NewServiceOf makes a service of nodes that a test has.
func NewServiceOf(c Config, dial func(*config.Network, func(Observation)) (Nodes, error)) (*Service, error) {
	return newService(c, dial)
}

// ErrNoSubscriptions is what nodes say that cannot be subscribed to.
var ErrNoSubscriptions = errNoSubscriptions
