package transit_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/transit"
)

// endOfStream ends an Arrow IPC stream.
const endOfStream = "\xff\xff\xff\xff\x00\x00\x00\x00"

// readStream reads what the Arrow library sees in a stream of our messages. The records are released when the test ends.
func readStream(t *testing.T, messages ...[]byte) []arrow.RecordBatch {
	t.Helper()
	stream := append(bytes.Join(messages, nil), endOfStream...)
	r := must(ipc.NewReader(bytes.NewReader(stream)))(t)
	var records []arrow.RecordBatch
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		record.Retain()
		records = append(records, record)
	}
}

// writeBatch writes one record batch message with the Arrow library.
func writeBatch(t fatal, record arrow.RecordBatch, options ...ipc.Option) []byte {
	var schema, both bytes.Buffer
	options = append(options, ipc.WithSchema(record.Schema()))
	if err := ipc.NewWriter(&schema, options...).Close(); err != nil {
		t.Fatal(err)
	}
	w := ipc.NewWriter(&both, options...)
	if err := errors.Join(w.Write(record), w.Close()); err != nil {
		t.Fatal(err)
	}
	begin, end := schema.Len()-len(endOfStream), both.Len()-len(endOfStream)
	return both.Bytes()[begin:end:end]
}

func TestArrowReadsWhatWeWrite(t *testing.T) {
	e := must(transit.NewEncoder[allRow]())(t)
	rows := randomRows[allRow](11, 300)
	first, second := must(e.Append(nil, rows[:100]))(t), must(e.Append(nil, rows[100:]))(t)
	records := readStream(t, e.Type().MarshalSchema(), first, second)
	if len(records) != 2 || records[0].NumRows() != 100 || records[1].NumRows() != 200 {
		t.Fatalf("the library read %d batches, want two of 100 and 200 rows", len(records))
	}
	if !records[0].Schema().Equal(e.Type().Schema) {
		t.Errorf("the library read schema %s, want %s", records[0].Schema(), e.Type().Schema)
	}
	for i, message := range [][]byte{first, second} {
		own := must(transit.DecodeBatch(e.Type(), message))(t)
		if !array.RecordApproxEqual(records[i], own.Record, array.WithNaNsEqual(true)) {
			t.Errorf("batch %d: DecodeBatch and the library read different columns", i)
		}
		for c, column := range records[i].Columns() {
			if err := array.ValidateFull(column); err != nil {
				t.Errorf("column %s: %v", own.Record.ColumnName(c), err)
			}
		}
	}
}

func TestWeReadWhatArrowWrites(t *testing.T) {
	e := must(transit.NewEncoder[allRow]())(t)
	d := must(transit.NewDecoder[allRow](e.Type()))(t)
	rows := randomRows[allRow](12, 200)
	record := must(transit.DecodeBatch(e.Type(), must(e.Append(nil, rows))(t)))(t).Record
	got := must(d.Append(nil, writeBatch(t, record)))(t)
	if diff := sameRows(rows, got); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
	part := record.NewSlice(57, 130) // offsets and bitmaps that do not begin at a byte
	got = must(d.Append(nil, writeBatch(t, part)))(t)
	if diff := sameRows(rows[57:130], got); diff != "" {
		t.Errorf("rows of a slice differ (-want +got):\n%s", diff)
	}
}

// foreign is what the producer of foreignRecord offers, or as much as a consumer wants of it.
type foreign struct {
	Address common.Address
	Count   *uint64
	Names   []string
	Inner   *struct{ Flag bool }
}

func (foreign) TransitType() string { return "other.row" }

