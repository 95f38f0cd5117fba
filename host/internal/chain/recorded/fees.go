package recorded

import (
	"encoding/json"
	"strconv"
)

// fees is what an eth_feeHistory says of one block. What an answer leaves out is
// nil.
type fees struct {
	base, blobBase     json.RawMessage
	gasRatio, blobGas  json.RawMessage
	rewards            json.RawMessage
	known, blob, tells bool // about the block itself; about blobs; about rewards
}

// feeHistory is an answer to eth_feeHistory.
type feeHistory struct {
	OldestBlock       string            `json:"oldestBlock"`
	Reward            []json.RawMessage `json:"reward,omitempty"`
	BaseFeePerGas     []json.RawMessage `json:"baseFeePerGas"`
	GasUsedRatio      []json.RawMessage `json:"gasUsedRatio"`
	BaseFeePerBlobGas []json.RawMessage `json:"baseFeePerBlobGas,omitempty"`
	BlobGasUsedRatio  []json.RawMessage `json:"blobGasUsedRatio,omitempty"`
}

// addFees remembers what an eth_feeHistory says, block by block: who reads the
// recording may ask for other stretches.
func (a *Answers) addFees(args []any, raw json.RawMessage) {
	var h feeHistory
	if len(args) != 3 || json.Unmarshal(raw, &h) != nil {
		return
	}
	oldest, ok := heightOf([]any{h.OldestBlock})
	if !ok {
		return
	}
	of := a.feesOf(args[2])
	for i, base := range h.BaseFeePerGas {
		f := of[oldest+uint64(i)]
		f.base = base
		if i < len(h.BaseFeePerBlobGas) {
			f.blobBase, f.blob = h.BaseFeePerBlobGas[i], true
		}
		if i < len(h.GasUsedRatio) {
			f.gasRatio, f.known = h.GasUsedRatio[i], true
		}
		if i < len(h.BlobGasUsedRatio) {
			f.blobGas = h.BlobGasUsedRatio[i]
		}
		if i < len(h.Reward) {
			f.rewards, f.tells = h.Reward[i], true
		}
		of[oldest+uint64(i)] = f
	}
}

// feesOf is what is known of the fees of blocks at some percentiles.
func (a *Answers) feesOf(percentiles any) map[uint64]fees {
	key, err := json.Marshal(percentiles)
	if err != nil {
		return map[uint64]fees{} // unreachable: it was JSON
	}
	if a.fees[string(key)] == nil {
		a.fees[string(key)] = map[uint64]fees{}
	}
	return a.fees[string(key)]
}

// deriveFees puts an answer together of those to others.
func (a *Answers) deriveFees(args []any) ([]byte, error) {
	if len(args) != 3 {
		return nil, errNotThere
	}
	blocks, counted := countOf(args[0])
	newest, ok := a.number(args[1:])
	if !ok || !counted || blocks == 0 || blocks > newest+1 || blocks > uint64(len(a.blocks)) {
		return nil, errNotThere
	}
	key, err := json.Marshal(args[2])
	if err != nil {
		return nil, err
	}
	return together(a.fees[string(key)], newest+1-blocks, newest)
}

// together is the answer about some blocks, the newest of which tells of the base
// fee after it.
func together(of map[uint64]fees, oldest, newest uint64) ([]byte, error) {
	h := feeHistory{OldestBlock: hexOf(oldest)}
	for number := oldest; number <= newest+1; number++ {
		f := of[number]
		if f.base == nil || !f.known && number <= newest {
			return nil, errNotThere
		}
		h.BaseFeePerGas = append(h.BaseFeePerGas, f.base)
		if f.blob {
			h.BaseFeePerBlobGas = append(h.BaseFeePerBlobGas, f.blobBase)
		}
		if number > newest {
			break
		}
		h.GasUsedRatio = append(h.GasUsedRatio, f.gasRatio)
		if f.tells {
			h.Reward = append(h.Reward, f.rewards)
		}
		if f.blobGas != nil {
			h.BlobGasUsedRatio = append(h.BlobGasUsedRatio, f.blobGas)
		}
	}
	return json.Marshal(h)
}

// countOf is a number of blocks, which some write as a number and some as text.
func countOf(arg any) (uint64, bool) {
	if n, ok := arg.(float64); ok && n >= 1 && n <= 1<<20 {
		return uint64(n), true
	}
	return heightOf([]any{arg})
}

func hexOf(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }
