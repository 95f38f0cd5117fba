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
// legacy one, and the list of what the chain keeps of it. Before Byzantium that begins with the root of the state, later, where root is
// nil, with the status. The bloom must have 256 bytes.
func AppendReceipt(dst []byte, kind uint8, root *common.Hash, status *uint64, cumulativeGasUsed uint64, bloom []byte, logs []eth.Log) []byte {
	if kind != Legacy {
		dst = append(dst, kind)
	}
	var outcome uint64
	if status != nil {
		outcome = *status
	}
	size := uintSize(outcome)
	if root != nil {
		size = hashSize
	}
	list := logsPayload(logs)
	dst = AppendList(dst, size+uintSize(cumulativeGasUsed)+BytesSize(bloom)+ListSize(list))
	if root != nil {
		dst = appendHash(dst, root)
	} else {
		dst = AppendUint(dst, outcome)
	}
	dst = AppendBytes(AppendUint(dst, cumulativeGasUsed), bloom)
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
