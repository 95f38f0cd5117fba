package protocol

// world is what the chain does.
func (m *model) world(s *state) {
	if s.chain.final < m.blocks {
		n := m.add(s, finalise, 0, 0)
		n.chain.final++
	}
	if s.reorgs == 0 {
		return
	}
	for fork := s.chain.final; fork < m.blocks; fork++ {
		n := m.add(s, reorganise, 0, fork)
		n.reorgs--
		c := &n.chain
		c.forks[c.count] = fork + 1
		c.count++
		for b := fork + 1; b <= m.blocks; b++ {
			c.branch[b] = c.count
		}
	}
}

// haunt is what dead loaders still do.
func (m *model) haunt(s *state) {
	for slot := range s.ghosts {
		g := &s.ghosts[slot]
		if *g == (ghost{}) {
			continue
		}
		n := m.add(s, ghostFades, m.nodeOf(slot), 0)
		n.ghosts[slot] = ghost{}
		n = m.add(s, ghostCommits, m.nodeOf(slot), 0)
		n.ghosts[slot] = ghost{}
		if g.key != 0 {
			m.handOn(n, &n.stores[slot], g.key)
			continue
		}
		if st := &n.stores[slot]; m.unfenced || st.gen == g.gen {
			m.keep(n, st, &g.buf, g.gen, g.barrier)
		}
	}
}

func (m *model) nodeOf(slot int) uint8 {
	for i := range m.nodes {
		if m.nodes[i].kind == aLoader && int(m.nodes[i].slot) == slot {
			return uint8(i)
		}
	}
	return 0
}

// crash ends one process. The host finds out later.
func (m *model) crash(s *state, p uint8) {
	n := m.add(s, crashes, p, 0)
	n.faults--
	node := &m.nodes[p]
	if node.kind == aLoader {
		g := m.ghostOf(s, p)
		m.lose(n, p)
		if g == (ghost{}) {
			return
		}
		n = m.add(s, crashes, p, 1) // and what it was committing is still under way
		n.faults--
		n.ghosts[node.slot] = g
	}
	m.lose(n, p)
}

// lose clears the memory of a process. What it said before is on its edges.
func (m *model) lose(n *state, p uint8) {
	n.procs[p] = proc{life: dead}
	if m.nodes[p].kind == aLoader {
		n.loaders[m.nodes[p].slot] = loader{}
	}
}

// ghostOf is what a loader may still do after its end.
func (m *model) ghostOf(s *state, p uint8) ghost {
	node := &m.nodes[p]
	l := &s.loaders[node.slot]
	if s.procs[p].life != live {
		return ghost{}
	}
	if node.truncates {
		if l.barrier == 0 && l.buf == ([2][maxRows]frame{}) {
			return ghost{}
		}
		return ghost{buf: l.buf, gen: s.host.gen, barrier: l.barrier}
	}
	for i, e := range node.in {
		if f := s.edges[e][0]; f.kind() == kindRow && m.takes(s, p, uint8(i)) {
			return ghost{key: m.key(s, l, uint8(i), f)}
		}
	}
	return ghost{}
}

// crashHost loses everything in memory. Loaders may live on for a moment.
func (m *model) crashHost(s *state) {
	var ghosts [2]ghost
	some := false
	for p := range s.host.opened {
		p = uint8(len(m.nodes)) - 1 - p
		if m.nodes[p].kind == aLoader {
			g := m.ghostOf(s, p)
			ghosts[m.nodes[p].slot] = g
			some = some || g != ghost{}
		}
	}
	for way := range uint8(2) {
		if way == 1 && !some {
			return
		}
		n := m.add(s, hostCrashes, 0, way)
		n.faults--
		n.host.up = 0
		m.clear(n)
		for slot, g := range ghosts {
			if way == 1 && g != (ghost{}) {
				n.ghosts[slot] = g
			}
		}
	}
}

// clear forgets everything that a generation held.
func (m *model) clear(n *state) {
	n.procs = [maxNodes]proc{}
	n.edges = [maxEdges][room]frame{}
	n.loaders = [2]loader{}
	h := &n.host
	h.pending, h.answered, h.opened, h.closing = record{}, 0, 0, 0
}

// begin starts a generation at the newest checkpoint. Its number is durable
// before anything is opened.
func (m *model) begin(n *state, grows bool) {
	m.clear(n)
	h := &n.host
	if grows || h.gen == 0 {
		h.gen++
	}
	if h.nkept == 0 {
		n.broken = nowhere
	}
	// A report of a fork costs a generation; one that finds only the cursor gone
	// may cost one for each block.
	if most := 1 + m.faults + m.reorgs*(m.blocks+1)*uint8(m.readers); h.gen > number(most) {
		n.broken = endless
	}
}
