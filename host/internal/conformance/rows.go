package conformance

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/penstock-io/penstock/sdk/remote"
	"github.com/penstock-io/penstock/sdk/transit"
)

// batchOf is a batch of made-up rows: of so many blocks, each with so many rows.
type batchOf struct {
	blocks, rows int
}

// The shapes of what is sent: an empty batch, single rows, many rows, and blocks
// without any.
func before() []batchOf {
	return []batchOf{{1, 3}, {1, 0}, {1, 1}, {5, 40}, {0, 0}, {2, 1}}
}

func after() []batchOf {
	return []batchOf{{1, 1}, {3, 30}, {1, 0}, {1, 2}, {20, 100}, {1, 5}}
}

// feed makes rows up, block after block. Two feeds with the same seed make the
// same rows.
type feed struct {
	world  world
	inputs []remote.Input
	codecs []*encoder
	next   uint64 // the next block
}

// firstBlock is where chains that are made up begin: a number like those of
// real ones.
const firstBlock = 19_000_000

func (b *bench) feed() (*feed, error) { return b.feedFor(b.inputs()) }

func (b *bench) feedFor(inputs []remote.Input) (*feed, error) {
	f := &feed{world: world{seed: b.suite.cfg.Seed}, inputs: inputs, next: firstBlock}
	for _, in := range inputs {
		e, err := newEncoder(in.Type)
		if err != nil {
			return nil, fmt.Errorf("make rows of %s up: %w", in.Type.Name, err)
		}
		f.codecs = append(f.codecs, e)
	}
	return f, nil
}

// frames are batches for all inputs, with a safe point after each.
func (f *feed) frames(shapes []batchOf) ([]*remote.Frame, error) {
	var all []*remote.Frame
	for _, shape := range shapes {
		made, err := f.batch(shape)
		if err != nil {
			return nil, err
		}
		all = append(all, made...)
	}
	return all, nil
}

func (f *feed) batch(shape batchOf) ([]*remote.Frame, error) {
	var all []*remote.Frame
	for i, in := range f.inputs {
		body, rows, err := f.codecs[i].encode(f.world, in.Name, f.next, shape)
		if err != nil {
			return nil, err
		}
		all = append(all, &remote.Frame{Kind: remote.KindBatch, Input: uint32(i), Rows: uint32(rows), Body: remote.Bytes(body)})
	}
	f.next += uint64(shape.blocks)
	for i := range f.inputs {
		all = append(all, &remote.Frame{Kind: remote.KindSafePoint, Input: uint32(i), Cursor: f.place(), Head: f.next + 10, Finalized: f.next - 60})
	}
	return all, nil
}

// place is the last block that was made.
func (f *feed) place() *remote.Cursor {
	block := f.next - 1
	return &remote.Cursor{ChainID: 1, Block: block, Hash: f.world.blockHash(block)}
}

// inputs are streams that fit the register: what it declares, or, where it takes
// everything, rows of all kinds.
func (b *bench) inputs() []remote.Input {
	var all []remote.Input
	for _, port := range b.register.Inputs {
		if !port.Any {
			all = append(all, remote.Input{Name: "rows-" + port.Name, Port: port.Name, Type: port.Type})
			continue
		}
		all = append(all, remote.Input{Name: "rows-of-all-kinds", Port: port.Name, Type: allKinds()})
		if b.register.ManyInputs && !b.single {
			all = append(all, remote.Input{Name: "logs", Port: port.Name, Type: logs()})
		}
	}
	return all
}

// settle finds out whether a register that takes many streams takes two with the
// settings that there are: a loader may want another file for each.
func (b *bench) settle(ctx context.Context) {
	if b.settled || !b.register.ManyInputs {
		return
	}
	b.settled = true
	two, err := b.fresh(ctx, opening{})
	if err == nil {
		two.hangUp()
		return
	}
	b.single = true
	one, oneErr := b.fresh(ctx, opening{})
	if oneErr != nil {
		b.single = false // it is something else
		return
	}
	one.hangUp()
	b.note("it is tested with one stream, as with two it says: %v", err)
}

// policy joins by blocks where every input has them, and otherwise makes a tuple
// for each row of the first input.
func (b *bench) policy() *remote.Policy {
	if b.register.Type != remote.Aggregator {
		return nil
	}
	for _, port := range b.register.Inputs {
		if port.Type.Schema == nil || !hasBlocks(port.Type.Schema) {
			return &remote.Policy{Kind: remote.PolicyTrigger, On: b.register.Inputs[0].Name}
		}
	}
	return &remote.Policy{Kind: remote.PolicyBlock}
}

func hasBlocks(s *arrow.Schema) bool {
	at := s.FieldIndices("block_number")
	return len(at) == 1 && s.Field(at[0]).Type.ID() == arrow.UINT64
}

// encoder writes made-up rows of one type as Arrow record batch messages.
type encoder struct {
	typ     transit.Type
	schema  int // bytes of the schema message, with which a stream begins
	single  bool
	builder *array.RecordBuilder
}

// endOfStream is how many bytes end a stream.
const endOfStream = 8

func newEncoder(t transit.Type) (*encoder, error) {
	var stream bytes.Buffer
	if err := ipc.NewWriter(&stream, ipc.WithSchema(t.Schema)).Close(); err != nil {
		return nil, err
	}
	// A block has one row of its own.
	single := strings.HasSuffix(t.Name, ".block") || strings.HasSuffix(t.Name, ".header")
	return &encoder{
		typ: t, schema: stream.Len() - endOfStream, single: single, builder: array.NewRecordBuilder(memory.DefaultAllocator, t.Schema),
	}, nil
}

// encode makes rows of blocks up and writes them as one message.
func (e *encoder) encode(w world, input string, first uint64, shape batchOf) (body []byte, rows int, err error) {
	each := shape.rows
	if e.single {
		each = min(each, 1)
		if shape.rows == 0 && shape.blocks > 0 {
			each = 1 // a block without logs is there all the same
		}
	}
	for block := first; block < first+uint64(shape.blocks); block++ {
		for row := range each {
			e.row(w.place(input, block, row))
		}
	}
	record := e.builder.NewRecordBatch()
	defer record.Release()
	var stream bytes.Buffer
	writer := ipc.NewWriter(&stream, ipc.WithSchema(e.typ.Schema))
	if err := writer.Write(record); err != nil {
		return nil, 0, err
	}
	if err := writer.Close(); err != nil {
		return nil, 0, err
	}
	return stream.Bytes()[e.schema : stream.Len()-endOfStream], int(record.NumRows()), nil
}

// row makes one row up.
func (e *encoder) row(at place) {
	log := e.typ.Name == "eth.log"
	var made madeLog
	if log {
		made = at.column("log").log()
	}
	for i, field := range e.typ.Schema.Fields() {
		if log && made.fill(field.Name, e.builder.Field(i)) {
			continue
		}
		at.column(field.Name).fill(field, e.builder.Field(i), 0)
	}
}
