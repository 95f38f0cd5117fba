package verify

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/internal/rlp"
)

// Senders checks who sent transactions, by their signatures. It costs many times as much as everything else together, so that it is only
// done where it is asked for. The sender of a transaction follows from what the chain commits to, but is no part of it.
func (v *Verifier) Senders(h *eth.Header, transactions []eth.Transaction) error {
	var err error
	for i := range transactions {
		tx := &transactions[i]
		field := fmt.Sprintf("transactions[%d].from", i)
		got, problem := v.sender(tx)
		switch {
		case problem != "":
			err = worst(err, unverifiable(h, field, problem))
		case got != tx.From:
			err = worst(err, differs(h, field, tx.From, got))
		}
	}
	return err
}

// sender is who signed a transaction, or why that cannot be told.
func (v *Verifier) sender(tx *eth.Transaction) (from common.Address, problem string) {
	if rlp.TransactionSize(tx) == 0 {
		return from, noSuchType(tx.TransactionType)
	}
	parity, chain := signedFor(tx)
	if parity > 1 {
		return from, fmt.Sprintf("its v is %s", &tx.V)
	}
	v.buf = rlp.AppendUnsigned(v.buf[:0], tx, chain)
	digest := v.keccak.Sum(v.buf)
	var signature [65]byte
	tx.R.WriteToSlice(signature[:32])
	tx.S.WriteToSlice(signature[32:64])
	signature[64] = byte(parity)
	key, err := crypto.Ecrecover(digest[:], signature[:])
	if err != nil {
		return from, "its signature is none: " + err.Error()
	}
	sum := v.keccak.Sum(key[1:])
	return common.Address(sum[12:]), ""
}

// signedFor is the parity of y in a signature, and for a legacy transaction the chain that it was signed for; nil: for any.
func signedFor(tx *eth.Transaction) (parity uint64, chain *uint256.Int) {
	if tx.TransactionType != rlp.Legacy {
		return tx.V.Uint64(), nil
	}
	if tx.V.LtUint64(35) {
		return tx.V.Uint64() - 27, nil
	}
	rest := new(uint256.Int).SubUint64(&tx.V, 35)
	return rest.Uint64() & 1, rest.Rsh(rest, 1)
}
