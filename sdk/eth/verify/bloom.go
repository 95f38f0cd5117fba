package verify

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/internal/keccak"
	"github.com/penstock-io/penstock/sdk/eth/internal/rlp"
)

// Bloom is the filter in a header, or in a receipt, that says which addresses and topics its logs may have.
type Bloom []byte

// May reports whether there may be a log of one of the addresses that has one of the topics at each position. No addresses are all, and so
// are no topics at a position. It is true where there is no telling because the bloom is not there. Where the answer is no there is no such log.
// For many blooms a Filter is quicker.
func (b Bloom) May(addresses []common.Address, topics [][]common.Hash) bool {
	return NewFilter(addresses, topics).May(b)
}

// Filter is what logs are looked for, ready to be compared with blooms. It is safe for concurrent use.
type Filter struct {
	groups [][]bits // of each a bloom must have one
}

// NewFilter makes a Filter of addresses and topics as Bloom.May takes them.
func NewFilter(addresses []common.Address, topics [][]common.Hash) *Filter {
	var (
		hasher keccak.Hasher
		f      Filter
	)
	if len(addresses) > 0 {
		group := make([]bits, len(addresses))
		for i := range addresses {
			group[i] = bitsOf(hasher.Sum(addresses[i][:]))
		}
		f.groups = append(f.groups, group)
	}
	for _, position := range topics {
		if len(position) == 0 {
			continue
		}
		group := make([]bits, len(position))
		for i := range position {
			group[i] = bitsOf(hasher.Sum(position[i][:]))
		}
		f.groups = append(f.groups, group)
	}
	return &f
}

// May reports whether there may be a log that is looked for, as Bloom.May does.
func (f *Filter) May(bloom []byte) bool {
	if len(bloom) != rlp.BloomSize {
		return true
	}
	for _, group := range f.groups {
		if !anyIn(group, bloom) {
			return false
		}
	}
	return true
}

func anyIn(group []bits, bloom []byte) bool {
	for _, b := range group {
		if b.in(bloom) {
			return true
		}
	}
	return false
}

// bits are the three bits of a bloom that something sets, counted from its end.
type bits [3]uint16

func (b bits) in(bloom []byte) bool {
	for _, n := range b {
		if bloom[rlp.BloomSize-1-n/8]&(1<<(n%8)) == 0 {
			return false
		}
	}
	return true
}

func (b bits) set(bloom *[rlp.BloomSize]byte) {
	for _, n := range b {
		bloom[rlp.BloomSize-1-n/8] |= 1 << (n % 8)
	}
}

// bitsOf are three pairs of bytes of a hash.
func bitsOf(sum common.Hash) (b bits) {
	for i := range b {
		b[i] = (uint16(sum[2*i])<<8 | uint16(sum[2*i+1])) & 2047
	}
	return b
}

// addTo sets the bits of logs in a bloom.
func (v *Verifier) addTo(bloom *[rlp.BloomSize]byte, logs []eth.Log) {
	v.learn(logs)
	for i := range logs {
		v.addressIn(&logs[i].Address).set(bloom)
		for k := range logs[i].Topics {
			v.topicIn(&logs[i].Topics[k]).set(bloom)
		}
	}
}

// Logs checks logs of a block that came without its receipts, in their order: that its bloom has them all, that none is there twice, and
// that they say they are of this block. It cannot tell whether some are missing: AllLogs can.
func (v *Verifier) Logs(h *eth.Header, logs []eth.Log) error {
	if len(h.LogsBloom) != rlp.BloomSize {
		return badBloom(h, "logsBloom", h.LogsBloom)
	}
	var together [rlp.BloomSize]byte
	return v.logs(h, logs, &together)
}

// logs does what Logs does, and sets the bits of the logs in a bloom.
func (v *Verifier) logs(h *eth.Header, logs []eth.Log, together *[rlp.BloomSize]byte) error {
	v.learn(logs)
	for i := range logs {
		l := &logs[i]
		if i > 0 && l.LogIndex <= logs[i-1].LogIndex {
			return differs(h, fmt.Sprintf("logs[%d].logIndex", i), l.LogIndex, fmt.Sprintf("more than %d", logs[i-1].LogIndex))
		}
		if l.BlockHash != h.BlockHash {
			return differs(h, fmt.Sprintf("logs[%d].blockHash", i), l.BlockHash, h.BlockHash)
		}
		address := v.addressIn(&l.Address)
		if !address.in(h.LogsBloom) {
			return differs(h, fmt.Sprintf("logs[%d].address", i), l.Address, "one that is not in the block's bloom")
		}
		address.set(together)
		for k := range l.Topics {
			topic := v.topicIn(&l.Topics[k])
			if !topic.in(h.LogsBloom) {
				return differs(h, fmt.Sprintf("logs[%d].topics[%d]", i, k), l.Topics[k], "one that is not in the block's bloom")
			}
			topic.set(together)
		}
	}
	return nil
}

// AllLogs checks logs that should be all that a block has: as Logs does, that they are counted from 0 without a gap, and that together they
// make the block's bloom. What it cannot tell is whether the data of a log is right, or whether there are more at the end that set no bit
// of their own: the receipts' root can.
func (v *Verifier) AllLogs(h *eth.Header, logs []eth.Log) error {
	if len(h.LogsBloom) != rlp.BloomSize {
		return badBloom(h, "logsBloom", h.LogsBloom)
	}
	var bloom [rlp.BloomSize]byte
	if err := v.logs(h, logs, &bloom); err != nil {
		return err
	}
	for i := range logs {
		if logs[i].LogIndex != uint64(i) {
			return differs(h, fmt.Sprintf("logs[%d].logIndex", i), logs[i].LogIndex, i)
		}
	}
	return sameBloom(h, "logsBloom", h.LogsBloom, bloom[:])
}

// sameBloom compares blooms. What they say in a message is the hashes of them: they are too long to be read.
func sameBloom(h *eth.Header, field string, want, got []byte) error {
	if string(want) == string(got) {
		return nil
	}
	return differs(h, field, brief(want), brief(got))
}

// brief shows the bits of a bloom that are set, as far as anybody would read them.
func brief(bloom []byte) string {
	set := 0
	for _, b := range bloom {
		for ; b != 0; b &= b - 1 {
			set++
		}
	}
	return fmt.Sprintf("%#x… (%d bits)", bloom[:min(len(bloom), 8)], set)
}
