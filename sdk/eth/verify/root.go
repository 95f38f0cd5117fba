package verify

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/penstock-io/penstock/sdk/eth/internal/rlp"
)

// A list is committed to by the root of a Patricia trie of its elements under their encoded numbers. As all elements are known, the trie
// is never built: its nodes are hashed from the leaves up and forgotten.

// list begins a list of n elements, of which each is appended to v.buf and closed by element.
func (v *Verifier) list() {
	v.buf, v.ends = v.buf[:0], v.ends[:0]
}

// element ends an element.
func (v *Verifier) element() { v.ends = append(v.ends, len(v.buf)) }

// at is an element of the list.
func (v *Verifier) at(i int) []byte {
	begin := 0
	if i > 0 {
		begin = v.ends[i-1]
	}
	return v.buf[begin:v.ends[i]]
}

// root is what commits to the list.
func (v *Verifier) root() common.Hash {
	if len(v.ends) == 0 {
		return types.EmptyRootHash
	}
	v.stack = v.stack[:0]
	v.node(0, len(v.ends), 0)
	if len(v.stack) == hashRef {
		return common.Hash(v.stack[1:])
	}
	return v.hash(v.stack) // a list so small that its only node would fit into another
}

// hashRef is how long a reference to a node by its hash is.
const hashRef = 33

// The keys of a list in their order are those of elements 1 to 127, 0, 128 and so on, because 0 is encoded as 0x80.
func (v *Verifier) indexAt(position int) int {
	zero := min(len(v.ends), 0x80) - 1 // where element 0 stands
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

// node pushes the reference to the node of the elements at positions from to to-1, whose keys agree on their first nibbles.
func (v *Verifier) node(from, to, depth int) {
	first := keyOf(v.indexAt(from))
	if to-from == 1 {
		v.leaf(first, depth, v.at(v.indexAt(from)))
		return
	}
	last := keyOf(v.indexAt(to - 1))
	shared := depth
	for first.at(shared) == last.at(shared) {
		shared++
	}
	start := len(v.stack)
	if shared > depth {
		v.stack = appendPath(v.stack, first, depth, shared, 0)
		v.branch(from, to, shared)
	} else {
		v.children(from, to, depth)
	}
	v.close(start)
}

// branch pushes the reference to a branch that something leads to.
func (v *Verifier) branch(from, to, depth int) {
	start := len(v.stack)
	v.children(from, to, depth)
	v.close(start)
}

// children pushes what is in a branch: references to the nodes below each nibble, and no value.
func (v *Verifier) children(from, to, depth int) {
	for nibble := range byte(16) {
		end := from
		for end < to && keyOf(v.indexAt(end)).at(depth) == nibble {
			end++
		}
		if end == from {
			v.stack = append(v.stack, 0x80)
			continue
		}
		v.node(from, end, depth+1)
		from = end
	}
	v.stack = append(v.stack, 0x80)
}

// close turns what was pushed since start into a list, and that into the reference to it: its hash, or itself if it is shorter.
func (v *Verifier) close(start int) {
	payload := len(v.stack) - start
	header := rlp.AppendList(v.head[:0], payload)
	if len(header)+payload < 32 {
		var node [32]byte
		n := copy(node[:], header)
		n += copy(node[n:], v.stack[start:])
		v.stack = append(v.stack[:start], node[:n]...)
		return
	}
	v.begin()
	v.write(header)
	v.write(v.stack[start:])
	v.refer(start)
}

// refer replaces what was pushed since start by the hash that was begun.
func (v *Verifier) refer(start int) {
	v.digest()
	v.stack = append(append(v.stack[:start], 0x80+32), v.sum[:]...)
}

// leaf pushes the reference to a leaf: the rest of its key and a value, which is hashed where it is.
func (v *Verifier) leaf(k key, depth int, value []byte) {
	start := len(v.stack)
	v.stack = appendPath(v.stack, k, depth, k.length, 2)
	size := len(v.stack) - start + rlp.BytesSize(value)
	if size < 32 {
		v.stack = rlp.AppendBytes(v.stack, value)
		v.close(start)
		return
	}
	v.begin()
	v.write(rlp.AppendList(v.head[:0], size))
	v.stack = rlp.AppendBytesHeader(v.stack, value)
	v.write(v.stack[start:])
	v.write(value)
	v.refer(start)
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
