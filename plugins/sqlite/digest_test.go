package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/digest"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

// summed is what a batch has in ranges of its first column.
func summed(batch transit.Batch, ranges []digest.Range) []digest.Range {
	for i := range ranges {
		var row digest.Row
		for n := range int(batch.Record.NumRows()) {
			block := batch.Value(0, n).(uint64)
			if block < ranges[i].From || block > ranges[i].To {
				continue
			}
			for col := range batch.Record.Columns() {
				row.Value(batch.Value(col, n))
			}
			ranges[i].Rows++
			ranges[i].Sum.Add(row.Digest())
		}
	}
	return ranges
}

// What the file holds has the digest of the rows that it was given, however it
// keeps them.
func TestDigests(t *testing.T) {
	rows := append(everyKind(), everything{BlockNumber: 7, Symbol: "x"}, everything{BlockNumber: 8})
	asked := func() []digest.Range {
		return []digest.Range{{From: 0, To: 6}, {From: 7, To: 7}, {From: 8, To: 1<<64 - 1}, {From: 1 << 63, To: 1<<64 - 1}}
	}
	want := summed(plugintest.Batch(t, rows...), asked())
	for name, change := range map[string]func(*loader){
		"as text": func(*loader) {}, "as blobs": func(l *loader) { l.Bytes, l.Uint256 = inBlob, inBlob },
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			start := sdk.Start{Step: "sqlite", Inputs: []sdk.Input{plugintest.WireFrom[everything](t, "all", "input")}}
			l := started(t, newLoader(path).with(change), start)
			load(t, l, 0, rows...)
			mark(t, l, 1)
			load(t, l, 0, everything{BlockNumber: 7}) // is not committed
			got, err := newLoader(path).with(change).Digest(t.Context(), start, digest.Query{Column: "block_number", Ranges: asked()})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for column, words := range map[string]string{"symbol": "no column of whole numbers symbol", "nope": "no column of whole numbers nope"} {
				if _, err := newLoader(path).Digest(t.Context(), start, digest.Query{Column: column}); err == nil {
					t.Errorf("no error, want %s", words)
				}
			}
			others := sdk.Start{Step: "sqlite", Inputs: []sdk.Input{plugintest.WireFrom[everything](t, "others", "input")}}
			if _, err := newLoader(path).Digest(t.Context(), others, digest.Query{Column: "block_number"}); err == nil || !strings.Contains(err.Error(), "table others is not there") {
				t.Errorf("a table that is not there: got %v", err)
			}
			if _, err := newLoader(newFile(t)).Digest(t.Context(), start, digest.Query{Column: "block_number"}); err == nil {
				t.Error("a file that is not there can be read")
			}
		})
	}
}
