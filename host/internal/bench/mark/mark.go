// Package mark is how a plugin that is measured tells the benchmark when
// something has happened in it: by datagrams on a socket, which outlives the
// plugins and their hosts.
package mark

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// What has happened.
const (
	Loaded    uint8 = iota + 1 // a loader was given rows
	Committed                  // a loader has made durable what it was given
	Reorged                    // a reader is about to report a reorganisation
	Pulsed                     // a loader was given rows, and tells how many and how late
)

// Mark is one thing that has happened.
type Mark struct {
	What       uint8
	Generation uint64
	Block      uint64 // the newest that it is about
	At         int64  // Unix nanoseconds
	Rows       uint64 // of Pulsed
	Late       int64  // of Pulsed: how many nanoseconds the last row was under way
}

// Time is when it happened.
func (m Mark) Time() time.Time { return time.Unix(0, m.At) }

// Teller tells. The zero value tells nobody.
type Teller struct{ conn net.Conn }

// Dial connects to whoever listens at a path; "" is nobody.
func Dial(path string) (Teller, error) {
	if path == "" {
		return Teller{}, nil
	}
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		return Teller{}, fmt.Errorf("tell the benchmark: %w", err)
	}
	return Teller{conn: conn}, nil
}

// Tell says that something has happened just now.
func (t Teller) Tell(what uint8, generation, block uint64) error {
	return t.tell(Mark{What: what, Generation: generation, Block: block})
}

// Pulse says that rows have come just now, the last of which was under way for
// some time.
func (t Teller) Pulse(generation, rows uint64, late time.Duration) error {
	return t.tell(Mark{What: Pulsed, Generation: generation, Rows: rows, Late: late.Nanoseconds()})
}

func (t Teller) tell(m Mark) error {
	if t.conn == nil {
		return nil
	}
	m.At = time.Now().UnixNano()
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, m); err != nil {
		return err
	}
	if _, err := t.conn.Write(b.Bytes()); err != nil {
		return fmt.Errorf("tell the benchmark: %w", err)
	}
	return nil
}

// Close lets go of the connection.
func (t Teller) Close() error {
	if t.conn == nil {
		return nil
	}
	return t.conn.Close()
}

// Listener hears what plugins tell. It never makes them wait.
type Listener struct {
	path    string
	conn    *net.UnixConn
	done    chan struct{} // closed when nothing more is heard
	arrived chan struct{} // tells that there are marks; capacity 1

	mu    sync.Mutex
	marks []Mark
}

// Listen listens at a path until Close.
func Listen(path string) (*Listener, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("listen to plugins: %w", err)
	}
	l := &Listener{path: path, conn: conn, done: make(chan struct{}), arrived: make(chan struct{}, 1)}
	go l.hear()
	return l, nil
}

// hear ends when the connection is closed.
func (l *Listener) hear() {
	defer close(l.done)
	b := make([]byte, binary.Size(Mark{}))
	for {
		n, err := l.conn.Read(b)
		if err != nil {
			return
		}
		var m Mark
		if _, err := binary.Decode(b[:n], binary.LittleEndian, &m); err != nil {
			continue // somebody else's
		}
		l.mu.Lock()
		l.marks = append(l.marks, m)
		l.mu.Unlock()
		select {
		case l.arrived <- struct{}{}:
		default: // whoever waits will see this one too
		}
	}
}

// errClosed is what those get who wait for a mark that cannot come.
var errClosed = errors.New("nobody listens any more")

// Next takes the oldest mark that was not taken yet, and waits for one.
func (l *Listener) Next(ctx context.Context) (Mark, error) {
	for {
		if m, ok := l.take(); ok {
			return m, nil
		}
		select {
		case <-l.arrived:
		case <-l.done:
			return Mark{}, errClosed
		case <-ctx.Done():
			return Mark{}, context.Cause(ctx)
		}
	}
}

func (l *Listener) take() (Mark, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.marks) == 0 {
		return Mark{}, false
	}
	m := l.marks[0]
	l.marks = l.marks[1:]
	return m, true
}

// Close ends the listening, waits for its goroutine and removes the socket.
func (l *Listener) Close() error {
	err := l.conn.Close()
	<-l.done
	return errors.Join(err, os.Remove(l.path))
}
