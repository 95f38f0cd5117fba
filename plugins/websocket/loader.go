package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
	"github.com/penstock-io/penstock/sdk/render"
	"github.com/penstock-io/penstock/sdk/transit"
)

// loader makes messages of rows and adds them to the channels of its hub.
type loader struct {
	server
	Channels map[string]string `hcl:"channels,optional" doc:"names of channels, by the step that the rows come from; a channel is named after its step otherwise"`
	History  int               `hcl:"history,optional" doc:"how many of a channel's newest messages are kept, for clients that ask for what they missed"`
	Buffer   gather.Size       `hcl:"buffer,optional" doc:"how large what is kept of a channel may become; a client that falls behind by more is dropped"`
	gather.Limits

	house      *house
	hub        *hub
	outs       []*out
	keys       sdk.Keys
	generation uint64
	checkpoint uint64      // the newest
	cursor     *sdk.Cursor // of which all rows were published; nil: unknown
	marks      []mark
}

// mark is where the channels were at a checkpoint.
type mark struct {
	checkpoint uint64
	next       []uint64 // by input
	cursor     *sdk.Cursor
}

// mostMarks bounds how many checkpoints are remembered that are not final.
const mostMarks = 4096

// out is the way of one input into its channel.
type out struct {
	input   int
	channel *channel
	layout  *render.Layout
	pending item         // without head and body
	text    []byte       // of its rows
	batch   gather.Batch // counts them
	row     []byte       // as JSON, and with its key: used for each
	line    []byte
}

// Start takes the hub over from the loader before, or makes one, and begins to
// listen.
func (l *loader) Start(ctx context.Context, start sdk.Start) error {
	names, err := l.channelNames(start.Inputs)
	if err != nil {
		return sdk.Stop(err)
	}
	key := start.Domain + "\x00" + start.Step
	if l.hub = l.house.take(key, l.server, names, start.Inputs); l.hub == nil {
		l.hub = newHub(ctx, key, l.server)
		for i, in := range start.Inputs {
			l.hub.add(names[i], in.Type, limitsOf(l.History, l.Buffer))
		}
	}
	l.keys.Begin(start)
	l.generation, l.checkpoint, l.cursor = start.Generation, start.Checkpoint, start.Cursor
	others := start.Forks != l.hub.forks || start.Fresh
	l.hub.forks = start.Forks
	l.hub.generation.Store(start.Generation)
	m := mark{checkpoint: start.Checkpoint, cursor: start.Cursor}
	for i, in := range start.Inputs {
		c := l.hub.channels[i]
		if l.hub.cold {
			c.open(in.Rows, start.Generation)
		}
		c.begin(in.Rows, start.Generation, start.Cursor, others)
		l.outs = append(l.outs, &out{input: i, channel: c, layout: render.New(in.Type)})
		m.next = append(m.next, in.Rows)
	}
	l.marks = []mark{m}
	if start.Checkpoint == 0 || !l.hub.cold {
		l.hub.settle() // there is nothing to be restored
	}
	return l.hub.listen(ctx, l.house.patience)
}

// Restore learns what was taken back before this plugin was started.
func (l *loader) Restore(state []byte) error {
	var older map[string][]undone
	if err := json.Unmarshal(state, &older); err != nil {
		return fmt.Errorf("read what was taken back: %w", err)
	}
	if l.hub.cold {
		for _, o := range l.outs {
			o.channel.recall(older[o.channel.name])
		}
	}
	l.hub.settle()
	return nil
}

// Snapshot keeps what was taken back with the checkpoint.
func (l *loader) Snapshot() ([]byte, error) {
	all := map[string][]undone{}
	for _, o := range l.outs {
		o.channel.mu.RLock()
		all[o.channel.name] = o.channel.past.Entries
		o.channel.mu.RUnlock()
	}
	return json.Marshal(all)
}

