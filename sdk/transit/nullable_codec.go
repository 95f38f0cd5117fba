package transit

import (
	"encoding/binary"
	"unsafe"

	"github.com/holiman/uint256"
)

// Most columns that may be null hold values which all take the same bytes, and are written in one pass straight from where their pointers
// lead. Others are followed to a view of their own first: see deref. Which pointers are nil is hard to foresee, so that nothing branches
// on it.

// A follower writes what the pointers of a view lead to, and a bit for each that is not nil. For nil the zero value is written. It returns
// how many are not nil.
type follower func(out, validity []byte, zero unsafe.Pointer, v view) (present int)

// follow is a pointer or what stands for nil, and 1 or 0.
func follow(p, zero unsafe.Pointer) (unsafe.Pointer, byte) {
	var present byte
	if p != nil {
		present = 1
	}
	return [2]unsafe.Pointer{zero, p}[present], present
}

func followNumber[N number](out, validity []byte, zero unsafe.Pointer, v view) (present int) {
	k := 0
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			p, bit := follow(*(*unsafe.Pointer)(values.at(i)), zero)
			store(out, *(*N)(p))
			out = out[unsafe.Sizeof(N(0)):]
			validity[k/8] |= bit << (k % 8)
			present += int(bit)
			k++
		}
	}
	return present
}

func follow20(out, validity []byte, zero unsafe.Pointer, v view) (present int) {
	k := 0
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			p, bit := follow(*(*unsafe.Pointer)(values.at(i)), zero)
			move20((*[20]byte)(out), (*[20]byte)(p))
			out = out[20:]
			validity[k/8] |= bit << (k % 8)
			present += int(bit)
			k++
		}
	}
	return present
}

func follow32(out, validity []byte, zero unsafe.Pointer, v view) (present int) {
	k := 0
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			p, bit := follow(*(*unsafe.Pointer)(values.at(i)), zero)
			move32((*[32]byte)(out[32*k:]), (*[32]byte)(p))
			validity[k/8] |= bit << (k % 8)
			present += int(bit)
			k++
		}
	}
	return present
}

func followUint256(out, validity []byte, zero unsafe.Pointer, v view) (present int) {
	k := 0
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			p, bit := follow(*(*unsafe.Pointer)(values.at(i)), zero)
			storeUint256((*[32]byte)(out), (*uint256.Int)(p))
			out = out[32:]
			validity[k/8] |= bit << (k % 8)
			present += int(bit)
			k++
		}
	}
	return present
}

// pointers writes a column that may be null and whose codec can follow. Where nothing is null there must be no validity: what was written
// behind it is moved there.
func (s *sink) pointers(c *column, v view) {
	var (
		node     = s.node
		buffer   = s.buffer
		at       = len(s.out)
		size     = v.n * c.codec.fixed
		validity = pad8(bytesFor(v.n))
	)
	s.describeNode(v.n, 0)
	s.reserve(bytesFor(v.n))
	s.reserve(size)
	both := s.out[at:]
	clear(both[:validity])
	present := c.codec.follow(both[validity:validity+size], both[:bytesFor(v.n)], c.zero, v)
	if present < v.n {
		binary.LittleEndian.PutUint64(s.out[node+8:], uint64(v.n-present))
		return
	}
	copy(both, both[validity:])
	s.out = s.out[:len(s.out)-validity]
	s.buffer = buffer
	s.describe(at, 0)
	s.describe(at, size)
}
