package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/render"
	"github.com/penstock-io/penstock/sdk/transit"
)

var update = flag.Bool("update", false, "write what is printed into the files that it is compared to")

type total struct {
	BlockNumber uint64
	Pair        common.Address
	Volume      uint256.Int
	Note        *string
}

func (total) TransitType() string { return "test.total" }

type block struct {
	BlockNumber uint64
	BlockHash   common.Hash
}

func (block) TransitType() string { return "test.block" }

// everything has a column of every type.
type everything struct {
	Bool      bool
	Int8      int8
	Int64     int64
	Uint8     uint8
	Uint64    uint64
	Float32   float32
	Float64   float64
	String    string
	Bytes     []byte
	Fixed     [3]byte
	Address   common.Address
	Hash      common.Hash
	Uint256   uint256.Int
	Bigint    big.Int
	Time      time.Time
	Null      *uint64
	Hashes    []common.Hash
	Nested    struct{ Amount uint256.Int }
	Sometimes *string
	Step      string
}

func (everything) TransitType() string { return "test.everything" }

// screen is where a test's console prints.
type screen struct {
	bytes.Buffer
	second time.Time
}

func (s *screen) now() time.Time { return s.second }

func (s *screen) next() { s.second = s.second.Add(time.Second) }

func newScreen() *screen { return &screen{second: time.Unix(1_700_000_000, 0)} }

func (s *screen) register() sdk.Register { return register(s, s.now) }

// opened is a console that is ready for rows.
func (s *screen) opened(tb testing.TB, c console, inputs ...sdk.Input) *console {
	tb.Helper()
	c.out, c.now = s, s.now
	if c.Format == "" {
		c.Format = "table"
	}
	if err := errors.Join(c.Validate(), c.Start(tb.Context(), sdk.Start{Inputs: inputs})); err != nil {
		tb.Fatal(err)
	}
	return &c
}

func wire[T transit.Row](tb testing.TB, name string) sdk.Input {
	tb.Helper()
	in := plugintest.Wire[T](tb, "input")
	in.Name = name
	return in
}

