package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// client is one connection. Its commands are carried out by the goroutine that
// writes to it, so that answers stand in line with rows.
type client struct {
	hub  *hub
	conn *websocket.Conn
	subs []*subscription // belong to the goroutine that writes
	bad  int             // messages one after the other that made no sense
}

// subscription is how far a client has come in a channel.
type subscription struct {
	channel *channel
	filter  *filter // nil: all rows
	since   uint64  // rows before it are not wanted
	backlog []*item // come first
	at      uint64  // number of the next item of the log
	settled []byte  // what it was told last
}

// mostBad is how much nonsense is answered before a client is dropped.
const mostBad = 100

// grace is how long a client may take to say farewell.
const grace = time.Second

var (
	nonsense = farewell{websocket.StatusPolicyViolation, "none of the last messages made sense"}
	tooSlow  = farewell{websocket.StatusTryAgainLater, "you fell behind by more than is kept: read faster, or filter, and go on with since"}
	silent   = farewell{websocket.StatusPolicyViolation, "no answer to a ping"}
	gone     = farewell{websocket.StatusGoingAway, ""}
)

func newClient(h *hub, conn *websocket.Conn) *client { return &client{hub: h, conn: conn} }

// run serves the client until it goes or is let go.
func (c *client) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	commands := make(chan []byte, 16)
	silence := make(chan struct{}, 1)
	var others sync.WaitGroup
	others.Go(func() { c.read(ctx, commands) })
	others.Go(func() { c.ping(ctx, silence) })
	f := c.write(ctx, commands, silence)
	c.part(f, cancel)
	cancel()
	others.Wait()
	c.hub.log.Debug("a client has gone", "code", int(f.code), "reason", f.reason)
}

// part closes the connection with a code and a reason, for which the client may
// take a moment. cancel cuts it off.
func (c *client) part(f farewell, cancel func()) {
	if f == gone {
		_ = c.conn.CloseNow() // nobody is there
		return
	}
	patience := grace
	if f == tooSlow {
		patience = c.hub.server.Timeout // what it has not read yet stands before it
	}
	alarm := time.AfterFunc(patience, cancel)
	defer alarm.Stop()
	_ = c.conn.Close(f.code, f.reason) // it has gone either way
}

// read hands on what the client sends. It closes commands when there is no more.
func (c *client) read(ctx context.Context, commands chan<- []byte) {
	defer close(commands)
	c.conn.SetReadLimit(mostCommand)
	for {
		_, text, err := c.conn.Read(ctx)
		if err != nil {
			return
		}
		select {
		case commands <- text:
		case <-ctx.Done():
			return
		}
	}
}

// ping asks whether the client is there.
func (c *client) ping(ctx context.Context, silence chan<- struct{}) {
	ticker := time.NewTicker(c.hub.server.Ping)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		waiting, cancel := context.WithTimeout(ctx, c.hub.server.Timeout)
		err := c.conn.Ping(waiting)
		cancel()
		if err != nil {
			silence <- struct{}{} // has room for one, and there is one
			return
		}
	}
}

// write carries out commands and sends what is new, until the client goes or has
// to.
func (c *client) write(ctx context.Context, commands <-chan []byte, silence <-chan struct{}) farewell {
	select {
	case <-c.hub.ready:
	case <-c.hub.leaving:
		return c.hub.farewell
	}
	for {
		rings := c.hub.bell.next()
		sent, err := c.advance(ctx)
		if err != nil {
			return farewellFor(err)
		}
		if sent {
			rings = always
		}
		select {
		case text, ok := <-commands:
			if !ok {
				return gone
			}
			if err := c.obey(ctx, text); err != nil {
				return farewellFor(err)
			}
		case <-silence:
			return silent
		case <-c.hub.leaving:
			return c.hub.farewell
		case <-rings:
		}
	}
}

// always is something that has happened.
var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// dropped is why a client has to go.
type dropped struct{ farewell }

func (d dropped) Error() string { return d.reason }

func farewellFor(err error) farewell {
	if d, ok := errors.AsType[dropped](err); ok {
		return d.farewell
	}
	return gone
}

// send sends a message, for which the client has the timeout.
func (c *client) send(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.hub.server.Timeout)
	defer cancel()
	if err := c.conn.Write(ctx, websocket.MessageText, body); err != nil {
		return fmt.Errorf("send a message: %w", err)
	}
	return nil
}

// advance sends one message of each channel that has one; sent is false if none
// has.
func (c *client) advance(ctx context.Context) (sent bool, err error) {
	for _, s := range c.subs {
		body, more, err := s.next()
		if err != nil {
			return false, err
		}
		sent = sent || more
		if body == nil {
			continue
		}
		if err := c.send(ctx, body); err != nil {
			return false, err
		}
	}
	return sent, nil
}

