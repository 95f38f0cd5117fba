package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"

	"google.golang.org/protobuf/proto"

	"github.com/penstock-io/penstock/host/internal/bench/sample"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/transit"
	"github.com/penstock-io/penstock/sdk/transit/testdata/logpb"
)

// work is what a codec cost per row in one turn, in processor time.
type work struct{ ns, allocations float64 }

func (w work) cost() float64  { return w.ns }
func (w work) count() float64 { return w.allocations }

// codecFigures compares with protobuf messages that are ready, and with JSON.
func codecFigures(ctx context.Context, b *bench) error {
	rows := sample.Logs(sample.FrameRows)
	encoder, err := transit.NewEncoder[eth.Log]()
	if err != nil {
		return err
	}
	decoder, err := transit.NewDecoder[eth.Log](encoder.Type())
	if err != nil {
		return err
	}
	ready := messages(rows)
	packed, err := proto.Marshal(ready)
	if err != nil {
		return err
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	var message, message2 []byte
	encode := []variant[work]{
		b.coding("transit", func() (err error) { message, err = encoder.Append(message[:0], rows); return err }),
		b.coding("protobuf", func() (err error) {
			message2, err = proto.MarshalOptions{}.MarshalAppend(message2[:0], ready)
			return err
		}),
		b.coding("JSON", func() error { _, err := json.Marshal(rows); return err }),
	}
	var got []eth.Log
	decode := []variant[work]{
		b.coding("transit", func() (err error) { got, err = decoder.Append(got[:0], b.body); return err }),
		b.coding("protobuf", func() error { return proto.Unmarshal(packed, new(logpb.Logs)) }),
		b.coding("JSON", func() error { var rows []eth.Log; return json.Unmarshal(text, &rows) }),
	}
	if err := b.codecFigure(ctx, "encode", encode, goal{atMost: 100, unit: " ns"}); err != nil {
		return err
	}
	return b.codecFigure(ctx, "decode", decode, goal{atMost: 120, unit: " ns"})
}

func (b *bench) codecFigure(ctx context.Context, what string, variants []variant[work], g goal) error {
	r, err := turns(ctx, b.rounds, variants...)
	if err != nil {
		return err
	}
	ns := median(r[0], work.cost)
	b.table.add(figure{
		what:      what,
		measured:  fmt.Sprintf("%4.0f ns a row, %.3f allocations", ns, median(r[0], work.count)),
		yardstick: fmt.Sprintf("protobuf %.0f ns, JSON %.0f ns", median(r[1], work.cost), median(r[2], work.cost)),
		ratio:     ratio(r[0], r[1], work.cost), value: ns, goal: g,
	})
	return nil
}

// coding measures a function that encodes or decodes one frame.
func (b *bench) coding(name string, f func() error) variant[work] {
	short := effort{span: b.span / 4}
	return variant[work]{name, func(ctx context.Context) (work, error) {
		if err := f(); err != nil {
			return work{}, err
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		l, err := short.flow(ctx, nil, func() (int, error) { return sample.FrameRows, f() })
		runtime.ReadMemStats(&after)
		return work{
			ns:          l.ownPerRow(),
			allocations: float64(after.Mallocs-before.Mallocs) / float64(max(l.rows, 1)),
		}, err
	}}
}

// messages are logs as protobuf messages, such as an author would hold them who
// has no structs.
func messages(rows []eth.Log) *logpb.Logs {
	logs := make([]*logpb.Log, len(rows))
	for i := range rows {
		row := &rows[i]
		topics := make([][]byte, len(row.Topics))
		for k := range row.Topics {
			topics[k] = row.Topics[k][:]
		}
		logs[i] = &logpb.Log{
			ChainId: 1, BlockNumber: row.BlockNumber, BlockHash: row.BlockHash[:], Timestamp: row.Timestamp.UnixNano(),
			TxHash: row.TransactionHash[:], TxIndex: uint32(row.TransactionIndex), LogIndex: uint32(row.LogIndex),
			Address: row.Address[:], Topics: topics, Data: row.Data,
		}
	}
	return &logpb.Logs{Logs: logs}
}
