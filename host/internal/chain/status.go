package chain

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// NetworkStatus is what there is to say about one network.
type NetworkStatus struct {
	Name      string
	ChainID   uint64 // 0: whatever its nodes say
	Finality  string
	Head      uint64 // the newest block that is known; 0: none is
	Final     uint64 // the newest block that is known to be final; 0: none is
	Endpoints []EndpointReport
	Methods   []MethodReport // by name
	Askers    []AskerReport  // by step and plugin
	Cache     CacheStatus
	Heads     HeadsStatus
	Learned   map[string]uint64
	Forks     uint64 // that were seen
}

// CacheStatus is what is kept of a network's answers.
type CacheStatus struct {
	Answers int
	Bytes   uint64
	Most    uint64 // bytes that it may take; 0: nothing is kept
	Purged  uint64 // answers that were forgotten because of a fork
}

// HeadsStatus is how the head of a network is followed.
type HeadsStatus struct {
	Watchers int
	Mode     string // "subscription" or "asking"; "": nobody wants it
	Every    time.Duration
	Heard    time.Time // when there was a new head last
}

// Unreachable tells whether every endpoint has been tried and none serves, and
// what one of them says.
func (n *NetworkStatus) Unreachable() (why string, is bool) {
	for _, e := range n.Endpoints {
		if e.State == "serving" || e.State == "not asked yet" && e.Failures == 0 {
			return "", false
		}
		why = cmp.Or(why, e.LastError)
	}
	return why, len(n.Endpoints) > 0
}

// EndpointReport is what an endpoint is, and what became of calls there.
type EndpointReport struct {
	EndpointStatus
	Limit    string // as the configuration has it
	Attempts uint64
	Failed   Failures // attempts, by chain.Kind
	Received uint64   // bytes of answers
	Units    float64
	Pace     float64 // units a second, of late
	Recent   uint64  // failures within the last minutes
	P50, P95 time.Duration
	P99      time.Duration
	Times    Histogram
}

// MethodReport is what became of calls to one method.
type MethodReport struct {
	Method   string
	Wanted   WantReport
	Attempts uint64
	Units    float64
	P50, P95 time.Duration
}

// AskerReport is what became of what one step wanted.
type AskerReport struct {
	chain.Asker
	WantReport
	Methods map[string]WantReport
}

// WantReport is how wanted calls were answered.
type WantReport struct {
	Calls    uint64
	Kept     uint64 // from what was kept
	Joined   uint64 // with what another waited for already
	Failed   Failures
	Received uint64 // bytes of answers
	Attempts uint64 // at endpoints
}

// Sum is how many there were of all kinds.
func (f *Failures) Sum() (sum uint64) {
	for _, n := range f {
		sum += n
	}
	return sum
}

// Retries is how often an endpoint was asked beyond the first time for each call.
func (w *WantReport) Retries() uint64 {
	return w.Attempts - min(w.Attempts, w.Calls-min(w.Calls, w.Kept+w.Joined))
}

func (w *WantReport) add(o WantReport) {
	w.Calls += o.Calls
	w.Kept += o.Kept
	w.Joined += o.Joined
	w.Received += o.Received
	w.Attempts += o.Attempts
	for i := range w.Failed {
		w.Failed[i] += o.Failed[i]
	}
}

// Histogram is how long all calls took: how many each bound was not exceeded by,
// all of them and their sum.
type Histogram struct {
	Bounds map[float64]uint64 // seconds
	Count  uint64
	Sum    time.Duration
}

// Status is what there is to say about the networks, by name.
func (s *Service) Status() []NetworkStatus {
	s.mu.RLock()
	networks := slices.Collect(maps.Values(s.networks))
	s.mu.RUnlock()
	slices.SortFunc(networks, func(a, b *served) int { return cmp.Compare(a.name, b.name) })
	out := make([]NetworkStatus, len(networks))
	for i, n := range networks {
		out[i] = n.status(time.Now())
	}
	return out
}

