package transit

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
	"unsafe"

	"github.com/holiman/uint256"
)

// number is any type that is a number of so many bits; floats are moved as the integers of their bits.
type number interface {
	uint8 | uint16 | uint32 | uint64
}

func numberCodec(size uintptr) codec {
	switch size {
	case 1:
		return codec{buffers: 1, fixed: 1, encode: encodeNumber[uint8], decode: decodeNumber[uint8], follow: followNumber[uint8]}
	case 2:
		return codec{buffers: 1, fixed: 2, encode: encodeNumber[uint16], decode: decodeNumber[uint16], follow: followNumber[uint16]}
	case 4:
		return codec{buffers: 1, fixed: 4, encode: encodeNumber[uint32], decode: decodeNumber[uint32], follow: followNumber[uint32]}
	}
	return codec{buffers: 1, fixed: 8, encode: encodeNumber[uint64], decode: decodeNumber[uint64], follow: followNumber[uint64]}
}

func encodeNumber[N number](s *sink, _ *column, v view) error {
	size := int(unsafe.Sizeof(N(0)))
	out := s.reserve(v.n * size)
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			store(out, *(*N)(values.at(i)))
			out = out[size:]
		}
	}
	return nil
}

func decodeNumber[N number](b *binding, from, n int, to stretch) error {
	size := int(unsafe.Sizeof(N(0)))
	in := b.layout.values[from*size : (from+n)*size]
	for i := range n {
		*(*N)(to.at(i)) = load[N](in)
		in = in[size:]
	}
	return nil
}

func store[N number](b []byte, n N) {
	switch unsafe.Sizeof(n) {
	case 1:
		b[0] = byte(n)
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(n))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(n))
	default:
		binary.LittleEndian.PutUint64(b, uint64(n))
	}
}

func load[N number](b []byte) N {
	switch unsafe.Sizeof(N(0)) {
	case 1:
		return N(b[0])
	case 2:
		return N(binary.LittleEndian.Uint16(b))
	case 4:
		return N(binary.LittleEndian.Uint32(b))
	}
	return N(binary.LittleEndian.Uint64(b))
}

func boolCodec() codec {
	return codec{buffers: 1, fixed: 1, encode: encodeBool, decode: decodeBool}
}

func encodeBool(s *sink, _ *column, v view) error {
	out := s.reserve((v.n + 7) / 8)
	clear(out)
	k := 0
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			if *(*bool)(values.at(i)) {
				out[k/8] |= 1 << (k % 8)
			}
			k++
		}
	}
	return nil
}

func decodeBool(b *binding, from, n int, to stretch) error {
	in := b.layout.values
	for i := range n {
		*(*bool)(to.at(i)) = isSet(in, from+i)
	}
	return nil
}

// isSet reads a bit of a bitmap.
func isSet(bitmap []byte, i int) bool {
	return bitmap[uint(i)/8]>>(uint(i)%8)&1 != 0
}

// fixedCodec moves arrays of bytes. Those of 20 and 32 bytes, addresses and hashes, are moved without a call.
func fixedCodec(size int) codec {
	c := codec{buffers: 1, fixed: size, flat: true, encode: encodeFixed, decode: decodeFixed}
	switch size {
	case 20:
		c.encode, c.decode, c.follow = encode20, decode20, follow20
	case 32:
		c.encode, c.decode, c.follow = encode32, decode32, follow32
	}
	return c
}

func encode20(s *sink, _ *column, v view) error {
	out := s.reserve(v.n * 20)
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			move20((*[20]byte)(out), (*[20]byte)(values.at(i)))
			out = out[20:]
		}
	}
	return nil
}

func decode20(b *binding, from, n int, to stretch) error {
	in := b.layout.values[from*20 : (from+n)*20]
	for i := range n {
		move20((*[20]byte)(to.at(i)), (*[20]byte)(in))
		in = in[20:]
	}
	return nil
}

func encode32(s *sink, _ *column, v view) error {
	out := s.reserve(v.n * 32)
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			move32((*[32]byte)(out), (*[32]byte)(values.at(i)))
			out = out[32:]
		}
	}
	return nil
}

func decode32(b *binding, from, n int, to stretch) error {
	in := b.layout.values[from*32 : (from+n)*32]
	for i := range n {
		move32((*[32]byte)(to.at(i)), (*[32]byte)(in))
		in = in[32:]
	}
	return nil
}

