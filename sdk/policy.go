package sdk

import (
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// maxHeld is how many rows an aggregator holds back unless its policy says
// otherwise.
const maxHeld = 1_000_000

// held are the rows of one input that wait for their tuple, oldest first.
type held struct {
	rows   reflect.Value // a slice of the row type
	blocks []uint64      // of each row; empty under the trigger policy
	since  []time.Time   // when the rows of each batch came, by first row
}

// policy says when a tuple is complete. It is told of rows and watermarks and
// calls back with complete tuples, in order.
type policy struct {
	kind    pluginv1.Policy_Kind
	size    uint64 // blocks in a tuple
	first   uint64 // where spans are counted from
	offset  uint64 // how far the head has to be past a span's end
	on      int    // the trigger's port
	latest  bool
	require bool
	max     int
	timeout time.Duration
}

// newPolicy reads what the host says; nil is one tuple for every block.
func newPolicy(p *pluginv1.Policy, ports []port) (policy, error) {
	out := policy{kind: pluginv1.Policy_KIND_BLOCK, size: 1, max: maxHeld, on: -1}
	if p == nil {
		return out, nil
	}
	out.timeout = time.Duration(p.TimeoutNs)
	if p.Max > 0 {
		out.max = int(min(p.Max, math.MaxInt32))
	}
	switch p.Kind {
	case pluginv1.Policy_KIND_UNSPECIFIED, pluginv1.Policy_KIND_BLOCK:
	case pluginv1.Policy_KIND_EPOCH:
		out.kind, out.size, out.first, out.offset = p.Kind, p.Size, p.First, p.Offset
		if out.size == 0 {
			return out, fmt.Errorf("the epoch policy needs the size of an epoch")
		}
	case pluginv1.Policy_KIND_TRIGGER:
		out.kind, out.latest, out.require = p.Kind, p.Latest, p.Require
		for i := range ports {
			if ports[i].name == p.On {
				out.on = i
			}
		}
		if out.on < 0 {
			return out, fmt.Errorf("the trigger policy is on %q, which is no input of this register", p.On)
		}
	default:
		return out, fmt.Errorf("unknown policy %d", p.Kind)
	}
	return out, nil
}

// span is the blocks that the tuple of block b covers, both inclusive.
func (p policy) span(b uint64) Span {
	if b < p.first {
		return Span{Begin: 0, End: p.first - 1}
	}
	begin := p.first + (b-p.first)/p.size*p.size
	return Span{Begin: begin, End: begin + p.size - 1}
}

// Span is the block range a tuple covers. An aggregator whose tuple has a field
// of this type is told it.
type Span struct {
	Begin uint64 // inclusive
	End   uint64 // inclusive
	// Complete is false when the policy's timeout has run out before every
	// input had reached End.
	Complete bool
}
