package transit_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/transit"
)

// threeColumns keeps the numbers in a message few enough to find them.
type threeColumns struct {
	Flag  bool
	Names []string
	Maybe *common.Address
}

func (threeColumns) TransitType() string { return "test.three" }

func threeRows() []threeColumns {
	return []threeColumns{
		{Flag: true, Names: []string{"ab", "c"}, Maybe: &common.Address{1}},
		{Names: []string{"def"}},
		{Flag: true, Maybe: &common.Address{3}},
	}
}

// part finds a number of the metadata by what it says in the good message.
type part struct {
	of    string // "node" or "buffer"
	index int
	field int // node: 0 length, 1 nulls; buffer: 0 offset, 1 length
}

// at is the position of a part in a message of threeColumns: the nodes and buffers stand one after the other, 16 bytes each.
func (p part) at(t *testing.T, message []byte) int {
	t.Helper()
	// Nodes: flag 3/0, names 3/0, item 3/0, maybe 3/1. It is the only place where this sequence stands.
	var nodes []byte
	for _, n := range []uint64{3, 0, 3, 0, 3, 0, 3, 1} {
		nodes = binary.LittleEndian.AppendUint64(nodes, n)
	}
	at := strings.Index(string(message), string(nodes))
	if at < 0 {
		t.Fatal("no nodes found")
	}
	if p.of == "buffer" {
		at += len(nodes) + 8 // the number of buffers and its alignment
		if binary.LittleEndian.Uint32(message[at-4:]) != 9 {
			t.Fatal("no buffers found")
		}
	}
	return at + 16*p.index + 8*p.field
}

func TestBrokenBatchesAreRefused(t *testing.T) {
	cases := []struct {
		name  string
		part  part
		value uint64
		want  string
	}{
		{"a column of 2⁴⁰ rows", part{"node", 0, 0}, 1 << 40, "column flag: 1099511627776 values where 3 are wanted"},
		{"a column of negative length", part{"node", 0, 0}, math.MaxUint64, "column flag: -1 values where 3"},
		{"more nulls than values", part{"node", 3, 1}, 4, "column maybe: 4 nulls in 3 values"},
		{"nulls where none may be", part{"node", 0, 1}, 1, "column flag: the validity bitmap has 0 bytes where 3 values need 1"},
		{"a list of 2⁴⁰ elements", part{"node", 2, 0}, 1 << 40, "column names: item: 1099511627776 values are too many"},
		{"a list of more elements than there are", part{"node", 2, 0}, 100, "column names: item: the offsets have 16 bytes where 100 values need 404"},
		{"a list of fewer elements than its offsets say", part{"node", 2, 0}, 2, "column names: the offsets are broken: value 0 goes from 0 to 3 of 2"},
		{"a buffer past the end", part{"buffer", 1, 0}, 1 << 40, "column flag: its buffer, 1 bytes from 1099511627776 on, lies outside a body"},
		{"a buffer that wraps around", part{"buffer", 1, 0}, math.MaxUint64, "column flag: its buffer"},
		{"a buffer of 2⁶³ bytes", part{"buffer", 1, 1}, 1 << 63, "column flag: its buffer"},
		{"an empty buffer", part{"buffer", 1, 1}, 0, "column flag: 0 bytes hold fewer than 3 values"},
		{"a buffer of addresses cut short", part{"buffer", 8, 1}, 59, "column maybe: 59 bytes hold fewer than 3 values"},
		{"a missing bitmap", part{"buffer", 7, 1}, 0, "column maybe: the validity bitmap has 0 bytes"},
		{"buffers that overlap", part{"buffer", 8, 1}, 100, "column maybe: its buffer overlaps others"},
	}
	for _, c := range cases {
		e := must(transit.NewEncoder[threeColumns]())(t)
		message := must(e.Append(nil, threeRows()))(t)
		binary.LittleEndian.PutUint64(message[c.part.at(t, message):], c.value)
		if c.name == "buffers that overlap" {
			binary.LittleEndian.PutUint64(message[part{"buffer", 8, 0}.at(t, message):], 0)
		}
		checkRefused(t, c.name, message, c.want)
	}
}

func checkRefused(t *testing.T, name string, message []byte, want string) {
	t.Helper()
	rowType := must(transit.TypeOf[threeColumns]())(t)
	d := must(transit.NewDecoder[threeColumns](rowType))(t)
	before := []threeColumns{{Flag: true}}
	got, err := d.Append(before, message)
	if err == nil || !strings.Contains(err.Error(), "decode test.three: "+want) {
		t.Errorf("%s: got %v, want an error with %q", name, err, want)
	}
	if len(got) != 1 {
		t.Errorf("%s: after an error there are %d rows, want those from before", name, len(got))
	}
	if _, err := transit.DecodeBatch(rowType, message); err == nil {
		t.Errorf("%s: DecodeBatch gives no error", name)
	}
}

