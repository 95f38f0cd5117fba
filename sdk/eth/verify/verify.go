// Package verify checks rows of package eth against what the chain commits to, without trusting the node that they came from.
//
// The hash of a block is made of the fields of its header, and those hold the roots of its transactions, receipts and withdrawals. So all
// of it is recomputed: what a block is comes down to one hash, which its child repeats as its parent. What differs is a *Mismatch, which
// names the block and the field. Where a node leaves out what is needed, or a chain has transactions that Ethereum does not know, nothing
// can be recomputed: that is an *Unverifiable, and says nothing against the data.
//
// Some columns are not part of what a chain commits to. docs/verification.md lists them.
package verify

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/internal/keccak"
)

// Mismatch says that a block is not what it says it is.
type Mismatch struct {
	Block uint64
	Hash  common.Hash
	Field string // as nodes call it, with its place: transactions[3].hash
	Want  string // what the answer says
	Got   string // what the rest of the answer comes to
}

// Error names the block, the field and both values.
func (m *Mismatch) Error() string {
	return fmt.Sprintf("block %d (%s) does not verify: %s is %s, but what it is made of comes to %s", m.Block, m.Hash, m.Field, m.Want, m.Got)
}

// Unverifiable says that part of a block cannot be recomputed.
type Unverifiable struct {
	Block  uint64
	Hash   common.Hash
	Field  string // what could not be checked, as nodes call it
	Reason string
}

// Error names the block, the field and the reason.
func (u *Unverifiable) Error() string {
	return fmt.Sprintf("block %d (%s): %s cannot be verified: %s", u.Block, u.Hash, u.Field, u.Reason)
}

// Ethereum reports whether a chain is Ethereum itself or one of its public test networks. Everything on them can be recomputed, so that
// there an Unverifiable is the fault of the node.
func Ethereum(chainID uint64) bool {
	switch chainID {
	case 1, 3, 4, 5, 42, 17000, 560048, 11155111:
		return true
	}
	return false
}

// Verifier checks blocks. It keeps memory for the next block; its zero value is ready. It is not safe for concurrent use.
//
// Its methods change none of the rows that they are given. They return a *Mismatch, an *Unverifiable or nil, a Mismatch wherever there is
// one.
type Verifier struct {
	keccak    keccak.Hasher
	buf       []byte // what is encoded
	list      list
	second    *Verifier // of what goes on beside
	addresses table[common.Address]
	topics    table[common.Hash]
	fresh     fresh
}

// mismatch is nil if both are the same.
func mismatch(h *eth.Header, field string, want, got common.Hash) error {
	if want == got {
		return nil
	}
	return &Mismatch{Block: h.BlockNumber, Hash: h.BlockHash, Field: field, Want: want.Hex(), Got: got.Hex()}
}

func differs(h *eth.Header, field string, want, got any) error {
	return &Mismatch{Block: h.BlockNumber, Hash: h.BlockHash, Field: field, Want: fmt.Sprint(want), Got: fmt.Sprint(got)}
}

func unverifiable(h *eth.Header, field, reason string) error {
	return &Unverifiable{Block: h.BlockNumber, Hash: h.BlockHash, Field: field, Reason: reason}
}

// worst is the first Mismatch of several results, or else the first Unverifiable.
func worst(results ...error) (err error) {
	for _, r := range results {
		if _, is := r.(*Mismatch); is { //nolint:errorlint // they come from here, unwrapped
			return r
		}
		if err == nil {
			err = r
		}
	}
	return err
}
