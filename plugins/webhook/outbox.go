package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
)

// outboxSettings say where requests wait.
type outboxSettings struct {
	Path string      `hcl:"path,writes" doc:"a directory for requests that were not taken yet; it is made, but not the one that it lies in"`
	Size gather.Size `hcl:"size,optional" doc:"how large it may become, 1GiB unless set; when it is full the pipeline waits"`
}

func (s *outboxSettings) check() error {
	switch {
	case s == nil:
		return nil
	case s.Path == "":
		return errors.New(`outbox: path is empty: write the name of a directory, such as "data/outbox"`)
	case s.Size != 0 && s.Size < 1<<20:
		return fmt.Errorf("outbox: size is %s: write how large it may become, at least 1MiB", s.Size)
	}
	return nil
}

// most is how large it may become.
func (s *outboxSettings) most() int64 {
	if s.Size == 0 {
		return 1 << 30
	}
	return int64(s.Size)
}

// outbox is requests on disk, a file each, that are sent in the order they came.
// A file goes when the receiver has taken it. Those that are part of a checkpoint
// are on the disk before it is answered.
type outbox struct {
	dir  string
	most int64
	lock *os.File

	mu       sync.Mutex
	queues   [][]entry // by lane
	bytes    int64
	next     uint64        // number of the next file
	unsynced []string      // files that may not be on the disk yet
	failed   error         // why nothing is sent any more
	changed  chan struct{} // closed when something of the above has changed, and replaced

	cancel  context.CancelFunc
	senders sync.WaitGroup
}

// openOutbox waits until no other process sends what is there, and drops those
// requests whose rows come again.
func openOutbox(ctx context.Context, s outboxSettings, start sdk.Start, lanes int) (*outbox, error) {
	path, err := filepath.Abs(s.Path)
	if err != nil {
		return nil, sdk.Stop(fmt.Errorf("find the outbox %s: %w", s.Path, err))
	}
	sum := sha256.Sum256([]byte(start.Domain + "\x00" + start.Step))
	o := &outbox{
		dir: filepath.Join(path, fmt.Sprintf("%s-%x", plainName(start.Step), sum[:4])), most: s.most(),
		queues: make([][]entry, lanes), changed: make(chan struct{}),
	}
	for _, dir := range []string{path, o.dir} {
		if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, explain("make", dir, err)
		}
	}
	if err := o.acquire(ctx); err != nil {
		return nil, err
	}
	if err := o.fill(start); err != nil {
		return nil, errors.Join(err, o.lock.Close())
	}
	return o, nil
}

// fill finds what is there.
func (o *outbox) fill(start sdk.Start) error {
	names, err := os.ReadDir(o.dir)
	if err != nil {
		return explain("read", o.dir, err)
	}
	var all []entry
	for _, name := range names {
		e, ok := parseEntry(name.Name())
		if !ok {
			continue
		}
		path := filepath.Join(o.dir, e.name)
		if e.unfinished || comesAgain(start, e) {
			if err := os.Remove(path); err != nil {
				return explain("remove", path, err)
			}
			continue
		}
		info, err := name.Info()
		if err != nil {
			return explain("look at", path, err)
		}
		e.size = info.Size()
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.number, b.number) })
	for _, e := range all {
		lane := 0
		if i := slices.IndexFunc(start.Inputs, func(in sdk.Input) bool { return nameOf(in.Name) == e.input }); i > 0 {
			lane = i % len(o.queues)
		}
		o.queues[lane] = append(o.queues[lane], e)
		o.bytes += e.size
		o.next = e.number + 1
	}
	return nil
}

// comesAgain tells whether the rows of a request come again, or others in their
// place. Where a pipeline begins at the head none do.
func comesAgain(start sdk.Start, e entry) bool {
	if start.Checkpoint == 0 {
		return start.Fresh || !start.FromLatest
	}
	for _, in := range start.Inputs {
		if nameOf(in.Name) == e.input {
			return e.first >= in.Rows
		}
	}
	return false // its step is not read any more, and was when the rows came
}