// move20 copies by words: an assignment of arrays that might overlap is a call.
func move20(to, from *[20]byte) {
	order := binary.NativeEndian
	a, b, c := order.Uint64(from[:8]), order.Uint64(from[8:16]), order.Uint32(from[16:])
	order.PutUint64(to[:8], a)
	order.PutUint64(to[8:16], b)
	order.PutUint32(to[16:], c)
}

func move32(to, from *[32]byte) {
	order := binary.NativeEndian
	a, b, c, d := order.Uint64(from[:8]), order.Uint64(from[8:16]), order.Uint64(from[16:24]), order.Uint64(from[24:])
	order.PutUint64(to[:8], a)
	order.PutUint64(to[8:16], b)
	order.PutUint64(to[16:24], c)
	order.PutUint64(to[24:], d)
}

func encodeFixed(s *sink, c *column, v view) error {
	size := c.codec.fixed
	out := s.reserve(v.n * size)
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			copy(out, unsafe.Slice((*byte)(values.at(i)), size))
			out = out[size:]
		}
	}
	return nil
}

func decodeFixed(b *binding, from, n int, to stretch) error {
	size := b.column.codec.fixed
	in := b.layout.values[from*size : (from+n)*size]
	for i := range n {
		copy(unsafe.Slice((*byte)(to.at(i)), size), in)
		in = in[size:]
	}
	return nil
}

func uint256Codec() codec {
	return codec{buffers: 1, fixed: 32, encode: encodeUint256, decode: decodeUint256, follow: followUint256}
}

func encodeUint256(s *sink, _ *column, v view) error {
	out := s.reserve(v.n * 32)
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			storeUint256((*[32]byte)(out), (*uint256.Int)(values.at(i)))
			out = out[32:]
		}
	}
	return nil
}

func storeUint256(out *[32]byte, limbs *uint256.Int) {
	binary.BigEndian.PutUint64(out[:], limbs[3])
	binary.BigEndian.PutUint64(out[8:], limbs[2])
	binary.BigEndian.PutUint64(out[16:], limbs[1])
	binary.BigEndian.PutUint64(out[24:], limbs[0])
}

func decodeUint256(b *binding, from, n int, to stretch) error {
	in := b.layout.values[from*32 : (from+n)*32]
	for i := range n {
		limbs := (*uint256.Int)(to.at(i))
		v := in[:32]
		limbs[3] = binary.BigEndian.Uint64(v)
		limbs[2] = binary.BigEndian.Uint64(v[8:])
		limbs[1] = binary.BigEndian.Uint64(v[16:])
		limbs[0] = binary.BigEndian.Uint64(v[24:])
		in = in[32:]
	}
	return nil
}

func timeCodec() codec {
	return codec{buffers: 1, fixed: 8, encode: encodeTime, decode: decodeTime}
}

// zeroTime stands for the zero time, which lies far outside what a timestamp of nanoseconds can hold. Others read it as NaT.
const zeroTime = math.MinInt64

func encodeTime(s *sink, _ *column, v view) error {
	out := s.reserve(v.n * 8)
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			ns, err := nanoseconds(*(*time.Time)(values.at(i)))
			if err != nil {
				return err
			}
			binary.LittleEndian.PutUint64(out, uint64(ns))
			out = out[8:]
		}
	}
	return nil
}

func nanoseconds(t time.Time) (int64, error) {
	const edge = math.MaxInt64 / int64(time.Second) // seconds on either side of 1970 that surely fit
	if sec := t.Unix(); sec < -edge || sec >= edge {
		if t.IsZero() {
			return zeroTime, nil
		}
		return 0, fmt.Errorf("%s is out of range: a timestamp of nanoseconds lies between 1677-09-21 and 2262-04-11", t.UTC().Format(time.RFC3339))
	}
	return t.UnixNano(), nil
}

func decodeTime(b *binding, from, n int, to stretch) error {
	in := b.layout.values[from*8 : (from+n)*8]
	last := int64(binary.LittleEndian.Uint64(in))
	t := timeOf(last)
	for i := range n {
		if ns := int64(binary.LittleEndian.Uint64(in)); ns != last { // rows of one block have one time
			last, t = ns, timeOf(ns)
		}
		*(*time.Time)(to.at(i)) = t
		in = in[8:]
	}
	return nil
}

func timeOf(ns int64) time.Time {
	if ns == zeroTime {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
