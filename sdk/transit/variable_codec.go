package transit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
	"unsafe"
)

func bytesCodec() codec {
	return codec{buffers: 2, fixed: 4, encode: encodeBytes, decode: decodeBytes, size: lengthOf}
}

func stringCodec() codec {
	return codec{buffers: 2, fixed: 4, encode: encodeString, decode: decodeString, size: lengthOf}
}

// lengthOf is the length of a string or of a slice of bytes: both begin with a pointer and a length.
func lengthOf(_ *column, p unsafe.Pointer) int { return len(*(*string)(p)) }

func encodeString(s *sink, c *column, v view) error {
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			if text := *(*string)(values.at(i)); !utf8.ValidString(text) {
				return fmt.Errorf("%.60q is not UTF-8: use []byte for what is not text", text)
			}
		}
	}
	return encodeBytes(s, c, v)
}

// encodeBytes writes offsets and bytes of slices of bytes, and of strings, whose memory begins alike.
func encodeBytes(s *sink, _ *column, v view) error {
	next := s.offsets(v.n)
	start := len(s.out)
	out := s.out
	for _, sp := range v.spans {
		values := sp.values(v.off, v.stride)
		for i := range sp.n {
			out = append(out, *(*string)(values.at(i))...)
			binary.LittleEndian.PutUint32(out[next:], uint32(len(out)-start))
			next += 4
		}
	}
	s.out = out
	return s.finish(start)
}

func decodeBytes(b *binding, from, n int, to stretch) error {
	offsets, values := b.layout.offsets[4*from:4*(from+n+1)], b.layout.values
	begin := uint64(binary.LittleEndian.Uint32(offsets))
	for i := range n {
		end := uint64(binary.LittleEndian.Uint32(offsets[4*i+4:]))
		if end < begin || end > uint64(len(values)) {
			return badOffsets(from+i, begin, end, len(values))
		}
		if end == begin {
			*(*[]byte)(to.at(i)) = nil
		} else {
			*(*[]byte)(to.at(i)) = values[begin:end:end]
		}
		begin = end
	}
	return nil
}

func decodeString(b *binding, from, n int, to stretch) error {
	offsets, values := b.layout.offsets[4*from:4*(from+n+1)], b.layout.values
	begin := uint64(binary.LittleEndian.Uint32(offsets))
	for i := range n {
		end := uint64(binary.LittleEndian.Uint32(offsets[4*i+4:]))
		if end < begin || end > uint64(len(values)) {
			return badOffsets(from+i, begin, end, len(values))
		}
		text := values[begin:end]
		*(*string)(to.at(i)) = unsafe.String(unsafe.SliceData(text), len(text))
		begin = end
	}
	return nil
}

var errBadOffsets = errors.New("the offsets are broken")

func badOffsets(i int, begin, end uint64, limit int) error {
	return fmt.Errorf("%w: value %d goes from %d to %d of %d", errBadOffsets, i, begin, end, limit)
}
