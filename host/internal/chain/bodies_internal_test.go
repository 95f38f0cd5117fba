package chain

import "testing"

// Memory is lent again, as much of it as may wait.
func TestBodiesAreLentAgain(t *testing.T) {
	var b bodies
	buf := b.take()
	buf.WriteString("an answer")
	b.putBack(buf)
	if again := b.take(); again != buf || again.Len() > 0 {
		t.Errorf("got a buffer with %d bytes, want the one that was put back, empty", again.Len())
	}
	large := b.take()
	large.Grow(mostBodies + 1)
	b.putBack(large)
	if again := b.take(); again == large {
		t.Error("one answer out of all proportion keeps its memory for ever")
	}
}

// What waits is bounded, whatever was under way at once.
func TestBodiesThatWaitAreBounded(t *testing.T) {
	var b bodies
	for range 3 {
		for range 9 {
			buf := b.take()
			buf.Grow(mostBodies / 8)
			defer b.putBack(buf)
		}
	}
	t.Cleanup(func() { // after all were put back
		held := 0
		for _, buf := range b.free {
			held += buf.Cap()
		}
		if held != b.held || held > mostBodies || held < mostBodies/2 {
			t.Errorf("%d bytes wait, counted as %d, want at most %d", held, b.held, mostBodies)
		}
	})
}

// Memory that is made is as much as the last answer needed, and some more.
func TestBodiesHaveTheSizeOfAnswers(t *testing.T) {
	var b bodies
	buf := b.take()
	buf.Write(make([]byte, 1<<20))
	b.putBack(buf)
	if b.take() != buf {
		t.Fatal("the memory that waits is not lent")
	}
	if got := b.take().Cap(); got < 1<<20 || got > 3<<19 {
		t.Errorf("got room for %d bytes after an answer of %d", got, 1<<20)
	}
}
