package era

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/golang/snappy"
)

// Types of entries in an e2store file: two bytes of type, four of length and two
// that are zero stand before each.
const (
	typeVersion     = 0x3265
	typeHeader      = 0x03
	typeBody        = 0x04
	typeReceipts    = 0x05
	typeDifficulty  = 0x06
	typeAccumulator = 0x07
	typeIndex       = 0x3266

	entryHeader = 8
	// mostBlocks is what one file holds at most.
	mostBlocks = 8192
	// longestEntry bounds what one entry may take, packed or not.
	longestEntry = 256 << 20
)

// file is one era1 file: consecutive blocks with their receipts. It is safe for
// concurrent use.
type file struct {
	name    string
	from    *os.File
	size    int64
	first   uint64
	offsets []int64 // where each block's entries begin
	root    common.Hash
}

// openFile reads what lies at the end of a file: the index, and before it the
// accumulator.
func openFile(path string) (*file, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	e := &file{name: filepath.Base(path), from: f}
	if err := e.readIndex(); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
	}
	return e, nil
}

func (f *file) last() uint64 { return f.first + uint64(len(f.offsets)) - 1 }

// readIndex finds the blocks: the last eight bytes of a file say how many there
// are, and before them stand the offsets of each, counted from where the index
// begins.
func (f *file) readIndex() error {
	info, err := f.from.Stat()
	if err != nil {
		return err
	}
	f.size = info.Size()
	var tail [8]byte
	if _, err := f.from.ReadAt(tail[:], f.size-8); err != nil {
		return fmt.Errorf("its last bytes: %w", err)
	}
	count := binary.LittleEndian.Uint64(tail[:])
	if count == 0 || count > mostBlocks {
		return fmt.Errorf("it says that it holds %d blocks: it is no era1 file, or was not copied whole", count)
	}
	length := int64(8 + 8*count + 8)
	start := f.size - length - entryHeader
	kind, data, err := f.entry(start)
	if err != nil || kind != typeIndex || int64(len(data)) != length {
		return fmt.Errorf("it has no index of blocks at its end: it is no era1 file, or was not copied whole")
	}
	f.first = binary.LittleEndian.Uint64(data)
	f.offsets = make([]int64, count)
	for i := range f.offsets {
		at := start + int64(binary.LittleEndian.Uint64(data[8+8*i:]))
		if at < 0 || at >= start {
			return fmt.Errorf("its index places block %d outside of the file", f.first+uint64(i))
		}
		f.offsets[i] = at
	}
	if kind, data, err = f.entry(start - entryHeader - 32); err != nil || kind != typeAccumulator || len(data) != 32 {
		return errors.New("it has no accumulator before its index: it is no era1 file")
	}
	f.root = common.BytesToHash(data)
	return nil
}

// entry reads the entry at an offset.
func (f *file) entry(at int64) (kind uint16, data []byte, err error) {
	var head [entryHeader]byte
	if at < 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	if _, err := f.from.ReadAt(head[:], at); err != nil {
		return 0, nil, err
	}
	length := int64(binary.LittleEndian.Uint32(head[2:]))
	if length > longestEntry || at+entryHeader+length > f.size {
		return 0, nil, fmt.Errorf("an entry of %d bytes, which is more than the file has", length)
	}
	data = make([]byte, length)
	_, err = f.from.ReadAt(data, at+entryHeader)
	return binary.LittleEndian.Uint16(head[:]), data, err
}

// part is what of a block is read.
type part struct {
	header   *types.Header
	body     *types.Body
	receipts types.Receipts
	td       *big.Int
}

// block reads a block that the file has: its header and total difficulty, and
// more of it if that is wanted.
func (f *file) block(number uint64, body, receipts bool) (part, error) {
	var p part
	at := f.offsets[number-f.first]
	wanted := []struct {
		kind uint16
		into any // nil: passed over
	}{
		{typeHeader, &p.header}, {typeBody, &p.body}, {typeReceipts, &p.receipts}, {typeDifficulty, &p.td},
	}
	if !body {
		wanted[1].into = nil
	}
	if !receipts {
		wanted[2].into = nil
	}
	for _, w := range wanted {
		next, err := f.field(at, w.kind, w.into)
		if err != nil {
			return part{}, fmt.Errorf("read block %d of %s: %w", number, f.name, err)
		}
		at = next
	}
	if p.header.Number == nil || p.header.Number.Uint64() != number {
		return part{}, fmt.Errorf("read block %d of %s: the block there has number %s", number, f.name, p.header.Number)
	}
	return p, nil
}

// field reads the entry at an offset, which has to be of a kind, and returns
// where the next one begins.
func (f *file) field(at int64, want uint16, into any) (next int64, err error) {
	if into == nil {
		var head [entryHeader]byte
		if _, err := f.from.ReadAt(head[:], at); err != nil {
			return 0, err
		}
		return at + entryHeader + int64(binary.LittleEndian.Uint32(head[2:])), nil
	}
	kind, data, err := f.entry(at)
	if err != nil {
		return 0, err
	}
	if kind != want {
		return 0, fmt.Errorf("an entry of type %#x where one of type %#x has to be", kind, want)
	}
	return at + entryHeader + int64(len(data)), unpack(data, want, into)
}

func unpack(data []byte, kind uint16, into any) error {
	if kind == typeDifficulty {
		number := make([]byte, len(data)) // little-endian in the file
		for i, b := range data {
			number[len(data)-1-i] = b
		}
		*into.(**big.Int) = new(big.Int).SetBytes(number)
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(snappy.NewReader(bytes.NewReader(data)), longestEntry))
	if err != nil {
		return fmt.Errorf("unpack an entry of type %#x: %w", kind, err)
	}
	if err := rlp.DecodeBytes(raw, into); err != nil {
		return fmt.Errorf("decode an entry of type %#x: %w", kind, err)
	}
	return nil
}
