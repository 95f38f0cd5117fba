// Package keccak hashes many inputs at once with Keccak-256, as the chain does.
//
// What a block is made of are hundreds of short inputs that do not depend on each other. Where the processor has AVX2 four of them are
// hashed beside each other, in about the time that two would need. Elsewhere they are hashed one after another.
package keccak

import (
	"encoding/binary"
	"math/bits"

	"github.com/cloudflare/circl/simd/keccakf1600"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

const (
	rate  = 136 // bytes that are taken in before each permutation
	lanes = 4   // inputs beside each other
	words = 25  // of a state
)

// Span is an input and where its hash goes, as places in what Sums is given.
type Span struct {
	From, To int
	Sum      int
}

// blocks is how many permutations an input needs: there is always something behind it.
func (s Span) blocks() int { return (s.To-s.From)/rate + 1 }

// Hasher hashes. It keeps memory for the next inputs; its zero value is ready. It is not safe for concurrent use.
type Hasher struct {
	one   crypto.KeccakState
	sum   common.Hash // of one
	four  *keccakf1600.StateX4
	state *[lanes * words]uint64 // in four: word after word, each of all lanes
	order []Span
	lane  [lanes]Span // what is left of each lane's input; empty and with a Sum of idle where there is none
	slow  bool        // never four at once
}

// idle is in place of a sum where a lane has no input.
const idle = -1

// Sum hashes one input.
func (h *Hasher) Sum(input []byte) common.Hash {
	if h.one == nil {
		h.one = crypto.NewKeccakState()
	}
	h.one.Reset()
	_, _ = h.one.Write(input) // neither ever fails
	_, _ = h.one.Read(h.sum[:])
	return h.sum
}

// Sums hashes spans of buf into sums.
func (h *Hasher) Sums(sums []common.Hash, buf []byte, spans []Span) {
	if h.slow || !keccakf1600.IsEnabledX4() {
		for _, s := range spans {
			sums[s.Sum] = h.Sum(buf[s.From:s.To])
		}
		return
	}
	if h.four == nil {
		h.four = new(keccakf1600.StateX4)
		h.state = (*[lanes * words]uint64)(h.four.Initialize(false))
	}
	alone, total := h.sort(spans)
	for len(alone) > 0 && worthAlone(alone[0].blocks(), total) {
		s := alone[0]
		sums[s.Sum] = h.Sum(buf[s.From:s.To])
		total -= s.blocks()
		alone = alone[1:]
	}
	h.beside(sums, buf, alone)
}

// worthAlone is whether an input is so long that nothing would be in the other lanes for most of its time. Four beside each other take
// about as long as two after each other.
func worthAlone(blocks, total int) bool { return 2*blocks > total-blocks }

// sort returns the inputs about from the longest to the shortest, so that all lanes are done at about the same time, and how many
// permutations they need in all.
func (h *Hasher) sort(spans []Span) (order []Span, total int) {
	var sizes uint64 // a bit for each size that there is, doubling
	for _, s := range spans {
		n := s.blocks()
		total += n
		sizes |= 1 << bits.Len(uint(n))
	}
	h.order = h.order[:0]
	for ; sizes != 0; sizes &^= 1 << (bits.Len64(sizes) - 1) {
		size := bits.Len64(sizes) - 1
		for _, s := range spans {
			if bits.Len(uint(s.blocks())) == size {
				h.order = append(h.order, s)
			}
		}
	}
	return h.order, total
}

// beside hashes inputs in the lanes. A lane that is done takes the next input.
func (h *Hasher) beside(sums []common.Hash, buf []byte, rest []Span) {
	for l := range h.lane {
		h.lane[l].Sum = idle
	}
	for {
		rest = h.fill(rest)
		busy := false
		for l := range h.lane {
			if h.lane[l].Sum != idle {
				busy = true
				h.absorb(l, buf)
			}
		}
		if !busy {
			return
		}
		h.four.Permute()
		for l := range h.lane {
			if s := &h.lane[l]; s.Sum != idle && s.From > s.To {
				h.squeeze(l, &sums[s.Sum])
				s.Sum = idle
			}
		}
	}
}

// fill gives the next inputs to lanes that have none, and returns the others.
func (h *Hasher) fill(rest []Span) []Span {
	for l := range h.lane {
		if h.lane[l].Sum == idle && len(rest) > 0 {
			h.lane[l], rest = rest[0], rest[1:]
			h.clear(l)
		}
	}
	return rest
}

func (h *Hasher) clear(l int) {
	for i := l; i < len(h.state); i += lanes {
		h.state[i] = 0
	}
}

// absorb takes in the next block of a lane's input, or the end of it with what is put behind. After the end From is behind To.
func (h *Hasher) absorb(l int, buf []byte) {
	s := &h.lane[l]
	if s.To-s.From >= rate {
		h.mix(l, (*[rate]byte)(buf[s.From:]))
	} else {
		var last [rate]byte
		n := copy(last[:], buf[s.From:s.To])
		last[n] = 1
		last[rate-1] |= 0x80
		h.mix(l, &last)
	}
	s.From += rate
}

func (h *Hasher) mix(l int, block *[rate]byte) {
	state := (*[lanes*words - lanes + 1]uint64)(h.state[l:]) // the lane's words, with those of others between
	for i := range rate / 8 {
		state[lanes*i] ^= binary.LittleEndian.Uint64(block[8*i:])
	}
}

func (h *Hasher) squeeze(l int, sum *common.Hash) {
	state := (*[lanes*words - lanes + 1]uint64)(h.state[l:])
	for i := range len(sum) / 8 {
		binary.LittleEndian.PutUint64(sum[8*i:], state[lanes*i])
	}
}