func batch[T transit.Row](tb testing.TB, rows ...T) transit.Batch {
	tb.Helper()
	e, err := transit.NewEncoder[T]()
	if err != nil {
		tb.Fatal(err)
	}
	body, err := e.Append(nil, rows)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := transit.DecodeBatch(e.Type(), body)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func load[T transit.Row](t *testing.T, c *console, index int, rows ...T) {
	t.Helper()
	if err := c.Load(t.Context(), index, batch(t, rows...)); err != nil {
		t.Fatal(err)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func all() *int { n := 0; return &n }

func totals(n int) []total {
	rows := make([]total, n)
	for i := range rows {
		rows[i] = total{BlockNumber: uint64(i), Pair: common.Address{19: byte(i)}, Volume: *uint256.NewInt(uint64(i * i))}
	}
	return rows
}

func TestTable(t *testing.T) {
	note := "the first"
	s := newScreen()
	c := s.opened(t, console{}, wire[total](t, "totals"))
	load(t, c, 0,
		total{BlockNumber: 9, Pair: common.HexToAddress("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), Volume: *uint256.NewInt(7), Note: &note},
		total{BlockNumber: 9, Volume: *new(uint256.Int).SetAllOne()},
		total{BlockNumber: 10},
		total{BlockNumber: 1_000_000_000_000, Note: &note},
	)
	golden(t, "table.txt", s.String())
}

func TestTableRepeatsItsHeader(t *testing.T) {
	s := newScreen()
	c := s.opened(t, console{Limit: all(), Columns: []string{"pair", "volume"}}, wire[total](t, "totals"))
	for range 3 {
		load(t, c, 0, totals(headerEvery)...)
	}
	lines := strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n")
	var headers []int
	for i, line := range lines {
		if strings.HasPrefix(line, "totals") {
			headers = append(headers, i)
		}
	}
	if want := []int{0, 41, 82}; !cmp.Equal(headers, want) {
		t.Errorf("headers are lines %v, want %v\n%s", headers, want, s)
	}
}

func TestTablesOfSeveralInputs(t *testing.T) {
	s := newScreen()
	c := s.opened(t, console{Columns: []string{"block_number"}}, wire[block](t, "blocks"), wire[total](t, "pair_totals"))
	load(t, c, 0, block{BlockNumber: 1}, block{BlockNumber: 2})
	load(t, c, 1, total{BlockNumber: 2})
	load(t, c, 0, block{BlockNumber: 300_000_000})
	load(t, c, 1, total{BlockNumber: 3})
	golden(t, "several.txt", s.String())
}

func TestColumnsAreShownInTheOrderGiven(t *testing.T) {
	s := newScreen()
	c := s.opened(t, console{Columns: []string{"volume", "block_number"}}, wire[total](t, "totals"))
	load(t, c, 0, total{BlockNumber: 8, Volume: *uint256.NewInt(12)})
	const want = "totals  volume  block_number\n" +
		"            12             8\n"
	if diff := cmp.Diff(want, s.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func rowOfEverything() everything {
	row := everything{
		Bool: true, Int8: -8, Int64: math.MinInt64, Uint8: 255, Uint64: math.MaxUint64, Float32: 0.1, Float64: 1e300,
		String: "a \"quoted\" <b>", Bytes: []byte{0, 0xff}, Fixed: [3]byte{1, 2, 3},
		Address: common.HexToAddress("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), Hash: common.Hash{31: 1},
		Uint256: *new(uint256.Int).SetAllOne(), Time: time.Unix(1_700_000_000, 5).UTC(),
		Hashes: []common.Hash{{1}}, Step: "mine",
	}
	row.Bigint.Neg(new(big.Int).Lsh(big.NewInt(1), 100))
	row.Nested.Amount.SetUint64(3)
	return row
}

func TestJSON(t *testing.T) {
	s := newScreen()
	c := s.opened(t, console{Format: "json"}, wire[everything](t, "all"))
	load(t, c, 0, rowOfEverything(), everything{Float64: math.NaN(), Float32: float32(math.Inf(-1))})
	golden(t, "all.json", s.String())
	for line := range strings.Lines(s.String()) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		if got := len(object); got != 21 {
			t.Errorf("%d members, want 20 columns and the step: %s", got, line)
		}
	}
}

func TestJSONShowsEveryRow(t *testing.T) {
	s := newScreen()
	c := s.opened(t, console{Format: "json"}, wire[total](t, "totals"))
	load(t, c, 0, totals(3*tableLimit)...)
	if got := strings.Count(s.String(), "\n"); got != 3*tableLimit {
		t.Errorf("%d lines, want %d", got, 3*tableLimit)
	}
}

func TestJSONOfLimitHoldsObjectsOnly(t *testing.T) {
	s := newScreen()
	limit := 2
	c := s.opened(t, console{Format: "json", Limit: &limit}, wire[total](t, "totals"))
	load(t, c, 0, totals(5)...)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	const want = `{"step":"totals","block_number":0,"pair":"0x0000000000000000000000000000000000000000","volume":"0","note":null}
{"step":"totals","block_number":1,"pair":"0x0000000000000000000000000000000000000001","volume":"1","note":null}
`
	if diff := cmp.Diff(want, s.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLimitCountsWhatItHides(t *testing.T) {
	s := newScreen()
	limit := 2
	c := s.opened(t, console{Limit: &limit, Columns: []string{"block_number"}}, wire[total](t, "totals"), wire[block](t, "blocks"))
	commit := func() {
		t.Helper()
		if err := c.Commit(t.Context(), sdk.Commit{}); err != nil {
			t.Fatal(err)
		}
	}
	load(t, c, 0, totals(5)...)
	load(t, c, 1, block{BlockNumber: 7}) // one input does not use up another's limit
	commit()                             // within the second: more may come
	load(t, c, 0, totals(1)...)
	s.next()
	commit()
	commit()
	load(t, c, 0, totals(3)...)
	s.next()
	load(t, c, 0, totals(1)...) // a new second begins
	load(t, c, 0, totals(4)...)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	golden(t, "limit.txt", s.String())
}

// hostile is what a contract can put into a string.
var hostile = []string{
	"\x1b[2J\x1b]0;owned\x07", "a\nb\rc\td\be\x00f", "del\x7f", "\u009b31mcsi", "bad\xff\xfeutf8\xc3", "right\u202eleft\u2066",
	"line\u2028sep\u2029", "zero\u200bwidth\ufeff", "tag\U000e0041", "private\ue000\U0010ffff", "soft\u00adhyphen",
}

// checkHarmless fails the test where a terminal would find more to do than to
// show characters and begin a line.
func checkHarmless(t *testing.T, got []byte) {
	t.Helper()
	for i, r := range string(got) {
		if r != '\n' && !printable(r) || r == '\ufffd' && !bytes.HasPrefix(got[i:], []byte("\ufffd")) {
			t.Fatalf("%U at %d reaches the terminal: %q", r, i, got)
		}
	}
}

// printable is a list of its own, so as not to repeat what it checks.
func printable(r rune) bool {
	switch {
	case r < 0x20, 0x7f <= r && r < 0xa0, r == 0xad, 0x200b <= r && r <= 0x200f, 0x2028 <= r && r <= 0x202e, 0x2060 <= r && r <= 0x206f,
		r == 0xfeff, 0xe000 <= r && r <= 0xf8ff, r >= 0xe0000:
		return false
	}
	return true
}

type text struct {
	Text   string
	Texts  []string
	Nested struct{ Text string }
}

func (text) TransitType() string { return "test.text" }

// smuggled is a batch of a row whose bytes that are not UTF-8 no encoder of ours
// would let pass.
func smuggled(t *testing.T, words string) transit.Batch {
	t.Helper()
	placeholder := strings.Map(func(r rune) rune {
		if r == utf8.RuneError {
			return '?'
		}
		return r
	}, words)
	row := text{Text: placeholder, Texts: []string{placeholder}}
	row.Nested.Text = placeholder
	e, err := transit.NewEncoder[text]()
	if err != nil {
		t.Fatal(err)
	}
	body, err := e.Append(nil, []text{row})
	if err != nil {
		t.Fatal(err)
	}
	b, err := transit.DecodeBatch(e.Type(), bytes.ReplaceAll(body, []byte(placeholder), []byte(words)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHostileTextIsShownNotObeyed(t *testing.T) {
	for _, format := range []string{"table", "json"} {
		for _, words := range hostile {
			s := newScreen()
			c := s.opened(t, console{Format: format, Limit: all()}, wire[text](t, "texts\x1b[2J"))
			if err := c.Load(t.Context(), 0, smuggled(t, words)); err != nil {
				t.Fatal(err)
			}
			checkHarmless(t, s.Bytes())
			lines := strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n")
			if format == "table" {
				if len(lines) != 2 {
					t.Errorf("%q makes %d lines, want a header and a row:\n%s", words, len(lines), s)
				}
				continue
			}
			var object struct {
				Text   string
				Texts  []string
				Nested struct{ Text string }
			}
			if err := json.Unmarshal(s.Bytes(), &object); err != nil || len(lines) != 1 {
				t.Fatalf("%d lines, %v: %s", len(lines), err, s)
			}
			want := valid(words)
			if object.Text != want || object.Texts[0] != want || object.Nested.Text != want {
				t.Errorf("read back %+q, want %+q", object, want)
			}
		}
	}
}

// valid has a replacement character for each byte that is not UTF-8.
func valid(words string) string { return strings.Map(func(r rune) rune { return r }, words) }

func FuzzNothingHarmfulIsPrinted(f *testing.F) {
	for _, words := range hostile {
		f.Add(words)
	}
	f.Fuzz(func(t *testing.T, words string) {
		checkHarmless(t, []byte(legible(words)))
		if got := legible(words); widthOf(got) > widest {
			t.Errorf("%q is %d wide", got, widthOf(got))
		}
		quoted := render.AppendString(nil, words)
		checkHarmless(t, quoted)
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil {
			t.Fatalf("%v: %s", err, quoted)
		}
		if want := valid(words); back != want {
			t.Errorf("read back %q, want %q", back, want)
		}
	})
}

func TestLongValuesAreCut(t *testing.T) {
	s := newScreen()
	c := s.opened(t, console{Columns: []string{"text"}}, wire[text](t, "texts"))
	load(t, c, 0, text{Text: strings.Repeat("ä", widest)}, text{Text: strings.Repeat("ä", 1<<20)})
	lines := strings.Split(s.String(), "\n")
	if want := "       " + strings.Repeat("ä", widest); lines[1] != want {
		t.Errorf("got %q, want %q", lines[1], want)
	}
	if want := "       " + strings.Repeat("ä", widest-1) + "…"; lines[2] != want {
		t.Errorf("got %q, want %q", lines[2], want)
	}
}

// With a width nothing wraps, and what is told apart by its ends keeps them.
func TestWidth(t *testing.T) {
	s := newScreen()
	c := s.opened(t, console{Width: 60}, wire[total](t, "totals"), wire[block](t, "blocks"))
	note := strings.Repeat("é", 100)
	load(t, c, 0, total{BlockNumber: 7, Pair: common.HexToAddress("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), Note: &note})
	load(t, c, 1, block{BlockNumber: 7, BlockHash: common.Hash{1, 31: 2}})
	const want = "totals  block_number  pair               volume  note\n" +
		"totals             7  0x5aAeb605…1BeAed       0  éééééééééé…\n" +
		"blocks  block_number  block_hash\n" +
		"blocks             7  0x01000000…000002\n"
	if diff := cmp.Diff(want, s.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMistakes(t *testing.T) {
	p := plugintest.Run(t, newScreen().register())
	for _, test := range []struct{ settings, want string }{
		{`{"format": "xml"}`, `format is "xml": write "table" or "json"`},
		{`{"limit": -1}`, `limit is -1: write how many rows to show a second, or 0 for all`},
		{`{"columns": ["a", "b", "a"]}`, `columns names "a" twice: remove one of them`},
	} {
		if got := plugintest.Mistakes(t, p, "console", test.settings); len(got) != 1 || !strings.Contains(got[0], test.want) {
			t.Errorf("%s: got %q, want %q", test.settings, got, test.want)
		}
	}
	if got := plugintest.Mistakes(t, p, "console", `{"format": "json", "limit": 0, "columns": ["a"]}`); len(got) != 0 {
		t.Errorf("good settings are refused: %q", got)
	}
}

func TestInputShowsTheColumnsItHas(t *testing.T) {
	s := newScreen()
	c := s.opened(t, console{Columns: []string{"volume", "block_number"}}, wire[total](t, "totals"), wire[block](t, "blocks"))
	load(t, c, 0, total{BlockNumber: 8})
	load(t, c, 1, block{BlockNumber: 9})
	const want = "totals  volume  block_number\n" +
		"totals       0             8\n" +
		"blocks  block_number\n" +
		"blocks             9\n"
	if diff := cmp.Diff(want, s.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUnknownColumnsAreRefused(t *testing.T) {
	p := plugintest.Run(t, newScreen().register())
	for _, test := range []struct{ columns, want string }{
		{`"block_number", "piar"`, `columns: there is no column "piar": input "totals" has block_number, pair, volume, note; input "blocks" has block_number, block_hash`},
		{`"pair", "note"`, `columns: input "blocks" has none of pair, note: it has block_number, block_hash`},
	} {
		_, failure := plugintest.TryOpen(t, p, plugintest.Step{
			Register: "console", Settings: `{"columns": [` + test.columns + `]}`,
			Start: sdk.Start{Inputs: []sdk.Input{wire[total](t, "totals"), wire[block](t, "blocks")}},
		})
		if failure == nil || failure.Class != "stop" || !strings.Contains(failure.Message, test.want) {
			t.Errorf("%s: got %v, want a stop with %q", test.columns, failure, test.want)
		}
	}
}

func TestOverTheWire(t *testing.T) {
	s := newScreen()
	p := plugintest.Run(t, s.register())
	plugintest.Load(t, p, "console", `{"columns": ["block_number"]}`, plugintest.In(t, "input", totals(25)...))
	golden(t, "wire.txt", s.String())
}

// broken is a standard output that nobody reads any more.
type broken struct{ after int }

func (b *broken) Write(p []byte) (int, error) {
	if b.after -= len(p); b.after < 0 {
		return 0, errors.New("broken pipe")
	}
	return len(p), nil
}

func TestWriteErrors(t *testing.T) {
	for _, format := range []string{"table", "json"} {
		p := plugintest.Run(t, register(&broken{after: 100}, time.Now))
		process := plugintest.Open(t, p, plugintest.Step{
			Register: "console", Settings: map[string]any{"format": format, "limit": 0},
			Start: sdk.Start{Inputs: []sdk.Input{wire[total](t, "totals")}},
		})
		plugintest.Send(process, "totals", totals(1000)...)
		failure := process.Expect(plugintest.Failed).Failure
		if want := "print rows on the standard output: broken pipe"; failure.Class != "retry" || !strings.Contains(failure.Message, want) {
			t.Errorf("got %v, want to retry after %q", failure, want)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, format := range []string{"table", "json"} {
		b.Run(format, func(b *testing.B) {
			rows := batch(b, totals(1000)...)
			c := newScreen().opened(b, console{Format: format, Limit: all()}, wire[total](b, "totals"))
			c.out = &broken{after: math.MaxInt}
			for b.Loop() {
				if err := c.Load(b.Context(), 0, rows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
