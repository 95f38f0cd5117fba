package chain

import (
	"slices"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// ask is a call on its way to an answer.
type ask struct {
	query *chain.Query
	at    int // its place in the request
	class string
	need  need
	began time.Time

	tries   int
	tried   []*endpoint // in this round
	rounds  int         // how often all have been tried
	nulls   int         // how often the answer was null though it should not be
	unclear []*endpoint // gave errors that nobody understands
	aside   bool        // the endpoints are well, the answers were of no use: to be asked again after a while
	fault   *chain.Error
}

func (a *ask) hasTried(ep *endpoint) bool { return slices.Contains(a.tried, ep) }

// refused is how often an endpoint's answer to the call was of no use.
func (a *ask) refused(ep *endpoint) int {
	n := 0
	for _, r := range a.query.Rejected {
		if r.Endpoint == ep.label {
			n++
		}
	}
	return n
}

// try notes an attempt that has not brought an answer.
func (a *ask) try(ep *endpoint, fault *chain.Error) {
	a.tries++
	a.fault = fault
	if !a.hasTried(ep) {
		a.tried = append(a.tried, ep)
	}
}