// foreignRecord has the columns of foreign among others, of many shapes, that no Go struct has.
func foreignRecord(t fatal) arrow.RecordBatch {
	address := arrow.NewMetadata([]string{"unit", "penstock.kind"}, []string{"none", "address"})
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "day", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
		{Name: "inner", Nullable: true, Type: arrow.StructOf(
			arrow.Field{Name: "more", Type: arrow.ListOf(arrow.PrimitiveTypes.Int8), Nullable: true},
			arrow.Field{Name: "flag", Type: arrow.FixedWidthTypes.Boolean},
		)},
		{Name: "attributes", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), Nullable: true},
		{Name: "nothing", Type: arrow.Null, Nullable: true},
		{Name: "names", Type: arrow.ListOfField(arrow.Field{Name: "element", Type: arrow.BinaryTypes.String})},
		{Name: "vector", Type: arrow.FixedSizeListOf(3, arrow.PrimitiveTypes.Float32), Nullable: true},
		{Name: "long", Type: arrow.BinaryTypes.LargeString, Nullable: true},
		{Name: "longs", Type: arrow.LargeListOf(arrow.BinaryTypes.LargeBinary), Nullable: true},
		{Name: "price", Type: &arrow.Decimal128Type{Precision: 30, Scale: 2}, Nullable: true},
		{Name: "count", Type: arrow.PrimitiveTypes.Uint64, Nullable: true},
		{Name: "address", Type: &arrow.FixedSizeBinaryType{ByteWidth: 20}, Metadata: address},
	}, nil)
	record, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(`[
		{"day": "2024-02-29", "inner": {"more": [1, 2], "flag": true}, "attributes": [{"key": "a", "value": 1}], "names": ["x", "", "zz"],
		 "vector": [1, 2, 3], "long": "abc", "longs": ["AQ==", null], "price": "12.50", "count": 7, "address": "AQIDBAUGBwgJCgsMDQ4PEBESExQ="},
		{"inner": null, "names": [], "address": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
		{"day": "1970-01-02", "inner": {"more": null, "flag": false}, "attributes": [], "names": ["y"],
		 "vector": null, "long": "", "longs": [], "price": "-1.00", "count": null, "address": "AAAAAAAAAAAAAAAAAAAAAAAAAAE="}
	]`))
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func TestConsumerSkipsColumnsOfAnyShape(t *testing.T) {
	record := foreignRecord(t)
	schema := transit.Type{Name: "other.row", Schema: record.Schema()}.MarshalSchema()
	producer := must(transit.ParseType("other.row", schema))(t)
	d := must(transit.NewDecoder[foreign](producer))(t)
	got := must(d.Append(nil, writeBatch(t, record)))(t)
	seven := uint64(7)
	want := []foreign{
		{Address: common.HexToAddress("0102030405060708090a0b0c0d0e0f1011121314"), Count: &seven, Names: []string{"x", "", "zz"}, Inner: &struct{ Flag bool }{true}},
		{},
		{Address: common.HexToAddress("01"), Names: []string{"y"}, Inner: &struct{ Flag bool }{}},
	}
	if diff := sameRows(want, got); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
}

func TestBatchShowsColumnsOfAnyShape(t *testing.T) {
	record := foreignRecord(t)
	b := must(transit.DecodeBatch(transit.Type{Name: "other.row", Schema: record.Schema()}, writeBatch(t, record)))(t)
	want := map[string]string{
		"day": "2024-02-29", "inner": `{"more":[1,2],"flag":true}`, "nothing": "", "names": `["x","","zz"]`, "long": "abc", "price": "12.5",
		"count": "7", "address": "0x0102030405060708090a0B0c0d0e0f1011121314", "attributes": `[{"key":"a","value":1}]`, "vector": "[1,2,3]",
	}
	for i, f := range record.Schema().Fields() {
		if text, ok := want[f.Name]; ok && b.Text(i, 0) != text {
			t.Errorf("%s: got %q, want %q", f.Name, b.Text(i, 0), text)
		}
		_, _ = b.Text(i, 1), b.Value(i, 2)
	}
}

func TestCompressedBatchesAreRefused(t *testing.T) {
	e := must(transit.NewEncoder[logRow]())(t)
	d := must(transit.NewDecoder[logRow](e.Type()))(t)
	record := must(transit.DecodeBatch(e.Type(), must(e.Append(nil, someLogs(100)))(t)))(t).Record
	for name, option := range map[string]ipc.Option{"lz4": ipc.WithLZ4(), "zstd": ipc.WithZstd()} {
		_, err := d.Append(nil, writeBatch(t, record, option))
		if err == nil || !strings.Contains(err.Error(), "the batch is compressed: switch compression off at its producer") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTypesThatCannotTravelAreRefused(t *testing.T) {
	cases := map[string]arrow.Field{
		"column c is dictionary-encoded: send plain values":                       {Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}},
		"column c: a view of bytes does not travel":                               {Type: arrow.BinaryTypes.StringView},
		"column c: a union does not travel":                                       {Type: arrow.DenseUnionOf([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int8}}, []arrow.UnionTypeCode{0})},
		"column c: kind address goes with fixed_size_binary[20], not with binary": {Type: arrow.BinaryTypes.Binary, Metadata: arrow.NewMetadata([]string{"penstock.kind"}, []string{"address"})},
		`column c: kind "colour" is not known here`:                               {Type: arrow.BinaryTypes.Binary, Metadata: arrow.NewMetadata([]string{"penstock.kind"}, []string{"colour"})},
	}
	for want, f := range cases {
		f.Name = "c"
		schema := transit.Type{Name: "other.row", Schema: arrow.NewSchema([]arrow.Field{f}, nil)}.MarshalSchema()
		_, err := transit.ParseType("other.row", schema)
		if err == nil || !strings.HasPrefix(err.Error(), "parse schema of other.row: "+want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
