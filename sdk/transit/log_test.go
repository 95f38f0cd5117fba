package transit_test

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/transit"
)

// logRow is shaped as an Ethereum log: twelve columns, some 300 bytes.
type logRow struct {
	ChainID     uint64
	BlockNumber uint64
	BlockHash   common.Hash
	Timestamp   time.Time
	TxHash      common.Hash
	TxIndex     uint32
	LogIndex    uint32
	Address     common.Address
	Topics      []common.Hash
	Data        []byte
	Removed     bool
	Final       bool
}

func (logRow) TransitType() string { return "eth.log" }

// someLogs makes the same rows for the same number.
func someLogs(n int) []logRow {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	rows := make([]logRow, n)
	for i := range rows {
		rows[i] = logRow{
			ChainID:     1,
			BlockNumber: 19_000_000 + uint64(i/100),
			BlockHash:   someHash(r),
			Timestamp:   time.Unix(1_700_000_000+int64(i/100)*12, 0).UTC(),
			TxHash:      someHash(r),
			TxIndex:     uint32(i / 4 % 25),
			LogIndex:    uint32(i % 100),
			Address:     common.BytesToAddress(someBytes(r, 20)),
			Data:        someBytes(r, 64),
			Removed:     i%50 == 7,
			Final:       i%2 == 0,
		}
		for range 3 + i%2 {
			rows[i].Topics = append(rows[i].Topics, someHash(r))
		}
	}
	return rows
}

func someHash(r *rand.Rand) common.Hash { return common.BytesToHash(someBytes(r, 32)) }

func someBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return b[:n:n]
}

// fatal is the part of testing.TB that must needs.
type fatal interface {
	Helper()
	Fatal(...any)
}

// must returns a value or ends the test.
func must[V any](v V, err error) func(fatal) V {
	return func(t fatal) V {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
		return v
	}
}

var _ transit.Row = logRow{}