func TestBrokenOffsetsAreRefused(t *testing.T) {
	e := must(transit.NewEncoder[threeColumns]())(t)
	offsets := func(n ...uint32) string {
		var b []byte
		for _, n := range n {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		return string(b)
	}
	cases := []struct{ name, good, bad, want string }{
		{"list offsets that go back", offsets(0, 2, 3, 3), offsets(0, 3, 2, 3), "column names: the offsets are broken: value 1 goes from 3 to 2 of 3"},
		{"list offsets past the end", offsets(0, 2, 3, 3), offsets(0, 2, 3, 4), "column names: the offsets are broken"},
		{"list offsets past the end between", offsets(0, 2, 3, 3), offsets(0, 9, 3, 3), "column names: the offsets are broken: value 0 goes from 0 to 9"},
		{"negative list offsets", offsets(0, 2, 3, 3), offsets(0xFFFFFFFF, 2, 3, 3), "column names: the offsets are broken"},
		{"string offsets that go back", offsets(0, 2, 3, 6), offsets(0, 3, 2, 6), "column names: item: the offsets are broken: value 1 goes from 3 to 2 of 6"},
		{"string offsets past the end", offsets(0, 2, 3, 6), offsets(0, 2, 3, 7), "column names: item: the offsets are broken: value 2 goes from 3 to 7 of 6"},
	}
	for _, c := range cases {
		message := string(must(e.Append(nil, threeRows()))(t))
		if strings.Count(message, c.good) != 1 {
			t.Fatalf("%s: the offsets are not where they were", c.name)
		}
		checkRefused(t, c.name, []byte(strings.Replace(message, c.good, c.bad, 1)), c.want)
	}
}

func TestMessagesOfAnotherSortAreRefused(t *testing.T) {
	e := must(transit.NewEncoder[threeColumns]())(t)
	good := must(e.Append(nil, threeRows()))(t)
	logs := must(transit.NewEncoder[logRow]())(t)
	cases := []struct{ name, message, want string }{
		{"nothing", "", "0 bytes are too few for an Arrow message"},
		{"text", "<html><body>", "an Arrow message begins with the bytes ff ff ff ff"},
		{"the end of a stream", endOfStream, "the message marks the end of a stream"},
		{"a schema", string(e.Type().MarshalSchema()), "the message is a schema, where a record batch is expected"},
		{"a body cut short", string(good[:len(good)-8]), "the body has 112 bytes where 120 are announced"},
		{"a body too long", string(good) + "12345678", "the body has 128 bytes where 120 are announced"},
		{"metadata cut short", string(good[:100]), "the metadata is cut short: "},
		{"metadata of zeros", string(good[:8]) + strings.Repeat("\x00", len(good)-8), "the metadata is broken"},
		{"a batch of another type", string(must(logs.Append(nil, someLogs(1)))(t)), "the batch has 13 columns and 27 buffers, its type 4 and 9"},
	}
	for _, c := range cases {
		checkRefused(t, c.name, []byte(c.message), c.want)
	}
}

func TestNothingIsAllocatedForRowsThatAreNotThere(t *testing.T) {
	e := must(transit.NewEncoder[threeColumns]())(t)
	d := must(transit.NewDecoder[threeColumns](e.Type()))(t)
	message := must(e.Append(nil, threeRows()))(t)
	nodes := part{"node", 0, 0}.at(t, message)
	for _, claim := range []uint64{1 << 20, 1 << 31, 1 << 40, 1 << 62} {
		// Every place that says three says the claim, but for the offsets in the body.
		for i := 8; i < nodes+64; i += 8 {
			if n := binary.LittleEndian.Uint64(message[i:]); n == 3 || n == claim/2 {
				binary.LittleEndian.PutUint64(message[i:], claim)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := d.Append(nil, message); err == nil {
			t.Fatalf("a batch of %d bytes is read as one of %d rows", len(message), claim)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<16 {
			t.Errorf("refusing %d rows allocates %d bytes", claim, got)
		}
	}
}

func TestNullsUnderNullStructsAreFine(t *testing.T) {
	record := foreignRecord(t)
	d := must(transit.NewDecoder[foreign](transit.Type{Name: "other.row", Schema: record.Schema()}))(t)
	bits := record.Column(1).(*array.Struct).Field(1)
	if bits.NullN() == 0 {
		t.Skip("this version of the library writes values below null structs")
	}
	got := must(d.Append(nil, writeBatch(t, record)))(t)
	if got[1].Inner != nil || !got[0].Inner.Flag {
		t.Errorf("got %v and %v", got[0].Inner, got[1].Inner)
	}
}

// FuzzDecode feeds the decoders what nobody wrote: no panic, no fault, no row that cannot be read.
func FuzzDecode(f *testing.F) {
	e := must(transit.NewEncoder[allRow]())(f)
	three := must(transit.NewEncoder[threeColumns]())(f)
	f.Add(must(three.Append(nil, threeRows()))(f))
	for n := range 4 {
		f.Add(must(e.Append(nil, randomRows[allRow](uint64(n), n)))(f))
	}
	f.Add(writeBatch(f, foreignRecord(f)))
	f.Fuzz(decodeAnything)
}

func decodeAnything(t *testing.T, body []byte) {
	t.Helper()
	decodeAs[allRow](t, body)
	decodeAs[threeColumns](t, body)
	decodeAs[logRow](t, body)
	other := transit.Type{Name: "other.row", Schema: foreignRecord(t).Schema()}
	d := must(transit.NewDecoder[foreign](other))(t)
	if rows, err := d.Append(nil, body); err == nil {
		touch(rows)
	}
	showAll(other, body)
}

func decodeAs[T transit.Row](t *testing.T, body []byte) {
	t.Helper()
	e := must(transit.NewEncoder[T]())(t)
	d := must(transit.NewDecoder[T](e.Type()))(t)
	rows, err := d.Append(nil, body)
	if err == nil {
		touch(rows)
		_, _ = e.Append(nil, rows) // reads every byte of every row
	}
	showAll(e.Type(), body)
}

func touch[T any](rows []T) {
	for i := range rows {
		_ = sameRows(rows[i], rows[i])
	}
}

func showAll(rowType transit.Type, body []byte) {
	b, err := transit.DecodeBatch(rowType, body)
	if err != nil {
		return
	}
	for c := range int(b.Record.NumCols()) {
		for r := range int(min(b.Record.NumRows(), 100)) {
			_, _ = b.Text(c, r), b.Value(c, r)
		}
	}
}

// TestDamagedMessages changes good messages at random: what a short run of the fuzzer would do, in every run of the tests.
func TestDamagedMessages(t *testing.T) {
	e := must(transit.NewEncoder[allRow]())(t)
	good := must(e.Append(nil, randomRows[allRow](5, 3)))(t)
	three := must(must(transit.NewEncoder[threeColumns]())(t).Append(nil, threeRows()))(t)
	r := rand.New(rand.NewPCG(9, 9))
	for range 1500 {
		for _, message := range [][]byte{good, three} {
			damaged := append([]byte(nil), message...)
			for range 1 + r.IntN(4) {
				at := r.IntN(len(damaged))
				damaged[at] = []byte{0, 1, 0x7f, 0x80, 0xff, byte(r.Uint32())}[r.IntN(6)]
			}
			if r.IntN(8) == 0 {
				damaged = damaged[:r.IntN(len(damaged))]
			}
			decodeAnything(t, damaged)
		}
	}
}

// FuzzParseType feeds ParseType what nobody wrote.
func FuzzParseType(f *testing.F) {
	f.Add(must(transit.TypeOf[allRow]())(f).MarshalSchema())
	f.Add(transit.Type{Name: "other.row", Schema: foreignRecord(f).Schema()}.MarshalSchema())
	f.Fuzz(func(t *testing.T, schema []byte) {
		parsed, err := transit.ParseType("test.fuzz", schema)
		if err != nil {
			return
		}
		again, err := transit.ParseType("test.fuzz", parsed.MarshalSchema())
		if err != nil || again.String() != parsed.String() {
			t.Errorf("%s becomes %s, %v", parsed, again, err)
		}
		_ = parsed.Fits(again)
	})
}

func TestDamagedSchemas(t *testing.T) {
	good := must(transit.TypeOf[allRow]())(t).MarshalSchema()
	r := rand.New(rand.NewPCG(8, 8))
	for range 5000 {
		damaged := append([]byte(nil), good...)
		for range 1 + r.IntN(4) {
			damaged[r.IntN(len(damaged))] = byte(r.Uint32())
		}
		if parsed, err := transit.ParseType("test.damaged", damaged[:len(damaged)-r.IntN(2)*r.IntN(40)]); err == nil {
			_ = parsed.String()
		}
	}
}

func TestSchemasThatAreTooDeepAreRefused(t *testing.T) {
	dt := arrow.PrimitiveTypes.Int8
	for range 40 {
		dt = arrow.ListOf(dt)
	}
	schema := transit.Type{Name: "test.deep", Schema: arrow.NewSchema([]arrow.Field{{Name: "c", Type: dt}}, nil)}.MarshalSchema()
	_, err := transit.ParseType("test.deep", schema)
	if err == nil || !strings.Contains(err.Error(), "the schema is too large: at most 16384 columns, nested at most 32 deep") {
		t.Errorf("got %v", err)
	}
}