// Load adds rows to the message that is being made. A message leaves when it is
// full, and with a commit.
func (l *loader) Load(ctx context.Context, input int, batch transit.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.hub.settle()
	o, now := l.outs[input], time.Now()
	for row := range int(batch.Record.NumRows()) {
		l.add(o, &batch, row, now)
	}
	return nil
}

// add adds a row, unless it was sent before and holds.
func (l *loader) add(o *out, batch *transit.Batch, row int, now time.Time) {
	o.row = append(o.layout.AppendMembers(append(o.row[:0], '{'), *batch, row), '}')
	key := l.keys.Next(o.input, o.row)
	c := o.channel
	if number := c.at; number < c.next {
		c.at++
		if c.known(number, key.Digest) {
			return
		}
		c.retract(number, l.generation, l.cursor)
	} else {
		c.at++
	}
	o.line = append(key.Append(append(o.line[:0], `{"key":"`...)), `","number":`...) // keys need no escapes
	o.line = append(strconv.AppendUint(o.line, key.Row, 10), `,"row":`...)
	o.line = append(append(o.line, o.row...), '}')
	if l.Full(o.batch, len(o.line), now) {
		l.publish(o, l.cursor)
	}
	if o.batch.Rows == 0 {
		o.pending.first = key.Row
	} else {
		o.text = append(o.text, ',')
	}
	o.batch.Add(len(o.line), now)
	o.text = append(o.text, o.line...)
	o.pending.rows = append(o.pending.rows, line{size: len(o.line), key: key.Digest, batch: batch, index: row})
}

// publish sends the message that is being made on its way, whose rows belong to
// the place or come after it.
func (l *loader) publish(o *out, cursor *sdk.Cursor) {
	if o.batch.Rows == 0 {
		return
	}
	it := o.pending
	it.head = rowsHead(o.channel.name, l.checkpoint, it.first, cursor)
	it.body = append(append(append(make([]byte, 0, len(it.head)+len(o.text)+2), it.head...), o.text...), "]}"...)
	at := len(it.head)
	for i := range it.rows {
		n := it.rows[i].size
		it.rows[i].text = it.body[at : at+n : at+n]
		at += n + 1
	}
	it.size = 3 * len(it.body) // with the batch that filters look at, and what stands about each row
	o.pending, o.text, o.batch = item{}, o.text[:0], gather.Batch{}
	o.channel.publish(&it)
}

// Commit sends what waits, with the place that it belongs to.
//
//nolint:unparam // sdk.Committer has an error
func (l *loader) Commit(_ context.Context, c sdk.Commit) error {
	l.hub.settle()
	if c.Cursor != nil {
		l.cursor = c.Cursor
	}
	for _, o := range l.outs {
		l.publish(o, l.cursor)
	}
	if c.Checkpoint == 0 {
		return nil
	}
	l.checkpoint = c.Checkpoint
	m := mark{checkpoint: c.Checkpoint, cursor: l.cursor}
	for _, o := range l.outs {
		m.next = append(m.next, o.channel.at)
	}
	if len(l.marks) == mostMarks {
		l.marks = append([]mark{}, l.marks[1:]...)
	}
	l.marks = append(l.marks, m)
	return nil
}

// Final tells clients which rows cannot be taken back any more.
//
//nolint:unparam // sdk.Finalizer has an error
func (l *loader) Final(_ context.Context, checkpoint uint64) error {
	n := 0
	for n < len(l.marks) && l.marks[n].checkpoint <= checkpoint {
		n++
	}
	if n == 0 {
		return nil
	}
	m := l.marks[n-1]
	l.marks = append([]mark{}, l.marks[n-1:]...)
	for i, o := range l.outs {
		o.channel.settle(m.next[i], m.cursor)
	}
	return nil
}

// Close leaves the clients to the next loader of the step, for a moment.
func (l *loader) Close() error {
	if l.hub == nil {
		return nil
	}
	return l.house.rest(l.hub)
}
