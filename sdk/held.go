package sdk

import (
	"fmt"
	"reflect"
	"slices"
	"time"
	"unsafe"
)

// held are the rows of one port that wait for their tuple, oldest first. Rows
// are taken from the front and added at the back, and no memory is written
// twice: tuples are parts of it.
type held struct {
	port   string
	offset int           // of the column block_number in a row; -1: none
	rows   reflect.Value // a slice of the row type
	blocks []uint64      // of each row; empty where the policy does not ask
	came   []time.Time   // when each row came; empty where nothing times out
	newest uint64        // the highest block that has come
}

func newHeld(port string, row reflect.Type, offset int) held {
	return held{port: port, offset: offset, rows: reflect.MakeSlice(reflect.SliceOf(row), 0, 0)}
}

func (h *held) len() int { return h.rows.Len() }

// block is the block of row i.
func (h *held) block(i int) uint64 {
	if h.offset < 0 {
		return 0
	}
	at := uintptr(i)*h.rows.Type().Elem().Size() + uintptr(h.offset)
	return *(*uint64)(unsafe.Add(h.rows.UnsafePointer(), at))
}

// note remembers the blocks of the rows from the given one on. Rows of one
// input come in the order of their blocks; one that does not is its producer's
// mistake.
func (h *held) note(from int) error {
	for i := from; i < h.len(); i++ {
		b := h.block(i)
		if b < h.newest {
			return fmt.Errorf("input %q: a row of block %d came after one of block %d: its producer has to emit them in the order of blocks", h.port, b, h.newest)
		}
		h.newest = b
		h.blocks = append(h.blocks, b)
	}
	return nil
}

// stamp remembers when the rows from the given one on came.
func (h *held) stamp(from int) {
	now := time.Now()
	for range h.len() - from {
		h.came = append(h.came, now)
	}
}

// until is how many rows are of blocks up to and including last.
func (h *held) until(last uint64) int {
	n, _ := slices.BinarySearchFunc(h.blocks, last, func(b, last uint64) int {
		if b <= last {
			return -1
		}
		return 1
	})
	return n
}

// drop forgets the first n rows.
func (h *held) drop(n int) {
	h.rows = h.rows.Slice(n, h.len())
	h.blocks = h.blocks[min(n, len(h.blocks)):]
	h.came = h.came[min(n, len(h.came)):]
}

// fill sets a field of a tuple to the first n rows, or to the newest of them.
// Rows that are kept for other tuples are copied: each tuple is the author's.
func (h *held) fill(field reflect.Value, n int, keep bool) {
	switch {
	case n == 0:
	case field.Kind() == reflect.Pointer:
		row := reflect.New(field.Type().Elem())
		row.Elem().Set(h.rows.Index(n - 1))
		field.Set(row)
	case keep:
		field.Set(reflect.AppendSlice(reflect.Zero(field.Type()), h.rows.Slice(0, n)))
	default:
		field.Set(h.rows.Slice3(0, n, n))
	}
}
