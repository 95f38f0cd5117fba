package sdk_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestSnapshotHoldsRowsThatWait(t *testing.T) {
	for name, policy := range map[string]plugintest.Policy{
		"block":          {},
		"epoch":          {Size: 2, First: 1},
		"with a timeout": {Timeout: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			first := func(p *plugintest.Process) {
				plugintest.Send(p, "A", as(10, 20)...)
				plugintest.Send(p, "B", bs(10, 11, 30, 40)...)
				p.Block("A", 2)
				p.Block("B", 4)
			}
			second := func(p *plugintest.Process) {
				plugintest.Send(p, "A", as(30, 40)...)
				p.Block("A", 4)
				p.End("A")
				p.End("B")
			}
			process := openJoin(t, policy, nil)
			first(process)
			process.Barrier(1)
			before, e := until(t, process, plugintest.Barrier)
			second(process)
			want, _ := until(t, process, plugintest.Ended)
			if len(before) == 0 || len(want) == 0 {
				t.Fatalf("got %q and %q, want rows on both sides of the barrier", before, want)
			}

			other := openJoin(t, policy, e.State)
			second(other)
			got, _ := until(t, other, plugintest.Ended)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("a process that was opened with the snapshot (-want +got):\n%s", diff)
			}

			again := openJoin(t, policy, nil)
			plugintest.Send(again, "A", as(70)...)
			again.Rewind(at(2), e.State)
			second(again)
			got, _ = until(t, again, plugintest.Ended)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("a process that was rewound to the snapshot (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSnapshotRemembersTriggersAndBuckets(t *testing.T) {
	policy := plugintest.Policy{Trigger: "A", Require: true}
	process := openJoin(t, policy, nil)
	plugintest.Send(process, "A", as(10, 20)...)
	process.Barrier(1)
	_, e := until(t, process, plugintest.Barrier)
	other := openJoin(t, policy, e.State)
	plugintest.Send(other, "B", bs(5)...)
	rows := plugintest.RowsOf[joined](t, other.Expect(plugintest.Rows))
	if got := texts(rows); !cmp.Equal(got, []string{"1-1 A=10 B=[5]"}) {
		t.Errorf("got %q", got)
	}
}

func TestAuthorsStateIsRestored(t *testing.T) {
	process := openJoin(t, plugintest.Policy{Trigger: "B"}, nil)
	plugintest.Send(process, "B", bs(1, 2, 3)...)
	process.Barrier(1)
	_, e := until(t, process, plugintest.Barrier)
	other := openJoin(t, plugintest.Policy{Trigger: "B"}, e.State)
	plugintest.Send(other, "B", bs(4)...)
	if rows := plugintest.RowsOf[joined](t, other.Expect(plugintest.Rows)); rows[0].Calls != 4 {
		t.Errorf("after the restore this is call %d, want 4", rows[0].Calls)
	}
}

func TestBrokenSnapshotIsRefused(t *testing.T) {
	process := openJoin(t, plugintest.Policy{}, nil)
	plugintest.Send(process, "A", as(10, 20)...)
	process.Barrier(1)
	_, e := until(t, process, plugintest.Barrier)
	p := plugintest.Run(t, sdk.Aggregator("join", &join{}))
	for n := range len(e.State) {
		_, failure := plugintest.TryOpen(t, p, joinStep(t, plugintest.Policy{}, e.State[:n]))
		if failure == nil || failure.Class != "stop" || !strings.Contains(failure.Message, "restore a snapshot") {
			t.Fatalf("a snapshot cut to %d of %d bytes: got %v, want a stop", n, len(e.State), failure)
		}
	}
	for n := range e.State {
		broken := bytes.Clone(e.State)
		broken[n] ^= 0xff
		_, failure := plugintest.TryOpen(t, p, joinStep(t, plugintest.Policy{}, broken))
		if failure != nil && (failure.Class != "stop" || failure.Stack != "") {
			t.Fatalf("a snapshot with byte %d of %d broken: got %v, want a stop", n, len(e.State), failure)
		}
	}
}
