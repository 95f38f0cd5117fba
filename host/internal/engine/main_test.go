package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
		sdk.Serve(
			sdk.Reader("test.count", &count{PerBlock: 3, SafeEvery: 1}),
			sdk.Subscriber("test.double", &double{}).Reads("test.count"),
			sdk.Aggregator("test.join", &join{}),
			sdk.Loader("test.file", &file{}),
		)
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

type record struct {
	BlockNumber uint64
	Value       uint64
}

func (record) TransitType() string { return "test.number" }

// file writes rows as lines, and removes those that will come again.
type file struct {
	Path string        `hcl:"path"`
	Slow time.Duration `hcl:"slow,optional"` // per batch
	fault
	out *os.File
	buf *bufio.Writer
}

func (f *file) Start(_ context.Context, start sdk.Start) error {
	keep := []string{}
	if old, err := os.ReadFile(f.Path); err == nil && start.Cursor != nil {
		for line := range strings.Lines(string(old)) {
			var r record
			if json.Unmarshal([]byte(line), &r) == nil && r.BlockNumber <= start.Cursor.Block {
				keep = append(keep, line)
			}
		}
	}
	if err := os.WriteFile(f.Path, []byte(strings.Join(keep, "")), 0o600); err != nil {
		return err
	}
	out, err := os.OpenFile(f.Path, os.O_APPEND|os.O_WRONLY, 0o600)
	f.out, f.buf = out, bufio.NewWriter(out)
	return err
}

func (f *file) Load(_ context.Context, rows []record) error {
	time.Sleep(f.Slow)
	for _, r := range rows {
		if err := f.strike(r.BlockNumber); err != nil {
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
	return nil
}

func (f *file) Commit(context.Context, sdk.Commit) error { return f.buf.Flush() }
func (f *file) Close() error                             { return f.out.Close() }

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
	case "poison":
		return sdk.Poison(errors.New("a bad row"))
	}
	return fmt.Errorf("unknown fault %q", f.How)
}
