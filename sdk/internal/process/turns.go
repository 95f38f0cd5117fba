package process

import (
	"context"
	"fmt"
	"sync"
)

// turns lets one process of a name live at a time: a host that opens it again
// has hung up on the one before, which may still be writing to the same place.
// The zero value is ready.
type turns struct {
	mu    sync.Mutex
	taken map[string]chan struct{} // closed by whoever leaves
}

// enter waits until a name is free, or until ctx ends. An empty name is always
// free.
func (t *turns) enter(ctx context.Context, name string) (leave func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	for {
		t.mu.Lock()
		before := t.taken[name]
		if before == nil {
			mine := make(chan struct{})
			if t.taken == nil {
				t.taken = make(map[string]chan struct{})
			}
			t.taken[name] = mine
			t.mu.Unlock()
			return func() { t.leave(name, mine) }, nil
		}
		t.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the process before this one to close: %w", context.Cause(ctx))
		}
	}
}

func (t *turns) leave(name string, mine chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.taken, name)
	close(mine)
}
