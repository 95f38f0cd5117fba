package rlp

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
)

// AppendHeader appends a header as its hash is made of it.
func AppendHeader(dst []byte, h *eth.Header) []byte {
	start := len(dst)
	dst = appendHash(appendHash(dst, &h.ParentHash), &h.Sha3Uncles)
	dst = appendAddress(dst, &h.Miner)
	dst = appendHash(appendHash(appendHash(dst, &h.StateRoot), &h.TransactionsRoot), &h.ReceiptsRoot)
	dst = AppendWord(AppendBytes(dst, h.LogsBloom), &h.Difficulty)
	dst = AppendUint(AppendUint(AppendUint(dst, h.BlockNumber), h.GasLimit), h.GasUsed)
	dst = AppendBytes(AppendUint(dst, uint64(h.Timestamp.Unix())), h.ExtraData)
	dst = AppendBytes(appendHash(dst, &h.MixHash), h.Nonce[:])
	dst = appendLaterFields(dst, h)
	var header [9]byte
	return slices.Insert(dst, start, AppendList(header[:0], len(dst)-start)...)
}

// appendLaterFields appends what forks brought, up to the last field that there is. What is not there before it is empty.
func appendLaterFields(dst []byte, h *eth.Header) []byte {
	var ends [8]int // behind each field that is there
	end := len(dst)
	dst = AppendWord(dst, h.BaseFeePerGas)
	ends[0] = behind(dst, h.BaseFeePerGas != nil)
	dst, ends[1] = appendOptHash(dst, h.WithdrawalsRoot)
	dst, ends[2] = appendOptUint(dst, h.BlobGasUsed)
	dst, ends[3] = appendOptUint(dst, h.ExcessBlobGas)
	dst, ends[4] = appendOptHash(dst, h.ParentBeaconRoot)
	dst, ends[5] = appendOptHash(dst, h.RequestsHash)
	dst, ends[6] = appendOptHash(dst, h.BlockAccessListHash)
	dst, ends[7] = appendOptUint(dst, h.SlotNumber)
	return dst[:max(end, slices.Max(ends[:]))]
}

func behind(dst []byte, there bool) int {
	if !there {
		return 0
	}
	return len(dst)
}

func appendOptHash(dst []byte, h *common.Hash) ([]byte, int) {
	if h == nil {
		return append(dst, 0x80), 0
	}
	dst = appendHash(dst, h)
	return dst, len(dst)
}

func appendOptUint(dst []byte, n *uint64) ([]byte, int) {
	if n == nil {
		return append(dst, 0x80), 0
	}
	dst = AppendUint(dst, *n)
	return dst, len(dst)
}

// AppendWithdrawal appends a withdrawal as its block's root is made of it.
func AppendWithdrawal(dst []byte, w *eth.Withdrawal) []byte {
	dst = AppendList(dst, uintSize(w.Index)+uintSize(w.ValidatorIndex)+addressSize+uintSize(w.Amount))
	dst = appendAddress(AppendUint(AppendUint(dst, w.Index), w.ValidatorIndex), &w.Address)
	return AppendUint(dst, w.Amount)
}

// BloomSize is that of a bloom filter.
const BloomSize = 256

// AppendReceipt appends a receipt with its logs as its block's root is made of it: a byte for the type of the transaction unless it is a
// legacy one, and the list of what the chain keeps of it. Before Byzantium that is the root of the state, later the status. The bloom
// must have 256 bytes.
func AppendReceipt(dst []byte, r *eth.Receipt, bloom []byte, logs []eth.Log) []byte {
	if r.TransactionType != Legacy {
		dst = append(dst, r.TransactionType)
	}
	list := logsPayload(logs)
	outcome := 1
	switch {
	case r.Root != nil:
		outcome = hashSize
	case r.Status != nil:
		outcome = uintSize(*r.Status)
	}
	dst = AppendList(dst, outcome+uintSize(r.CumulativeGasUsed)+BytesSize(bloom)+ListSize(list))
	switch {
	case r.Root != nil:
		dst = appendHash(dst, r.Root)
	case r.Status != nil:
		dst = AppendUint(dst, *r.Status)
	default:
		dst = append(dst, 0x80)
	}
	dst = AppendBytes(AppendUint(dst, r.CumulativeGasUsed), bloom)
	dst = AppendList(dst, list)
	for i := range logs {
		dst = appendLog(dst, &logs[i])
	}
	return dst
}

func logPayload(l *eth.Log) int {
	return addressSize + ListSize(hashSize*len(l.Topics)) + BytesSize(l.Data)
}

func logsPayload(logs []eth.Log) (n int) {
	for i := range logs {
		n += ListSize(logPayload(&logs[i]))
	}
	return n
}

func appendLog(dst []byte, l *eth.Log) []byte {
	dst = appendAddress(AppendList(dst, logPayload(l)), &l.Address)
	return AppendBytes(appendHashes(dst, l.Topics), l.Data)
}
