package verify

import (
	"encoding/binary"
	mathbits "math/bits"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/internal/keccak"
)

// remembered is how many addresses, and how many topics, a Verifier can know the bits of. The same ones come again and again.
const (
	remembered    = 1 << rememberedLog
	rememberedLog = 12
)

// table remembers the bits of keys, each in the only place where it can be: what was there is forgotten.
type table[K common.Address | common.Hash] struct {
	entries []entry[K] // none until one is looked for
}

type entry[K common.Address | common.Hash] struct {
	key   K
	bits  bits
	known bool
}

// at is the entry in the place of a key, for which mixed speaks, and whether it is that of the key. If not, it is made so, without bits.
func (t *table[K]) at(key *K, mixed uint64) (e *entry[K], known bool) {
	if t.entries == nil {
		t.entries = make([]entry[K], remembered)
	}
	e = &t.entries[mixed>>(64-rememberedLog)]
	if e.known && e.key == *key {
		return e, true
	}
	e.key, e.known = *key, true
	return e, false
}

// mixed depends on all of an address, and on what differs between topics: some are hashes, some numbers and some addresses.
func mixed(key []byte) uint64 {
	begin, next, end := binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[8:]), binary.LittleEndian.Uint64(key[len(key)-8:])
	return (begin ^ mathbits.RotateLeft64(next, 23) ^ mathbits.RotateLeft64(end, 41)) * 0x9e3779b97f4a7c15
}

func (v *Verifier) addressIn(a *common.Address) bits {
	e, known := v.addresses.at(a, mixed(a[:]))
	if !known {
		e.bits = bitsOf(v.keccak.Sum(a[:]))
	}
	return e.bits
}

func (v *Verifier) topicIn(h *common.Hash) bits {
	e, known := v.topics.at(h, mixed(h[:]))
	if !known {
		e.bits = bitsOf(v.keccak.Sum(h[:]))
	}
	return e.bits
}

// fresh are keys that were not known, to be hashed together. It keeps memory for the next ones.
type fresh struct {
	buf   []byte
	spans []keccak.Span
	sums  []common.Hash
	bits  []*bits // where they go
}

func (f *fresh) add(key []byte, to *bits) {
	from := len(f.buf)
	f.buf = append(f.buf, key...)
	f.spans = append(f.spans, keccak.Span{From: from, To: len(f.buf), Sum: len(f.spans)})
	f.bits = append(f.bits, to)
}

// learn gets to know the addresses and topics of logs, as far as there is a place for each.
func (v *Verifier) learn(logs []eth.Log) {
	f := &v.fresh
	f.buf, f.spans, f.bits = f.buf[:0], f.spans[:0], f.bits[:0]
	for i := range logs {
		l := &logs[i]
		if e, known := v.addresses.at(&l.Address, mixed(l.Address[:])); !known {
			f.add(l.Address[:], &e.bits)
		}
		for k := range l.Topics {
			topic := &l.Topics[k]
			if e, known := v.topics.at(topic, mixed(topic[:])); !known {
				f.add(topic[:], &e.bits)
			}
		}
	}
	f.sums = sized(f.sums, len(f.spans))
	v.keccak.Sums(f.sums, f.buf, f.spans)
	for i, to := range f.bits { // in their order: of two that have the same place the later is remembered
		*to = bitsOf(f.sums[i])
	}
}
