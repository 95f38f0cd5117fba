package transit

import (
	"encoding/binary"
	"errors"
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// A message of an Arrow IPC stream is a marker, the length of its metadata, the metadata (a flatbuffer padded to 8 bytes) and a
// body. These are the parts of the format that record batches need.
const (
	continuation = 0xFFFFFFFF
	prefixSize   = 8 // marker and length

	metadataV4 = 3
	metadataV5 = 4

	headerSchema     = 1
	headerDictionary = 2
	headerBatch      = 3
)

// Fields of the tables Message and RecordBatch, by their numbers in the format.
const (
	messageVersion = iota
	messageHeaderType
	messageHeader
	messageBodyLength
	messageFields
)

const (
	batchLength = iota
	batchNodes
	batchBuffers
	batchCompression
	batchFields
)

// entrySize is the size of a FieldNode (length, null count) and of a Buffer (offset, length).
const entrySize = 16

// A batchHeader says where in a record batch message its parts lie.
type batchHeader struct {
	rows, bodyLength            int64
	rowsAt, nodesAt, buffersAt  int // in the message
	bodyLengthAt, nodes, counts int // counts: of buffers
	body                        int // where the body begins
}

// splitMessage finds the metadata of an encapsulated message and returns where its body begins.
func splitMessage(message []byte) (metadata []byte, body int, err error) {
	if len(message) < prefixSize {
		return nil, 0, fmt.Errorf("%d bytes are too few for an Arrow message", len(message))
	}
	if binary.LittleEndian.Uint32(message) != continuation {
		return nil, 0, errors.New("an Arrow message begins with the bytes ff ff ff ff")
	}
	size := binary.LittleEndian.Uint32(message[4:])
	if uint64(size) > uint64(len(message)-prefixSize) {
		return nil, 0, fmt.Errorf("the metadata is cut short: %d bytes are announced, %d there", size, len(message)-prefixSize)
	}
	if size == 0 {
		return nil, 0, errors.New("the message marks the end of a stream, where a batch is expected")
	}
	body = prefixSize + int(size)
	return message[prefixSize:body], body, nil
}

// parseBatch reads the metadata of a record batch message. It trusts nothing: what it returns lies inside the message.
func parseBatch(message []byte) (batchHeader, error) {
	metadata, body, err := splitMessage(message)
	if err != nil {
		return batchHeader{}, err
	}
	v := flatView{buf: metadata}
	root := rootTable(&v)
	header, err := messageTable(root, headerBatch)
	if err != nil {
		return batchHeader{}, err
	}
	h := batchHeader{body: body, rows: header.int64(batchLength), bodyLength: root.int64(messageBodyLength)}
	_, compressed := header.table(batchCompression)
	h.rowsAt = prefixSize + header.field(batchLength)
	h.bodyLengthAt = prefixSize + root.field(messageBodyLength)
	h.nodesAt, h.nodes = header.vector(batchNodes, entrySize)
	h.buffersAt, h.counts = header.vector(batchBuffers, entrySize)
	h.nodesAt += prefixSize
	h.buffersAt += prefixSize
	switch {
	case v.err != nil:
		return batchHeader{}, v.err
	case compressed:
		return batchHeader{}, errors.New("the batch is compressed: switch compression off at its producer")
	case h.rows < 0:
		return batchHeader{}, fmt.Errorf("the batch claims %d rows", h.rows)
	case h.bodyLength != int64(len(message)-body):
		return batchHeader{}, fmt.Errorf("the body has %d bytes where %d are announced", len(message)-body, h.bodyLength)
	}
	return h, nil
}

// messageTable checks that a message is of the wanted type and returns its header.
func messageTable(root table, want byte) (table, error) {
	version, got := root.int16(messageVersion), root.byte(messageHeaderType)
	header, ok := root.table(messageHeader)
	switch {
	case root.err != nil:
		return table{}, root.err
	case version != metadataV4 && version != metadataV5:
		return table{}, fmt.Errorf("version %d of the Arrow format is not known: write version 5", version+1)
	case got == headerDictionary && want != got:
		return table{}, errors.New("the message is a dictionary: send plain values instead of dictionary-encoded ones")
	case got != want || !ok:
		return table{}, fmt.Errorf("the message is a %s, where a %s is expected", headerName(got), headerName(want))
	}
	return header, nil
}

func headerName(header byte) string {
	switch header {
	case headerSchema:
		return "schema"
	case headerDictionary:
		return "dictionary"
	case headerBatch:
		return "record batch"
	}
	return fmt.Sprintf("message of type %d", header)
}

// batchTemplate is the prefix and metadata of a batch of no rows with so many nodes and buffers. As only numbers change from
// batch to batch, each batch is a copy of it with its own numbers at the places that the header gives.
func batchTemplate(nodes, buffers int) ([]byte, batchHeader, error) {
	b := flatbuffers.NewBuilder(256 + entrySize*(nodes+buffers))
	entries := func(count int) flatbuffers.UOffsetT {
		b.StartVector(entrySize, count, 8)
		for range count {
			b.Prep(8, entrySize)
			b.PrependInt64(0)
			b.PrependInt64(0)
		}
		return b.EndVector(count)
	}
	bufferVector := entries(buffers)
	nodeVector := entries(nodes)

	// The default given is one that no value has, so that zeros too are written and leave a place for other numbers.
	b.StartObject(batchFields)
	b.PrependInt64Slot(batchLength, 0, -1)
	b.PrependUOffsetTSlot(batchNodes, nodeVector, 0)
	b.PrependUOffsetTSlot(batchBuffers, bufferVector, 0)
	batch := b.EndObject()

	b.StartObject(messageFields)
	b.PrependInt64Slot(messageBodyLength, 0, -1)
	b.PrependUOffsetTSlot(messageHeader, batch, 0)
	b.PrependInt16Slot(messageVersion, metadataV5, 0)
	b.PrependByteSlot(messageHeaderType, headerBatch, 0)
	b.Finish(b.EndObject())

	metadata := b.FinishedBytes()
	out := make([]byte, prefixSize+pad8(len(metadata)))
	binary.LittleEndian.PutUint32(out, continuation)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-prefixSize))
	copy(out[prefixSize:], metadata)
	header, err := parseBatch(out)
	return out, header, err
}

// pad8 rounds up to the alignment of buffers.
func pad8(n int) int { return (n + 7) &^ 7 }
