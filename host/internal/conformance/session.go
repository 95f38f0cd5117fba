package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
	"github.com/penstock-io/penstock/sdk/transit"
)

// session is the host's side of the conversation with one process. What the
// process says is gathered by a goroutine of its own, so that whoever sends does
// not hold it up, unless reading is stopped on purpose.
type session struct {
	bench  *bench
	plugin *remote.Plugin
	stream *remote.Stream
	step   opening
	output transit.Type

	generation uint64
	sequence   uint64

	mu      sync.Mutex
	events  []event
	counted bool          // bodies are not kept
	held    chan struct{} // not nil: reading waits until it is closed
	told    chan struct{} // says that events has grown; capacity 1
	done    chan struct{} // closed when nothing more will come
}

// event is one thing that a process has said. The last one has an err: the
// process has failed, or the stream is over, which is io.EOF where it ended in
// order.
type event struct {
	kind       remote.Kind
	generation uint64
	sequence   uint64
	input      uint32
	rows       int
	bytes      int
	body       []byte // a batch's
	checkpoint uint64
	snapshot   *remote.Snapshot
	cursor     *remote.Cursor
	head       uint64
	progress   *remote.Progress
	err        error
}

// opening says which process is to be opened.
type opening struct {
	register   string // "": the subject's
	settings   []byte // nil: the subject's
	inputs     []remote.Input
	noInputs   bool // nothing is wired
	cursor     *remote.Cursor
	checkpoint uint64
	snapshot   *remote.Snapshot
	to         *uint64
	generation uint64 // 0: the next one
}

// open opens a process. What it refuses with is a *remote.Failure.
func (b *bench) open(ctx context.Context, p *remote.Plugin, o opening) (*session, error) {
	settings := o.settings
	if settings == nil {
		var err error
		if settings, err = b.settings(); err != nil {
			return nil, err
		}
	}
	if o.register == "" {
		o.register = b.register.Name
	}
	if o.inputs == nil && !o.noInputs {
		o.inputs = b.inputs()
	}
	b.generation = max(b.generation+1, o.generation)
	if o.generation == 0 {
		o.generation = b.generation
	}
	ctx, cancel := within(ctx, patience)
	defer cancel()
	stream, err := p.Open(ctx, remote.Open{
		Register: o.register, Pipeline: "conformance", Step: "check", ProcessID: "check", Domain: "conformance/" + b.register.Name,
		Checkpoint: o.checkpoint, Generation: o.generation, Settings: settings, Network: b.suite.cfg.Network, Cursor: o.cursor, To: o.to,
		Inputs: o.inputs, Policy: b.policy(), Snapshot: o.snapshot, Fresh: o.checkpoint == 0,
	})
	if err != nil {
		return nil, err
	}
	s := &session{
		bench: b, plugin: p, stream: stream, step: o, output: stream.Output(), generation: o.generation,
		told: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go s.receive()
	b.mu.Lock()
	b.sessions = append(b.sessions, s)
	b.mu.Unlock()
	return s, nil
}

// fresh starts the plugin and opens a process in it.
func (b *bench) fresh(ctx context.Context, o opening) (*session, error) {
	p, err := b.start(ctx)
	if err != nil {
		return nil, err
	}
	return b.open(ctx, p, o)
}

// receive gathers what the process says until its stream is over.
func (s *session) receive() {
	defer close(s.done)
	for {
		s.wait()
		f, err := s.stream.Recv()
		failure := (*remote.Failure)(nil)
		if err != nil {
			s.gather(event{err: err})
			if errors.As(err, &failure) {
				continue // its stream may say more
			}
			return
		}
		e := event{
			kind: f.Kind, generation: f.Generation, sequence: f.Sequence, input: f.Input, rows: int(f.Rows), bytes: f.Body.Len(),
			checkpoint: f.Checkpoint, snapshot: f.Snapshot, cursor: f.Cursor, head: f.Head, progress: f.Progress,
		}
		if f.Kind == remote.KindBatch && !s.counted {
			e.body = f.Bytes()
		}
		f.Free()
		s.gather(e)
	}
}

func (s *session) gather(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	select {
	case s.told <- struct{}{}:
	default: // it is told already
	}
}

// wait waits while reading is stopped.
func (s *session) wait() {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held != nil {
		<-held
	}
}

// hold stops reading: what the process says stays on the wire.
func (s *session) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = make(chan struct{})
}

// release lets reading go on.
func (s *session) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil {
		close(s.held)
		s.held = nil
	}
}

// hangUp ends the conversation without a word, as a host does that is killed.
func (s *session) hangUp() {
	s.stream.Cancel()
	s.release()
	<-s.done
}

// next is the next thing that the process says.
func (s *session) next(ctx context.Context) (event, error) {
	for {
		s.mu.Lock()
		if len(s.events) > 0 {
			e := s.events[0]
			s.events = s.events[1:]
			s.mu.Unlock()
			return e, nil
		}
		s.mu.Unlock()
		select {
		case <-s.told:
		case <-s.done:
			s.mu.Lock()
			over := len(s.events) == 0
			s.mu.Unlock()
			if over {
				return event{err: io.EOF}, nil
			}
		case <-ctx.Done():
			return event{}, fmt.Errorf("%w: %w", errSilent, context.Cause(ctx))
		}
	}
}

