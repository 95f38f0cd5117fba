package main

// past says what was taken back, so that clients that were away can be told.
// The zero past knows of nothing.
type past struct{ Entries []undone }

// undone says that clients which were told by a generation before this one may
// have rows from this number on that do not hold.
type undone struct {
	Generation uint64 `json:"generation"`
	Sequence   uint64 `json:"sequence"`
}

// mostUndone bounds how many are kept. Older ones become one, which says a little
// more than is true.
const mostUndone = 256

// add adds what a generation takes back.
func (p *past) add(generation, sequence uint64) {
	if n := len(p.Entries); n > 0 && p.Entries[n-1].Generation == generation {
		p.Entries[n-1].Sequence = min(p.Entries[n-1].Sequence, sequence)
		return
	}
	p.Entries = append(p.Entries, undone{generation, sequence})
	if len(p.Entries) > mostUndone {
		p.Entries[1].Sequence = min(p.Entries[0].Sequence, p.Entries[1].Sequence)
		p.Entries = append([]undone{}, p.Entries[1:]...)
	}
}

// holds is up to which number the rows hold that a client was told of by a
// generation, and of which it has those before have.
func (p *past) holds(generation, have uint64) uint64 {
	for _, e := range p.Entries {
		if e.Generation > generation {
			have = min(have, e.Sequence)
		}
	}
	return have
}
