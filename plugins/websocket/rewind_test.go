package main

import (
	"fmt"
	"testing"

	"github.com/coder/websocket"

	"github.com/penstock-io/penstock/sdk"
)

// reopened closes a loader and opens the next one of the step.
func reopened(tb testing.TB, l *loader, start sdk.Start, change func(*loader)) *loader {
	tb.Helper()
	closed(tb, l)
	return started(tb, l.house, start, change)
}

// restarted is the next loader of the step in another process.
func restarted(tb testing.TB, state []byte, start sdk.Start) *loader {
	tb.Helper()
	l := started(tb, newTestHouse(tb), start, nil)
	if err := l.Restore(state); err != nil {
		tb.Fatal(err)
	}
	return l
}

func snapshot(tb testing.TB, l *loader) []byte {
	tb.Helper()
	state, err := l.Snapshot()
	if err != nil {
		tb.Fatal(err)
	}
	return state
}

// A crash elsewhere in the domain is nothing that clients hear of, where the same
// rows come again.
func TestRowsThatComeAgainAreNotSentAgain(t *testing.T) {
	l := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a"), nil)
	v := visit(t, l)
	v.say(`{"op":"subscribe","channel":"a"}`)
	v.hears("subscribed a 0 missed 0")
	load(t, l, 0, 1, 2)
	commit(t, l, 1, 2)
	load(t, l, 0, 3, 4)
	commit(t, l, 0, 4)
	v.hears("rows a 0 [1 2]", "rows a 2 [3 4]")
	address := l.hub.address
	l = reopened(t, l, startAt[swap](t, 2, 1, 2, "a"), nil)
	defer closed(t, l)
	same(t, "address", l.hub.address, address)
	load(t, l, 0, 3)
	load(t, l, 0, 4, 5)
	commit(t, l, 2, 5)
	v.hears("rows a 4 [5]")
	v.quiet()
	late := visit(t, l)
	late.say(`{"op":"subscribe","channel":"a","since":1}`)
	late.hears("subscribed a 1 missed 0", "rows a 0 [2]", "rows a 2 [3 4]", "rows a 4 [5]")
}

// Nobody has noticed a reorganisation: other rows come, and clients are told from
// where on.
func TestOtherRowsTakeBackTheOnesBefore(t *testing.T) {
	l := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a", "b"), nil)
	v := visit(t, l)
	v.say(`{"op":"subscribe","channel":"a"}`)
	v.say(`{"op":"subscribe","channel":"b"}`)
	v.hears("subscribed a 0 missed 0", "subscribed b 0 missed 0")
	load(t, l, 0, 1, 2, 3, 4)
	commit(t, l, 0, 4)
	v.hears("rows a 0 [1 2 3 4]")
	l = reopened(t, l, startAt[swap](t, 2, 0, 0, "a", "b"), nil)
	defer closed(t, l)
	load(t, l, 0, 1, 2, 33)
	commit(t, l, 0, 33)
	load(t, l, 0, 4)
	commit(t, l, 0, 44)
	v.hears("retract a 2", "rows a 2 [33]", "rows a 3 [4]")
	v.quiet()
}

// A reorganisation is told at once, before other rows have come.
func TestAReorganisationIsToldAtOnce(t *testing.T) {
	l := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a"), nil)
	v := visit(t, l)
	v.say(`{"op":"subscribe","channel":"a"}`)
	v.hears("subscribed a 0 missed 0")
	load(t, l, 0, 1, 2)
	commit(t, l, 1, 2)
	load(t, l, 0, 3, 4)
	commit(t, l, 0, 4)
	v.hears("rows a 0 [1 2]", "rows a 2 [3 4]")
	start := startAt[swap](t, 2, 1, 2, "a")
	start.Forks = 1
	l = reopened(t, l, start, nil)
	defer closed(t, l)
	same(t, "message", string(v.read()), `{"op":"retract","channel":"a","sequence":2,"generation":2,"cursor":{"chain_id":1,"block":2}}`)
	load(t, l, 0, 3)
	commit(t, l, 2, 3)
	v.hears("rows a 2 [3]")
	late := visit(t, l)
	late.say(`{"op":"subscribe","channel":"a","since":0}`)
	late.hears("subscribed a 0 missed 0", "rows a 0 [1 2]", "rows a 2 [3]")
}