func (n *served) status(now time.Time) NetworkStatus {
	l := n.current()
	out := NetworkStatus{Name: n.name, ChainID: l.config.ChainID, Finality: l.config.Finality, Final: l.cache.finalHeight(), Learned: n.learned.all()}
	out.Cache.Answers, out.Cache.Bytes = l.cache.size()
	out.Cache.Most = cacheSize(l.config)
	out.Heads, out.Head = n.heads.status()
	for _, e := range l.Status() {
		report := EndpointReport{EndpointStatus: e}
		for _, c := range l.config.Endpoints {
			if c.Name == e.Name {
				report.Limit = c.Rate
			}
		}
		out.Endpoints = append(out.Endpoints, report)
		out.Head = max(out.Head, e.Height)
	}
	n.counters.report(&out, now)
	return out
}

func (h *heads) status() (s HeadsStatus, number uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s = HeadsStatus{Watchers: len(h.watchers), Heard: h.heard}
	if s.Watchers > 0 {
		s.Mode = h.mode
	}
	for w := range h.watchers {
		if s.Every == 0 || w.every < s.Every {
			s.Every = w.every
		}
	}
	return s, h.last.number
}

// report fills in what was counted.
func (c *counters) report(out *NetworkStatus, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out.Forks, out.Cache.Purged = c.forks, c.purged
	for i := range out.Endpoints {
		c.endpoint(&out.Endpoints[i], now)
	}
	methods := make(map[string]*MethodReport)
	spreads := make(map[string]*spread)
	of := func(name string) *MethodReport {
		if methods[name] == nil {
			methods[name], spreads[name] = &MethodReport{Method: name}, &spread{}
		}
		return methods[name]
	}
	for at, t := range c.spots {
		m := of(at.method)
		m.Attempts += t.attempts
		m.Units += t.units
		t.times.addTo(spreads[at.method], now)
	}
	for who, w := range c.askers {
		asker := AskerReport{Asker: who, Methods: make(map[string]WantReport)}
		for name, want := range w.methods {
			asker.Methods[name] = want.report()
			asker.add(want.report())
			of(name).Wanted.add(want.report())
		}
		out.Askers = append(out.Askers, asker)
	}
	for name, m := range methods {
		m.P50, m.P95 = spreads[name].quantile(0.5), spreads[name].quantile(0.95)
		out.Methods = append(out.Methods, *m)
	}
	slices.SortFunc(out.Methods, func(a, b MethodReport) int { return cmp.Compare(a.Method, b.Method) })
	slices.SortFunc(out.Askers, func(a, b AskerReport) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), cmp.Compare(a.Plugin, b.Plugin))
	})
}

func (w *want) report() WantReport {
	return WantReport{Calls: w.calls, Kept: w.kept, Joined: w.joined, Failed: w.failures, Received: w.bytes, Attempts: w.attempts}
}

// endpoint fills in what was counted at one endpoint.
func (c *counters) endpoint(out *EndpointReport, now time.Time) {
	var all spread
	out.Times.Bounds = make(map[float64]uint64)
	for at, t := range c.spots {
		if at.endpoint != out.Name {
			continue
		}
		out.Attempts += t.attempts
		out.Received += t.bytes
		out.Units += t.units
		out.Pace += t.spent.rate(now)
		out.Recent += t.recent(now)
		for i, n := range t.failures {
			out.Failed[i] += n
		}
		t.times.addTo(&all, now)
		t.times.into(&out.Times)
	}
	out.P50, out.P95, out.P99 = all.quantile(0.5), all.quantile(0.95), all.quantile(0.99)
}

// into adds all that was measured to a histogram.
func (d *durations) into(h *Histogram) {
	sum := uint64(0)
	for i, bound := range bounds {
		sum += d.bounded[i]
		h.Bounds[bound.Seconds()] += sum
	}
	h.Count += sum + d.bounded[len(bounds)]
	h.Sum += d.sum
}
