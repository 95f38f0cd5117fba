package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/engine"
)

func TestWatchTellsWhatIsKept(t *testing.T) {
	w := begin(t)
	want := api.Event{Sequence: 1, Event: engine.Event{
		Time: time.Unix(7, 9).UTC(), Pipeline: "swaps", Step: "logs", From: "live", To: "crashed", Cause: "bad \xff byte",
	}}
	w.events.Tell(want.Event)
	want.Cause = "bad \uFFFD byte"
	for range 2000 {
		w.tell(engine.PathLive)
	}
	collect := func(after uint64) (events []api.Event, missed uint64) {
		t.Helper()
		err := w.client.Watch(t.Context(), &after, true, api.Watcher{
			Event:  func(ev api.Event) error { events = append(events, ev); return nil },
			Missed: func(n uint64) error { missed += n; return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		return events, missed
	}
	events, missed := collect(0)
	if missed != 2001-1024 || len(events) != 1024 || events[0].Sequence != missed+1 || events[1023].Sequence != 2001 {
		t.Errorf("after 0: missed %d, got %d events", missed, len(events))
	}
	if events, missed = collect(1999); missed != 0 || len(events) != 2 || events[0].Sequence != 2000 {
		t.Errorf("after 1999: missed %d, got %v", missed, events)
	}
	if events, missed = collect(2001); missed != 0 || len(events) != 0 {
		t.Errorf("after the newest: missed %d, got %v", missed, events)
	}
	after := uint64(2002)
	err := w.client.Watch(t.Context(), &after, true, api.Watcher{})
	if err == nil || !strings.Contains(err.Error(), "there is no such event as 2002: the newest of this host is 2001") {
		t.Errorf("after what never was: got %v", err)
	}

	w = begin(t)
	w.events.Tell(engine.Event{Time: want.Time, Pipeline: "swaps", Step: "logs", From: "live", To: "crashed", Cause: "bad \xff byte"})
	events, _ = collect(0)
	if diff := cmp.Diff([]api.Event{want}, events); diff != "" {
		t.Errorf("Watch (-want +got):\n%s", diff)
	}
}

// Who asks for what is new gets that, in order, while it happens.
func TestWatchFollows(t *testing.T) {
	w := begin(t)
	w.tell(engine.PathLive)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := raw(w).Watch(ctx, connect.NewRequest(&hostv1.WatchRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if !stream.Receive() || stream.Msg().GetWatching().GetNewest() != 1 {
		t.Fatalf("the watch does not begin with where it begins: %v, %v", stream.Msg(), stream.Err())
	}
	for n := uint64(2); n < 200; n++ {
		w.tell(engine.PathLive)
		if !stream.Receive() || stream.Msg().GetEvent().GetSequence() != n {
			t.Fatalf("event %d: got %v, %v", n, stream.Msg(), stream.Err())
		}
	}
}

// Who reads slowly holds nobody up, and is told what was missed.
func TestWatchOfASlowReader(t *testing.T) {
	w := begin(t)
	zero := uint64(0)
	var read, missed, last uint64
	enough := errors.New("enough")
	w.tell(engine.PathLive)
	err := w.client.Watch(t.Context(), &zero, false, api.Watcher{
		Event: func(ev api.Event) error {
			if ev.Sequence != last+1 {
				t.Fatalf("event %d came after %d", ev.Sequence, last)
			}
			last = ev.Sequence
			if read++; read == 1 {
				for range 20_000 { // far more than sockets hold
					w.events.Tell(engine.Event{Pipeline: "swaps", Cause: strings.Repeat("x", 500)})
				}
			}
			if last == 20_001 {
				return enough
			}
			return nil
		},
		Missed: func(n uint64) error { missed += n; last += n; return nil },
	})
	if !errors.Is(err, enough) || missed == 0 || read+missed != 20_001 {
		t.Errorf("read %d, missed %d of 20001: %v", read, missed, err)
	}
}

func TestWatchersAreBounded(t *testing.T) {
	w := begin(t)
	c := raw(w)
	for range 64 {
		stream, err := c.Watch(t.Context(), connect.NewRequest(&hostv1.WatchRequest{}))
		if err != nil || !stream.Receive() {
			t.Fatal(err, stream.Err())
		}
		defer stream.Close()
	}
	stream, err := c.Watch(t.Context(), connect.NewRequest(&hostv1.WatchRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if stream.Receive() || connect.CodeOf(stream.Err()) != connect.CodeResourceExhausted {
		t.Errorf("watcher 65: got %v, %v", stream.Msg(), stream.Err())
	}
	w.stop() // with all of them
}

func TestCausesAreBounded(t *testing.T) {
	w := begin(t)
	long := strings.Repeat("x", 100_000)
	path := swaps(engine.PathError)
	path.Cause = long
	w.engine.paths = []engine.PathStatus{path}
	_, got, err := w.client.Status(t.Context(), "")
	if err != nil || len(got[0].Cause) > 17_000 || !strings.HasSuffix(got[0].Cause, "xx… (83616 bytes more, in the log of the host)") {
		t.Errorf("Status: got a cause of %d bytes, %v", len(got[0].Cause), err)
	}
}
