package api

import "sync"

// telling passes on what a change says of itself to the call that listens, as far
// as that reads. A change may go on, and say more, after its call has returned:
// nobody hears that.
type telling[T any] struct {
	heard chan T // closed by end

	mu   sync.Mutex
	over bool
}

func newTelling[T any](room int) *telling[T] { return &telling[T]{heard: make(chan T, room)} }

// tell says something, and never waits: what there is no room for is lost.
func (t *telling[T]) tell(what T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	select {
	case t.heard <- what:
	default:
	}
}

// end has whoever listens come to an end when it has heard all.
func (t *telling[T]) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.over = true
		close(t.heard)
	}
}
