// Package sample makes the rows that are measured: Ethereum logs that take 293
// bytes each on the wire.
package sample

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
)

const (
	// FrameRows is how many rows go into a frame unless a figure says otherwise.
	FrameRows = 1024
	// Bytes is what one row takes on the wire.
	Bytes = 293
	// SafeEvery is how many frames a reader sends from one safe point to the next.
	SafeEvery = 16
)

const (
	topics = 3  // as in a transfer of a token
	data   = 73 // what is missing to 293
)

// Logs makes the same n logs every time.
func Logs(n int) []eth.Log {
	r := rand.New(rand.NewPCG(1, 2))
	logs := make([]eth.Log, n)
	for i := range logs {
		logs[i] = eth.Log{
			BlockNumber:      19_000_000 + uint64(i/100),
			BlockHash:        hash(r),
			Timestamp:        time.Unix(1_700_000_000+int64(i/100)*12, 0).UTC(),
			TransactionIndex: uint64(i / 4 % 25),
			TransactionHash:  hash(r),
			LogIndex:         uint64(i % 100),
			Address:          common.BytesToAddress(random(r, common.AddressLength)),
			Data:             random(r, data),
		}
		for range topics {
			logs[i].Topics = append(logs[i].Topics, hash(r))
		}
	}
	return logs
}

func hash(r *rand.Rand) common.Hash { return common.BytesToHash(random(r, common.HashLength)) }

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n:n]
}
