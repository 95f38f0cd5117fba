package sdk

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// maxHeld is how many rows an aggregator holds back on one input unless its
// policy says otherwise.
const maxHeld = 1_000_000

// policy says when a tuple is complete.
type policy struct {
	trigger int    // the trigger's port; -1: tuples are spans of blocks
	size    uint64 // blocks in a tuple
	first   uint64 // where spans are counted from
	offset  uint64 // how far the head has to be past a span's end
	latest  bool   // keep the newest row of each other port
	require bool   // hold the trigger back until every other port has a row
	max     int    // rows held back on one input
	timeout time.Duration
}

// newPolicy reads what the host says; nil is one tuple for every block.
func newPolicy(p *pluginv1.Policy, ports []process.Port) (policy, error) {
	out := policy{trigger: -1, size: 1, max: maxHeld, timeout: time.Duration(p.GetTimeoutNs())}
	if n := p.GetMax(); n > 0 {
		out.max = int(min(n, math.MaxInt32))
	}
	switch p.GetKind() {
	case pluginv1.Policy_KIND_UNSPECIFIED, pluginv1.Policy_KIND_BLOCK:
	case pluginv1.Policy_KIND_EPOCH:
		out.size, out.first, out.offset = p.Size, p.First, p.Offset
		if out.size == 0 {
			return out, errors.New("the epoch policy needs the size of an epoch: set size to 1 or more")
		}
	case pluginv1.Policy_KIND_TRIGGER:
		out.latest, out.require = p.Latest, p.Require
		out.trigger = slices.IndexFunc(ports, func(port process.Port) bool { return port.Name == p.On })
		if out.trigger < 0 {
			return out, fmt.Errorf("the trigger policy is on %q, which is no input of this register: its inputs are %s", p.On, portNames(ports))
		}
	default:
		return out, fmt.Errorf("policy %d is not known to this version of the SDK (%s): rebuild the plugin", p.GetKind(), Version)
	}
	return out, nil
}

func portNames(ports []process.Port) string {
	names := make([]string, len(ports))
	for i, p := range ports {
		names[i] = p.Name
	}
	return fmt.Sprintf("%q", names)
}

// span is the blocks that the tuple of block b covers, both inclusive. Blocks
// before the first are one span.
func (p policy) span(b uint64) Span {
	if b < p.first {
		return Span{Begin: 0, End: p.first - 1}
	}
	begin := p.first + (b-p.first)/p.size*p.size
	if end := begin + p.size - 1; end >= begin {
		return Span{Begin: begin, End: end}
	}
	return Span{Begin: begin, End: math.MaxUint64}
}

// released is the last block whose span may be made once every input has
// reached p; ok is false while there is none.
func (p policy) released(point SafePoint) (last uint64, ok bool) {
	reached := point.Cursor.Block
	if head := max(point.Head, reached); p.offset > 0 {
		if head < p.offset {
			return 0, false
		}
		reached = min(reached, head-p.offset)
	}
	span := p.span(reached)
	if span.End == reached {
		return reached, true
	}
	if span.Begin == 0 {
		return 0, false
	}
	return span.Begin - 1, true
}