// next is the next message for the client; nil: there is none, or it may not
// pass. more tells whether there may be another after it.
func (s *subscription) next() (body []byte, more bool, err error) {
	c := s.channel
	c.mu.RLock()
	defer c.mu.RUnlock()
	switch {
	case s.at < c.log.gone:
		return nil, false, dropped{tooSlow}
	case len(s.backlog) > 0:
		it := s.backlog[0]
		s.backlog = s.backlog[1:]
		return s.body(it), true, nil
	case s.at < c.log.end():
		it := c.log.items[s.at-c.log.gone]
		s.at++
		return s.body(it), true, nil
	case c.final.message != nil && !slices.Equal(s.settled, c.final.message):
		s.settled = c.final.message
		return s.settled, true, nil
	}
	return nil, false, nil
}

// body is a message as the client wants it; nil: nothing of it.
func (s *subscription) body(it *item) []byte {
	if it.rows != nil && it.first < s.since {
		it = it.with(it.rows[min(s.since, it.end())-it.first:])
	}
	switch {
	case it.rows == nil:
		s.since = min(s.since, it.first) // what comes after it was not there
		return it.body
	case len(it.rows) == 0:
		return nil
	case s.filter == nil:
		return it.body
	}
	return s.filter.of(it)
}

// obey carries out a command.
func (c *client) obey(ctx context.Context, text []byte) error {
	cmd, no := parse(text)
	var answers [][]byte
	if no == nil {
		answers, no = c.do(cmd)
	}
	if no != nil {
		if c.bad++; c.bad > mostBad {
			return dropped{nonsense}
		}
		return c.send(ctx, refused(no, cmd.ID))
	}
	c.bad = 0
	for _, a := range answers {
		if err := c.send(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) do(cmd command) ([][]byte, *refusal) {
	switch cmd.Op {
	case "subscribe":
		return c.subscribe(cmd)
	case "unsubscribe":
		return c.unsubscribe(cmd)
	case "channels":
		return [][]byte{listed(c.hub.channels, cmd.ID)}, nil
	case "ping":
		return [][]byte{answer([]byte(`{"op":"pong"`), cmd.ID)}, nil
	}
	return nil, refuse(unknownOp, "there is no op %q: there are subscribe, unsubscribe, channels and ping", short(cmd.Op))
}

// short is a word of a client's as it is quoted.
func short(word string) string {
	if runes := []rune(word); len(runes) > 64 {
		return string(runes[:64]) + "…"
	}
	return word
}

func (c *client) unsubscribe(cmd command) ([][]byte, *refusal) {
	i := slices.IndexFunc(c.subs, func(s *subscription) bool { return s.channel.name == cmd.Channel })
	if i < 0 {
		return nil, refuse(notSubscribed, "you are not subscribed to %q", short(cmd.Channel))
	}
	c.subs = slices.Delete(c.subs, i, i+1)
	return [][]byte{answer(message("unsubscribed", cmd.Channel), cmd.ID)}, nil
}

// subscribe begins a subscription, in the place of one to the same channel. What
// the client has to drop is told before the answer, which tells it of a newer
// generation: should it go in between, it is told again.
func (c *client) subscribe(cmd command) ([][]byte, *refusal) {
	channel := c.hub.channel(cmd.Channel)
	if channel == nil {
		var names []string
		for _, c := range c.hub.channels {
			names = append(names, c.name)
		}
		return nil, refuse(unknownChannel, "there is no channel %q: there are %q", short(cmd.Channel), names)
	}
	f, no := newFilter(channel.typ, cmd.Filter)
	if no != nil {
		return nil, no
	}
	s, missed, back := channel.follow(cmd.Since, cmd.Generation)
	s.filter = f
	c.subs = slices.DeleteFunc(c.subs, func(old *subscription) bool { return old.channel == channel })
	c.subs = append(c.subs, s)
	generation := c.hub.generation.Load()
	var answers [][]byte
	if back != nil {
		answers = append(answers, retraction(channel.name, *back, generation, nil))
	}
	return append(answers, subscribed(channel.name, s.since, missed, generation, cmd.ID)), nil
}

// follow is a subscription that begins with the row of the number since, or with
// what comes next. missed is how many rows are not kept that it asks for. back is
// the number from which on the client has rows that do not hold; nil: none.
func (c *channel) follow(since, generation *uint64) (s *subscription, missed uint64, back *uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s = &subscription{channel: c, since: c.next, at: c.log.end()}
	if since == nil {
		return s, 0, nil
	}
	holds := min(*since, c.next)
	if generation != nil {
		holds = c.past.holds(*generation, holds)
	}
	if holds < *since {
		back = &holds
	}
	s.since = holds
	for _, it := range c.truth.items {
		if it.end() > holds {
			s.backlog = append(s.backlog, it)
		}
	}
	oldest := c.next
	if len(s.backlog) > 0 {
		oldest = s.backlog[0].first
	}
	if oldest > holds {
		missed, s.since = oldest-holds, oldest
	}
	return s, missed, back
}
