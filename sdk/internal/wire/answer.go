package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Answers to a plugin's requests are ordinary messages, but what nodes answer is
// most of all that a plugin receives: it goes from the host's memory into the
// socket, and from the socket's buffers into the memory that it stays in.

// Field numbers of pluginv1.HostAnswer and pluginv1.ChainResult.
const (
	fieldResults = 10
	fieldResult  = 1
)

// marshalAnswer writes an answer around the results' own bytes, which must not
// change any more.
func marshalAnswer(a *pluginv1.HostAnswer) (mem.BufferSlice, error) {
	rest := &pluginv1.HostAnswer{Id: a.Id, More: a.More, Error: a.Error, Event: a.Event, Known: a.Known, Shared: a.Shared}
	b, err := proto.Marshal(rest)
	if err != nil {
		return nil, fmt.Errorf("write an answer: %w", err)
	}
	out := make(mem.BufferSlice, 0, 1+2*len(a.Results))
	for _, r := range a.Results {
		tail, err := proto.Marshal(&pluginv1.ChainResult{Error: r.Error, Endpoint: r.Endpoint})
		if err != nil {
			return nil, fmt.Errorf("write a result: %w", err)
		}
		size := len(tail)
		if len(r.Result) > 0 {
			size += protowire.SizeTag(fieldResult) + protowire.SizeBytes(len(r.Result))
		}
		b = protowire.AppendTag(b, fieldResults, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(size))
		if len(r.Result) > 0 {
			b = protowire.AppendTag(b, fieldResult, protowire.BytesType)
			b = protowire.AppendVarint(b, uint64(len(r.Result)))
			out = append(out, mem.SliceBuffer(b), mem.SliceBuffer(r.Result))
			b = nil
		}
		b = append(b, tail...)
	}
	return append(out, mem.SliceBuffer(b)), nil
}

// unmarshalAnswer reads an answer whatever buffers it lies in, and keeps none of
// them: each result has memory of its own.
func unmarshalAnswer(data mem.BufferSlice, a *pluginv1.HostAnswer) error {
	r := pieces{reader: data.Reader()}
	defer func() { _ = r.reader.Close() }()
	var results []*pluginv1.ChainResult
	rest, err := r.fields(r.reader.Remaining(), fieldResults, func(size int) error {
		one := &pluginv1.ChainResult{}
		tail, err := r.fields(size, fieldResult, func(size int) (err error) {
			one.Result, err = r.take(size)
			return err
		})
		if err != nil {
			return err
		}
		results = append(results, one)
		return proto.UnmarshalOptions{Merge: true}.Unmarshal(tail, one)
	})
	if err == nil {
		err = proto.Unmarshal(rest, a)
	}
	if err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	a.Results = results
	return nil
}

// pieces reads protobuf out of several buffers.
type pieces struct {
	reader *mem.Reader
	parts  [][]byte // memory for take
}

var errPieces = fmt.Errorf("it is cut short or broken: %w", protowire.ParseError(-1))

// fields reads the fields in the next size bytes. It calls one for each that is
// bytes with a number, for it to read so many; the others are returned as they are.
func (p *pieces) fields(size int, number protowire.Number, one func(size int) error) (others []byte, err error) {
	end := p.reader.Remaining() - size
	for p.reader.Remaining() > end {
		tag, err := binary.ReadUvarint(p.reader)
		if err != nil {
			return nil, errPieces
		}
		num, kind := protowire.DecodeTag(tag)
		if num == number && kind == protowire.BytesType {
			n, err := p.length(end)
			if err == nil {
				err = one(n)
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		others = binary.AppendUvarint(others, tag)
		if others, err = p.value(others, kind, p.reader.Remaining()-end); err != nil {
			return nil, err
		}
	}
	if p.reader.Remaining() < end {
		return nil, errPieces
	}
	return others, nil
}

// length reads how many bytes follow, when so many are to remain at the end.
func (p *pieces) length(end int) (int, error) {
	n, err := binary.ReadUvarint(p.reader)
	if err != nil || n > uint64(max(0, p.reader.Remaining()-end)) {
		return 0, errPieces
	}
	return int(n), nil
}

// value appends the value of a field, which has at most so many bytes.
func (p *pieces) value(dst []byte, kind protowire.Type, most int) ([]byte, error) {
	size := uint64(0)
	switch kind {
	case protowire.VarintType, protowire.BytesType:
		n, err := binary.ReadUvarint(p.reader)
		if err != nil {
			return nil, errPieces
		}
		dst = binary.AppendUvarint(dst, n)
		if kind == protowire.BytesType {
			size = n
		}
	case protowire.Fixed32Type:
		size = 4
	case protowire.Fixed64Type:
		size = 8
	default: // groups, which nobody writes any more
		return nil, errPieces
	}
	if size > uint64(max(0, most)) {
		return nil, errPieces
	}
	value, err := p.take(int(size))
	return append(dst, value...), err
}

// take copies the next bytes into memory of their own.
func (p *pieces) take(size int) (taken []byte, err error) {
	if p.parts, err = p.reader.Peek(size, p.parts[:0]); err != nil {
		return nil, errPieces
	}
	taken = bytes.Join(p.parts, nil) // which does not clear memory before it fills it
	_, err = p.reader.Discard(size)
	return taken, err
}
