// Package decode turns the JSON that Ethereum nodes answer into the rows of package eth.
//
// Nodes write every value as a hex string and differ in which fields they leave out. So an answer is first decoded into structs of
// strings that alias it, with only the fields that a row needs, and then converted: what is missing becomes a zero or nil, what is there
// but malformed is an error that names the field, and what ties an answer to its block (number, hash, parent) must be there.
package decode

import (
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/goccy/go-json"
	"github.com/holiman/uint256"
)

// ErrNull says that a node answered null: it does not have, or not yet, what it was asked for.
var ErrNull = errors.New("the node answered null")

// ErrElsewhere says that an answer belongs to another block than the one it was asked for: the chain moved between two calls, or two
// endpoints see different chains.
var ErrElsewhere = errors.New("it belongs to another block")

// Decoder turns answers into rows. What its rows point to is cut from larger pieces of memory that are never used twice: rows stay
// as they are. It is not safe for concurrent use.
type Decoder struct {
	ChainID uint64 // of the network; every row says it

	err    error // the first malformed field of the answer at hand
	bytes  []byte
	hashes []common.Hash
	addrs  []common.Address
	words  []uint256.Int
	nums   []uint64
}

// unmarshal is the only place that knows the JSON library.
func unmarshal(raw []byte, into any) error {
	if len(raw) == 0 || string(raw) == "null" {
		return ErrNull
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("decode %s: %w", excerpt(raw), err)
	}
	return nil
}

// excerpt shows the beginning of an decode.
func excerpt(raw []byte) string {
	const most = 120
	if len(raw) <= most {
		return string(raw)
	}
	return string(raw[:most]) + "…"
}

// finish returns what went wrong since the last call.
func (d *Decoder) finish() error {
	err := d.err
	d.err = nil
	return err
}

func (d *Decoder) fail(field, value, problem string) {
	if d.err == nil {
		d.err = fmt.Errorf("field %s is %q: %s", field, excerpt([]byte(value)), problem)
	}
}

// cut takes n elements from a pool that is filled a piece at a time.
func cut[T any](pool *[]T, n, piece int) []T {
	if len(*pool) < n {
		*pool = make([]T, max(n, piece))
	}
	out := (*pool)[:n:n]
	*pool = (*pool)[n:]
	return out
}

// quantity is a number; 0 if the node left it out.
func (d *Decoder) quantity(field, s string) uint64 {
	if s == "" {
		return 0
	}
	n, ok := parseQuantity(s)
	if !ok {
		d.fail(field, s, "not a number of 64 bits in hex")
	}
	return n
}

// optQuantity is nil if the node left the number out.
func (d *Decoder) optQuantity(field, s string) *uint64 {
	if s == "" {
		return nil
	}
	p := &cut(&d.nums, 1, 64)[0]
	*p = d.quantity(field, s)
	return p
}

// needQuantity is a number without which the answer means nothing.
func (d *Decoder) needQuantity(field, s string) uint64 {
	if s == "" {
		d.fail(field, s, "missing")
	}
	return d.quantity(field, s)
}

// octet is a number of 8 bits.
func (d *Decoder) octet(field, s string) uint8 {
	n := d.quantity(field, s)
	if n > 255 {
		d.fail(field, s, "larger than 255")
	}
	return uint8(n)
}

// word is a number of 256 bits; 0 if the node left it out.
func (d *Decoder) word(field, s string) (n uint256.Int) {
	if s != "" && !parseWord(s, &n) {
		d.fail(field, s, "not a number of 256 bits in hex")
	}
	return n
}

func (d *Decoder) optWord(field, s string) *uint256.Int {
	if s == "" {
		return nil
	}
	p := &cut(&d.words, 1, 64)[0]
	*p = d.word(field, s)
	return p
}

// hash is zero if the node left it out.
func (d *Decoder) hash(field, s string) (h common.Hash) {
	if s != "" && !parseFixed(h[:], s) {
		d.fail(field, s, "not 32 bytes in hex")
	}
	return h
}

func (d *Decoder) needHash(field, s string) common.Hash {
	if s == "" {
		d.fail(field, s, "missing")
	}
	return d.hash(field, s)
}

func (d *Decoder) optHash(field, s string) *common.Hash {
	if s == "" || s == "0x" {
		return nil
	}
	p := &cut(&d.hashes, 1, 64)[0]
	*p = d.hash(field, s)
	return p
}

func (d *Decoder) hashList(field string, list []string) []common.Hash {
	if len(list) == 0 {
		return nil
	}
	out := cut(&d.hashes, len(list), 256)
	for i, s := range list {
		out[i] = d.needHash(field, s)
	}
	return out
}

func (d *Decoder) address(field, s string) (a common.Address) {
	if s != "" && !parseFixed(a[:], s) {
		d.fail(field, s, "not 20 bytes in hex")
	}
	return a
}

func (d *Decoder) optAddress(field, s string) *common.Address {
	if s == "" || s == "0x" {
		return nil
	}
	p := &cut(&d.addrs, 1, 64)[0]
	*p = d.address(field, s)
	return p
}

// data is bytes of any length; nil if there are none.
func (d *Decoder) data(field, s string) []byte {
	digits, ok := hexDigits(s)
	if !ok || len(digits)%2 != 0 {
		if s != "" {
			d.fail(field, s, "not bytes in hex")
		}
		return nil
	}
	if len(digits) == 0 {
		return nil
	}
	out := cut(&d.bytes, len(digits)/2, 16<<10)
	if !decodeHex(out, digits) {
		d.fail(field, s, "not bytes in hex")
	}
	return out
}

// farthest is the last second that fits a timestamp in nanoseconds.
const farthest = 1<<63/1_000_000_000 - 1

// time is the moment of a block; the zero time if the node left it out.
func (d *Decoder) time(field, s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	n := d.quantity(field, s)
	if n > farthest {
		d.fail(field, s, "later than the year 2262")
	}
	return time.Unix(int64(n), 0).UTC()
}

// Quantity decodes an answer that is a number.
func (d *Decoder) Quantity(raw []byte) (uint64, error) {
	var s string
	if err := unmarshal(raw, &s); err != nil {
		return 0, err
	}
	n := d.needQuantity("result", s)
	return n, d.finish()
}
