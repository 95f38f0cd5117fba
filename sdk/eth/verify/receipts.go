package verify

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/internal/rlp"
)

// Receipts checks that a header commits to the receipts of its block and to their logs, which are all that the block has, in its order:
// receipt after receipt has as many of them as its LogCount says. The gas that they used, the numbers of the logs and the blooms must go
// together too, so that a Mismatch names the receipt where that can be told.
//
// The header itself is not checked: see Header.
func (v *Verifier) Receipts(h *eth.Header, receipts []eth.Receipt, logs []eth.Log) error {
	for i := range receipts {
		if reason := unknown(&receipts[i]); reason != "" {
			return unverifiable(h, fmt.Sprintf("receipts[%d]", i), reason)
		}
	}
	err := counted(h, receipts, logs)
	if err == nil {
		err = v.committed(h, receipts, logs)
	}
	if err == nil {
		return nil
	}
	for i := range receipts {
		if receipts[i].GasUsed == 0 { // some chains have receipts beside those that the root is made of
			return unverifiable(h, fmt.Sprintf("receipts[%d]", i), "it used no gas, as no transaction of Ethereum does")
		}
	}
	return err
}

// committed checks the root of receipts, and the blooms.
func (v *Verifier) committed(h *eth.Header, receipts []eth.Receipt, logs []eth.Log) error {
	if h.ReceiptsRoot == (common.Hash{}) {
		return unverifiable(h, "receiptsRoot", leftItOut)
	}
	got, err := v.receiptsRoot(h, receipts, logs, true)
	if err != nil {
		return err
	}
	if got != h.ReceiptsRoot && both(receipts) {
		// Some nodes write a root where there is none any more.
		got, _ = v.receiptsRoot(h, receipts, logs, false)
	}
	if got != h.ReceiptsRoot {
		return worst(v.blooms(h, receipts, logs), mismatch(h, "receiptsRoot", h.ReceiptsRoot, got))
	}
	return headerBloom(h, receipts)
}

// counted checks the numbers that follow from others.
func counted(h *eth.Header, receipts []eth.Receipt, logs []eth.Log) error {
	var gas, count uint64
	for i := range receipts {
		r := &receipts[i]
		if gas += r.GasUsed; gas != r.CumulativeGasUsed {
			return differs(h, fmt.Sprintf("receipts[%d].cumulativeGasUsed", i), r.CumulativeGasUsed, gas)
		}
		if r.LogCount > uint64(len(logs))-count {
			return differs(h, "number of logs", len(logs), fmt.Sprintf("%d up to receipt %d", count+r.LogCount, i))
		}
		count += r.LogCount
	}
	if count != uint64(len(logs)) {
		return differs(h, "number of logs", len(logs), count)
	}
	if gas != h.GasUsed && !amsterdam(h) {
		return differs(h, "gasUsed", h.GasUsed, gas)
	}
	for i := range logs {
		if logs[i].LogIndex != uint64(i) {
			return differs(h, fmt.Sprintf("logs[%d].logIndex", i), logs[i].LogIndex, i)
		}
	}
	return nil
}

// amsterdam is whether the gas of a block is counted otherwise than that of its transactions.
func amsterdam(h *eth.Header) bool { return h.BlockAccessListHash != nil || h.SlotNumber != nil }

// unknown says why a receipt cannot be recomputed, if it cannot.
func unknown(r *eth.Receipt) string {
	switch {
	case r.TransactionType > rlp.SetCode:
		return noSuchType(r.TransactionType)
	case r.Status == nil && r.Root == nil:
		return "the node left out status"
	}
	return ""
}

// both is whether there is a receipt with a status and a root.
func both(receipts []eth.Receipt) bool {
	for i := range receipts {
		if receipts[i].Status != nil && receipts[i].Root != nil {
			return true
		}
	}
	return false
}

// receiptsRoot is the root of receipts. Where both are there it is made of the roots in them or else of the status.
func (v *Verifier) receiptsRoot(h *eth.Header, receipts []eth.Receipt, logs []eth.Log, roots bool) (common.Hash, error) {
	v.list.begin(&v.keccak)
	for i := range receipts {
		r := &receipts[i]
		own := logs[:r.LogCount]
		logs = logs[r.LogCount:]
		bloom := r.LogsBloom
		switch len(bloom) {
		case rlp.BloomSize:
		case 0: // the node left it out
			var made [rlp.BloomSize]byte
			v.addTo(&made, own)
			bloom = made[:]
		default:
			return common.Hash{}, badBloom(h, fmt.Sprintf("receipts[%d].logsBloom", i), bloom)
		}
		root := r.Root
		if r.Status != nil && !roots {
			root = nil
		}
		v.list.add(rlp.AppendReceipt(v.list.next(), r.TransactionType, root, r.Status, r.CumulativeGasUsed, bloom, own))
	}
	return v.list.root(), nil
}

// blooms looks for the receipt whose bloom is not that of its logs.
func (v *Verifier) blooms(h *eth.Header, receipts []eth.Receipt, logs []eth.Log) error {
	for i := range receipts {
		r := &receipts[i]
		var made [rlp.BloomSize]byte
		v.addTo(&made, logs[:r.LogCount])
		logs = logs[r.LogCount:]
		if len(r.LogsBloom) == 0 {
			continue
		}
		if err := sameBloom(h, fmt.Sprintf("receipts[%d].logsBloom", i), r.LogsBloom, made[:]); err != nil {
			return err
		}
	}
	return nil
}

// headerBloom checks that the bloom of a header is that of its receipts.
func headerBloom(h *eth.Header, receipts []eth.Receipt) error {
	if len(h.LogsBloom) != rlp.BloomSize {
		return badBloom(h, "logsBloom", h.LogsBloom)
	}
	var made [rlp.BloomSize]byte
	for i := range receipts {
		if len(receipts[i].LogsBloom) == 0 {
			return nil // nothing to compare with, and the root has come out
		}
		for k, b := range receipts[i].LogsBloom {
			made[k] |= b
		}
	}
	return sameBloom(h, "logsBloom", h.LogsBloom, made[:])
}
