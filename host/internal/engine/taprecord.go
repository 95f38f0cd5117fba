package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/recording"
	"github.com/penstock-io/penstock/sdk/remote"
)

// Bounds of what waits to be written.
const (
	recordItems = 64
	recordBytes = 16 << 20
)

// recordPatience is how long the edge waits for whoever writes a recording.
const recordPatience = 5 * time.Second

// urgeEvery is how often a checkpoint is asked for where a recording needs one.
const urgeEvery = time.Second

// errTooSlow ends a recording that nothing may be missing from.
var errTooSlow = fmt.Errorf("what flows could not be written within %s, and the pipeline does not wait longer: record onto a faster disk, or for a shorter time", recordPatience)

// RecordLimits say when a recording is long enough; the first that is reached
// counts, and the recording ends at the barrier that follows.
type RecordLimits struct {
	For         time.Duration // since it began; 0: as long as may be
	Rows        uint64        // that went into the step; 0: any number
	Checkpoints int           // after the one it begins at; 0: any number
}

// Recorder keeps everything that goes into a process and comes out of it, from a
// checkpoint on. Nothing is left out: where the records are not taken fast enough
// the edge waits for a while, and then the recording ends, with an error, and the
// edge goes on. One goroutine calls Next; Close may be called from anywhere.
type Recorder struct {
	engine *Engine
	p      *process
	limits RecordLimits
	host   string // its version
	stop   context.CancelFunc
	urging sync.WaitGroup
	once   sync.Once
	wake   chan struct{} // tells the reader that there is something new; capacity 1

	mu         sync.Mutex
	stream     *remote.Stream // the one that is listened to
	generation uint64
	begin      uint64 // the barrier it begins at; 0: none was sent yet
	began      time.Time
	started    bool // the process has answered that
	rows       uint64
	barriers   int
	last       uint64 // the barrier it ends at; 0: none yet
	queue      [][]byte
	bytes      int
	room       chan struct{} // closed, and replaced, when records were taken
	over       bool          // nothing more is recorded
	err        error         // why; io.EOF: it has come to its end
}

// Record begins to record a step, named as for Tap, at its next checkpoint. The
// error is a *TapError, or ErrTaps.
func (e *Engine) Record(pipelineStep, hostVersion string, limits RecordLimits) (*Recorder, error) {
	p, err := e.stepNamed(pipelineStep)
	switch {
	case err != nil:
		return nil, err
	case p.is(registry.Reader):
		return nil, &TapError{Message: fmt.Sprintf("step %q is a reader: what goes into it comes from outside and cannot be played to it again; record a step that reads from it", p.spec().Step.Name)}
	case p.holds():
		return nil, &TapError{Message: fmt.Sprintf("step %q takes final rows only, which it gets long after they flow: record it without after = \"final\"", p.spec().Step.Name)}
	}
	r := &Recorder{engine: e, p: p, limits: limits, host: hostVersion, wake: make(chan struct{}, 1), room: make(chan struct{})}
	if err := e.watch(p, r); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.attach(p.stream.Load())
	r.mu.Unlock()
	urging, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.urging.Go(func() { r.urge(urging) })
	return r, nil
}

// Close ends the recording at once. It may be called again.
func (r *Recorder) Close() {
	r.once.Do(func() {
		r.end(errors.New("nobody wants the recording any more"))
		r.engine.unwatch(r.p, r)
		r.stop()
		r.urging.Wait()
	})
}