// until gathers what the process says up to the first of a kind. That it fails,
// or ends, before is an error, and so is silence that is longer than d.
func (s *session) until(ctx context.Context, kind remote.Kind, d time.Duration) (all []event, err error) {
	ctx, cancel := within(ctx, d)
	defer cancel()
	for {
		e, err := s.next(ctx)
		if err != nil {
			return all, fmt.Errorf("wait for %s: %w", kindName(kind), err)
		}
		if errors.Is(e.err, io.EOF) {
			return all, fmt.Errorf("wait for %s: it ended its stream instead", kindName(kind))
		}
		if e.err != nil {
			return all, fmt.Errorf("wait for %s: %w", kindName(kind), e.err)
		}
		all = append(all, e)
		if e.kind == kind {
			return all, nil
		}
	}
}

// rest gathers what the process says until its stream is over.
func (s *session) rest(ctx context.Context) (all []event, err error) {
	for {
		e, err := s.next(ctx)
		if err != nil {
			return all, err
		}
		if errors.Is(e.err, io.EOF) {
			return all, nil
		}
		if e.err != nil {
			return all, e.err
		}
		all = append(all, e)
	}
}

// send sends a frame. It waits no longer than ctx lives for the process to take
// it.
func (s *session) send(ctx context.Context, f *remote.Frame) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	stop := context.AfterFunc(ctx, s.stream.Cancel)
	defer stop()
	if f.Generation == 0 {
		f.Generation = s.generation
	}
	if f.Kind == remote.KindBatch {
		s.sequence++
		f.Sequence = s.sequence
	}
	err := s.stream.Send(f)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("it did not take a frame (%s): %w", kindName(f.Kind), context.Cause(ctx))
	}
	if err != nil {
		return s.lastWords(err)
	}
	return nil
}

// lastWords is why a process takes nothing more, where it has said so.
func (s *session) lastWords(err error) error {
	select {
	case <-s.done:
	case <-time.After(patience):
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.err != nil && !errors.Is(e.err, io.EOF) {
			return e.err
		}
	}
	return err
}

// sendAll sends frames in their order.
func (s *session) sendAll(ctx context.Context, frames []*remote.Frame) error {
	for _, f := range frames {
		copied := *f
		if err := s.send(ctx, &copied); err != nil {
			return err
		}
	}
	return nil
}

// barrier asks for a checkpoint and gathers what is said up to the answer.
func (s *session) barrier(ctx context.Context, checkpoint uint64) ([]event, error) {
	if err := s.send(ctx, &remote.Frame{Kind: remote.KindBarrier, Checkpoint: checkpoint}); err != nil {
		return nil, err
	}
	all, err := s.until(ctx, remote.KindBarrier, patience)
	if err != nil {
		return all, err
	}
	if got := all[len(all)-1].checkpoint; got != checkpoint {
		return all, wrong(fmt.Sprintf("it answered the barrier of checkpoint %d with checkpoint %d", checkpoint, got),
			"the number that it was asked for", "answer each barrier with the frame's own checkpoint")
	}
	return all, nil
}

// probe gathers what is said until the process is through with everything that
// was sent.
func (s *session) probe(ctx context.Context, number uint64) ([]event, error) {
	if err := s.send(ctx, &remote.Frame{Kind: remote.KindProbe, Sequence: number}); err != nil {
		return nil, err
	}
	return s.until(ctx, remote.KindProbe, patience)
}

// end says that all inputs are over, by themselves or because the host stops.
func (s *session) end(ctx context.Context, kind remote.Kind) error {
	if len(s.step.inputs) == 0 {
		return s.send(ctx, &remote.Frame{Kind: kind})
	}
	for i := range s.step.inputs {
		if err := s.send(ctx, &remote.Frame{Kind: kind, Input: uint32(i)}); err != nil {
			return err
		}
	}
	return nil
}

// rowsOf are the rows of events, as text.
func (s *session) rowsOf(events []event) ([]string, error) { return textOf(s.output, events) }

// textOf are the rows of events as people read them: one string for each, so
// that it does not matter how they were cut into batches.
func textOf(t transit.Type, events []event) (rows []string, err error) {
	for _, e := range events {
		if e.kind != remote.KindBatch {
			continue
		}
		batch, err := transit.DecodeBatch(t, e.body)
		if err != nil {
			return nil, wrong(fmt.Sprintf("it sent a batch that is not of its output type %s: %v", t.Name, err), "rows of "+t.String(),
				"send Arrow record batches of the schema that Opened has told")
		}
		n := int(batch.Record.NumRows())
		if n != e.rows {
			return nil, wrong(fmt.Sprintf("it sent a batch of %d rows and called it one of %d", n, e.rows), "a frame whose rows are those of its body",
				"set rows of the frame from the batch")
		}
		for row := range n {
			rows = append(rows, rowText(batch, row))
		}
	}
	return rows, nil
}

func rowText(batch transit.Batch, row int) string {
	var text []byte
	for col := range int(batch.Record.NumCols()) {
		if col > 0 {
			text = append(text, between...)
		}
		text = append(text, batch.Record.ColumnName(col)...)
		text = append(text, '=')
		text = append(text, batch.Text(col, row)...)
	}
	return string(text)
}

// kindName is a kind as the protocol's prose has it.
func kindName(k remote.Kind) string {
	names := map[remote.Kind]string{
		remote.KindBatch: "rows", remote.KindBarrier: "the answer to a barrier", remote.KindSafePoint: "a safe point", remote.KindEnded: "ENDED",
		remote.KindProbe: "the answer to a probe", remote.KindOpened: "OPENED", remote.KindReorg: "a reorganisation", remote.KindProgress: "a report",
		remote.KindRewind: "REWIND", remote.KindDrain: "DRAIN", remote.KindFinal: "FINAL",
	}
	if name, ok := names[k]; ok {
		return name
	}
	return k.String()
}
