package chain

import "time"

// outage is the time for which the breaker of an endpoint is open. Where there is no
// other endpoint it is asked nevertheless: its failures are counted, and the log is
// told when the outage begins, at most once in each rest of the breaker, and when it
// is over.
type outage struct {
	failures uint64
	told     time.Time // when the log was told of it last
}

// opened notes that the breaker has opened now. The caller holds the lock.
func (ep *endpoint) opened(now time.Time) { ep.outage = outage{failures: 1, told: now} }

// failedStill notes a failure while the breaker is open. It returns how many there
// were, and whether it is time to tell of them.
func (ep *endpoint) failedStill() (failures uint64, tell bool) {
	now := ep.clock.Now()
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.outage.failures++
	if now.Sub(ep.outage.told) < ep.rest {
		return 0, false
	}
	ep.outage.told = now
	return ep.outage.failures, true
}

// tellFailure tells the log of a failure: of each while the endpoint serves, of the
// one with which it stops serving, and now and then of those that follow.
func (n *Network) tellFailure(ep *endpoint, before, after state, err error, wait time.Duration) {
	switch {
	case before != serving:
		if failures, tell := ep.failedStill(); tell {
			n.log.Warn("the endpoint still fails", "endpoint", ep.label, "failures", failures, "error", err)
		}
	case after != serving:
		n.log.Error("the endpoint fails again and again: it is left alone for a while", "endpoint", ep.label, "error", err, "rest", ep.rest.String())
	case wait > 0:
		n.log.Warn("the endpoint failed", "endpoint", ep.label, "error", err, "wait", wait.Round(time.Millisecond).String())
	}
}

// serves closes the breaker of an endpoint that has answered a probe.
func (n *Network) serves(ep *endpoint) {
	if failures, again := ep.answered(nil); again {
		n.log.Info("the endpoint serves again", "endpoint", ep.label, "failures", failures)
	}
}
