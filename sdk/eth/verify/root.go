package verify

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/penstock-io/penstock/sdk/eth/internal/keccak"
	"github.com/penstock-io/penstock/sdk/eth/internal/rlp"
)

// A list is committed to by the root of a Patricia trie of its elements under their encoded numbers. What the trie looks like follows from
// how many there are. So its leaves are all hashed at once, where the elements lie, and then its other nodes from the lowest up.

// list is a list of elements that is being hashed. It keeps memory for the next list.
type list struct {
	buf      []byte         // the elements, with room before each for the beginning of its leaf
	elements []keccak.Span  // in buf
	jobs     []keccak.Span  // what is to be hashed next
	sums     []common.Hash  // of the elements if these are hashed too, of the leaves, and of the nodes above
	short    []uint8        // how long a leaf or node above is that stands for itself, in the place of its sum; 0 for one that is hashed
	nodes    []byte         // those above that are to be hashed next
	trie     shape          // of the list
	keccak   *keccak.Hasher // the Verifier's
}

// room is left before each element. No header, path and header together are longer.
const room = 32

// begin begins a list.
func (l *list) begin(hasher *keccak.Hasher) {
	l.buf, l.elements, l.jobs, l.keccak = l.buf[:0], l.elements[:0], l.jobs[:0], hasher
}

// next returns where to append the next element. What comes of it goes to add.
func (l *list) next() []byte {
	var space [room]byte
	return append(l.buf, space[:]...)
}

// add takes an element that was appended.
func (l *list) add(buf []byte) {
	l.elements = append(l.elements, keccak.Span{From: len(l.buf) + room, To: len(buf)})
	l.buf = buf
}

// leaves is where the sum of the first leaf is, behind those of the elements.
func (l *list) leaves() int { return len(l.elements) }

// hashElements has the hash of each element made, together with the leaves where root follows, or else by flush.
func (l *list) hashElements() {
	l.sums = sized(l.sums, len(l.elements))
	for i, e := range l.elements {
		l.jobs = append(l.jobs, keccak.Span{From: e.From, To: e.To, Sum: i})
	}
}

// hashOf is the hash of an element that was made.
func (l *list) hashOf(i int) common.Hash { return l.sums[i] }

// flush hashes what is to be hashed in buf.
func (l *list) flush(buf []byte) {
	l.keccak.Sums(l.sums, buf, l.jobs)
	l.jobs = l.jobs[:0]
}

// root is what commits to the list.
func (l *list) root() common.Hash {
	n := len(l.elements)
	if n == 0 {
		return types.EmptyRootHash
	}
	l.trie.of(n)
	all := n + len(l.trie.inner)
	l.sums = sized(l.sums, l.leaves()+all)
	l.short = sized(l.short, all)
	for i := range n {
		l.leaf(i)
	}
	l.flush(l.buf)
	for level := 1; level <= l.trie.height; level++ {
		l.nodes = l.nodes[:0]
		for i := range l.trie.inner {
			if l.trie.inner[i].level == level {
				l.inner(i)
			}
		}
		l.flush(l.nodes)
	}
	top := l.sums[l.leaves()+all-1]
	if size := l.short[all-1]; size > 0 { // a list so small that its only node would fit into another
		return l.keccak.Sum(top[:size])
	}
	return top
}

// sized is s with a length, whatever is in it.
func sized[T any](s []T, length int) []T {
	if cap(s) < length {
		grown := make([]T, length, 2*length)
		copy(grown, s)
		return grown
	}
	return s[:length]
}

// leaf writes the beginning of a leaf before its element: the header of the list of the rest of its key and of the value.
func (l *list) leaf(i int) {
	var (
		e     = l.elements[i]
		value = l.buf[e.From:e.To]
		rest  [room]byte
		all   [room]byte
	)
	k := keyOf(i)
	front := rlp.AppendBytesHeader(appendPath(rest[:0], k, l.trie.depths[i], k.length, 2), value)
	begin := append(rlp.AppendList(all[:0], len(front)+len(value)), front...)
	from := e.From - len(begin)
	copy(l.buf[from:], begin)
	l.refer(i, l.buf, from, e.To)
}

// inner writes a node above leaves.
func (l *list) inner(i int) {
	node := &l.trie.inner[i]
	l.nodes = append(l.nodes, 0, 0, 0) // no header is longer
	body := len(l.nodes)
	if node.path > 0 {
		l.nodes = appendPath(l.nodes, node.key, node.depth, node.depth+node.path, 0)
		l.reference(node.children[0])
	} else {
		for _, child := range node.children {
			l.reference(child)
		}
		l.nodes = append(l.nodes, 0x80) // no value
	}
	var header [3]byte
	n := copy(header[:], rlp.AppendList(header[:0], len(l.nodes)-body))
	from := body - n
	copy(l.nodes[from:], header[:n])
	l.refer(len(l.elements)+i, l.nodes, from, len(l.nodes))
}

// refer has a node hashed that is in buf, or keeps it if it is shorter than its hash.
func (l *list) refer(node int, buf []byte, from, to int) {
	sum := l.leaves() + node
	if to-from < len(common.Hash{}) {
		l.short[node] = uint8(copy(l.sums[sum][:], buf[from:to]))
		return
	}
	l.short[node] = 0
	l.jobs = append(l.jobs, keccak.Span{From: from, To: to, Sum: sum})
}

// reference appends the reference to a leaf or node: its hash, or itself if it is shorter.
func (l *list) reference(node int32) {
	if node == none {
		l.nodes = append(l.nodes, 0x80)
		return
	}
	sum := &l.sums[l.leaves()+int(node)]
	if size := l.short[node]; size > 0 {
		l.nodes = append(l.nodes, sum[:size]...)
		return
	}
	l.nodes = append(append(l.nodes, 0x80+32), sum[:]...)
}

// appendPath appends the nibbles of a key from one to another, two in a byte behind a flag that says whether it is a leaf's path, and how
// many there are.
func appendPath(dst []byte, k key, from, to int, flag byte) []byte {
	var path [9]byte
	n := 1
	if (to-from)%2 == 1 {
		path[0] = (flag+1)<<4 | k.at(from)
		from++
	} else {
		path[0] = flag << 4
	}
	for ; from < to; from += 2 {
		path[n] = k.at(from)<<4 | k.at(from+1)
		n++
	}
	return rlp.AppendBytes(dst, path[:n])
}
