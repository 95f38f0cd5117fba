package chaos

import "testing"

func TestWhatAHostSaysOfItsPipelines(t *testing.T) {
	var s states
	say := func(text string) {
		t.Helper()
		if _, err := s.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	say("15:04:05 swaps backfill  head 1,230  committed 1,100  read 5/s\ntotals  block_number  pair\n15:04:05 pairs live  head 1,2")
	say("30  committed 1,230  read 0/s\n15:04:10 swaps live  head 1,230  committed 1,225\n15:04:10 pairs live  head 1,230  committed 1,230  draining…\n")
	if s.arrived(2, 1230) {
		t.Error("a pipeline that goes on counts as one that has arrived")
	}
	if !s.arrived(1, 1230) || s.arrived(1, 1231) {
		t.Error("the pipeline that has said twice that it is at the head counts, at that head alone")
	}
	say("15:04:15 swaps live  head 1,230  committed 1,225\n")
	if !s.arrived(2, 1230) {
		t.Error("both have said twice that they stay where they are")
	}
}

func TestTheLastLineIsTheLastThatSaysSomething(t *testing.T) {
	var l lastLine
	if got := l.text(); got != "it said nothing" {
		t.Errorf("before anything: %q", got)
	}
	for _, text := range []string{"first\nsec", "ond\n\n", "half"} {
		if _, err := l.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.text(); got != "second" {
		t.Errorf("got %q, want %q", got, "second")
	}
}