// Next waits for the next record, as package recording has it. io.EOF: the
// recording is whole. Any other error tells why it ended; it is good up to the
// last barrier that was answered.
func (r *Recorder) Next(ctx context.Context) ([]byte, error) {
	d := r.p.domain
	for {
		d.mu.Lock()
		state, changed := d.state, d.changed
		d.mu.Unlock()
		record, err := r.take()
		if record != nil || err != nil {
			return record, err
		}
		if atRest(state) && state != PathInactive { // it may be about to begin
			r.end(fmt.Errorf("the path is %s", state))
			continue
		}
		select {
		case <-r.wake:
		case <-changed:
		case <-d.gone:
			r.end(errors.New("the host stops"))
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// atRest tells states in which nothing flows.
func atRest(s PathState) bool {
	return s == PathPaused || s == PathStopped || s == PathError || s == PathInactive
}

// take is the oldest record; the error comes after all of them.
func (r *Recorder) take() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.started || len(r.queue) == 0 {
		if r.over {
			return nil, r.err
		}
		return nil, nil
	}
	record := r.queue[0]
	r.queue = r.queue[1:]
	r.bytes -= len(record)
	close(r.room)
	r.room = make(chan struct{})
	return record, nil
}

// end ends the recording, unless it has ended.
func (r *Recorder) end(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endLocked(cause)
}

func (r *Recorder) endLocked(cause error) {
	if r.over {
		return
	}
	r.over, r.err = true, cause
	if r.stream != nil {
		r.stream.Observe(nil)
	}
	close(r.room)
	r.room = make(chan struct{})
	signal(r.wake)
}

// add queues a record. It waits for room, for a while.
func (r *Recorder) add(record []byte) {
	var patience <-chan time.Time
	for {
		r.mu.Lock()
		room := r.room
		fits := len(r.queue) == 0 || len(r.queue) < recordItems && r.bytes+len(record) <= recordBytes
		if r.over || fits {
			if !r.over {
				r.queue = append(r.queue, record)
				r.bytes += len(record)
				signal(r.wake)
			}
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		if patience == nil {
			timer := time.NewTimer(min(recordPatience, r.p.domain.cfg.HangAfter/2)) // or it would be taken for the plugin's fault
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-room:
		case <-patience:
			r.end(errTooSlow)
			return
		}
	}
}

// sent notes what the process is given. It is called by whoever sends.
func (r *Recorder) sent(stream *remote.Stream, f *remote.Frame) {
	r.mu.Lock()
	if r.over || stream != r.stream || r.last > 0 {
		r.mu.Unlock()
		return
	}
	if r.begin == 0 {
		if f.Kind == remote.KindBarrier {
			r.begin, r.began = f.Checkpoint, time.Now()
		}
		r.mu.Unlock()
		return
	}
	switch f.Kind {
	case remote.KindBatch:
		r.rows += uint64(f.Rows)
	case remote.KindBarrier:
		r.barriers++
		if r.enough() {
			r.last = f.Checkpoint
		}
	default: // is recorded without being counted
	}
	r.mu.Unlock()
	if record, ok := recording.AppendFrame(nil, f, false); ok {
		r.add(record)
	}
}

// enough tells whether a limit is reached. r.mu is held.
func (r *Recorder) enough() bool {
	l := r.limits
	return l.For > 0 && time.Since(r.began) >= l.For || l.Rows > 0 && r.rows >= l.Rows || l.Checkpoints > 0 && r.barriers >= l.Checkpoints
}

// saw notes what the process says.
func (r *Recorder) saw(p *process, f *remote.Frame) {
	if !r.listens(p) {
		return
	}
	switch f.Kind {
	case remote.KindBatch, remote.KindEnded, remote.KindDrain:
		if !r.hasStarted() {
			return
		}
	case remote.KindBarrier:
		if !r.hasStarted() {
			r.start(p, f.Checkpoint)
			return
		}
	default:
		return
	}
	if record, ok := recording.AppendFrame(nil, f, true); ok {
		r.add(record)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.Kind == remote.KindBarrier && f.Checkpoint == r.last || f.Kind == remote.KindEnded || f.Kind == remote.KindDrain {
		r.endLocked(io.EOF)
	}
}

func (r *Recorder) hasStarted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.started
}

// listens sees to it that what the process is given is noted too. A recording that
// has begun is of one stream.
func (r *Recorder) listens(p *process) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	stream := p.stream.Load()
	switch {
	case r.over:
		return false
	case stream == r.stream:
		r.generation = p.generation
		return true
	case !r.started:
		r.attach(stream)
		r.generation = p.generation
		return true
	}
	cause := errors.New("another plugin has taken over")
	if p.generation != r.generation {
		cause = fmt.Errorf("the path went back to a checkpoint (generation %d)", p.generation)
	}
	r.endLocked(cause)
	return false
}

// attach begins to listen to a stream. r.mu is held, or nobody else knows r.
func (r *Recorder) attach(stream *remote.Stream) {
	r.stream, r.begin, r.rows, r.barriers, r.queue, r.bytes = stream, 0, 0, 0, nil, 0
	if stream != nil {
		stream.Observe(func(f *remote.Frame) { r.sent(stream, f) })
	}
}

// start begins the recording with the process's answer to a barrier, if it is the
// one that was waited for.
func (r *Recorder) start(p *process, checkpoint uint64) {
	r.mu.Lock()
	waited := r.begin == checkpoint && r.begin > 0
	r.mu.Unlock()
	if !waited {
		return
	}
	base, ok := p.coordinator.taking(checkpoint)
	first, err := r.beginning(p, base)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !ok:
		r.attach(r.stream) // it was given up: the next one is as good
		return
	case err != nil:
		r.endLocked(err)
		return
	}
	for _, record := range first {
		r.bytes += len(record)
	}
	r.queue, r.started = append(first, r.queue...), true
	signal(r.wake)
}

// beginning is the records of how the process would be opened at a checkpoint that
// it has just answered.
func (r *Recorder) beginning(p *process, base store.Checkpoint) ([][]byte, error) {
	open, err := p.domain.openOf(p.spec(), p.generation, base)
	if err != nil {
		return nil, err
	}
	h, err := headerOf(p.spec(), open, p.stream.Load().Output())
	if err != nil {
		return nil, err
	}
	h.Recorded, h.Host = time.Now().UTC(), r.host
	header, err := recording.HeaderRecord(h)
	if err != nil {
		return nil, err
	}
	out := [][]byte{header}
	if open.Snapshot != nil {
		out = append(out, recording.SnapshotRecord(recording.Snapshot{Version: open.Snapshot.Version, State: open.Snapshot.State}))
	}
	return out, nil
}

// taking is what is known of a checkpoint by one who has just answered it. ok is
// false if it was given up.
func (c *coordinator) taking(checkpoint uint64) (record store.Checkpoint, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending != nil && c.pending.record.Number == checkpoint {
		return answers(&c.pending.record), true
	}
	record, err := c.domain.memory.Load(checkpoint) // everybody has answered meanwhile
	return record, err == nil
}

// urge asks for a checkpoint where the recording waits for one: to begin, or to
// end.
func (r *Recorder) urge(ctx context.Context) {
	tick := time.NewTicker(urgeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.mu.Lock()
		needed := !r.over && (!r.started || r.last == 0 && r.enough())
		r.mu.Unlock()
		if !needed {
			continue
		}
		d := r.p.domain
		d.mu.Lock()
		c, state := d.coordinator, d.state
		d.mu.Unlock()
		if c != nil && (state == PathBackfill || state == PathLive) {
			_ = c.now(ctx) // why there is none shows elsewhere
		}
	}
}
