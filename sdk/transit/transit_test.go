package transit_test

import (
	"bytes"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/transit"
)

func TestLogsArriveAsTheyLeft(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 8, 9, 100, 1024} {
		checkRoundTrip(t, someLogs(n))
	}
}

func TestEveryTypeArrivesAsItLeft(t *testing.T) {
	for seed := range uint64(200) {
		checkRoundTrip(t, randomRows[allRow](seed, int(seed%23)))
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(uint64(1), uint8(3))
	f.Fuzz(func(t *testing.T, seed uint64, n uint8) {
		checkRoundTrip(t, randomRows[allRow](seed, int(n)))
	})
}

// checkRoundTrip sends rows through both ends, typed and untyped, and from every alignment in memory.
func checkRoundTrip[T transit.Row](t *testing.T, want []T) {
	t.Helper()
	e := must(transit.NewEncoder[T]())(t)
	d := must(transit.NewDecoder[T](e.Type()))(t)
	before := "bytes before"[:len(want)%8]
	message := must(e.Append([]byte(before), want))(t)
	if !strings.HasPrefix(string(message), before) {
		t.Fatalf("what stood before the message is now %q", message[:len(before)])
	}
	got := must(d.Append(make([]T, 2, 5), message[len(before):]))(t)
	if diff := sameRows(want, got[2:]); diff != "" {
		t.Fatalf("%d rows differ (-want +got):\n%s", len(want), diff)
	}
	again := must(e.Append(nil, want))(t)
	if !bytes.Equal(again, message[len(before):]) {
		t.Fatal("the same rows gave two different messages")
	}
	checkAny(t, want, again)
}

func checkAny[T transit.Row](t *testing.T, want []T, message []byte) {
	t.Helper()
	rt := reflect.TypeFor[T]()
	e := must(transit.NewEncoderOf(rt))(t)
	got := must(e.AppendValue(nil, reflect.ValueOf(want)))(t)
	if !bytes.Equal(got, message) {
		t.Fatal("AnyEncoder writes another message than Encoder")
	}
	d := must(transit.NewDecoderOf(rt, e.Type()))(t)
	rows := must(d.AppendValue(reflect.ValueOf([]T(nil)), message))(t)
	rows = must(d.AppendValue(rows, message))(t)
	if diff := sameRows(append(slices.Clip(want), want...), rows.Interface()); diff != "" {
		t.Fatalf("AnyDecoder: rows differ (-want +got):\n%s", diff)
	}
}

func TestAnyCodecsRefuseOtherSlices(t *testing.T) {
	rt := reflect.TypeFor[logRow]()
	e := must(transit.NewEncoderOf(rt))(t)
	d := must(transit.NewDecoderOf(rt, e.Type()))(t)
	for _, v := range []reflect.Value{{}, reflect.ValueOf(logRow{}), reflect.ValueOf([]allRow{}), reflect.ValueOf([]*logRow{})} {
		if out, err := e.AppendValue([]byte("x"), v); err == nil || string(out) != "x" {
			t.Errorf("AppendValue(%v): got %q, %v; want x and an error", v, out, err)
		}
		if _, err := d.AppendValue(v, nil); err == nil {
			t.Errorf("AppendValue(%v): got no error", v)
		}
	}
}

// someColumns are columns of logRow in another order, and one that may be null there but never is.
type someColumns struct {
	Removed  bool
	Topics   []common.Hash
	Sender   *common.Address `transit:"address"`
	LogIndex uint32
	ignored  int
	Note     string `transit:"-"`
}

func (someColumns) TransitType() string { return "eth.log" }

func TestConsumerReadsSomeColumnsInItsOwnOrder(t *testing.T) {
	e := must(transit.NewEncoder[logRow]())(t)
	d := must(transit.NewDecoder[someColumns](e.Type()))(t)
	logs := someLogs(100)
	dirty := []someColumns{{ignored: 1, Note: "from the last batch"}}
	got := must(d.Append(dirty[:0], must(e.Append(nil, logs[:1]))(t)))(t)
	if got[0].ignored != 0 || got[0].Note != "" {
		t.Errorf("fields that are no columns are %d and %q, want them zero", got[0].ignored, got[0].Note)
	}
	for i, row := range must(d.Append(nil, must(e.Append(nil, logs))(t)))(t) {
		log := logs[i]
		want := someColumns{Removed: log.Removed, Topics: log.Topics, Sender: &log.Address, LogIndex: log.LogIndex}
		if !reflect.DeepEqual(row, want) {
			t.Fatalf("row %d: got %v, want %v", i, row, want)
		}
	}
}

// someOfAll reads nested columns in another order, and few of them.
type someOfAll struct {
	Lists [][]uint64
	Pairs []struct {
		Path []common.Hash
		Name string
	}
	PairOrNot *struct {
		Fee  *uint32
		Name string
	}
	BlockNumber uint64
}

func (someOfAll) TransitType() string { return "test.all" }

func TestConsumerReadsSomeColumnsOfStructs(t *testing.T) {
	all := randomRows[allRow](7, 50)
	e := must(transit.NewEncoder[allRow]())(t)
	d := must(transit.NewDecoder[someOfAll](e.Type()))(t)
	want := make([]someOfAll, len(all))
	for i, row := range all {
		want[i].Lists, want[i].BlockNumber = row.Lists, row.BlockNumber
		for _, p := range row.Pairs {
			want[i].Pairs = append(want[i].Pairs, struct {
				Path []common.Hash
				Name string
			}{p.Path, p.Name})
		}
		if p := row.PairOrNot; p != nil {
			want[i].PairOrNot = &struct {
				Fee  *uint32
				Name string
			}{p.Fee, p.Name}
		}
	}
	got := must(d.Append(nil, must(e.Append(nil, all))(t)))(t)
	if diff := sameRows(want, got); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
}

func TestSlicesArePartsOfTheBody(t *testing.T) {
	e := must(transit.NewEncoder[logRow]())(t)
	d := must(transit.NewDecoder[logRow](e.Type()))(t)
	logs := someLogs(3)
	message := must(e.Append(nil, logs))(t)
	rows := must(d.Append(nil, message))(t)
	message[bytes.Index(message, logs[1].Data)] ^= 0xff
	message[bytes.Index(message, logs[1].Topics[2][:])] ^= 0xff
	if rows[1].Data[0] != logs[1].Data[0]^0xff || rows[1].Topics[2][0] != logs[1].Topics[2][0]^0xff {
		t.Error("a change of the body does not show in the row: it was copied")
	}
	_ = append(rows[0].Data, 0xAA, 0xBB)
	_ = append(rows[0].Topics, common.Hash{0xAA})
	if rows[1].Data[0] == 0xAA || rows[1].Topics[0][0] == 0xAA {
		t.Error("appending to a slice of one row changes the next row")
	}
}

func TestMessagesDoNotReferToRows(t *testing.T) {
	e := must(transit.NewEncoder[logRow]())(t)
	d := must(transit.NewDecoder[logRow](e.Type()))(t)
	logs := someLogs(2)
	message := must(e.Append(nil, logs))(t)
	logs[1].Data[0] ^= 0xff
	logs[1].Topics[0][0] ^= 0xff
	if diff := sameRows(someLogs(2), must(d.Append(nil, message))(t)); diff != "" {
		t.Errorf("a change of the rows shows in the message (-want +got):\n%s", diff)
	}
}

type valueRow struct {
	Number big.Int
	Time   time.Time
	Text   string
	Parts  []struct{ Text string }
}

func (valueRow) TransitType() string { return "test.value" }

func TestBigintBytes(t *testing.T) {
	cases := map[string]string{
		"0": "\x00", "1": "\x01", "127": "\x7f", "128": "\x00\x80", "255": "\x00\xff", "256": "\x01\x00", "-1": "\xff", "-128": "\x80",
		"-129": "\xff\x7f", "-256": "\xff\x00", "-32768": "\x80\x00", "18446744073709551616": "\x01\x00\x00\x00\x00\x00\x00\x00\x00",
		"-18446744073709551616": "\xff\x00\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808": "\x80\x00\x00\x00\x00\x00\x00\x00",
	}
	e := must(transit.NewEncoder[valueRow]())(t)
	for text, want := range cases {
		var row valueRow
		row.Number.SetString(text, 10)
		b := must(transit.DecodeBatch(e.Type(), must(e.Append(nil, []valueRow{row}))(t)))(t)
		if got := rawBytes(b, 0, 0); string(got) != want {
			t.Errorf("%s: got % x, want % x", text, got, want)
		}
	}
}

func TestRowsThatCannotTravel(t *testing.T) {
	e := must(transit.NewEncoder[valueRow]())(t)
	cases := map[string]valueRow{
		"column time: 2300-01-01T00:00:00Z is out of range":  {Time: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)},
		"column time: 1600-01-01T00:00:00Z is out of range":  {Time: time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)},
		`column text: "a\xff" is not UTF-8: use []byte`:      {Text: "a\xff"},
		`column parts: item: text: "\xff" is not UTF-8: use`: {Parts: []struct{ Text string }{{"ok"}, {"\xff"}}},
	}
	for want, row := range cases {
		out, err := e.Append([]byte("kept"), []valueRow{{}, row})
		if err == nil || !strings.Contains(err.Error(), "encode test.value: "+want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
		if string(out) != "kept" {
			t.Errorf("after an error dst is %q, want what it was", out)
		}
	}
	if _, err := e.Append(nil, []valueRow{{}}); err != nil {
		t.Errorf("after errors a good row is refused: %v", err)
	}
}

