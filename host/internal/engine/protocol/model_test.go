package protocol

// rules are the ways in which the protocol can be broken on purpose; none is
// how it is meant.
type rules struct {
	rowsBeforeRecord   bool // a loader gets rows after a barrier whose checkpoint is not recorded
	unaligned          bool // a join takes the first barrier for all
	earlyRecord        bool // a checkpoint is recorded though loaders have not answered
	unfenced           bool // stores do not look at generations
	sameGeneration     bool // a host that starts again goes on with the generation it finds
	keys               keys
	forklessKeys       bool // keys do not count forks
	changingKeys       bool // nobody minds a row that comes again under another key
	keepsRows          bool // loaders do not remove what lies beyond the checkpoint
	ignoresFork        bool // a reorg goes back to the newest checkpoint
	leastReader        bool // a checkpoint counts as before the fork if one of its readers is
	prunesNewestFinal  bool // no final checkpoint is kept
	unverifiedFinality bool // checkpoints count as final by number, also while a reader stands on a dead branch
	endsEarly          bool // readers end at the last block though it is not final
	trustsCursor       bool // readers do not compare the hash of the cursor that they begin at
	tornBarrier        bool // readers answer a barrier amid the rows of a block
	boundedJoin        bool // a join that holds a row of an input waits for the other, also if that one is held
	nobodyStandsIn     bool // the end of a reader does not wait for the closing barrier, and no barrier is answered after it
}

// keys are ways to name rows for those who get them more than once.
type keys uint8

const (
	// contentKeys are the forks, the input, the number of the row on that input
	// since the beginning of the domain, and a digest of the row.
	contentKeys keys = iota
	// countedKeys are those without the digest.
	countedKeys
	// checkpointKeys are the last checkpoint, the forks, the input, and the number
	// of the row on that input since the checkpoint.
	checkpointKeys
)

// model is the protocol over one topology.
type model struct {
	*topology
	rules

	faults, reorgs, checkpoints uint8

	producers [maxEdges]uint8 // the node that each edge comes from

	next    []state // the successors of the state at hand
	actions []action
}

func (m *model) initial() state {
	var s state
	for p, n := range m.nodes {
		for _, e := range n.out {
			m.producers[e] = uint8(p)
		}
	}
	s.faults, s.reorgs, s.checkpoints = m.faults, m.reorgs, m.checkpoints
	s.host.nkept = 1
	for _, n := range m.nodes {
		if n.kind == aSubscriber {
			s.host.kept[0].snapshots[n.slot] = uint16(firstTag(n.slot))
		}
	}
	return s
}

// add makes a successor, a copy of s to be changed. It is valid until the next.
func (m *model) add(s *state, what act, who, way uint8) *state {
	m.next = append(m.next, *s)
	m.actions = append(m.actions, action{what, who, way})
	return &m.next[len(m.next)-1]
}

// expand works out all successors of a state.
func (m *model) expand(s *state) {
	m.next, m.actions = m.next[:0], m.actions[:0]
	m.world(s)
	m.haunt(s)
	if s.host.up == 0 {
		n := m.add(s, hostStarts, 0, 0)
		n.host.up = 1
		m.begin(n, !m.sameGeneration)
		return
	}
	m.hosts(s)
	for p := range s.host.opened {
		p = uint8(len(m.nodes)) - 1 - p
		m.process(s, p)
		if l := s.procs[p].life; s.faults > 0 && l == live {
			m.crash(s, p)
		}
	}
	if s.faults > 0 {
		m.crashHost(s)
	}
}

// process is what one process can do, and the host with what it has said.
func (m *model) process(s *state, p uint8) {
	at := &s.procs[p]
	if at.life == closed || at.life == dead {
		return
	}
	if at.outTo != 0 {
		return // what it has said is still in its way
	}
	switch m.nodes[p].kind {
	case aReader:
		m.reader(s, p)
	case aSubscriber:
		m.subscriber(s, p)
	case aJoin:
		m.join(s, p)
	case aLoader:
		m.loads(s, p)
	}
}

// publish hands a frame to all consumers, in order. The first whose edge is
// full makes the others wait.
func (m *model) publish(n *state, p uint8, f frame) {
	n.procs[p].out = f
	n.procs[p].outTo = 1<<len(m.nodes[p].out) - 1
	m.push(n, p)
}

func (m *model) push(n *state, p uint8) {
	at := &n.procs[p]
	for i, e := range m.nodes[p].out {
		if at.outTo&(1<<i) == 0 {
			continue
		}
		queue := n.edges[e][:]
		depth := count(queue)
		if int(depth) == len(queue) {
			return
		}
		queue[depth] = at.out
		at.outTo &^= 1 << i
	}
	at.out = 0
}

// pop takes the oldest frame of an edge. What its producer could not push
// takes the place at once.
func (m *model) pop(n *state, e uint8) {
	copy(n.edges[e][:], n.edges[e][1:])
	n.edges[e][room-1] = 0
	if p := m.producers[e]; n.procs[p].outTo != 0 {
		m.push(n, p)
	}
}

// done tells whether everything has ended well.
func (m *model) done(s *state) bool {
	if s.host.up == 0 || int(s.host.opened) < len(m.nodes) || s.host.pending.k != 0 {
		return false
	}
	for p := range m.nodes {
		if l := s.procs[p].life; l != ended && l != gone || s.procs[p].outTo != 0 {
			return false
		}
		if m.nodes[p].kind == aReader && s.procs[p].life != gone {
			return false
		}
	}
	return s.edges == [maxEdges][room]frame{}
}
