package chain

import "time"

// EndpointStatus is what there is to say about an endpoint.
type EndpointStatus struct {
	Name, URL                                                        string // without credentials
	Role                                                             string
	Cost                                                             float64
	State                                                            string        // "serving", "resting", "probing", "wrong chain", "not asked yet"
	Rests                                                            time.Duration // until it is asked again
	Held                                                             time.Duration // until its rate, or its wish to be left alone, lets the next call pass
	Height                                                           uint64        // newest block that it has shown; 0: none yet
	Behind                                                           uint64        // blocks, of the newest that any endpoint has shown
	InFlight                                                         int           // exchanges
	Waiting                                                          int           // exchanges
	Parallel                                                         int           // exchanges that it stands at once
	Rate                                                             float64       // units a second that it turned out to stand; 0: no limit was met
	Batch                                                            int           // most calls in one batch
	Exchanges, Calls, Failures, Throttled, Mismatches, Hedges, Bytes uint64
	SpentToday                                                       float64 // units, since midnight UTC or the start of the host
	LastError                                                        string  // of the last failure, without credentials
}

// Status is what there is to say about the endpoints, in the order of the
// configuration.
func (n *Network) Status() []EndpointStatus {
	head := n.head()
	now := n.clock.Now()
	all := make([]EndpointStatus, len(n.endpoints))
	for i, ep := range n.endpoints {
		all[i] = ep.status(now, head)
	}
	return all
}

func (ep *endpoint) status(now time.Time, head uint64) EndpointStatus {
	s := EndpointStatus{Name: ep.name, URL: ep.where, Role: ep.role, Cost: ep.cost, Batch: ep.sizes.limit()}
	state := ep.state(now)
	s.Held = max(0, ep.gate.wait())
	ep.gate.mu.Lock()
	s.InFlight, s.Waiting, s.Parallel, s.Rate = ep.gate.inFlight, ep.gate.waiting, int(ep.gate.parallel), ep.gate.pace.rate
	if now.Unix()/86400 == ep.gate.today {
		s.SpentToday = ep.gate.spent
	}
	ep.gate.mu.Unlock()
	ep.mu.Lock()
	defer ep.mu.Unlock()
	switch {
	case ep.stranger != nil:
		s.State = "wrong chain"
	case state == probed:
		s.State = "probing"
	case state != serving:
		s.State = "resting"
	case !ep.admitted:
		s.State = "not asked yet"
	default:
		s.State = "serving"
	}
	if state != serving {
		s.Rests = max(0, ep.rests.Sub(now))
	}
	if s.Height = ep.height; s.Height > 0 {
		s.Behind = head - min(head, s.Height)
	}
	c := ep.counts
	s.Exchanges, s.Calls, s.Failures, s.Throttled, s.Mismatches, s.Hedges, s.Bytes = c.exchanges, c.calls, c.failures, c.throttled, c.mismatches, c.hedges, c.bytes
	if ep.last != nil {
		s.LastError = ep.secrets.clean(ep.last).Error()
	}
	return s
}
