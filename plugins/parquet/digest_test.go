package main

import (
	"math"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// summed is what a store is to say of rows, by the values of their batch.
func summed[T transit.Row](tb testing.TB, column string, ranges []digest.Range, rows ...T) []digest.Range {
	tb.Helper()
	batch := plugintest.Batch(tb, rows...)
	var out []digest.Range
	var row digest.Row
	by := batch.Type.Schema.FieldIndices(column)[0]
	for _, r := range ranges {
		for i := range rows {
			if key := batch.Value(by, i).(uint64); key < r.From || key > r.To {
				continue
			}
			for c := range batch.Type.Columns() {
				row.Value(batch.Value(c, i))
			}
			r.Rows++
			r.Sum.Add(row.Digest())
		}
		out = append(out, r)
	}
	return out
}

// wideRows are rows with everything, of many blocks.
func wideRows(n int) []everything {
	some := extremes()
	rows := make([]everything, n)
	for i := range rows {
		rows[i] = some[i%len(some)]
		rows[i].BlockNumber = uint64(i)
		rows[i].Time = rows[i].Time.Truncate(1_000_000)
		if i%len(some) == 0 {
			rows[i].Time = extremes()[0].Time
		}
		rows[i].Uint64 = uint64(i % 7)
	}
	return rows
}

// What is in files, in pieces and in the tail is told alike.
func TestDigest(t *testing.T) {
	rows := wideRows(370)
	ranges := []digest.Range{{From: 0, To: 369}, {From: 0, To: 99}, {From: 90, To: 210}, {From: 355, To: math.MaxUint64}, {From: 1000, To: 2000}}
	for name, change := range map[string]func(*loader){
		"as usual": func(*loader) {},
		"at checkpoints, as text": func(l *loader) {
			l.Seal, l.Bytes, l.Times = sealCheckpoint, "hex", "ms"
			l.U256 = []string{asFloat, asDecimal, asString}
		},
		"binary, numbered": func(l *loader) {
			l.BlockColumn, l.Rows, l.Times, l.U256 = "", 100, "ns", []string{asBinary}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := loaderIn(t.TempDir())
			change(l)
			start := startOf[everything](t, 1, 0)
			started(t, l, start)
			load(t, l, 0, rows[:205]...)
			commitAt(t, l, 1, 204)
			final(t, l, 1)
			closed(t, l)
			again := &loader{settings: l.settings, patience: short}
			start.Generation, start.Checkpoint = 2, 1
			l = started(t, again, start) // which reads the tail
			load(t, l, 0, rows[205:355]...)
			commitAt(t, l, 2, 354)
			load(t, l, 0, rows[355:360]...)
			commitAt(t, l, 3, 359)
			load(t, l, 0, rows[360:]...) // these are not committed
			for column, ranges := range map[string][]digest.Range{"block_number": ranges, "uint64": {{From: 2, To: 3}}} {
				other := &loader{settings: l.settings}
				got, err := other.Digest(t.Context(), start, digest.Query{Type: start.Inputs[0].Type, Column: column, Ranges: ranges})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(summed(t, column, ranges, rows[:360]...), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", column, diff)
				}
			}
		})
	}
}