func TestSizeIsCloseToWhatTravels(t *testing.T) {
	e := must(transit.NewEncoder[logRow]())(t)
	checkSize(t, e, someLogs(1000))
	all := must(transit.NewEncoder[allRow]())(t)
	checkSize(t, all, randomRows[allRow](3, 1000))
}

func checkSize[T transit.Row](t *testing.T, e *transit.Encoder[T], rows []T) {
	t.Helper()
	estimate := 0
	for i := range rows {
		estimate += e.Size(&rows[i])
	}
	got := len(must(e.Append(nil, rows))(t))
	if estimate < got*9/10 || estimate > got*11/10 {
		t.Errorf("%T: Size adds up to %d, the message has %d bytes: more than a tenth apart", rows, estimate, got)
	}
}

func TestOneHugeRow(t *testing.T) {
	e := must(transit.NewEncoder[logRow]())(t)
	d := must(transit.NewDecoder[logRow](e.Type()))(t)
	rows := someLogs(1)
	rows[0].Data = bytes.Repeat([]byte("x"), 16<<20)
	got := must(d.Append(nil, must(e.Append(nil, rows))(t)))(t)
	if !bytes.Equal(got[0].Data, rows[0].Data) {
		t.Error("16 MiB of data arrived changed")
	}
	if small := must(e.Append(nil, someLogs(4096)))(t); cap(small) > 64<<20 {
		t.Errorf("after a row of 16 MiB a batch of small ones takes %d bytes", cap(small))
	}
}

