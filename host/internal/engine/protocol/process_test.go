package protocol

// verified tells whether a reader stands on the chain as it is now.
func (m *model) verified(s *state, p uint8) bool {
	r := &s.procs[p].read
	return r.fork == 0 && s.procs[p].life != dead && r.known[r.pos] == s.chain.branch[r.pos]
}

// awaited tells whether a process has yet to answer the barrier under way.
func (s *state) awaited(p uint8) bool {
	return s.host.pending.k != 0 && s.host.answered&(1<<p) == 0
}

// reader emits blocks of the chain as it is, each linked to the one before it;
// answers barriers between two; and reports when its last block is gone.
func (m *model) reader(s *state, p uint8) {
	at := &s.procs[p]
	r := &at.read
	switch {
	case at.life == gone || r.fork != 0:
		return
	case at.life == ended:
		m.standIn(s, p)
		return
	}
	if (r.part == 0 || m.tornBarrier) && s.awaited(p) {
		m.putBarrier(m.add(s, readerAnswers, p, 0), p)
	}
	ok := m.verified(s, p)
	if !ok {
		m.report(s, p)
	}
	if r.pos == m.blocks {
		if m.endsEarly && (ok || r.pos == r.from) || ok && s.chain.final == m.blocks {
			n := m.add(s, readerEnds, p, 0)
			n.procs[p].life = ended
		}
		return
	}
	if r.part > 0 || ok {
		m.emit(m.add(s, readerEmits, p, 0), p)
	}
}

// putBarrier answers for a reader: the barrier is in line with its rows.
func (m *model) putBarrier(n *state, p uint8) {
	h := &n.host
	c := m.place(n, p)
	if n.procs[p].read.part > 0 { // where a barrier must never be
		c = cursor{c.block + 1, n.procs[p].read.known[c.block+1]}
	}
	h.pending.cursors[m.nodes[p].slot] = c
	h.answered |= 1 << p
	m.publish(n, p, newBarrier(h.pending.k))
}

// standIn answers for a reader that has ended. Its end waits until all have,
// and for the barrier of the closing checkpoint.
func (m *model) standIn(s *state, p uint8) {
	if s.awaited(p) && !m.nobodyStandsIn {
		m.putBarrier(m.add(s, hostAnswersFor, p, 0), p)
		return
	}
	if s.host.closing != 0 || m.nobodyStandsIn {
		n := m.add(s, hostEnds, p, 0)
		n.procs[p].life = gone
		m.publish(n, p, kindEnd)
	}
}

func (m *model) emit(n *state, p uint8) {
	r := &n.procs[p].read
	b := r.pos + 1
	if r.part == 0 {
		r.known[b] = n.chain.branch[b]
	}
	f := newRow(b, r.part, r.known[b], 0, 0)
	r.part++
	if r.part == m.parts[b] {
		r.pos, r.part = b, 0
	}
	m.publish(n, p, f)
}

// report tells where the chain has forked: the newest block that the reader
// remembers and that is still on it. If it remembers none, it may find the
// fork by following the parents of its cursor, or fall back on the newest
// final block, or on the block before its cursor.
func (m *model) report(s *state, p uint8) {
	r := &s.procs[p].read
	for b := r.pos; ; b-- {
		if r.known[b] == s.chain.branch[b] {
			m.reports(s, p, b)
			return
		}
		if b == r.from {
			break
		}
	}
	was := s.chain.onBranch(r.known[r.from])
	exact := r.from - 1
	for was[exact] != s.chain.branch[exact] {
		exact--
	}
	m.reports(s, p, exact)
	if s.chain.final < exact {
		m.reports(s, p, s.chain.final)
	}
	if exact < r.from-1 {
		m.reports(s, p, r.from-1)
	}
}

func (m *model) reports(s *state, p, fork uint8) {
	n := m.add(s, readerReports, p, fork)
	n.procs[p].read.fork = fork + 1
}