func TestDigestOfAColumnThatCameLater(t *testing.T) {
	dir := t.TempDir()
	l := started(t, loaderIn(dir), startOf[event](t, 1, 0))
	load(t, l, 0, eventsOf(1, 2)...)
	commitAt(t, l, 1, 2)
	closed(t, l)
	start := startOf[later](t, 2, 1)
	amount := uint64(7)
	l = started(t, loaderIn(dir), start)
	load(t, l, 0, later{BlockNumber: 3, Name: "b", Amount: &amount})
	commitAt(t, l, 2, 3)
	ranges := []digest.Range{{To: 10}}
	got, err := loaderIn(dir).Digest(t.Context(), start, digest.Query{Type: start.Inputs[0].Type, Column: "block_number", Ranges: ranges})
	if err != nil {
		t.Fatal(err)
	}
	want := summed(t, "block_number", ranges, later{BlockNumber: 1, Name: "a"}, later{BlockNumber: 2, Name: "a"}, later{BlockNumber: 3, Name: "b", Amount: &amount})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// later is an event with a column that came later, and may be null.
type later struct {
	BlockNumber uint64
	Name        string
	Note        *string
	Amount      *uint64
}

func (later) TransitType() string { return "test.event" }

func TestDigestsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	start := startOf[everything](t, 1, 0)
	ask := func(l *loader, column string, input int) error {
		_, err := l.Digest(t.Context(), start, digest.Query{Input: input, Type: start.Inputs[0].Type, Column: column, Ranges: []digest.Range{{To: 9}}})
		return err
	}
	says(t, ask(loaderIn(dir), "block_number", 0), "nothing of step", dir, "run the pipeline first")
	says(t, ask(loaderIn(dir), "string", 0), `step "events"`, "no column string of uint64")
	says(t, ask(loaderIn(dir), "block_number", 3), "no input 3")
	for want, change := range map[string]func(*loader){
		"column amount is kept as float64 only": func(l *loader) { l.U256 = []string{asFloat} },
		"column fixed is not kept":              func(l *loader) { l.Exclude = []string{"fixed"} },
	} {
		own := t.TempDir()
		l := loaderIn(own)
		change(l)
		started(t, l, start)
		load(t, l, 0, everything{BlockNumber: 1, Amount: *uint256.NewInt(5)}, everything{BlockNumber: 200})
		commitAt(t, l, 1, 150)
		final(t, l, 1)
		says(t, ask(loaderIn(own), "block_number", 0), want, own)
		closed(t, l)
	}
}

// deep is a row whose parts may be missing at every depth.
type deep struct {
	BlockNumber uint64
	Maybe       *payment
	Numbers     []*uint64
	Lists       [][]string
	Inner       struct {
		Maybe *payment
		Many  []struct{ Notes []*string }
	}
}

func (deep) TransitType() string { return "test.deep" }

// What is missing at some depth is missing there, and nowhere else.
func TestDigestOfWhatIsMissing(t *testing.T) {
	n, note := uint64(5), "note"
	type many = []struct{ Notes []*string }
	rows := []deep{
		{},
		{BlockNumber: 1, Maybe: &payment{}, Numbers: []*uint64{nil}, Lists: [][]string{nil}},
		{BlockNumber: 2, Maybe: &payment{Index: 3, Keys: []common.Hash{{1}, {2}}}, Numbers: []*uint64{&n, nil, &n}, Lists: [][]string{{"a", "b"}, {}, {"c"}}},
		{BlockNumber: 3, Lists: [][]string{{}, {""}}},
		{BlockNumber: 4},
		{BlockNumber: 5},
		{BlockNumber: 6},
	}
	rows[4].Inner.Maybe = &payment{Amount: *uint256.NewInt(7)}
	rows[5].Inner.Many = many{{}, {Notes: []*string{nil, &note}}, {Notes: []*string{&note}}}
	rows[6].Inner.Many = many{{Notes: []*string{nil}}}
	for _, u256 := range [][]string{{asString}, {asFloat, asBinary}} {
		l := loaderIn(t.TempDir())
		l.U256 = u256
		start := startOf[deep](t, 1, 0)
		started(t, l, start)
		load(t, l, 0, rows...)
		commitAt(t, l, 1, 99)
		final(t, l, 1)
		ranges := []digest.Range{{To: 0}, {From: 1, To: 1}, {From: 2, To: 2}, {From: 3, To: 3}, {From: 4, To: 4}, {From: 5, To: 5}, {From: 6, To: 6}}
		got, err := (&loader{settings: l.settings}).Digest(t.Context(), start, digest.Query{Type: start.Inputs[0].Type, Column: "block_number", Ranges: ranges})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(summed(t, "block_number", ranges, rows...), got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
