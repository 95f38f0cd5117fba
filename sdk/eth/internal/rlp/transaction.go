package rlp

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
)

// Types of transactions.
const (
	Legacy = iota
	AccessList
	DynamicFee
	Blob
	SetCode
)

// TransactionSize is how long a transaction is when it is encoded; 0 if its type is not one of Ethereum's.
func TransactionSize(tx *eth.Transaction) int {
	payload := transactionPayload(tx)
	switch {
	case tx.TransactionType > SetCode:
		return 0
	case tx.TransactionType == Legacy:
		return ListSize(payload)
	}
	return 1 + ListSize(payload)
}

func transactionPayload(tx *eth.Transaction) int {
	return unsignedPayload(tx) + wordSize(&tx.V) + wordSize(&tx.R) + wordSize(&tx.S)
}

// unsignedPayload is all but the signature.
func unsignedPayload(tx *eth.Transaction) int {
	n := uintSize(tx.Nonce) + uintSize(tx.GasLimit) + toSize(tx.To) + wordSize(&tx.Value) + BytesSize(tx.Input)
	if tx.TransactionType >= AccessList {
		n += uintSize(tx.ChainID) + ListSize(accessListPayload(tx.AccessList))
	}
	if tx.TransactionType >= DynamicFee {
		n += wordSize(tx.MaxPriorityFeePerGas) + wordSize(tx.MaxFeePerGas)
	} else {
		n += wordSize(&tx.GasPrice)
	}
	switch tx.TransactionType {
	case Blob:
		n += wordSize(tx.MaxFeePerBlobGas) + ListSize(hashSize*len(tx.BlobVersionedHashes))
	case SetCode:
		n += ListSize(authorizationsPayload(tx.AuthorizationList))
	}
	return n
}

// AppendTransaction appends a transaction as its hash and its block's root are made of it: a byte for its type unless it is a legacy
// one, and the list of its fields. The type must be one of Ethereum's.
func AppendTransaction(dst []byte, tx *eth.Transaction) []byte {
	if tx.TransactionType != Legacy {
		dst = append(dst, tx.TransactionType)
	}
	dst = appendUnsigned(AppendList(dst, transactionPayload(tx)), tx)
	return AppendWord(AppendWord(AppendWord(dst, &tx.V), &tx.R), &tx.S)
}

// AppendUnsigned appends a transaction as its sender signed it. A legacy transaction that is valid on one chain only was signed with the
// number of the chain.
func AppendUnsigned(dst []byte, tx *eth.Transaction, chain *uint256.Int) []byte {
	payload := unsignedPayload(tx)
	if tx.TransactionType != Legacy {
		return appendUnsigned(AppendList(append(dst, tx.TransactionType), payload), tx)
	}
	if chain == nil {
		return appendUnsigned(AppendList(dst, payload), tx)
	}
	dst = appendUnsigned(AppendList(dst, payload+wordSize(chain)+2), tx)
	return append(AppendWord(dst, chain), 0x80, 0x80)
}

func appendUnsigned(dst []byte, tx *eth.Transaction) []byte {
	if tx.TransactionType >= AccessList {
		dst = AppendUint(dst, tx.ChainID)
	}
	dst = AppendUint(dst, tx.Nonce)
	if tx.TransactionType >= DynamicFee {
		dst = AppendWord(AppendWord(dst, tx.MaxPriorityFeePerGas), tx.MaxFeePerGas)
	} else {
		dst = AppendWord(dst, &tx.GasPrice)
	}
	dst = appendTo(AppendUint(dst, tx.GasLimit), tx.To)
	dst = AppendBytes(AppendWord(dst, &tx.Value), tx.Input)
	if tx.TransactionType >= AccessList {
		dst = appendAccessList(dst, tx.AccessList)
	}
	switch tx.TransactionType {
	case Blob:
		dst = appendHashes(AppendWord(dst, tx.MaxFeePerBlobGas), tx.BlobVersionedHashes)
	case SetCode:
		dst = appendAuthorizations(dst, tx.AuthorizationList)
	}
	return dst
}

func toSize(to *common.Address) int {
	if to == nil {
		return 1
	}
	return addressSize
}

func appendTo(dst []byte, to *common.Address) []byte {
	if to == nil {
		return append(dst, 0x80)
	}
	return appendAddress(dst, to)
}

func appendAddress(dst []byte, a *common.Address) []byte {
	return append(append(dst, 0x80+20), a[:]...)
}

func appendHash(dst []byte, h *common.Hash) []byte { return append(append(dst, 0x80+32), h[:]...) }

func appendHashes(dst []byte, hashes []common.Hash) []byte {
	dst = AppendList(dst, hashSize*len(hashes))
	for i := range hashes {
		dst = appendHash(dst, &hashes[i])
	}
	return dst
}

func tuplePayload(t *eth.AccessTuple) int { return addressSize + ListSize(hashSize*len(t.StorageKeys)) }

func accessListPayload(list []eth.AccessTuple) (n int) {
	for i := range list {
		n += ListSize(tuplePayload(&list[i]))
	}
	return n
}

func appendAccessList(dst []byte, list []eth.AccessTuple) []byte {
	dst = AppendList(dst, accessListPayload(list))
	for i := range list {
		t := &list[i]
		dst = appendAddress(AppendList(dst, tuplePayload(t)), &t.Address)
		dst = appendHashes(dst, t.StorageKeys)
	}
	return dst
}

func authorizationPayload(a *eth.Authorization) int {
	return wordSize(&a.ChainID) + addressSize + uintSize(a.Nonce) + uintSize(uint64(a.YParity)) + wordSize(&a.R) + wordSize(&a.S)
}

func authorizationsPayload(list []eth.Authorization) (n int) {
	for i := range list {
		n += ListSize(authorizationPayload(&list[i]))
	}
	return n
}

func appendAuthorizations(dst []byte, list []eth.Authorization) []byte {
	dst = AppendList(dst, authorizationsPayload(list))
	for i := range list {
		a := &list[i]
		dst = AppendWord(AppendList(dst, authorizationPayload(a)), &a.ChainID)
		dst = AppendUint(AppendUint(appendAddress(dst, &a.Address), a.Nonce), uint64(a.YParity))
		dst = AppendWord(AppendWord(dst, &a.R), &a.S)
	}
	return dst
}

// AppendCreation appends what the address of a contract is made of: who creates it, and how many transactions that account had before.
func AppendCreation(dst []byte, creator *common.Address, nonce uint64) []byte {
	return AppendUint(appendAddress(AppendList(dst, addressSize+uintSize(nonce)), creator), nonce)
}