// subscriber works its state into every row.
func (m *model) subscriber(s *state, p uint8) {
	const flushed = 1 << 15
	node := &m.nodes[p]
	in := node.in[0]
	switch f := s.edges[in][0]; f.kind() {
	case kindRow:
		n := m.add(s, takesRow, p, 0)
		m.pop(n, in)
		out, tag := transform(f, uint8(s.procs[p].state))
		n.procs[p].state = uint16(tag)
		m.publish(n, p, out)
	case kindBarrier:
		n := m.add(s, takesBarrier, p, 0)
		m.pop(n, in)
		m.snapshot(n, p, f.checkpoint())
	case kindEnd:
		if node.flushes && s.procs[p].state&flushed == 0 {
			n := m.add(s, flushes, p, 0)
			m.publish(n, p, flushRow(uint8(s.procs[p].state)))
			n.procs[p].state |= flushed
			return
		}
		n := m.add(s, takesEnd, p, 0)
		m.pop(n, in)
		n.procs[p].life, n.procs[p].state = ended, 0
		m.publish(n, p, kindEnd)
	}
}

// snapshot answers a barrier with the state and passes it on.
func (m *model) snapshot(n *state, p uint8, k number) {
	if h := &n.host; h.pending.k == k {
		h.pending.snapshots[m.nodes[p].slot] = n.procs[p].state
		h.answered |= 1 << p
	}
	m.publish(n, p, newBarrier(k))
}

// join pairs the rows of its inputs by block. Its state is the rows that wait:
// for each input and block two bits, the branch and one.
func (m *model) join(s *state, p uint8) {
	at := &s.procs[p]
	for i, e := range m.nodes[p].in {
		i, bit := uint8(i), uint8(1)<<i
		if at.held&bit != 0 {
			continue
		}
		switch f := s.edges[e][0]; f.kind() {
		case kindRow:
			if m.boundedJoin && at.state>>(6*i)&63 != 0 {
				continue
			}
			n := m.add(s, takesRow, p, i)
			m.pop(n, e)
			m.pair(n, p, i, f)
		case kindBarrier:
			n := m.add(s, takesBarrier, p, i)
			m.pop(n, e)
			if m.unaligned {
				if n.procs[p].seen < f.checkpoint() {
					n.procs[p].seen = f.checkpoint()
					m.snapshot(n, p, f.checkpoint())
				}
				continue
			}
			n.procs[p].held |= bit
			if m.aligned(n, p) {
				m.snapshot(n, p, f.checkpoint())
			}
		case kindEnd:
			n := m.add(s, takesEnd, p, i)
			m.pop(n, e)
			m.joinEnds(n, p, bit)
		}
	}
}

func (m *model) joinEnds(n *state, p, bit uint8) {
	at := &n.procs[p]
	at.over |= bit
	if at.over == m.allInputs(p) {
		*at = proc{life: ended}
		m.publish(n, p, kindEnd)
		return
	}
	if at.held != 0 && m.aligned(n, p) {
		m.snapshot(n, p, n.host.pending.k)
	}
}

func (m *model) allInputs(p uint8) uint8 { return 1<<len(m.nodes[p].in) - 1 }

// aligned tells whether all inputs have brought the barrier or are over, and
// lets them go on if so.
func (m *model) aligned(n *state, p uint8) bool {
	at := &n.procs[p]
	if at.held|at.over != m.allInputs(p) {
		return false
	}
	at.held = 0
	return true
}

func (m *model) pair(n *state, p, input uint8, f frame) {
	at := &n.procs[p]
	place := func(input uint8) uint16 { return uint16(6*input + 2*(f.block()-1)) }
	other := at.state >> place(1-input) & 3
	if other == 0 {
		at.state |= uint16(f.branch()+1) << place(input)
		return
	}
	at.state &^= 3 << place(1-input)
	branches := [2]uint8{f.branch(), uint8(other) - 1}
	m.publish(n, p, newRow(f.block(), 0, branches[input], branches[1-input], 0))
}
