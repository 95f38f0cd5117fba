package transit_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
	"github.com/penstock-io/penstock/sdk/transit"
)

// plainLog is eth.Log without the columns that say the topics once more: the yardstick of what those cost.
type plainLog struct {
	BlockNumber      uint64
	BlockHash        common.Hash
	Timestamp        time.Time
	TransactionIndex uint64
	TransactionHash  common.Hash
	LogIndex         uint64
	Address          common.Address
	Topics           []common.Hash
	Data             []byte
	ChainID          uint64
}

func (plainLog) TransitType() string { return "eth.log" }

// chainLogs are the same logs of a chain, as decoders fill them, in both forms.
func chainLogs(n int) (logs []eth.Log, plain []plainLog) {
	for i, l := range someLogs(n) {
		row := eth.Log{
			BlockNumber: l.BlockNumber, BlockHash: l.BlockHash, Timestamp: l.Timestamp, TransactionIndex: uint64(l.TxIndex), TransactionHash: l.TxHash,
			LogIndex: uint64(l.LogIndex), Address: l.Address, Topics: l.Topics[:1+i%4%len(l.Topics)], Data: l.Data, ChainID: l.ChainID,
		}
		decode.LogColumns(&row)
		logs = append(logs, row)
		plain = append(plain, plainLog{
			BlockNumber: row.BlockNumber, BlockHash: row.BlockHash, Timestamp: row.Timestamp, TransactionIndex: row.TransactionIndex,
			TransactionHash: row.TransactionHash, LogIndex: row.LogIndex, Address: row.Address, Topics: row.Topics, Data: row.Data, ChainID: row.ChainID,
		})
	}
	return logs, plain
}

// chainTransactions are such as most of mainnet's are, with what their receipts say.
func chainTransactions(n int) []eth.Transaction {
	r := rand.New(rand.NewPCG(2, uint64(n)))
	rows := make([]eth.Transaction, n)
	for i := range rows {
		word := func() *uint256.Int { return uint256.NewInt(r.Uint64()) }
		number := func() *uint64 { n := r.Uint64(); return &n }
		to, success := common.BytesToAddress(someBytes(r, 20)), i%9 > 0
		rows[i] = eth.Transaction{
			BlockNumber: 19_000_000 + uint64(i/150), BlockHash: someHash(r), Timestamp: time.Unix(1_700_000_000+int64(i/150)*12, 0).UTC(),
			TransactionIndex: uint64(i % 150), TransactionHash: someHash(r), TransactionType: 2, From: common.BytesToAddress(someBytes(r, 20)), To: &to,
			Value: *word(), Input: someBytes(r, 68), GasLimit: 100_000, GasPrice: *word(), MaxFeePerGas: word(), MaxPriorityFeePerGas: word(),
			ChainID: 1, R: *word(), S: *word(), InputBytes: 68,
			Status: number(), Success: &success, GasUsed: number(), CumulativeGasUsed: number(), EffectiveGasPrice: word(), LogCount: number(),
		}
		if i%10 == 0 {
			rows[i].MaxFeePerGas, rows[i].MaxPriorityFeePerGas = nil, nil
		}
	}
	return rows
}

// processor is the time that this process has computed, in nanoseconds: what others do on the machine does not count.
func processor(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

// both measures encoding and decoding of rows, and returns the processor time of a row for each.
func both[T transit.Row](b *testing.B, name string, rows []T) (encoded, decoded float64) {
	b.Helper()
	e := must(transit.NewEncoder[T]())(b)
	d := must(transit.NewDecoder[T](e.Type()))(b)
	message := must(e.Append(nil, rows))(b)
	var got []T
	measure := func(what string, f func() error) (ns float64) {
		b.Run(fmt.Sprintf("%s/%s/%d", what, name, len(rows)), func(b *testing.B) {
			b.ReportAllocs()
			begun := processor(b)
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
			ns = (processor(b) - begun) / float64(b.N) / float64(len(rows))
			b.ReportMetric(ns, "cpu-ns/row")
			b.ReportMetric(float64(len(message))/float64(len(rows)), "bytes/row")
		})
		return ns
	}
	encoded = measure("encode", func() (err error) { message, err = e.Append(message[:0], rows); return err })
	decoded = measure("decode", func() (err error) { got, err = d.Append(got[:0], message); return err })
	return encoded, decoded
}

// BenchmarkChain is for the rows of Ethereum. Of logs it says how many times as much processor time they take as without a column for each
// topic.
func BenchmarkChain(b *testing.B) {
	for _, n := range []int{256, 4096} {
		logs, plain := chainLogs(n)
		encoded, decoded := both(b, "eth.log", logs)
		plainEncoded, plainDecoded := both(b, "plain", plain)
		b.Run(fmt.Sprintf("ratio/eth.log/%d", n), func(b *testing.B) {
			for b.Loop() {
			}
			b.ReportMetric(encoded/plainEncoded, "x-of-plain-encoded")
			b.ReportMetric(decoded/plainDecoded, "x-of-plain-decoded")
			b.ReportMetric(0, "ns/op")
		})
		both(b, "eth.transaction", chainTransactions(n))
	}
}
