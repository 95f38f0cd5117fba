package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/sdk"
)

// The test binary is also the plugin: a host that starts it gets the registers
// below.
func TestMain(m *testing.M) {
	if os.Getenv("PENSTOCK_PLUGIN") != "" {
		sdk.Serve(registers(os.Getenv(testVersion))...)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

type number struct {
	BlockNumber uint64
	Value       uint64
}

func (number) TransitType() string { return "test.number" }

type sum struct {
	BlockNumber uint64
	Left, Right uint64
	LeftRows    uint32
	RightRows   uint32
}

func (sum) TransitType() string { return "test.sum" }

// count emits rows block after block.
type count struct {
	PerBlock  uint64        `hcl:"per_block,optional"`
	SafeEvery uint64        `hcl:"safe_every,optional"` // blocks between safe points
	Head      uint64        `hcl:"head,optional"`       // follow the head from here on, a block each Pause
	Pause     time.Duration `hcl:"pause,optional"`
	ReorgAt   uint64        `hcl:"reorg_at,optional"` // report a fork two blocks before, once
	fault
}

func (c *count) Read(ctx context.Context, start sdk.Start, out *sdk.Output[number]) error {
	b := start.From
	if start.Cursor != nil {
		b = start.Cursor.Block + 1
	}
	for ; start.To == nil || b <= *start.To; b++ {
		if c.Pause > 0 && b > c.Head {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(c.Pause):
			}
		}
		if c.ReorgAt == b && c.once("reorg") {
			return out.Reorg(sdk.Cursor{Block: b - 2})
		}
		for i := range c.PerBlock {
			if err := out.Emit(number{BlockNumber: b, Value: b*1000 + i}); err != nil {
				return err
			}
		}
		if err := c.strike(b); err != nil {
			return err
		}
		if b%c.SafeEvery == 0 || start.To != nil && b == *start.To {
			if err := out.SafePoint(sdk.SafePoint{Cursor: sdk.Cursor{Block: b}, Head: max(b, c.Head)}); err != nil {
				return err
			}
		}
	}
	return nil
}

type double struct{ fault }

func (d *double) Transform(_ context.Context, n number, emit func(number) error) error {
	if err := d.strike(n.BlockNumber); err != nil {
		return err
	}
	n.Value *= 2
	return emit(n)
}

type pairs struct {
	Left  []number `input:"left"`
	Right []number `input:"right"`
	Span  sdk.Span
}

type join struct{ fault }

func (j *join) Aggregate(_ context.Context, in pairs, emit func(sum) error) error {
	if err := j.strike(in.Span.End); err != nil {
		return err
	}
	s := sum{BlockNumber: in.Span.End, LeftRows: uint32(len(in.Left)), RightRows: uint32(len(in.Right))}
	for _, n := range in.Left {
		s.Left += n.Value
	}
	for _, n := range in.Right {
		s.Right += n.Value
	}
	return emit(s)
}

// running is a sum over all rows so far: one that is lost or comes twice is
// seen in all that follow.
type running struct {
	Bulk   uint64 `hcl:"bulk,optional"`   // bytes that its snapshot has beside the sum
	Hangs  bool   `hcl:"hangs,optional"`  // one snapshot never ends
	Broken bool   `hcl:"broken,optional"` // what it has left cannot be restored
	Waits  string `hcl:"waits,optional"`  // no snapshot is made while there is a file of this name
	starts
	fault
	sum uint64
}

func (r *running) Transform(_ context.Context, n number, emit func(number) error) error {
	if err := r.strike(n.BlockNumber); err != nil {
		return err
	}
	r.sum += n.Value
	n.Value = r.sum
	return emit(n)
}

func (r *running) Snapshot() ([]byte, error) {
	if r.Hangs && r.sum > 0 && r.once("hung") {
		select {}
	}
	waitGone(r.Waits)
	return binary.BigEndian.AppendUint64(make([]byte, r.Bulk), r.sum), nil
}

func (r *running) Restore(state []byte) error {
	if r.Broken {
		return errors.New("the snapshot is of another kind")
	}
	r.sum = binary.BigEndian.Uint64(state[r.Bulk:])
	return nil
}

// merge joins two streams by block, and counts its tuples.
type merge struct {
	fault
	tuples uint64
}

// mergeWeight keeps the two sums and the count in a merge's values apart.
const mergeWeight = 1_000_000

func (m *merge) Aggregate(_ context.Context, in pairs, emit func(number) error) error {
	if err := m.strike(in.Span.End); err != nil {
		return err
	}
	m.tuples++
	n := number{BlockNumber: in.Span.End, Value: m.tuples}
	for _, l := range in.Left {
		n.Value += l.Value * mergeWeight
	}
	for _, r := range in.Right {
		n.Value += r.Value * mergeWeight * 3
	}
	return emit(n)
}

func (m *merge) Snapshot() ([]byte, error) { return binary.BigEndian.AppendUint64(nil, m.tuples), nil }

func (m *merge) Restore(state []byte) error {
	m.tuples = binary.BigEndian.Uint64(state)
	return nil
}

// fault is what can be made to go wrong at a block. Mark is a directory in
// which faults that strike once leave a trace.
type fault struct {
	At   uint64 `hcl:"at,optional"`
	How  string `hcl:"how,optional"`
	Mark string `hcl:"mark,optional"`
}

func (f *fault) once(what string) bool {
	if f.Mark == "" {
		return true
	}
	err := os.Mkdir(filepath.Join(f.Mark, what), 0o700)
	return err == nil
}

func (f *fault) strike(block uint64) error {
	switch {
	case f.How == "outage" && block >= f.At:
		return errors.New("the fault that was asked for")
	case f.How == "death" && block >= f.At:
		return errors.Join(syscall.Kill(os.Getpid(), syscall.SIGKILL), errors.New("it lives on"))
	case f.How == "standstill" && block >= f.At:
		select {}
	case f.How == "refusal" && block >= f.At:
		return sdk.Poison(errors.New("a bad row"))
	}
	if f.How == "" || block != f.At || !f.once("struck") {
		return nil
	}
	switch f.How {
	case "error":
		return errors.New("the fault that was asked for")
	case "stop":
		return sdk.Stop(errors.New("the fault that was asked for"))
	case "panic":
		panic("the fault that was asked for")
	case "kill":
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return err
		}
		select {}
	case "hang":
		select {}
	case "poison":
		return sdk.Poison(errors.New("a bad row"))
	}
	return fmt.Errorf("unknown fault %q", f.How)
}
