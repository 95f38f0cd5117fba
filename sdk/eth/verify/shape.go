package verify

// shape is what the trie of a list looks like. It keeps memory for the next one.
type shape struct {
	depths []int   // how many nibbles of each element's key lead to its leaf
	inner  []inner // the nodes above, each behind those below it
	height int     // the level of the last
}

// inner is a node that is no leaf: an extension if it has a path, or else a branch without a value.
type inner struct {
	children [16]int32 // by nibble: an element, or as many more as there are elements a node; none. An extension has only the first
	key      key       // of one that it leads to
	depth    int       // how many nibbles lead to it
	path     int       // how many nibbles an extension leads on
	level    int       // one more than the highest of what is below
}

// none is a child that is not there.
const none = -1

// of makes the shape of the trie of n elements, at least one.
func (s *shape) of(n int) {
	s.depths, s.inner, s.height = sized(s.depths, n), s.inner[:0], 0
	_, s.height = s.node(n, 0, n, 0)
}

// indexAt is the element at a position in the order of their keys: those of elements 1 to 127, 0, 128 and so on, because 0 is encoded as
// 0x80.
func indexAt(position, n int) int {
	zero := min(n, 0x80) - 1 // where element 0 stands
	switch {
	case position == zero:
		return 0
	case position < zero:
		return position + 1
	}
	return position
}

// key is the nibbles of an element's number, packed from the highest: the first of them in the four highest bits.
type key struct {
	nibbles uint64
	length  int
}

func keyOf(index int) key {
	switch {
	case index == 0:
		return key{0x80 << 56, 2}
	case index < 0x80:
		return key{uint64(index) << 56, 2}
	}
	var length int
	n := uint64(index)
	for rest := n; rest > 0; rest >>= 8 {
		length++
	}
	return key{uint64(0x80+length)<<56 | n<<(56-8*length), 2 + 2*length}
}

func (k key) at(i int) byte { return byte(k.nibbles>>(60-4*i)) & 15 }

// node adds what leads to the elements at positions from to to-1 of n, whose keys agree on their first nibbles. It returns the child that
// this is of what is above, and its level.
func (s *shape) node(n, from, to, depth int) (child int32, level int) {
	first := keyOf(indexAt(from, n))
	if to-from == 1 {
		i := indexAt(from, n)
		s.depths[i] = depth
		return int32(i), 0
	}
	last := keyOf(indexAt(to-1, n))
	shared := depth
	for first.at(shared) == last.at(shared) {
		shared++
	}
	branch := s.branch(n, from, to, shared)
	if shared == depth {
		return s.push(n, branch)
	}
	extension := inner{key: first, depth: depth, path: shared - depth, level: branch.level + 1}
	extension.children[0], _ = s.push(n, branch)
	return s.push(n, extension)
}

// branch adds what is below a branch, and returns it.
func (s *shape) branch(n, from, to, depth int) inner {
	b := inner{depth: depth}
	for nibble := range byte(16) {
		end := from
		for end < to && keyOf(indexAt(end, n)).at(depth) == nibble {
			end++
		}
		if end == from {
			b.children[nibble] = none
			continue
		}
		var below int
		b.children[nibble], below = s.node(n, from, end, depth+1)
		b.level = max(b.level, below+1)
		from = end
	}
	return b
}

func (s *shape) push(n int, i inner) (child int32, level int) {
	s.inner = append(s.inner, i)
	return int32(n + len(s.inner) - 1), i.level
}
