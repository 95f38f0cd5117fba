package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/penstock-io/penstock/plugins/postgres/internal/binary"
)

// parcel is rows of one table, as COPY takes them.
type parcel struct {
	to     *target
	rows   int
	data   []byte
	ranges []int64 // the partitions that the rows go to
}

// filling is what is gathered before it is sent.
type filling struct {
	parcels []*parcel
	rows    int
	since   time.Time // when the first row came
	spare   [][]byte  // memory of parcels that are done with
}

// parcel is the one that rows of a table go into: the newest, or another one where the newest is of another table.
func (f *filling) parcel(to *target) *parcel {
	if f.rows == 0 && len(f.parcels) == 0 {
		f.since = time.Now()
	}
	if n := len(f.parcels); n > 0 && f.parcels[n-1].to == to {
		return f.parcels[n-1]
	}
	p := &parcel{to: to}
	if n := len(f.spare); n > 0 {
		p.data, f.spare = f.spare[n-1], f.spare[:n-1]
	}
	f.parcels = append(f.parcels, p)
	return p
}

// due tells that it is time to send.
func (f *filling) due(rows, size int, after time.Duration) bool {
	return f.rows >= rows || f.size() >= size || time.Since(f.since) >= after
}

func (f *filling) size() (n int) {
	for _, p := range f.parcels {
		n += len(p.data)
	}
	return n
}

// unit is what is committed together. It is kept until it is, so that all of it can be sent again.
type unit struct {
	parcels []*parcel
	shipped int  // parcels that the server has, in the open transaction
	size    int  // bytes that are kept
	gone    bool // some were too many to be kept
	anew    bool // old rows go first
}

// take adds what was gathered.
func (u *unit) take(f *filling) {
	for _, p := range f.parcels {
		u.size += len(p.data)
	}
	u.parcels = append(u.parcels, f.parcels...)
	f.parcels, f.rows = nil, 0
}

// lost tells that the unit cannot be sent again.
func (u *unit) lost() bool { return u.gone }

// spareBytes is how large a piece of memory may be to be kept for later.
const spareBytes = 8 << 20

// relieve lets go of what the server has, where more is kept than there may be.
func (u *unit) relieve(most int) {
	if u.size <= most {
		return
	}
	for _, p := range u.parcels[:u.shipped] {
		u.size -= len(p.data)
		p.data = nil
		u.gone = true
	}
}

// empty forgets what was committed, and hands its memory back.
func (u *unit) empty(f *filling) {
	for _, p := range u.parcels {
		if p.data != nil && cap(p.data) <= spareBytes && len(f.spare) < 4 {
			f.spare = append(f.spare, p.data[:0])
		}
	}
	*u = unit{}
}

// flight is a unit that is being sent while more rows are gathered.
type flight struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
	err    error         // set before that
}

// send sends what was gathered, beside whatever comes next. While something is on its way already, more is gathered, up to what may be
// kept.
func (l *loader) send(ctx context.Context) error {
	if l.flight != nil {
		select {
		case <-l.flight.done:
		default:
			if l.filled.size() < int(l.Buffer)/2 {
				return nil
			}
		}
		if err := l.land(ctx); err != nil {
			return err
		}
	}
	l.unit.take(&l.filled)
	l.unit.anew = l.anew
	flying, cancel := context.WithCancel(context.WithoutCancel(ctx)) // land and abandon end it
	f := &flight{cancel: cancel, done: make(chan struct{})}
	l.flight = f
	go func() {
		defer close(f.done)
		f.err = l.db.insist(flying, "write rows", l.unit.lost, func() error {
			if _, err := l.join(flying, noCommit); err != nil {
				return err
			}
			return l.ship(flying)
		})
	}()
	return nil
}

// land waits for what is on its way.
func (l *loader) land(ctx context.Context) error {
	f := l.flight
	if f == nil {
		return nil
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		f.cancel()
		<-f.done
	}
	f.cancel()
	if f.err != nil {
		return f.err // and no more is sent: the process ends
	}
	l.flight = nil
	l.unit.relieve(int(l.Buffer) / 2)
	return nil
}

