package chain

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
)

// link is a connection on which answers find their calls by id, and events their
// feed.
type link struct {
	frames  frames
	over    chan struct{} // closed when reading has ended
	reading sync.WaitGroup
	left    atomic.Bool // nobody is to use it any more

	mu      sync.Mutex // protects the fields below
	why     error      // reading has ended; set before over is closed
	next    int
	waiting map[int]*pending     // by the ids of their calls
	feeds   map[string]*listener // by what the node calls them
}

// pending is a message that was sent and is not answered yet.
type pending struct {
	first, calls int
	feed         *listener   // it asks for a subscription
	answer       chan []byte // takes one message
}

// listener is the events of a subscription.
type listener struct {
	link   *link
	id     string
	events chan []byte // closed by the link when there will be no more
	why    error       // set before events is closed
}

// mostEvents is how many events wait for who takes them.
const mostEvents = 1024

func newListener() *listener { return &listener{events: make(chan []byte, mostEvents)} }

var errSlow = fmt.Errorf("more than %d events wait for who subscribed", mostEvents)

func newLink(f frames) *link {
	l := &link{frames: f, over: make(chan struct{}), next: 1, waiting: map[int]*pending{}, feeds: map[string]*listener{}}
	l.reading.Go(l.read)
	return l
}

// read gives messages to those who wait for them until the connection ends.
func (l *link) read() {
	var err error
	for err == nil {
		var message []byte
		if message, err = l.frames.read(); err == nil {
			l.route(message)
		}
	}
	l.frames.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.why = err
	for id, f := range l.feeds {
		l.end(f, err)
		delete(l.feeds, id)
	}
	close(l.over)
}

// end closes a feed. The caller holds the lock.
func (l *link) end(f *listener, why error) {
	f.why = why
	close(f.events)
}

// broken reports whether the connection is of no more use.
func (l *link) broken() bool {
	select {
	case <-l.over:
		return true
	default:
		return l.left.Load()
	}
}

// abandon ends the connection without a wait.
func (l *link) abandon() {
	l.left.Store(true)
	l.frames.close()
}

// close ends the connection and waits until nobody reads.
func (l *link) close() {
	l.abandon()
	l.reading.Wait()
}

// begin gives ids to as many calls.
func (l *link) begin(calls int, f *listener) *pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &pending{first: l.next, calls: calls, feed: f, answer: make(chan []byte, 1)}
	l.next += calls
	for i := range calls {
		l.waiting[p.first+i] = p
	}
	return p
}

func (l *link) forget(p *pending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range p.calls {
		delete(l.waiting, p.first+i)
	}
}

// drop ends a feed from the side of who takes its events.
func (l *link) drop(f *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.feeds, f.id)
}

// route finds out whom a message is for.
func (l *link) route(message []byte) {
	id, event := addressee(message)
	l.mu.Lock()
	defer l.mu.Unlock()
	if event != nil {
		l.tell(event)
		return
	}
	number, err := strconv.Atoi(string(bytes.Trim(id, `"`)))
	if p := l.waiting[number]; err == nil {
		if p != nil {
			l.deliver(p, message)
		}
		return // nobody waits for it any more
	}
	for _, p := range l.waiting { // an error that the node gives no call concerns all
		l.deliver(p, message)
	}
}

// deliver gives a message to who waits for it. A subscription begins here, before
// the next message, which may be its first event. The caller holds the lock.
func (l *link) deliver(p *pending, message []byte) {
	if p.feed != nil && p.feed.link == nil {
		p.feed.link = l
		if replies, err := parse(message, p.first, 1); err == nil && replies[0].err == nil {
			p.feed.id = string(replies[0].result)
			l.feeds[p.feed.id] = p.feed
		}
	}
	select {
	case p.answer <- message:
	default: // it has one
	}
}

// tell gives an event to its feed. The caller holds the lock.
func (l *link) tell(params []byte) {
	f := l.feeds[string(member(params, "subscription"))]
	event := member(params, "result")
	if f == nil || event == nil {
		return
	}
	select {
	case f.events <- event:
	default:
		delete(l.feeds, f.id)
		l.end(f, errSlow)
	}
}

var errFound = errors.New("found")

// addressee is the id of the first answer in a message, or the parameters of an
// event. It looks no further than it must.
func addressee(message []byte) (id, event []byte) {
	s := scanner{text: message}
	s.take('[')
	notice := false
	_ = s.membersUntil(func(key, value []byte) error { // a message that is malformed is for all
		switch string(key) {
		case "id":
			id = value
			return errFound
		case "method":
			notice = true
		case "params":
			event = value
		}
		return nil
	})
	if !notice {
		return id, nil
	}
	return id, event
}
