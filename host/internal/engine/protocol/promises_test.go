package protocol

import "fmt"

// violation says which promise a state breaks, "" if none.
func (m *model) violation(s *state) string {
	if s.broken != sound {
		return breaches[s.broken]
	}
	for slot := range uint8(len(s.stores)) {
		node := m.loader(slot)
		if node == nil {
			continue
		}
		if text := m.storeViolation(s, node); text != "" {
			return text
		}
	}
	h := &s.host
	for i := range h.nkept {
		if h.kept[i].k > h.last || i > 0 && h.kept[i-1].k >= h.kept[i].k {
			return "the numbers of checkpoints do not grow"
		}
	}
	return ""
}

func (m *model) storeViolation(s *state, node *node) string {
	st := &s.stores[node.slot]
	for i := range s.host.nkept {
		if k := &s.host.kept[i]; k.k > 0 {
			if text := m.recordViolation(s, node, k); text != "" {
				return fmt.Sprintf("checkpoint %d is recorded, but %s: %s", k.k, node.name, text)
			}
		}
	}
	if !node.truncates {
		if m.done(s) && !m.handedOn(s, node) {
			return node.name + " has ended without every row of the chain"
		}
		return ""
	}
	if st.tail != 0 && st.tail < st.gen {
		return node.name + " holds a row of a dead generation after its last checkpoint"
	}
	for input, e := range node.in {
		rows := &st.rows[input]
		if !m.prefix(s, e, rows) {
			return fmt.Sprintf("%s holds what no undisturbed run writes, on input %d: %s", node.name, input, list(rows[:]))
		}
		if m.done(s) {
			if want := m.whole(s, e); *rows != want {
				return fmt.Sprintf("%s has ended with other rows than an undisturbed run, on input %d: %s, want %s",
					node.name, input, list(rows[:]), list(want[:]))
			}
		}
	}
	return ""
}

// whole is what an edge carries in an undisturbed run on the chain as it is.
func (m *model) whole(s *state, e uint8) [maxRows]frame {
	h := history{s.chain.branch, m.blocks}
	rows, _ := m.expect(e, [2]history{h, h}, true)
	return rows
}

// prefix tells whether rows begin an undisturbed run on a branch of the chain
// that there was. Where there are two readers, each may have seen another.
func (m *model) prefix(s *state, e uint8, rows *[maxRows]frame) bool {
	for a := range s.chain.count + 1 {
		left := history{s.chain.onBranch(a), m.blocks}
		for b := range s.chain.count + 1 {
			right := left
			if m.readers > 1 {
				right = history{s.chain.onBranch(b), m.blocks}
			} else if b > 0 {
				break
			}
			want, _ := m.expect(e, [2]history{left, right}, true)
			if begins(&want, rows) {
				return true
			}
		}
	}
	return false
}

func begins(whole, rows *[maxRows]frame) bool {
	for i, f := range rows {
		if f == 0 {
			return true
		}
		if f != whole[i] {
			return false
		}
	}
	return true
}

// recordViolation tells how a loader is not where a recorded checkpoint says.
func (m *model) recordViolation(s *state, node *node, r *record) string {
	var readers [2]history
	for i, c := range r.cursors[:m.readers] {
		readers[i] = history{s.chain.onBranch(c.branch), c.block}
	}
	st := &s.stores[node.slot]
	if !node.truncates {
		for input, e := range node.in {
			want, n := m.expect(e, readers, false)
			for _, f := range want[:n] {
				if !st.has(uint8(input), f) {
					return fmt.Sprintf("it has not handed on %s", f)
				}
			}
		}
		return ""
	}
	for _, at := range st.marks {
		if at.k != r.k {
			continue
		}
		for input, e := range node.in {
			want, n := m.expect(e, readers, false)
			rows := st.rows[input]
			clear(rows[at.rows[input]:])
			if at.rows[input] != n || rows != want {
				return fmt.Sprintf("before its mark it has %s, want %s", list(rows[:]), list(want[:]))
			}
		}
		return ""
	}
	return "it does not know it"
}

// handedOn tells whether a loader that cannot truncate has given away every
// row of the chain as it is.
func (m *model) handedOn(s *state, node *node) bool {
	for input, e := range node.in {
		want := m.whole(s, e)
		for _, f := range want[:count(want[:])] {
			if !s.stores[node.slot].has(uint8(input), f) {
				return false
			}
		}
	}
	return true
}

func (st *store) has(input uint8, f frame) bool {
	for _, key := range st.keys {
		if key != 0 && frame(key) == f && uint8(key>>19)&1 == input {
			return true
		}
	}
	return false
}

func list(frames []frame) string {
	text := "["
	for i, f := range frames[:count(frames)] {
		if i > 0 {
			text += "; "
		}
		text += f.String()
	}
	return text + "]"
}
