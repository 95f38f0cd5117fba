package sdk_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestTuplesWaitForTheSlowestInput(t *testing.T) {
	process := openJoin(t, plugintest.Policy{}, nil)
	plugintest.Send(process, "A", as(10, 20, 30)...)
	process.Block("A", 3)
	if e, ok := process.Within(30 * time.Millisecond); ok {
		t.Fatalf("before B has come it said %s", e.What)
	}
	plugintest.Send(process, "B", bs(21)...)
	process.Block("B", 2)
	got, _ := until(t, process, plugintest.SafePoint)
	want := []string{"1-1 A=10 B=[]", "2-2 A=20 B=[21]", "safe 2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	process.End("B")
	got, _ = until(t, process, plugintest.SafePoint)
	if diff := cmp.Diff([]string{"3-3 A=30 B=[]", "safe 3"}, got); diff != "" {
		t.Errorf("an input that has ended holds nothing back (-want +got):\n%s", diff)
	}
}

func TestSafePointsOfEpochsFallOnTheirBounds(t *testing.T) {
	process := openJoin(t, plugintest.Policy{Size: 10, First: 5, Offset: 3}, nil)
	point := func(block, head uint64) sdk.SafePoint {
		return sdk.SafePoint{Cursor: sdk.Cursor{ChainID: 1, Block: block, Hash: [32]byte{byte(block)}}, Head: head}
	}
	plugintest.Send(process, "A", as(10, 60, 230)...)
	process.SafePoint("A", point(40, 40))
	process.SafePoint("B", point(3, 6)) // 0 to 4 is not over
	process.SafePoint("B", point(4, 6)) // over, but the head is not 3 past it
	process.SafePoint("B", point(4, 7))
	got, last := until(t, process, plugintest.SafePoint)
	if diff := cmp.Diff([]string{"0-4 A=10 B=[]", "safe 4"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if last.SafePoint.Cursor.Hash != [32]byte{4} {
		t.Errorf("cursor %+v: want the hash, because an input has told it", last.SafePoint.Cursor)
	}
	process.SafePoint("B", point(37, 37)) // 25 to 34 is over, and the head 3 past it
	got, last = until(t, process, plugintest.SafePoint)
	if diff := cmp.Diff([]string{"5-14 A=60 B=[]", "15-24 A=230 B=[]", "safe 34"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c := last.SafePoint.Cursor; c.Hash != [32]byte{} || c.ChainID != 1 {
		t.Errorf("cursor %+v: want no hash, because that of block 34 is not known", c)
	}
	process.Drain()
	if got, _ := until(t, process, plugintest.Ended); len(got) != 0 {
		t.Errorf("when the host stops it said %q, want nothing: what is incomplete stays unsaid", got)
	}
}

func TestSafePointsOfTriggers(t *testing.T) {
	process := openJoin(t, plugintest.Policy{Trigger: "A", Require: true}, nil)
	plugintest.Send(process, "A", as(10)...)
	process.Block("A", 1)
	process.Block("B", 1)
	if e, ok := process.Within(30 * time.Millisecond); ok {
		t.Fatalf("while a trigger waits it said %s", e.What)
	}
	plugintest.Send(process, "B", bs(5)...)
	got, _ := until(t, process, plugintest.SafePoint)
	if diff := cmp.Diff([]string{"1-1 A=10 B=[5]", "safe 1"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTupleIsMadeAfterItsTimeout(t *testing.T) {
	const timeout = 50 * time.Millisecond
	process := openJoin(t, plugintest.Policy{Timeout: timeout}, nil)
	began := time.Now()
	plugintest.Send(process, "A", as(10)...)
	rows := plugintest.RowsOf[joined](t, process.Expect(plugintest.Rows))
	if waited := time.Since(began); waited < timeout {
		t.Errorf("it waited for %s, want %s", waited, timeout)
	}
	if got := texts(rows); !cmp.Equal(got, []string{"1-1 A=10 B=[] incomplete"}) {
		t.Errorf("got %q", got)
	}
	plugintest.Send(process, "B", bs(11, 20)...)
	process.Block("A", 2)
	process.Block("B", 2)
	process.Barrier(1)
	got, _ := until(t, process, plugintest.Barrier)
	if diff := cmp.Diff([]string{"2-2 A=nil B=[20]", "safe 2", "aside 1"}, drop(got, "safe 1")); diff != "" {
		t.Errorf("a row that came after the timeout (-want +got):\n%s", diff)
	}
}

func TestTimeoutWhileAnotherInputNeverRests(t *testing.T) {
	process := openJoin(t, plugintest.Policy{Timeout: 20 * time.Millisecond}, nil)
	deadline := time.Now().Add(plugintest.Patience)
	for block := uint64(1); ; block++ {
		plugintest.Send(process, "A", a{BlockNumber: block})
		if e, ok := process.Within(0); ok {
			if rows := plugintest.RowsOf[joined](t, e); rows[0].Begin != 1 || rows[0].Complete {
				t.Errorf("got %s first, want an incomplete 1", rows[0])
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no tuple was made")
		}
	}
}

func TestRequiredTriggerFiresAfterItsTimeout(t *testing.T) {
	process := openJoin(t, plugintest.Policy{Trigger: "A", Require: true, Timeout: 20 * time.Millisecond}, nil)
	plugintest.Send(process, "A", as(10)...)
	process.Block("A", 1)
	got, _ := until(t, process, plugintest.SafePoint)
	if diff := cmp.Diff([]string{"1-1 A=10 B=[] incomplete", "safe 1"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
