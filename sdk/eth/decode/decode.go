// Package decode turns the JSON that Ethereum nodes answer into the rows of package eth.
//
// Nodes write nearly every value as a hex string and differ in which fields they leave out and in what order they write them. So an answer
// is read once, from its beginning to its end, and the digits of what a row needs go straight to where they belong; the rest is stepped
// over. What is missing becomes a zero or nil, what is there but malformed is an error that names the field, and what ties an answer to
// its block (number, hash, parent) must be there.
//
// Answers may come from anybody: whatever they hold, the outcome is rows or an error, in memory that is a multiple of their own size: rows
// of real answers take about as much as the answers, and no answer is worth more than some tens of times its size.
package decode

import (
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
)

// ErrNull says that a node answered null: it does not have, or not yet, what it was asked for.
var ErrNull = errors.New("the node answered null")

// ErrElsewhere says that an answer belongs to another block than the one it was asked for: the chain moved between two calls, or two
// endpoints see different chains.
var ErrElsewhere = errors.New("it belongs to another block")

// result is the name of an answer that is a single value, for messages.
var result = []byte("result")

// Decoder turns answers into rows. What its rows point to is copied from the answer and cut from larger pieces of memory that are never
// used twice: rows stay as they are, whatever becomes of the answer and of the decoder. It is not safe for concurrent use.
type Decoder struct {
	ChainID uint64 // of the network; every row says it

	scanner
	bytes  []byte
	hashes []common.Hash
	addrs  []common.Address
	words  []uint256.Int
	nums   []uint64

	// These hold what is being read until its number is known.
	hashPart     []common.Hash
	transactions []eth.Transaction
	withdrawals  []eth.Withdrawal
	tuples       []eth.AccessTuple
	signed       []eth.Authorization
	logs         []eth.Log
	traces       []eth.Trace
	path         []uint64 // of the call at hand
	room         int      // for more of them

	extra []string
}

// start begins to read an answer.
func (d *Decoder) start(raw []byte) error {
	d.reset(raw)
	if len(raw) == 0 {
		return ErrNull
	}
	if d.peek() == 'n' {
		d.literal("null")
		if d.end(); d.err == nil {
			return ErrNull
		}
	}
	return d.err
}

// finish returns what went wrong, and lets go of the answer.
func (d *Decoder) finish() error {
	d.end()
	err := d.err
	d.reset(nil)
	return err
}

// Quantity decodes an answer that is a number of 64 bits.
func (d *Decoder) Quantity(raw []byte) (n uint64, err error) {
	if err := d.start(raw); err != nil {
		return 0, err
	}
	d.key = result
	if !d.quantity(&n) {
		d.missing("result")
	}
	return n, d.finish()
}

// Word decodes an answer that is a number of 256 bits, such as a balance or a price.
func (d *Decoder) Word(raw []byte) (n uint256.Int, err error) {
	if err := d.start(raw); err != nil {
		return n, err
	}
	d.key = result
	if !d.word(&n) {
		d.missing("result")
	}
	return n, d.finish()
}

// Data decodes an answer that is bytes, such as what a call returned or the code of a contract; nil if there are none.
func (d *Decoder) Data(raw []byte) ([]byte, error) {
	if err := d.start(raw); err != nil {
		return nil, err
	}
	d.key = result
	if d.peek() != '"' {
		d.wrong("bytes in hex")
	}
	out := d.data()
	return out, d.finish()
}

// Hashes decodes an answer that is a list of hashes.
func (d *Decoder) Hashes(raw []byte) ([]common.Hash, error) {
	if err := d.start(raw); err != nil {
		return nil, err
	}
	d.key = result
	out := d.hashList()
	return out, d.finish()
}