// A client that was away when rows were taken back is told when it comes again.
func TestAClientThatWasAway(t *testing.T) {
	l := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a"), nil)
	load(t, l, 0, 1, 2, 3, 4)
	commit(t, l, 1, 4)
	start := startAt[swap](t, 5, 0, 0, "a")
	start.Inputs[0].Rows = 2
	start.Checkpoint, start.Forks = 1, 1
	l = reopened(t, l, start, nil)
	load(t, l, 0, 33, 44, 55)
	commit(t, l, 2, 5)
	state := snapshot(t, l)
	ask := func(l *loader, since, generation int, want ...string) {
		t.Helper()
		v := visit(t, l)
		v.say(fmt.Sprintf(`{"op":"subscribe","channel":"a","since":%d,"generation":%d}`, since, generation))
		v.hears(want...)
		v.quiet()
	}
	ask(l, 4, 1, "retract a 2", "subscribed a 2 missed 0", "rows a 2 [33 44 55]")
	ask(l, 4, 5, "subscribed a 4 missed 0", "rows a 2 [55]")
	ask(l, 1, 1, "subscribed a 1 missed 0", "rows a 0 [2]", "rows a 2 [33 44 55]")
	ask(l, 9, 5, "retract a 5", "subscribed a 5 missed 0") // it cannot know more than there is

	// The plugin dies, and the next one knows what was taken back before.
	closed(t, l)
	again := startAt[swap](t, 6, 2, 5, "a")
	l = restarted(t, state, again)
	defer closed(t, l)
	ask(l, 4, 1, "retract a 2", "subscribed a 5 missed 3")
	ask(l, 4, 5, "subscribed a 5 missed 1")
	ask(l, 7, 5, "retract a 5", "subscribed a 5 missed 0") // after the checkpoint nobody knows
	ask(l, 5, 6, "subscribed a 5 missed 0")
}

// Where other settings are wanted, or the columns have changed, clients begin
// anew.
func TestClientsGoWhenTheServerIsAnother(t *testing.T) {
	for name, change := range map[string]func(*loader){
		"another path":    func(l *loader) { l.Path = "/other" },
		"another token":   func(l *loader) { l.Token = "x" },
		"another channel": func(l *loader) { l.Channels = map[string]string{"a": "b"} },
		"another origin":  func(l *loader) { l.Origins = []string{"x"} },
	} {
		t.Run(name, func(t *testing.T) {
			l := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a"), nil)
			v := visit(t, l)
			gone := make(chan websocket.StatusCode, 1)
			go func() { code, _ := v.dismissed(); gone <- code }()
			l = reopened(t, l, startAt[swap](t, 2, 0, 0, "a"), change)
			defer closed(t, l)
			same(t, "code", <-gone, websocket.StatusServiceRestart)
		})
	}
}

// Clients are let go when nobody takes the loader's place.
func TestTheHouseIsNotForEver(t *testing.T) {
	h := newHouse(0)
	defer h.close()
	l := started(t, h, startAt[swap](t, 1, 0, 0, "a"), nil)
	v := visit(t, l)
	closed(t, l)
	code, reason := v.dismissed()
	same(t, "code", code, websocket.StatusServiceRestart)
	same(t, "reason", reason, restarting.reason)
}

// What is told as final is what a checkpoint held, in each channel.
func TestFinality(t *testing.T) {
	l := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a", "b"), nil)
	defer func() { closed(t, l) }()
	load(t, l, 0, 1, 2)
	commit(t, l, 1, 2)
	load(t, l, 0, 3)
	load(t, l, 1, 3)
	commit(t, l, 2, 3)
	load(t, l, 0, 4)
	commit(t, l, 4, 4)
	final := func(checkpoint uint64) {
		t.Helper()
		if err := l.Final(t.Context(), checkpoint); err != nil {
			t.Fatal(err)
		}
	}
	final(3) // nobody has taken it, and so the one before
	v := visit(t, l)
	v.say(`{"op":"subscribe","channel":"a"}`)
	v.say(`{"op":"subscribe","channel":"b"}`)
	v.hears("subscribed a 4 missed 0", "final a 3", "subscribed b 1 missed 0", "final b 1")
	final(2)
	v.quiet()
	final(4)
	v.hears("final a 4", "final b 1")
}

func TestThePast(t *testing.T) {
	var p past
	same(t, "of nothing", p.holds(0, 7), uint64(7))
	p.add(3, 50)
	p.add(5, 80)
	p.add(5, 70)
	for generation, want := range map[uint64]uint64{2: 50, 3: 70, 4: 70, 5: 100, 6: 100} {
		same(t, fmt.Sprint("of generation ", generation), p.holds(generation, 100), want)
	}
	for g := range uint64(1000) {
		p.add(10+g, 1000+g)
	}
	if n := len(p.Entries); n > mostUndone {
		t.Errorf("%d entries are kept", n)
	}
	same(t, "what is not kept any more", p.holds(2, 9999), uint64(50))
	same(t, "of the newest", p.holds(1008, 9999), uint64(1999))
}
