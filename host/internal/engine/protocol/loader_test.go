package protocol

// takes tells whether a loader is given what is next on an input: not between
// a barrier and its record.
func (m *model) takes(s *state, p, input uint8) bool {
	at, l := &s.procs[p], &s.loaders[m.nodes[p].slot]
	return at.life == live && at.held&(1<<input) == 0 && l.barrier == 0 && l.marked == 0 &&
		(l.hold == 0 || m.rowsBeforeRecord)
}

// loads is what a loader does: it takes rows, commits them at safe points, and
// commits them with the number of a checkpoint at a barrier.
func (m *model) loads(s *state, p uint8) {
	node := &m.nodes[p]
	l, st := &s.loaders[node.slot], &s.stores[node.slot]
	if s.procs[p].life != live {
		return
	}
	for i, e := range node.in {
		if m.takes(s, p, uint8(i)) {
			m.take(s, p, uint8(i), s.edges[e][0])
		}
	}
	switch {
	case l.barrier != 0:
		n := m.add(s, marks, p, 0)
		m.commitMark(n, p)
	case l.marked != 0:
		n := m.add(s, answers, p, 0)
		if n.host.pending.k == l.marked {
			n.host.answered |= 1 << p
			if !node.truncates {
				n.host.pending.seq = l.seq
			}
		}
		n.loaders[node.slot].marked = 0
	case m.atSafePoint(l):
		n := m.add(s, commits, p, 0)
		m.commit(n, p, 0)
	}
	if oldest := s.host.kept[0].k; node.truncates && st.marks[0].k != 0 && st.marks[0].k < oldest {
		n := m.add(s, forgets, p, 0)
		m.forget(&n.stores[node.slot], oldest)
	}
}

// take gives a loader what is next on an input.
func (m *model) take(s *state, p, input uint8, f frame) {
	if f == 0 {
		return
	}
	node := &m.nodes[p]
	what := [...]act{kindRow: takesRow, kindBarrier: takesBarrier, kindEnd: takesEnd}[f.kind()]
	n := m.add(s, what, p, input)
	m.pop(n, node.in[input])
	at, l := &n.procs[p], &n.loaders[node.slot]
	switch f.kind() {
	case kindRow:
		if !node.truncates {
			key := m.key(n, l, input, f)
			l.seq[input]++
			m.handOn(n, &n.stores[node.slot], key)
			return
		}
		m.append(n, &l.buf[input], f)
	case kindBarrier:
		at.held |= 1 << input
		m.barrier(n, p, f.checkpoint())
	case kindEnd:
		at.over |= 1 << input
		if at.over == m.allInputs(p) {
			m.commit(n, p, 0)
			*at, *l = proc{life: ended}, loader{}
			return
		}
		if at.held != 0 {
			m.barrier(n, p, n.host.pending.k)
		}
	}
}

// barrier tells a loader to commit a checkpoint once all inputs have brought it.
func (m *model) barrier(n *state, p uint8, k number) {
	if !m.aligned(n, p) {
		return
	}
	l := &n.loaders[m.nodes[p].slot]
	l.barrier = k
	if n.host.pending.k == k {
		l.hold = k
	}
}

// atSafePoint tells whether rows wait to be committed, and all of their blocks.
func (m *model) atSafePoint(l *loader) bool {
	some := false
	for _, rows := range l.buf {
		n := count(rows[:])
		if n == 0 {
			continue
		}
		some = true
		if last := rows[n-1]; last.block() > 0 && last.part()+1 < m.parts[last.block()] {
			return false
		}
	}
	return some
}

func (m *model) commitMark(n *state, p uint8) {
	l := &n.loaders[m.nodes[p].slot]
	k := l.barrier
	m.commit(n, p, k)
	l.barrier, l.marked, l.k = 0, k, k
	if m.keys == checkpointKeys {
		l.seq = [2]uint8{}
	}
}

// commit makes what a loader was given durable, in one step with the mark.
func (m *model) commit(n *state, p uint8, k number) {
	node := &m.nodes[p]
	if !node.truncates {
		return // every row was handed on already
	}
	l, st := &n.loaders[node.slot], &n.stores[node.slot]
	m.keep(n, st, &l.buf, n.host.gen, k)
	l.buf = [2][maxRows]frame{}
}

// keep is a transaction of a store.
func (m *model) keep(n *state, st *store, rows *[2][maxRows]frame, gen, k number) {
	for input := range rows {
		for _, f := range rows[input][:count(rows[input][:])] {
			m.append(n, &st.rows[input], f)
			if st.tail == 0 {
				st.tail = gen
			}
		}
	}
	if k == 0 {
		return
	}
	st.tail = 0
	i := 0
	for i < maxMarks && st.marks[i].k != 0 {
		i++
	}
	switch {
	case i == maxMarks:
		n.broken = tooMuch
	case i > 0 && st.marks[i-1].k >= k:
		n.broken = marksDisordered
	default:
		st.marks[i] = mark{k, [2]uint8{count(st.rows[0][:]), count(st.rows[1][:])}}
	}
}

func (m *model) append(n *state, rows *[maxRows]frame, f frame) {
	at := count(rows[:])
	if at == maxRows {
		n.broken = tooMuch
		return
	}
	rows[at] = f
}

// forget drops the marks before a checkpoint that cannot be undone.
func (m *model) forget(st *store, oldest number) {
	kept := [maxMarks]mark{}
	i := 0
	for _, at := range st.marks {
		if at.k >= oldest {
			kept[i] = at
			i++
		}
	}
	st.marks = kept
}

// key is a row under its idempotency key: the row in the lower half.
func (m *model) key(s *state, l *loader, input uint8, f frame) uint32 {
	forks, k := s.host.forks, number(0)
	if m.forklessKeys {
		forks = 0
	}
	if m.keys == checkpointKeys {
		k = l.k
	}
	name := uint32(k)<<10 | uint32(forks)<<4 | uint32(input)<<3 | uint32(l.seq[input]+1)
	return name<<16 | uint32(f)
}

// Parts of a key.
const (
	rowPart   = 0xffff
	inputPart = 1 << 19
	forksPart = 0x3f << 20
)

// handOn gives a row to the outside, where nothing can be taken back. Outside
// remembers which keys it has seen.
func (m *model) handOn(n *state, st *store, key uint32) {
	at := maxKeys
	for i := maxKeys - 1; i >= 0; i-- {
		switch old := st.keys[i]; old {
		case key:
			return // again, and known by its key
		case 0:
			at = i
		default:
			n.broken = max(n.broken, m.clash(old, key))
		}
	}
	if at == maxKeys {
		n.broken = tooMuch
		return
	}
	for at > 0 && st.keys[at-1] > key {
		st.keys[at] = st.keys[at-1]
		at--
	}
	st.keys[at] = key
}

// clash tells how a row and its key do not go with another.
func (m *model) clash(old, key uint32) breach {
	differ := old ^ key
	if differ&^rowPart == 0 && m.keys != contentKeys {
		return keyReused
	}
	if differ&(rowPart|inputPart|forksPart) == 0 && !m.changingKeys {
		return keyChanged
	}
	return sound
}
