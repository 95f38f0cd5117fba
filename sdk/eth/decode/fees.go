package decode

import (
	"fmt"

	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
)

// fees is what eth_feeHistory answers.
type fees struct {
	oldest              uint64
	base, blobBase      []uint256.Int // one more than there are blocks: what the next one costs too
	gasRatio, blobRatio []float64
	rewards             [][]uint256.Int
	there               bool
}

// FeeHistory decodes what eth_feeHistory answers when it is asked for rewards at percentiles, of which there may be none. There is a row
// for each block; its hash, time, and the gas used in it are for the caller to add.
func (d *Decoder) FeeHistory(raw []byte, percentiles []float64) ([]eth.Gas, error) {
	if err := d.start(raw); err != nil {
		return nil, err
	}
	var f fees
	d.fees(&f)
	d.require("oldestBlock", f.there)
	if err := d.finish(); err != nil {
		return nil, err
	}
	if err := f.check(percentiles); err != nil {
		return nil, err
	}
	return f.rows(d.ChainID, percentiles), nil
}

func (d *Decoder) fees(f *fees) {
	for d.begin('{'); d.member(); {
		switch string(d.key) {
		case "oldestBlock":
			f.there = d.integer(&f.oldest)
		case "baseFeePerGas":
			f.base = d.wordList()
		case "baseFeePerBlobGas":
			f.blobBase = d.wordList()
		case "gasUsedRatio":
			f.gasRatio = d.floatList()
		case "blobGasUsedRatio":
			f.blobRatio = d.floatList()
		case "reward":
			f.rewards = nil
			for d.begin('['); d.element(); {
				f.rewards = append(f.rewards, d.wordList())
			}
		default:
			d.skip()
		}
	}
}

// check checks that there is as much of everything as there are blocks.
func (f *fees) check(percentiles []float64) error {
	n := len(f.gasRatio)
	short := func(field string, got, want int) error {
		return fmt.Errorf("field %s has %d elements, not %d: there are %d blocks", field, got, want, n)
	}
	switch {
	case len(f.base) != n+1 && len(f.base) != 0:
		return short("baseFeePerGas", len(f.base), n+1)
	case len(f.blobBase) != n+1 && len(f.blobBase) != 0:
		return short("baseFeePerBlobGas", len(f.blobBase), n+1)
	case len(f.blobRatio) != n && len(f.blobRatio) != 0:
		return short("blobGasUsedRatio", len(f.blobRatio), n)
	case len(f.rewards) != n && len(percentiles) > 0:
		return short("reward", len(f.rewards), n)
	}
	for i := range f.rewards {
		if len(percentiles) > 0 && len(f.rewards[i]) != len(percentiles) {
			return fmt.Errorf("field reward has %d elements for block %d, which was asked for at %d percentiles", len(f.rewards[i]), i, len(percentiles))
		}
	}
	return nil
}

func (f *fees) rows(chain uint64, percentiles []float64) []eth.Gas {
	out := make([]eth.Gas, len(f.gasRatio))
	for i := range out {
		g := &out[i]
		g.BlockNumber, g.ChainID, g.GasUsedRatio = f.oldest+uint64(i), chain, f.gasRatio[i]
		if len(f.base) > 0 {
			g.BaseFeePerGas, g.NextBaseFeePerGas = &f.base[i], &f.base[i+1]
		}
		if len(f.blobBase) > 0 {
			g.BlobBaseFee, g.NextBlobBaseFee = &f.blobBase[i], &f.blobBase[i+1]
		}
		if len(f.blobRatio) > 0 {
			g.BlobGasUsedRatio = &f.blobRatio[i]
		}
		if len(percentiles) > 0 {
			g.Percentiles, g.PriorityFees = percentiles, f.rewards[i]
		}
	}
	return out
}

// wordList is a list of numbers of 256 bits; nil if it is empty.
func (d *Decoder) wordList() []uint256.Int {
	var list []uint256.Int
	for d.begin('['); d.element(); {
		var n uint256.Int
		if !d.word(&n) {
			d.fail(nil, "not a number of 256 bits in hex")
		}
		list = append(list, n)
	}
	return list
}

func (d *Decoder) floatList() []float64 {
	var list []float64
	for d.begin('['); d.element(); {
		var f float64
		if !d.float(&f) {
			d.fail(nil, "not a number")
		}
		list = append(list, f)
	}
	return list
}
