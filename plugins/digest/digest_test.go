package main

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

type transfer struct {
	BlockNumber uint64
	To          *common.Address
	Note        string
}

func (transfer) TransitType() string { return "test.transfer" }

func rows(from, to uint64) []transfer {
	var out []transfer
	for n := from; n <= to; n++ {
		out = append(out, transfer{BlockNumber: n, Note: strings.Repeat("x", int(n%5))}, transfer{BlockNumber: n, To: &common.Address{byte(n)}})
	}
	return out
}

// sums is what the file should say of rows.
func sums(every uint64, rows []transfer) []sum {
	var out []sum
	for _, r := range rows {
		from := r.BlockNumber / every * every
		if len(out) == 0 || out[len(out)-1].From != from {
			out = append(out, sum{From: from, To: from + every - 1, Sum: strings.Repeat("0", 64)})
		}
		var d digest.Row
		d.Value(r.BlockNumber)
		if r.To == nil {
			d.Value(nil)
		} else {
			d.Value(*r.To)
		}
		d.Value(r.Note)
		last := &out[len(out)-1]
		var total digest.Sum
		_, _ = hex.Decode(total[:], []byte(last.Sum))
		total.Add(d.Digest())
		last.Rows, last.Sum = last.Rows+1, hex.EncodeToString(total[:])
	}
	return out
}

func holds(t *testing.T, path string, want []sum) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []sum
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("range %d: got %v, want %v", i, got[i], want[i])
		}
	}
}

func TestSums(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "sums.json")
	p := plugintest.Run(t, register())
	settings := map[string]any{"path": path, "every": 10}
	plugintest.Load(t, p, "digest", settings, plugintest.In(t, "input", rows(5, 34)...))
	holds(t, path, sums(10, rows(5, 34)))
	settings["from"], settings["to"] = 7, 12
	plugintest.Load(t, p, "digest", settings, plugintest.In(t, "input", rows(5, 34)...))
	holds(t, path, sums(10, rows(7, 12)))
}

// What came after a checkpoint is gone with it.
func TestSumsAreTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sums.json")
	p := plugintest.Run(t, register())
	in := plugintest.Wire[transfer](t, "input")
	opened := plugintest.Open(t, p, plugintest.Step{Register: "digest", Settings: map[string]any{"path": path, "every": 10}, Start: sdk.Start{Inputs: []sdk.Input{in}}})
	plugintest.Send(opened, in.Name, rows(1, 15)...)
	opened.Barrier(1)
	snapshot := opened.Expect(plugintest.Barrier)
	plugintest.Send(opened, in.Name, rows(16, 90)...)
	opened.Block(in.Name, 90)
	opened.RewindTo(1, nil, snapshot.State)
	plugintest.Send(opened, in.Name, rows(16, 20)...)
	opened.End(in.Name)
	opened.Until(plugintest.Ended)
	holds(t, path, sums(10, rows(1, 20)))
}

type nameless struct{ Note string }

func (nameless) TransitType() string { return "test.nameless" }

// Rows that have no number can be counted all the same.
func TestRowsWithoutANumber(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sums.json")
	p := plugintest.Run(t, register())
	settings := map[string]any{"path": path, "column": "", "from": 7}
	plugintest.Load(t, p, "digest", settings, plugintest.In(t, "input", nameless{"a"}, nameless{"b"}))
	var want digest.Sum
	for _, note := range []string{"a", "b"} {
		var row digest.Row
		row.Value(note)
		want.Add(row.Digest())
	}
	holds(t, path, []sum{{From: 0, To: 99_999, Rows: 2, Sum: hex.EncodeToString(want[:])}})
}

func TestWhatIsRefused(t *testing.T) {
	p := plugintest.Run(t, register())
	if got := plugintest.Mistakes(t, p, "digest", map[string]any{"path": "", "every": 1}); len(got) == 0 {
		t.Error("an empty path is taken")
	}
	if got := plugintest.Mistakes(t, p, "digest", map[string]any{"path": "x", "every": 0}); len(got) == 0 {
		t.Error("ranges of no block are taken")
	}
	in := plugintest.Wire[nameless](t, "input")
	_, refused := plugintest.TryOpen(t, p, plugintest.Step{
		Register: "digest", Settings: map[string]any{"path": filepath.Join(t.TempDir(), "x")}, Start: sdk.Start{Inputs: []sdk.Input{in}},
	})
	if refused == nil || !strings.Contains(refused.Message, "has no column block_number") {
		t.Errorf("rows without a block: got %v", refused)
	}
}
