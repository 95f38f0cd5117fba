package main

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestTable(t *testing.T) {
	note := "the first"
	s := newScreen()
	c := s.opened(t, console{}, plugintest.WireFrom[total](t, "totals", "input"))
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
	c := s.opened(t, console{Limit: all(), Columns: []string{"pair", "volume"}}, plugintest.WireFrom[total](t, "totals", "input"))
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
	c := s.opened(t, console{Columns: []string{"block_number"}}, plugintest.WireFrom[block](t, "blocks", "input"), plugintest.WireFrom[total](t, "pair_totals", "input"))
	load(t, c, 0, block{BlockNumber: 1}, block{BlockNumber: 2})
	load(t, c, 1, total{BlockNumber: 2})
	load(t, c, 0, block{BlockNumber: 300_000_000})
	load(t, c, 1, total{BlockNumber: 3})
	golden(t, "several.txt", s.String())
}

func TestColumnsAreShownInTheOrderGiven(t *testing.T) {
	s := newScreen()
	c := s.opened(t, console{Columns: []string{"volume", "block_number"}}, plugintest.WireFrom[total](t, "totals", "input"))
	load(t, c, 0, total{BlockNumber: 8, Volume: *uint256.NewInt(12)})
	const want = "totals  volume  block_number\n" +
		"            12             8\n"
	if diff := cmp.Diff(want, s.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestJSON(t *testing.T) {
	s := newScreen()
	c := s.opened(t, console{Format: "json"}, plugintest.WireFrom[everything](t, "all", "input"))
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
	c := s.opened(t, console{Format: "json"}, plugintest.WireFrom[total](t, "totals", "input"))
	load(t, c, 0, totals(3*tableLimit)...)
	if got := strings.Count(s.String(), "\n"); got != 3*tableLimit {
		t.Errorf("%d lines, want %d", got, 3*tableLimit)
	}
}

func TestJSONOfLimitHoldsObjectsOnly(t *testing.T) {
	s := newScreen()
	limit := 2
	c := s.opened(t, console{Format: "json", Limit: &limit}, plugintest.WireFrom[total](t, "totals", "input"))
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
	c := s.opened(t, console{Limit: &limit, Columns: []string{"block_number"}}, plugintest.WireFrom[total](t, "totals", "input"), plugintest.WireFrom[block](t, "blocks", "input"))
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
	c := s.opened(t, console{Columns: []string{"volume", "block_number"}}, plugintest.WireFrom[total](t, "totals", "input"), plugintest.WireFrom[block](t, "blocks", "input"))
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
			Start: sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[total](t, "totals", "input"), plugintest.WireFrom[block](t, "blocks", "input")}},
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
			Start: sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[total](t, "totals", "input")}},
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
			rows := plugintest.Batch(b, totals(1000)...)
			c := newScreen().opened(b, console{Format: format, Limit: all()}, plugintest.WireFrom[total](b, "totals", "input"))
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