func TestAllocationsPerBatch(t *testing.T) {
	e := must(transit.NewEncoder[logRow]())(t)
	d := must(transit.NewDecoder[logRow](e.Type()))(t)
	for _, n := range []int{1, 1024} {
		logs := someLogs(n)
		message := must(e.Append(nil, logs))(t)
		rows := must(d.Append(nil, message))(t)
		checkAllocs(t, 0, func() { message = must(e.Append(message[:0], logs))(t) })
		checkAllocs(t, 0, func() { rows = must(d.Append(rows[:0], message))(t) })
	}

	all := randomRows[allRow](1, 1024)
	ea := must(transit.NewEncoder[allRow]())(t)
	da := must(transit.NewDecoder[allRow](ea.Type()))(t)
	message := must(ea.Append(nil, all))(t)
	rows := must(da.Append(nil, message))(t)
	checkAllocs(t, 0, func() { message = must(ea.Append(message[:0], all))(t) })
	// At most two for each of some forty columns that are lists or nullable, though there are a thousand rows.
	checkAllocs(t, 90, func() { rows = must(da.Append(rows[:0], message))(t) })
}

func checkAllocs(t *testing.T, limit float64, f func()) {
	t.Helper()
	if got := testing.AllocsPerRun(10, f); got > limit {
		t.Errorf("%.0f allocations per batch, want at most %.0f", got, limit)
	}
}
