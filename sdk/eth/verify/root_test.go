package verify

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/internal/keccak"
)

// elements are a list of which go-ethereum makes the root.
type elements [][]byte

func (e elements) Len() int                           { return len(e) }
func (e elements) EncodeIndex(i int, b *bytes.Buffer) { b.Write(e[i]) }

// checkRoot compares the root of a list, and the hashes of its elements, with go-ethereum's.
func checkRoot(t *testing.T, l *list, hasher *keccak.Hasher, of elements, hashed bool) {
	t.Helper()
	l.begin(hasher)
	for _, e := range of {
		l.add(append(l.next(), e...))
	}
	if hashed {
		l.hashElements()
	}
	if got, want := l.root(), types.DeriveSha(of, trie.NewStackTrie(nil)); got != want {
		t.Fatalf("the root of %d elements is %s, want %s", len(of), got, want)
	}
	for i := 0; hashed && i < len(of); i++ {
		if got, want := l.hashOf(i), hasher.Sum(of[i]); got != want {
			t.Fatalf("the hash of element %d of %d is %s, want %s", i, len(of), got, want)
		}
	}
}

// Lists of all lengths up to where the numbers of elements have three bytes, of elements from those that fit into the node above to such
// as need many blocks. One list serves for all, so that what one leaves behind is seen in the next.
func TestRootsAreGoEthereums(t *testing.T) {
	var (
		l      list
		hasher keccak.Hasher
		r      = rand.New(rand.NewPCG(1, 2))
	)
	for _, n := range []int{0, 1, 2, 3, 15, 16, 17, 18, 31, 33, 126, 127, 128, 129, 130, 143, 144, 145, 255, 256, 257, 258, 300, 511, 4097, 65_535, 65_536, 65_600} {
		longest := []int{1, 5, 30, 60, 400}
		if n > 1000 {
			longest = []int{40}
		}
		for _, longest := range longest {
			var of elements
			for range n {
				e := make([]byte, 1+r.IntN(longest))
				for i := range e {
					e[i] = byte(r.Uint32())
				}
				of = append(of, e)
			}
			checkRoot(t, &l, &hasher, of, r.IntN(2) == 0)
		}
	}
}

// One element is alone in its trie, however short or long it is.
func TestRootOfOne(t *testing.T) {
	var (
		l      list
		hasher keccak.Hasher
	)
	for size := 1; size < 400; size++ {
		checkRoot(t, &l, &hasher, elements{bytes.Repeat([]byte{0x7f}, size)}, size%2 == 0)
	}
}

// Keys that have the same place in a table throw each other out, and each still gets its own bits.
func TestTableForgets(t *testing.T) {
	var v Verifier
	topics := make([]common.Hash, 3*remembered)
	for i := range topics {
		topics[i] = common.BigToHash(common.Big1)
		topics[i][1], topics[i][2] = byte(i), byte(i>>8)
	}
	logs := make([]eth.Log, len(topics)/4)
	for i := range logs {
		logs[i] = eth.Log{Address: common.Address(topics[i][:20]), Topics: topics[4*i : 4*i+4]}
	}
	for range 2 {
		v.learn(logs)
		for i := range logs {
			if got, want := v.addressIn(&logs[i].Address), bitsOf(v.keccak.Sum(logs[i].Address[:])); got != want {
				t.Fatalf("address %d has bits %v, want %v", i, got, want)
			}
		}
		for i := range topics {
			if got, want := v.topicIn(&topics[i]), bitsOf(v.keccak.Sum(topics[i][:])); got != want {
				t.Fatalf("topic %d has bits %v, want %v", i, got, want)
			}
		}
	}
	if len(v.topics.entries) != remembered {
		t.Errorf("the table has %d places, want %d", len(v.topics.entries), remembered)
	}
}
