// Package digest makes what two stores hold comparable: counts and sums of rows
// by range, independent of the order of rows and of how a store writes values.
//
// The digest of a row is SHA-256 over its cells in the order of the type's
// columns, each with its length and in one canonical text: numbers in decimals,
// bytes, addresses and hashes in lower-case hexadecimal with 0x, times in RFC
// 3339 in UTC, lists and structs as JSON without blanks and with sorted names. A
// null is told apart from an empty text. The sum of a range is the sum of its
// rows' digests modulo 2^256, so that a row that is missing, added, changed or
// there twice shows.
package digest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"math/bits"

	"github.com/penstock-io/penstock/sdk/transit"
)

// Query is what is asked of a store.
type Query struct {
	Input  int          // the index of the loader's input whose rows are meant
	Type   transit.Type // of the rows
	Column string       // that the ranges are of, such as block_number
	Ranges []Range      // From and To are set
}

// Range is the rows whose column lies from one number to another, both inclusive.
type Range struct {
	From, To uint64
	Rows     uint64
	Sum      Sum
}

// Sum is the sum of digests modulo 2^256, big-endian.
type Sum [32]byte

// Add adds a digest.
func (s *Sum) Add(d [32]byte) {
	var carry uint64
	for at := 24; at >= 0; at -= 8 {
		var part uint64
		part, carry = bits.Add64(binary.BigEndian.Uint64(s[at:]), binary.BigEndian.Uint64(d[at:]), carry)
		binary.BigEndian.PutUint64(s[at:], part)
	}
}

// Row makes the digests of rows, cell by cell. It is not safe for concurrent use.
type Row struct {
	hash hash.Hash
	size [9]byte
	sum  [32]byte
	text []byte
}

// Text adds a cell that is text, or is in its canonical text already.
func (r *Row) Text(cell []byte) {
	r.size[0] = 1
	binary.BigEndian.PutUint64(r.size[1:], uint64(len(cell)))
	r.begin().Write(r.size[:])
	r.hash.Write(cell)
}

// Value adds a cell as transit.Batch.Value has it: nil, bool, int64, uint64,
// float64, string, []byte, an address, a hash, *big.Int, time.Time, []any or
// map[string]any.
func (r *Row) Value(v any) {
	if v == nil {
		r.Null()
		return
	}
	r.text = appendValue(r.text[:0], v)
	r.Text(r.text)
}

// Nested adds a list or struct that is JSON, whatever its blanks, the order of
// its names and the case of its hexadecimals.
func (r *Row) Nested(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("read a list or struct as JSON: %w", err)
	}
	r.text = appendNested(r.text[:0], v)
	r.Text(r.text)
	return nil
}

// Null adds a cell that holds nothing.
func (r *Row) Null() {
	r.size = [9]byte{}
	r.begin().Write(r.size[:])
}

func (r *Row) begin() hash.Hash {
	if r.hash == nil {
		r.hash = sha256.New()
	}
	return r.hash
}

// Digest is the digest of the cells so far; the next cell begins another row.
func (r *Row) Digest() [32]byte {
	r.begin().Sum(r.sum[:0])
	r.hash.Reset()
	return r.sum
}