// begin sends what is there and what comes.
func (o *outbox) begin(ctx context.Context, concurrency int, deliver func(context.Context, parcel) error) {
	ctx, o.cancel = context.WithCancel(ctx)
	slots := semaphore.NewWeighted(int64(concurrency))
	for lane := range o.queues {
		o.senders.Go(func() {
			if err := o.send(ctx, lane, slots, deliver); ctx.Err() == nil {
				o.fail(err)
			}
		})
	}
}

// send sends the requests of a lane one after the other, until ctx ends or the
// receiver does not want one.
func (o *outbox) send(ctx context.Context, lane int, slots *semaphore.Weighted, deliver func(context.Context, parcel) error) error {
	for {
		e, err := o.first(ctx, lane)
		if err != nil {
			return err
		}
		p, err := o.read(e)
		if err != nil {
			return err
		}
		if err := slots.Acquire(ctx, 1); err != nil {
			return err
		}
		err = deliver(ctx, p)
		slots.Release(1)
		if err != nil {
			return err
		}
		if err := o.taken(lane, e); err != nil {
			return err
		}
	}
}

// first waits for a request in a lane.
func (o *outbox) first(ctx context.Context, lane int) (entry, error) {
	for {
		o.mu.Lock()
		queue, changed := o.queues[lane], o.changed
		o.mu.Unlock()
		if len(queue) > 0 {
			return queue[0], nil
		}
		select {
		case <-ctx.Done():
			return entry{}, ctx.Err()
		case <-changed:
		}
	}
}

// taken removes a request that the receiver has taken.
func (o *outbox) taken(lane int, e entry) error {
	path := filepath.Join(o.dir, e.name)
	err := os.Remove(path)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queues[lane] = o.queues[lane][1:]
	o.bytes -= e.size
	o.unsynced = slices.DeleteFunc(o.unsynced, func(name string) bool { return name == e.name })
	o.change()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return explain("remove", path, err)
	}
	return nil
}

// change wakes all who wait for something.
func (o *outbox) change() {
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *outbox) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed = err
	o.change()
}

// put adds a request. It waits while there is no room.
func (o *outbox) put(ctx context.Context, lane int, p parcel) error {
	for {
		o.mu.Lock()
		failed, changed := o.failed, o.changed
		room := o.bytes == 0 || o.bytes+int64(len(p.body)) <= o.most
		o.mu.Unlock()
		if failed != nil {
			return failed
		}
		if room {
			return o.write(lane, p)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for room in the outbox %s, which has its size of %s: %w: see why the receiver does not take its requests", o.dir, gather.Size(o.most), ctx.Err())
		case <-changed:
		}
	}
}

// write makes the file of a request.
func (o *outbox) write(lane int, p parcel) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := newEntry(o.next, p)
	path := filepath.Join(o.dir, e.name)
	text := e.text(p)
	e.size = int64(len(text))
	if err := os.WriteFile(path+unfinished, text, 0o600); err != nil {
		return explain("write", path, errors.Join(err, os.Remove(path+unfinished)))
	}
	if err := os.Rename(path+unfinished, path); err != nil {
		return explain("write", path, err)
	}
	o.next++
	o.queues[lane] = append(o.queues[lane], e)
	o.bytes += e.size
	o.unsynced = append(o.unsynced, e.name)
	o.change()
	return nil
}

// commit tells whether something went wrong. At a checkpoint what is there is on
// the disk when it returns.
func (o *outbox) commit(durable bool) error {
	o.mu.Lock()
	failed, names := o.failed, slices.Clone(o.unsynced)
	o.mu.Unlock()
	if failed != nil || !durable || len(names) == 0 {
		return failed
	}
	for _, name := range append(names, ".") {
		path := filepath.Join(o.dir, name)
		if err := syncFile(path); err != nil && !errors.Is(err, os.ErrNotExist) { // it may have been taken since
			return explain("write", path, err)
		}
	}
	o.mu.Lock()
	o.unsynced = slices.DeleteFunc(o.unsynced, func(name string) bool { return slices.Contains(names, name) })
	o.mu.Unlock()
	return nil
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// close ends sending. What is there is sent by the next process.
func (o *outbox) close() error {
	if o.cancel != nil {
		o.cancel()
	}
	o.senders.Wait()
	return o.lock.Close()
}
