package transit_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"

	"github.com/penstock-io/penstock/sdk/transit"
	"github.com/penstock-io/penstock/sdk/transit/testdata/logpb"
)

//go:generate buf generate testdata/logpb --template testdata/logpb/buf.gen.yaml -o testdata/logpb

// sizes are the numbers of rows in a batch.
var sizes = []int{1, 16, 256, 1024, 4096}

// perRow reports the time and the bytes of a row.
func perRow(b *testing.B, rows, bytes int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
	b.ReportMetric(float64(bytes)/float64(rows), "bytes/row")
}

// BenchmarkEncode compares with protobuf and JSON. Like a producer that holds structs, protobuf too begins with the structs.
func BenchmarkEncode(b *testing.B) {
	for _, n := range sizes {
		rows := someLogs(n)
		e := must(transit.NewEncoder[logRow]())(b)
		bench(b, "transit", n, func(message []byte) ([]byte, error) {
			return e.Append(message[:0], rows)
		})
		bench(b, "protobuf", n, func(message []byte) ([]byte, error) {
			return proto.MarshalOptions{}.MarshalAppend(message[:0], toProto(rows))
		})
		ready := toProto(rows)
		bench(b, "protobuf-ready", n, func(message []byte) ([]byte, error) {
			return proto.MarshalOptions{}.MarshalAppend(message[:0], ready)
		})
		bench(b, "json", n, func([]byte) ([]byte, error) { return json.Marshal(rows) })
	}
}

// BenchmarkDecode ends with structs for all.
func BenchmarkDecode(b *testing.B) {
	for _, n := range sizes {
		rows := someLogs(n)
		e := must(transit.NewEncoder[logRow]())(b)
		d := must(transit.NewDecoder[logRow](e.Type()))(b)
		message := must(e.Append(nil, rows))(b)
		var got []logRow
		bench(b, "transit", n, func([]byte) ([]byte, error) {
			var err error
			got, err = d.Append(got[:0], message)
			return message, err
		})
		packed := must(proto.Marshal(toProto(rows)))(b)
		bench(b, "protobuf", n, func([]byte) ([]byte, error) {
			var logs logpb.Logs
			err := proto.Unmarshal(packed, &logs)
			got = fromProto(got[:0], &logs)
			return packed, err
		})
		text := must(json.Marshal(rows))(b)
		bench(b, "json", n, func([]byte) ([]byte, error) {
			got = nil
			return text, json.Unmarshal(text, &got)
		})
	}
}

// bench measures a function that takes the last message, to write over, and returns the next.
func bench(b *testing.B, name string, rows int, f func([]byte) ([]byte, error)) {
	b.Helper()
	b.Run(fmt.Sprintf("%s/%d", name, rows), func(b *testing.B) {
		message := must(f(nil))(b)
		b.ReportAllocs()
		for b.Loop() {
			var err error
			if message, err = f(message); err != nil {
				b.Fatal(err)
			}
		}
		perRow(b, rows, len(message))
	})
}

func toProto(rows []logRow) *logpb.Logs {
	logs := make([]*logpb.Log, len(rows))
	for i := range rows {
		row := &rows[i]
		topics := make([][]byte, len(row.Topics))
		for k := range row.Topics {
			topics[k] = row.Topics[k][:]
		}
		logs[i] = &logpb.Log{
			ChainId: row.ChainID, BlockNumber: row.BlockNumber, BlockHash: row.BlockHash[:], Timestamp: row.Timestamp.UnixNano(),
			TxHash: row.TxHash[:], TxIndex: row.TxIndex, LogIndex: row.LogIndex, Address: row.Address[:], Topics: topics,
			Data: row.Data, Removed: row.Removed, Final: row.Final,
		}
	}
	return &logpb.Logs{Logs: logs}
}

func fromProto(rows []logRow, logs *logpb.Logs) []logRow {
	for _, log := range logs.Logs {
		topics := make([]common.Hash, len(log.Topics))
		for k := range topics {
			topics[k] = common.Hash(log.Topics[k])
		}
		rows = append(rows, logRow{
			ChainID: log.ChainId, BlockNumber: log.BlockNumber, BlockHash: common.Hash(log.BlockHash), Timestamp: time.Unix(0, log.Timestamp).UTC(),
			TxHash: common.Hash(log.TxHash), TxIndex: log.TxIndex, LogIndex: log.LogIndex, Address: common.Address(log.Address), Topics: topics,
			Data: log.Data, Removed: log.Removed, Final: log.Final,
		})
	}
	return rows
}
