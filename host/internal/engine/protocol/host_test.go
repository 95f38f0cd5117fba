package protocol

// hosts is what the host does by itself.
func (m *model) hosts(s *state) {
	m.heeds(s)
	h := &s.host
	if int(h.opened) < len(m.nodes) {
		m.open(m.add(s, hostOpens, uint8(len(m.nodes))-1-h.opened, 0))
		return
	}
	if h.pending.k == 0 && h.closing == 0 {
		m.asks(s)
	}
	if h.pending.k != 0 && m.answeredEnough(s) {
		m.record(m.add(s, hostRecords, 0, 0))
	}
	m.prunes(s)
}

// heeds ends the generation when it hears of a fork or of a crash.
func (m *model) heeds(s *state) {
	for p := range m.nodes {
		switch at := &s.procs[p]; {
		case at.life == dead:
			m.begin(m.add(s, hostBeginsAgain, uint8(p), 0), true)
		case at.read.fork != 0:
			n := m.add(s, hostRewinds, uint8(p), 0)
			m.rewind(n, at.read.fork-1)
			m.begin(n, true)
		}
	}
}

// rewind drops the checkpoints that are after a fork, for good, and counts it.
func (m *model) rewind(n *state, fork uint8) {
	h := &n.host
	h.forks++
	if m.ignoresFork {
		return
	}
	for h.nkept > 0 && !m.within(h.newest(), fork) {
		h.nkept--
		h.kept[h.nkept] = record{}
	}
}

// within tells whether all readers of a checkpoint were at or before a block.
func (m *model) within(r *record, block uint8) bool {
	in := 0
	for _, c := range r.cursors[:m.readers] {
		if c.block <= block {
			in++
		}
	}
	if m.leastReader {
		return in > 0
	}
	return in == m.readers
}

// open opens the next process, consumers before producers.
func (m *model) open(n *state) {
	h := &n.host
	p := uint8(len(m.nodes)) - 1 - h.opened
	h.opened++
	at, node, from := &n.procs[p], &m.nodes[p], h.newest()
	*at = proc{life: live}
	switch node.kind {
	case aReader:
		c := from.cursors[node.slot]
		r := &at.read
		r.pos, r.from = c.block, c.block
		for b := range r.known {
			r.known[b] = unknown
		}
		r.known[c.block] = c.branch
		if m.trustsCursor {
			r.known[c.block] = n.chain.branch[c.block]
		}
	case aSubscriber, aJoin:
		at.state = from.snapshots[node.slot]
	case aLoader:
		n.loaders[node.slot].k = from.k
		if m.keys != checkpointKeys && !node.truncates {
			n.loaders[node.slot].seq = from.seq
		}
		if node.truncates {
			m.truncate(n, &n.stores[node.slot], from.k)
		}
	}
}

// truncate is how a store begins: it keeps out all older generations and
// removes what it holds beyond a checkpoint, in one transaction.
func (m *model) truncate(n *state, st *store, k number) {
	if st.gen > n.host.gen {
		n.broken = marksDisordered
	}
	st.gen = n.host.gen
	if m.keepsRows {
		return
	}
	var left [2]uint8
	known := k == 0
	for i, at := range st.marks {
		switch {
		case at.k == k && k != 0:
			left, known = at.rows, true
		case at.k > k:
			st.marks[i] = mark{}
		}
	}
	if !known {
		n.broken = unknownMark
	}
	for input, keep := range left {
		clear(st.rows[input][keep:])
	}
	st.tail = 0
}

// asks begins a checkpoint, if a reader has moved since the last one. When all
// readers have ended it is the last, and their ends follow it.
func (m *model) asks(s *state) {
	moved, running := false, false
	for p := range m.nodes {
		if m.nodes[p].kind != aReader {
			continue
		}
		at := &s.procs[p]
		moved = moved || m.place(s, uint8(p)) != s.host.newest().cursors[m.nodes[p].slot]
		running = running || at.life != ended
	}
	switch {
	case !running:
		n := m.add(s, hostCloses, uint8(len(m.nodes)-1), 0)
		n.host.closing = 1
		if moved {
			n.host.pending.k = n.host.last + 1
		}
	case moved && s.checkpoints > 0:
		n := m.add(s, hostAsks, 0, 0)
		n.checkpoints--
		n.host.pending.k = n.host.last + 1
	}
}

// place is how far a reader has come.
func (m *model) place(s *state, p uint8) cursor {
	r := &s.procs[p].read
	return cursor{r.pos, r.known[r.pos]}
}

func (m *model) answeredEnough(s *state) bool {
	for p := range m.nodes {
		if m.earlyRecord && m.nodes[p].kind == aLoader {
			continue
		}
		if s.host.answered&(1<<p) == 0 {
			return false
		}
	}
	return true
}

// record makes the checkpoint durable and lets the loaders go on.
func (m *model) record(n *state) {
	h := &n.host
	if h.nkept == maxKept {
		n.broken = tooMuch
		return
	}
	h.kept[h.nkept] = h.pending
	h.nkept++
	h.last = h.pending.k
	h.pending, h.answered = record{}, 0
	for i := range n.loaders {
		n.loaders[i].hold = 0
	}
}

// prunes forgets all checkpoints before the newest final one. That one is
// final as soon as all readers stand on the chain that the finality is of.
func (m *model) prunes(s *state) {
	for p := range m.nodes {
		if m.nodes[p].kind == aReader && !m.unverifiedFinality && !m.verified(s, uint8(p)) {
			return
		}
	}
	drop := uint8(0)
	for i := range s.host.nkept {
		if m.within(&s.host.kept[i], s.chain.final) {
			drop = i
		}
	}
	if m.prunesNewestFinal && m.within(&s.host.kept[drop], s.chain.final) && s.host.kept[drop].k > 0 {
		drop++
	}
	if drop == 0 {
		return
	}
	n := m.add(s, hostPrunes, 0, 0)
	h := &n.host
	copy(h.kept[:], h.kept[drop:])
	clear(h.kept[h.nkept-drop:])
	h.nkept -= drop
}
