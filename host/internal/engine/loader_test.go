package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/penstock-io/penstock/sdk"
)

type record struct {
	BlockNumber uint64
	Value       uint64
}

func (record) TransitType() string { return "test.number" }

// marks are what a file loader keeps beside its file.
type marks struct {
	Generation uint64           // of the newest that has opened it
	Final      uint64           // the newest that it was told
	Sizes      map[uint64]int64 // of the file, by checkpoint
}

func readMarks(path string) (m marks, err error) {
	raw, err := os.ReadFile(path + ".marks")
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return m, err
	default:
		err = json.Unmarshal(raw, &m)
		return m, err
	}
	m.Sizes = make(map[uint64]int64)
	return m, nil
}

// file writes rows as lines, and keeps for every checkpoint how long its file
// was, so that it can go back to each.
type file struct {
	Path  string        `hcl:"path"`
	Slow  time.Duration `hcl:"slow,optional"`  // per batch
	Eager bool          `hcl:"eager,optional"` // rows reach the file at once
	Waits string        `hcl:"waits,optional"` // no row is taken while there is a file of this name
	Away  string        `hcl:"away,optional"`  // nothing is committed with a checkpoint while there is a file of this name, which it says
	Stays string        `hcl:"stays,optional"` // for ever, once, where it commits without a checkpoint, or closes
	fault
	bad
	start sdk.Start
	out   *os.File
	buf   *bufio.Writer
}

func (f *file) Start(_ context.Context, start sdk.Start) error {
	f.start = start
	m, err := readMarks(f.Path)
	if err != nil {
		return err
	}
	k := start.Checkpoint
	size, known := m.Sizes[k]
	switch {
	case m.Generation > start.Generation:
		return fmt.Errorf("generation %d has the file, and this is %d", m.Generation, start.Generation)
	case k > 0 && k < m.Final:
		return sdk.Stop(fmt.Errorf("it was told that checkpoint %d is final, and is to go back to %d", m.Final, k))
	case k > 0 && !known:
		return sdk.Stop(fmt.Errorf("the file has no mark of checkpoint %d: put the old one back, or begin anew with penstock run --fresh", k))
	case k == 0:
		m.Final = 0
	}
	if f.out, err = os.OpenFile(f.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	f.buf = bufio.NewWriter(f.out)
	if err := f.out.Truncate(size); err != nil {
		return err
	}
	m.Generation = start.Generation
	for number := range m.Sizes {
		if number > k {
			delete(m.Sizes, number)
		}
	}
	return replace(f.Path+".marks", m)
}

func (f *file) Load(_ context.Context, rows []record) error {
	time.Sleep(f.Slow)
	waitGone(f.Waits)
	for _, r := range rows {
		if err := errors.Join(f.strike(r.BlockNumber), f.use(r.Value)); err != nil {
			return err
		}
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(f.buf, "%s\n", line); err != nil {
			return err
		}
	}
	if f.Eager {
		return f.buf.Flush()
	}
	return nil
}

// Commit makes rows visible, and with a checkpoint remembers where it is.
func (f *file) Commit(ctx context.Context, c sdk.Commit) error {
	if f.Stays == "commit" && c.Checkpoint == 0 && c.Cursor != nil && c.Cursor.Block >= f.At && f.once("stayed") {
		select {}
	}
	if err := f.buf.Flush(); err != nil || c.Checkpoint == 0 {
		return err
	}
	if f.Away != "" {
		over := sdk.WaitsFor(ctx, "its file to come back")
		waitGone(f.Away)
		over()
	}
	return f.keep(func(m *marks) error {
		info, err := f.out.Stat()
		if err != nil {
			return err
		}
		m.Sizes[c.Checkpoint] = info.Size()
		return nil
	})
}

func (f *file) Final(_ context.Context, checkpoint uint64) error {
	return f.keep(func(m *marks) error {
		m.Final = checkpoint
		for number := range m.Sizes {
			if number < checkpoint {
				delete(m.Sizes, number)
			}
		}
		return nil
	})
}

func (f *file) keep(change func(*marks) error) error {
	m, err := readMarks(f.Path)
	if err != nil {
		return err
	}
	if m.Generation != f.start.Generation {
		return fmt.Errorf("generation %d has taken the file over from %d", m.Generation, f.start.Generation)
	}
	if err := change(&m); err != nil {
		return err
	}
	return replace(f.Path+".marks", m)
}

func (f *file) Close() error {
	if f.Stays == "close" && f.once("stayed") {
		select {}
	}
	if f.out == nil {
		return nil
	}
	return f.out.Close()
}
