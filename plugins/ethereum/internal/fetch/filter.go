package fetch

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/verify"
)

// Filter chooses logs: those that any of its groups takes.
type Filter []Group

// Group takes logs from any of its addresses that have any of the topics given for each position. What is empty takes all.
type Group struct {
	Addresses []common.Address
	Topics    [][]common.Hash
}

// Everything takes every log.
func Everything() Filter { return Filter{{}} }

// selection is a filter made ready.
type selection struct {
	groups []group
	all    bool // it takes every log
}

type group struct {
	Group
	from  map[common.Address]bool // nil: any
	bloom *verify.Filter
}

func newSelection(f Filter) *selection {
	s := &selection{}
	for _, g := range f {
		g.Topics = plain(g.Topics)
		ready := group{Group: g, bloom: verify.NewFilter(g.Addresses, g.Topics)}
		if len(g.Addresses) > 0 {
			ready.from = make(map[common.Address]bool, len(g.Addresses))
			for _, a := range g.Addresses {
				ready.from[a] = true
			}
		}
		s.all = s.all || len(g.Addresses) == 0 && len(g.Topics) == 0
		s.groups = append(s.groups, ready)
	}
	return s
}

// plain writes positions that take anything as null, and leaves them out at the end, where some nodes do not want them.
func plain(topics [][]common.Hash) [][]common.Hash {
	var out [][]common.Hash
	last := 0
	for _, hashes := range topics {
		if len(hashes) == 0 {
			hashes = nil
		}
		out = append(out, hashes)
		if hashes != nil {
			last = len(out)
		}
	}
	return out[:last]
}

func (g *group) takes(l *eth.Log) bool {
	if g.from != nil && !g.from[l.Address] {
		return false
	}
	for i, any := range g.Topics {
		if len(any) > 0 && (i >= len(l.Topics) || !slices.Contains(any, l.Topics[i])) {
			return false
		}
	}
	return true
}

func (s *selection) takes(l *eth.Log) bool {
	for i := range s.groups {
		if s.groups[i].takes(l) {
			return true
		}
	}
	return false
}

// from appends those logs that are chosen.
func (s *selection) from(dst, logs []eth.Log) []eth.Log {
	for i := range logs {
		if s.takes(&logs[i]) {
			dst = append(dst, logs[i])
		}
	}
	return dst
}

// may reports whether a block with a bloom may have a log that is chosen.
func (s *selection) may(bloom []byte) bool {
	for i := range s.groups {
		if s.groups[i].bloom.May(bloom) {
			return true
		}
	}
	return false
}

// shape says in a word what is asked for, so that what nodes take can be remembered for more of the kind.
func (s *selection) shape() string {
	shape := ""
	for i := range s.groups {
		g := &s.groups[i]
		switch {
		case len(g.Addresses) == 0 && len(g.Topics) == 0:
			return "all"
		case len(g.Addresses) > 0 && len(g.Topics) > 0:
			shape = "addresses+topics"
		case len(g.Addresses) > 0:
			return "addresses"
		default:
			return "topics"
		}
	}
	return shape
}

// question is the part of an eth_getLogs that does not say which blocks, and the group that it is for.
type question struct {
	group     *group
	addresses []common.Address
}

// questions are what has to be asked to find all logs, with so many addresses in one call at most.
func (s *selection) questions(most int) []question {
	var all []question
	for i := range s.groups {
		g := &s.groups[i]
		rest := g.Addresses
		for len(rest) > most {
			all = append(all, question{g, rest[:most]})
			rest = rest[most:]
		}
		all = append(all, question{g, rest})
	}
	return all
}

// widest is the most addresses that a group has.
func (s *selection) widest() (n int) {
	for i := range s.groups {
		n = max(n, len(s.groups[i].Addresses))
	}
	return n
}

func (q question) params() map[string]any {
	params := map[string]any{}
	if len(q.addresses) > 0 {
		params["address"] = q.addresses
	}
	if len(q.group.Topics) > 0 {
		params["topics"] = q.group.Topics
	}
	return params
}
