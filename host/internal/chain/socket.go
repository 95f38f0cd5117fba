package chain

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// socket speaks JSON-RPC over a WebSocket or an IPC socket. It connects when it is
// first used and again after the connection broke. It is not go-ethereum's client
// because that one decodes every answer several times.
type socket struct {
	open    func(ctx context.Context) (frames, error)
	timeout time.Duration

	turn chan *link // holds the connection, nil if there is none; who has it may make one
}

// frames carries whole messages. One goroutine reads; write is safe for concurrent
// use; close ends both.
type frames interface {
	read() ([]byte, error) // the message is the caller's
	write(ctx context.Context, message []byte) error
	progress() int64 // bytes that were read so far
	close()
}

func newSocket(url string, headers map[string]string, timeout time.Duration) *socket {
	s := &socket{timeout: timeout, turn: make(chan *link, 1)}
	s.turn <- nil
	header := http.Header{}
	for name, value := range headers {
		header.Set(name, value)
	}
	s.open = func(ctx context.Context) (frames, error) { return dialSocket(ctx, url, header) }
	return s
}

// link connects if there is no connection that still stands.
func (s *socket) link(ctx context.Context) (*link, error) {
	var l *link
	select {
	case l = <-s.turn:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { s.turn <- l }()
	if l != nil && !l.broken() {
		return l, nil
	}
	if l != nil {
		l.close()
		l = nil
	}
	f, err := s.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", withoutURL(err))
	}
	l = newLink(f)
	return l, nil
}

func (s *socket) close() {
	l := <-s.turn
	defer func() { s.turn <- nil }()
	if l != nil {
		l.close()
	}
}

func (s *socket) exchange(ctx context.Context, calls []*chain.Query) ([]reply, error) {
	body, first, err := s.ask(ctx, calls, nil)
	if err != nil {
		return nil, err
	}
	replies, err := parse(body, first, len(calls))
	if len(calls) > 1 {
		replies = own(replies)
	}
	return replies, err
}

// ask sends calls and returns the message that answers them, and the id of the
// first.
func (s *socket) ask(ctx context.Context, calls []*chain.Query, f *listener) (body []byte, first int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	connecting := time.AfterFunc(s.timeout, func() { cancel(fmt.Errorf("%w within %s", errTimedOut, s.timeout)) })
	l, err := s.link(ctx)
	connecting.Stop()
	if err != nil {
		return nil, 0, because(ctx, err)
	}
	p := l.begin(len(calls), f)
	defer l.forget(p)
	sending, sent := context.WithTimeout(context.WithoutCancel(ctx), s.timeout) // half a message would break the connection for others
	err = l.frames.write(sending, encode(calls, p.first))
	sent()
	if err != nil {
		l.abandon()
		return nil, 0, fmt.Errorf("send: %w", err)
	}
	body, err = s.wait(ctx, l, p)
	return body, p.first, err
}

// because is the reason why ctx ended, if it has, and err otherwise.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// wait returns the answer. It waits as long as the connection gets ahead.
func (s *socket) wait(ctx context.Context, l *link, p *pending) ([]byte, error) {
	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	began := l.frames.progress()
	for last := began; ; {
		select {
		case body := <-p.answer:
			return body, nil
		case <-l.over:
			select {
			case body := <-p.answer: // it came before the end
				return body, nil
			default:
				return nil, l.why
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-timer.C:
		}
		now := l.frames.progress()
		switch {
		case now-last >= enough:
			last = now
			timer.Reset(s.timeout)
			continue
		case now == began:
			l.abandon() // nothing came at all: it may be dead
			return nil, fmt.Errorf("%w within %s", errTimedOut, s.timeout)
		}
		return nil, fmt.Errorf("%w: %d bytes came, then less than %d in %s", errTimedOut, now-began, enough, s.timeout)
	}
}

func (s *socket) subscribe(ctx context.Context, params []byte, take func(event []byte) error) error {
	f := newListener()
	body, first, err := s.ask(ctx, []*chain.Query{{Method: "eth_subscribe", Params: params}}, f)
	if err != nil {
		return err
	}
	replies, err := parse(body, first, 1)
	if err == nil {
		err = replies[0].err
	}
	if err != nil {
		return err
	}
	defer s.unsubscribe(ctx, f)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case event, ok := <-f.events:
			if !ok {
				return f.why
			}
			if err := take(event); err != nil {
				return err
			}
		}
	}
}

// unsubscribe tells the node that nobody listens any more. It waits for no answer.
func (s *socket) unsubscribe(ctx context.Context, f *listener) {
	l := f.link
	l.drop(f)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	p := l.begin(1, nil)
	defer l.forget(p)
	_ = l.frames.write(ctx, encode([]*chain.Query{{Method: "eth_unsubscribe", Params: fmt.Appendf(nil, "[%s]", f.id)}}, p.first)) // a connection that broke has ended it
}

var errEnded = errors.New("the connection was closed")
