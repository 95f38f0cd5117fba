package transit_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/penstock-io/penstock/sdk/transit"
)

func TestLogsArriveAsTheyLeft(t *testing.T) {
	e := must(transit.NewEncoder[logRow]())(t)
	d := must(transit.NewDecoder[logRow](e.Type()))(t)
	for _, n := range []int{0, 1, 2, 7, 8, 9, 100, 1024} {
		want := someLogs(n)
		message := must(e.Append([]byte("before"), want))(t)
		got := must(d.Append(make([]logRow, 0, 5), message[len("before"):]))(t)
		if n > 0 {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d rows differ (-want +got):\n%s", n, diff)
			}
		}
		if n != len(got) {
			t.Errorf("got %d rows, want %d", len(got), n)
		}
	}
}
