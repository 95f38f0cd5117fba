// Package hostlink carries what processes want of their host: many requests at
// once over the one stream that a host opens for a plugin.
//
// Link is the plugin's end, Serve the host's.
package hostlink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// patience is how long a request waits for the host to open its stream, which
// it does before anything else.
const patience = 10 * time.Second

// ErrNoHost is what requests get from a host that offers nothing.
var ErrNoHost = errors.New("this host offers its plugins no services: it is older than this plugin's SDK, or was told not to")

// errGone is what requests get when the host's stream ends.
var errGone = errors.New("the host has ended the stream on which plugins ask it for things")

// Link is the plugin's end. It is safe for concurrent use; NewLink makes one.
type Link struct {
	open chan struct{} // closed when a host has opened its stream
	once sync.Once

	sending sync.Mutex // held while something is sent

	mu      sync.Mutex // protects the fields below
	stream  wire.HostStream
	last    uint64
	waiting map[uint64]*asked
}

// asked is a request that is under way.
type asked struct {
	answers chan *pluginv1.HostAnswer
	over    chan struct{} // closed when nobody reads answers any more
}

// NewLink makes a link that no host has opened yet.
func NewLink() *Link {
	return &Link{open: make(chan struct{}), waiting: make(map[uint64]*asked)}
}

// Serve carries requests until the host ends the stream. A stream that is opened
// while there is one takes its place.
func (l *Link) Serve(stream wire.HostStream) error {
	l.mu.Lock()
	l.stream = stream
	l.mu.Unlock()
	l.once.Do(func() { close(l.open) })
	for {
		a, err := stream.Recv()
		if err != nil {
			l.hangUp(stream)
			return nil //nolint:nilerr // the host is through with this plugin, in whatever way
		}
		l.hand(a)
	}
}

// hand gives an answer to who waits for it. It blocks while an earlier one of the
// same request was not taken, which slows the host down.
func (l *Link) hand(a *pluginv1.HostAnswer) {
	l.mu.Lock()
	w := l.waiting[a.Id]
	if !a.More {
		delete(l.waiting, a.Id)
	}
	l.mu.Unlock()
	if w == nil {
		return
	}
	select {
	case w.answers <- a:
	case <-w.over:
	}
}

func (l *Link) hangUp(stream wire.HostStream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stream != stream {
		return
	}
	l.stream = nil
	for id, w := range l.waiting {
		delete(l.waiting, id)
		close(w.answers)
	}
}

// ask sends a request; the answers come to the channel, which is closed if the
// host hangs up. end must be called when nobody reads them any more.
func (l *Link) ask(ctx context.Context, r *pluginv1.HostRequest) (answers <-chan *pluginv1.HostAnswer, end func(), err error) {
	if err := l.wait(ctx); err != nil {
		return nil, nil, err
	}
	l.sending.Lock()
	defer l.sending.Unlock()
	w := &asked{answers: make(chan *pluginv1.HostAnswer, 1), over: make(chan struct{})}
	l.mu.Lock()
	stream := l.stream
	l.last++
	r.Id = l.last
	if stream != nil {
		l.waiting[r.Id] = w
	}
	l.mu.Unlock()
	if stream == nil {
		return nil, nil, errGone
	}
	if err := stream.Send(r); err != nil {
		l.forget(r.Id)
		return nil, nil, fmt.Errorf("%w: %w", errGone, err)
	}
	return w.answers, func() {
		close(w.over)
		if l.forget(r.Id) {
			l.cancel(r.Id)
		}
	}, nil
}

// wait returns when a host has opened its stream.
func (l *Link) wait(ctx context.Context) error {
	select {
	case <-l.open:
		return nil
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-l.open:
		return nil
	case <-timer.C:
		return ErrNoHost
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// forget reports whether the request was still waited for.
func (l *Link) forget(id uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, waited := l.waiting[id]
	delete(l.waiting, id)
	return waited
}

// cancel tells the host that an answer is not wanted any more. Where that cannot
// be said, the host has gone.
func (l *Link) cancel(id uint64) {
	l.sending.Lock()
	defer l.sending.Unlock()
	l.mu.Lock()
	stream := l.stream
	l.last++
	r := &pluginv1.HostRequest{Id: l.last, Ask: &pluginv1.HostRequest_Cancel{Cancel: id}}
	l.mu.Unlock()
	if stream != nil {
		_ = stream.Send(r)
	}
}

// one asks for a single answer.
func (l *Link) one(ctx context.Context, r *pluginv1.HostRequest) (*pluginv1.HostAnswer, error) {
	answers, end, err := l.ask(ctx, r)
	if err != nil {
		return nil, err
	}
	defer end()
	return next(ctx, answers)
}

// each takes one answer after another.
func (l *Link) each(ctx context.Context, r *pluginv1.HostRequest, take func(*pluginv1.HostAnswer) error) error {
	answers, end, err := l.ask(ctx, r)
	if err != nil {
		return err
	}
	defer end()
	for {
		a, err := next(ctx, answers)
		if err != nil {
			return err
		}
		if err := take(a); err != nil {
			return err
		}
		if !a.More {
			return errGone
		}
	}
}

func next(ctx context.Context, answers <-chan *pluginv1.HostAnswer) (*pluginv1.HostAnswer, error) {
	select {
	case a, ok := <-answers:
		if !ok {
			return nil, errGone
		}
		if a.Error != "" {
			return nil, errors.New(a.Error)
		}
		return a, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
