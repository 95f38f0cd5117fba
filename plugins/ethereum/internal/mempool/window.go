package mempool

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
)

// window remembers the newest transactions that were seen, so that none is told of twice. It remembers eight bytes of each: enough not to take
// one for another by chance.
type window struct {
	most int
	seen map[uint64]struct{}
	ring []uint64 // in the order in which they came; the oldest is at next once it is full
	next int
}

func newWindow(most int) *window { return &window{most: most, seen: make(map[uint64]struct{})} }

func short(hash common.Hash) uint64 { return binary.BigEndian.Uint64(hash[:]) }

// add reports whether a transaction is new.
func (w *window) add(key uint64) bool {
	if _, known := w.seen[key]; known {
		return false
	}
	w.seen[key] = struct{}{}
	if len(w.ring) < w.most {
		w.ring = append(w.ring, key)
		return true
	}
	delete(w.seen, w.ring[w.next])
	w.ring[w.next] = key
	w.next = (w.next + 1) % w.most
	return true
}

// newest are the keys that came last, oldest first.
func (w *window) newest(most int) []uint64 {
	ordered := append(append(make([]uint64, 0, len(w.ring)), w.ring[w.next:]...), w.ring[:w.next]...)
	return ordered[len(ordered)-min(most, len(ordered)):]
}

// kept is how many transactions a position remembers, for what a pool that is asked again has had before a restart.
const kept = 16 << 10

// position is what a cursor remembers: how many transactions were told of, and the newest of them where the pool is asked again and again.
func position(count uint64, keys []uint64) []byte {
	out := binary.BigEndian.AppendUint64(make([]byte, 0, 8+8*len(keys)), count)
	for _, key := range keys {
		out = binary.BigEndian.AppendUint64(out, key)
	}
	return out
}

// restore reads a position. One that makes no sense is that of nothing.
func restore(p []byte) (count uint64, keys []uint64) {
	if len(p) < 8 || len(p)%8 != 0 {
		return 0, nil
	}
	for count = binary.BigEndian.Uint64(p); len(p) > 8; p = p[8:] {
		keys = append(keys, binary.BigEndian.Uint64(p[8:]))
	}
	return count, keys
}
