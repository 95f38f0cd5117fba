package main

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// benchRows is how many logs are written: of some thousand blocks.
const benchRows = 1 << 19

// chainLogs are logs as mainnet has them: few contracts and signatures make up
// most of them, the data is mostly zeros, and each transaction has some.
func chainLogs(n int) []eth.Log {
	random := rand.New(rand.NewPCG(1, 2))
	contract := rand.NewZipf(random, 1.3, 4, 200_000)
	signature := rand.NewZipf(random, 1.5, 2, 200)
	hash := func(seed uint64) (h common.Hash) {
		r := random
		if seed > 0 {
			r = rand.New(rand.NewPCG(seed, 0))
		}
		for i := 0; i < len(h); i += 8 {
			binary.LittleEndian.PutUint64(h[i:], r.Uint64())
		}
		return h
	}
	address := func() common.Address { h := hash(contract.Uint64() + 1); return common.Address(h[12:]) }
	var logs []eth.Log
	for block := uint64(18_000_000); len(logs) < n; block++ {
		blockHash, at := hash(0), time.Unix(int64(1_693_066_895+(block-18_000_000)*12), 0).UTC()
		first := len(logs)
		for tx := range uint64(150) {
			txHash := hash(0)
			for range 1 + random.IntN(4) {
				l := eth.Log{
					BlockNumber: block, BlockHash: blockHash, Timestamp: at, TransactionIndex: tx, TransactionHash: txHash,
					LogIndex: uint64(len(logs) - first), Address: address(), ChainID: 1,
				}
				kind := signature.Uint64()
				l.Topics = append(l.Topics, hash(1<<40+kind))
				for range []int{2, 2, 0, 1}[kind%4] {
					l.Topics = append(l.Topics, common.BytesToHash(address().Bytes()))
				}
				topics := []**common.Hash{&l.Topic0, &l.Topic1, &l.Topic2, &l.Topic3}
				for i := range l.Topics {
					*topics[i] = &l.Topics[i]
				}
				l.Data = make([]byte, 32*[]int{1, 4, 2, 3}[kind%4])
				for w := 24; w < len(l.Data); w += 32 {
					binary.BigEndian.PutUint64(l.Data[w:], random.Uint64())
				}
				l.DataBytes = uint64(len(l.Data))
				logs = append(logs, l)
			}
		}
	}
	return logs[:n]
}

func chainBatches(b *testing.B, logs []eth.Log) (batches []transit.Batch) {
	b.Helper()
	const rows = 1024
	for begin := 0; begin < len(logs); begin += rows {
		batches = append(batches, plugintest.Batch(b, logs[begin:min(begin+rows, len(logs))]...))
	}
	return batches
}

// plainLog is the same row for parquet-go's own writer.
type plainLog struct {
	BlockNumber      uint64     `parquet:"block_number,delta"`
	BlockHash        [32]byte   `parquet:"block_hash,dict"`
	Timestamp        int64      `parquet:"timestamp,timestamp(microsecond),delta"`
	TransactionIndex uint64     `parquet:"transaction_index,delta"`
	TransactionHash  [32]byte   `parquet:"transaction_hash,dict"`
	LogIndex         uint64     `parquet:"log_index,delta"`
	Address          [20]byte   `parquet:"address,dict"`
	Topics           [][32]byte `parquet:"topics,list,dict"`
	Data             []byte     `parquet:"data"`
	Topic0           *[32]byte  `parquet:"topic0,dict"`
	Topic1           *[32]byte  `parquet:"topic1,dict"`
	Topic2           *[32]byte  `parquet:"topic2,dict"`
	Topic3           *[32]byte  `parquet:"topic3,dict"`
	DataBytes        uint64     `parquet:"n_data_bytes,delta"`
	ChainID          uint64     `parquet:"chain_id,delta"`
}

func plainly(logs []eth.Log) []plainLog {
	rows := make([]plainLog, len(logs))
	for i, l := range logs {
		rows[i] = plainLog{
			l.BlockNumber, l.BlockHash, l.Timestamp.UnixMicro(), l.TransactionIndex, l.TransactionHash, l.LogIndex, l.Address,
			nil, l.Data, (*[32]byte)(l.Topic0), (*[32]byte)(l.Topic1), (*[32]byte)(l.Topic2), (*[32]byte)(l.Topic3), l.DataBytes, l.ChainID,
		}
		for _, t := range l.Topics {
			rows[i].Topics = append(rows[i].Topics, t)
		}
	}
	return rows
}

// BenchmarkLogs loads logs of history, with a checkpoint after every 100,000
// rows, as they come about twice a second, until all files are made. The
// yardstick, in the same run, is parquet-go's writer of structs that stand
// ready, into one file without a promise.
func BenchmarkLogs(b *testing.B) {
	logs := chainLogs(benchRows)
	batches, rows := chainBatches(b, logs), plainly(logs)
	var loader, yardstick time.Duration
	var size int64
	for b.Loop() {
		begin := time.Now()
		size = loadAll(b, b.TempDir(), batches)
		loader += time.Since(begin)
		begin = time.Now()
		writeAll(b, filepath.Join(b.TempDir(), "rows.parquet"), rows)
		yardstick += time.Since(begin)
	}
	rate := func(d time.Duration) float64 { return float64(b.N) * benchRows / d.Seconds() }
	b.ReportMetric(rate(loader), "rows/s")
	b.ReportMetric(rate(yardstick), "yardstick-rows/s")
	b.ReportMetric(rate(loader)/rate(yardstick), "ratio")
	b.ReportMetric(float64(size)/benchRows, "bytes/row")
	b.ReportMetric(0, "ns/op")
}

func loadAll(b *testing.B, dir string, batches []transit.Batch) (size int64) {
	b.Helper()
	start := startOf[eth.Log](b, 1, 0)
	start.From = 18_000_000
	l := loaderIn(dir)
	l.Every, l.RowGroup = 1000, defaults().RowGroup
	started(b, l, start)
	const often = 100
	for i, batch := range batches {
		if err := l.Load(b.Context(), 0, batch); err != nil {
			b.Fatal(err)
		}
		if i%often == often-1 {
			commit(b, l, uint64(i/often+1))
			final(b, l, uint64(i/often+1))
		}
	}
	commitAt(b, l, 1<<20, 1<<40)
	final(b, l, 1<<20)
	closed(b, l)
	n := int64(0)
	for _, e := range manifestOf(b, dir, "events").Files {
		n, size = n+e.Rows, size+e.Bytes
	}
	if n != benchRows {
		b.Fatalf("the files have %d rows, want %d", n, benchRows)
	}
	return size
}

func writeAll(b *testing.B, path string, rows []plainLog) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := parquet.NewGenericWriter[plainLog](f, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), parquet.MaxRowsPerRowGroup(defaults().RowGroup))
	for begin := 0; begin < len(rows); begin += 1024 {
		if _, err := w.Write(rows[begin:min(begin+1024, len(rows))]); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}
