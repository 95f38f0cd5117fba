package chain

import (
	"context"
	"errors"
	"reflect"
	"sync"

	"github.com/penstock-io/penstock/host/internal/config"
)

// line is a network as one configuration has it: its nodes, and what was kept of
// their answers. It is used until another takes its place.
type line struct {
	nodes
	config *config.Network
	cache  *cache

	mu    sync.Mutex // protects the fields below
	users map[*user]bool
	over  bool
	left  chan struct{} // closed when it is over and the last user has left
}

// user is somebody who uses a line; cancel sends him away.
type user struct{ cancel context.CancelCauseFunc }

func newLine(n *config.Network, dialled nodes, cache *cache) *line {
	return &line{nodes: dialled, config: n, cache: cache, users: make(map[*user]bool), left: make(chan struct{})}
}

// errMoved is why a line is left before the end.
var errMoved = errors.New("the endpoints of the network have changed")

// use runs f with a ctx that ends when the line does too; then it returns
// errMoved, unless f was through with it.
func (l *line) use(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	me := &user{cancel}
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return errMoved
	}
	l.users[me] = true
	l.mu.Unlock()
	err := f(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.users, me)
	if l.over && len(l.users) == 0 {
		close(l.left)
	}
	if err != nil && errors.Is(context.Cause(ctx), errMoved) {
		return errMoved
	}
	return err
}

// end sends all users away, waits for them, and hangs up.
func (l *line) end() {
	l.mu.Lock()
	l.over = true
	for u := range l.users {
		u.cancel(errMoved)
	}
	if len(l.users) == 0 {
		close(l.left)
	}
	l.mu.Unlock()
	<-l.left
	l.Close()
}

// same tells whether a network is what this line has, wherever it is written.
func (l *line) same(n *config.Network) bool {
	was, now := *l.config, *n
	was.Range, now.Range = config.Range{}, config.Range{}
	return reflect.DeepEqual(was, now)
}
