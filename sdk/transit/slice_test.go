package transit_test

import (
	"slices"
	"testing"

	"github.com/penstock-io/penstock/sdk/transit"
)

func TestSliceHasTheRowsThatWereAskedForAndNoOthers(t *testing.T) {
	e := must(transit.NewEncoder[allRow]())(t)
	rows := randomRows[allRow](3, 100)
	body := must(e.Append(nil, rows))(t)
	before := slices.Clone(body)
	d := must(transit.NewDecoder[allRow](e.Type()))(t)
	for _, span := range [][2]int{{0, 1}, {0, 100}, {41, 42}, {7, 93}, {99, 100}, {50, 50}} {
		part := must(transit.Slice(e.Type(), body, span[0], span[1]))(t)
		got := must(d.Append(nil, part))(t)
		if again, want := must(e.Append(nil, got))(t), must(e.Append(nil, rows[span[0]:span[1]]))(t); !slices.Equal(again, want) {
			t.Errorf("rows %d to %d came out as %d other rows", span[0], span[1], len(got))
		}
	}
	if !slices.Equal(before, body) {
		t.Error("the batch was changed")
	}
	for _, span := range [][2]int{{-1, 1}, {2, 1}, {0, 101}} {
		if _, err := transit.Slice(e.Type(), body, span[0], span[1]); err == nil {
			t.Errorf("rows %d to %d of 100: no error", span[0], span[1])
		}
	}
	if _, err := transit.Slice(e.Type(), body[:len(body)/2], 0, 1); err == nil {
		t.Error("half a batch: no error")
	}
}