// abandon ends what is on its way.
func (l *loader) abandon() {
	if l.flight != nil {
		l.flight.cancel()
		<-l.flight.done
		l.flight = nil
	}
}

// join sees to it that a transaction is open which the step has for itself. done says that the commit of that number has come through
// before.
func (l *loader) join(ctx context.Context, number int64) (done bool, err error) {
	if l.db.began {
		return false, nil
	}
	l.unit.shipped = 0
	turn := func() error {
		_, err := l.ledger.check(ctx, number)
		return err
	}
	if err := l.db.begin(ctx, l.ledger.lock(), turn); err != nil {
		return false, err
	}
	if done, err = l.ledger.check(ctx, number); done || err != nil {
		return done, err
	}
	for _, s := range l.shelves {
		s.parts = make(map[int64]bool)
	}
	if !l.unit.anew {
		return false, nil
	}
	return false, l.beginAnew(ctx)
}

// beginAnew removes what will be read again from the beginning: an endpoint that does not answer must not cost anybody their rows. Tables
// that the step does not read any more are not its own from then on.
func (l *loader) beginAnew(ctx context.Context) error {
	for _, s := range l.shelves {
		if _, err := l.remove(ctx, s.full, 0); err != nil {
			return err
		}
		if err := l.db.exec(ctx, "DELETE FROM "+l.ledger.at("penstock_undo")+" WHERE name = "+literal(s.name)); err != nil {
			return err
		}
		if l.reads(s) {
			continue
		}
		if err := l.ledger.disclaim(ctx, s.name); err != nil {
			return err
		}
	}
	return l.ledger.truncate(ctx, 0)
}

// ship sends the parcels that the server does not have yet.
func (l *loader) ship(ctx context.Context) error {
	for l.unit.shipped < len(l.unit.parcels) {
		first := l.unit.parcels[l.unit.shipped]
		n := 1
		for l.unit.shipped+n < len(l.unit.parcels) && l.unit.parcels[l.unit.shipped+n].to == first.to {
			n++
		}
		if err := l.copy(ctx, first.to, l.unit.parcels[l.unit.shipped:l.unit.shipped+n]); err != nil {
			return err
		}
		l.unit.shipped += n
	}
	return nil
}

// copy sends rows of one table in one go.
func (l *loader) copy(ctx context.Context, t *target, parcels []*parcel) error {
	c := consignment{}
	for _, p := range parcels {
		if p.rows == 0 {
			continue
		}
		if err := l.makeParts(ctx, t, p.ranges); err != nil {
			return err
		}
		c.rows += p.rows
		c.data = append(c.data, p.data)
	}
	switch {
	case c.rows == 0:
		return nil
	case len(l.Key) == 0:
		return l.stream(ctx, t, t.full, c)
	default:
		return l.upsert(ctx, t, c)
	}
}

// consignment is what goes in one COPY.
type consignment struct {
	data [][]byte
	rows int
}

func (c consignment) reader() io.Reader {
	readers := []io.Reader{bytes.NewReader(binary.Header())}
	for _, d := range c.data {
		readers = append(readers, bytes.NewReader(d))
	}
	return io.MultiReader(append(readers, bytes.NewReader(binary.Trailer()))...)
}

// stream sends rows into a table.
func (l *loader) stream(ctx context.Context, t *target, into string, c consignment) error {
	statement := fmt.Sprintf("COPY %s (%s, %s) FROM STDIN (FORMAT binary)", into, quote(rowNumber), quoteAll(columnNames(t.columns)))
	tag, err := l.db.conn.PgConn().CopyFrom(ctx, c.reader(), statement)
	if err != nil {
		return err
	}
	if tag.RowsAffected() != int64(c.rows) {
		return mistakef("table %s took %d rows of %d: it has a rule or trigger that leaves rows out: drop it", t.full, tag.RowsAffected(), c.rows)
	}
	return nil
}
