package engine_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk"
)

// salted is what a reorganisation adds to the values of the blocks it changes,
// once more for each.
const salted = 1_000_000_000

// forks are the reorganisations of a chain, oldest first: each changes all
// blocks after one. They are kept in a file, so that every run sees them.
type forks []uint64

func readForks(dir string) (f forks, err error) {
	_, err = readFile(filepath.Join(dir, "forks"), &f)
	return f, err
}

// readFile reads what replace has written, if it has.
func readFile(path string, content any) (there bool, err error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(raw, content)
}

// endsAt makes a block the last one of a chain for now, so that what a test does
// next happens there however slow the machine is.
func (s sums) endsAt(t *testing.T, block uint64) {
	t.Helper()
	do(t, "end the chain", replace(filepath.Join(s.dir, "ends"), block))
}

// reach makes a block the last one and waits until there is a checkpoint of it.
func (s sums) reach(t *testing.T, r *rig, block uint64) {
	t.Helper()
	s.endsAt(t, block)
	r.waitCommitted(block)
}

// goesOn lets a chain that has an end grow for ever.
func (s sums) goesOn(t *testing.T) {
	t.Helper()
	do(t, "let the chain grow", os.Remove(filepath.Join(s.dir, "ends")))
}

// awaitBlock waits until a chain has a block, or has become another one.
func awaitBlock(ctx context.Context, dir string, block uint64, last *sdk.Cursor) error {
	for {
		end, now := uint64(0), forks(nil)
		bounded, err := readFile(filepath.Join(dir, "ends"), &end)
		if err == nil {
			now, err = readForks(dir)
		}
		if _, gone := now.left(last); err != nil || gone || !bounded || block <= end {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

// reorganise changes all blocks of a chain after one.
func reorganise(dir string, after uint64) error {
	f, err := readForks(dir)
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, "forks"), append(f, after))
}

// replace writes a file as JSON, all of it or nothing.
func replace(path string, content any) error {
	raw, err := json.Marshal(content)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// salt tells the newest reorganisation that has changed a block, from 1.
func (f forks) salt(block uint64) uint64 {
	for i, after := range slices.Backward(f) {
		if block > after {
			return uint64(i) + 1
		}
	}
	return 0
}

func (f forks) cursor(block uint64) sdk.Cursor {
	c := sdk.Cursor{Block: block}
	binary.BigEndian.PutUint64(c.Hash[:], f.salt(block)+1)
	return c
}

// left tells where a chain has gone another way than to a place on it.
func (f forks) left(at *sdk.Cursor) (fork uint64, gone bool) {
	if at == nil {
		return 0, false
	}
	fork = at.Block
	for _, after := range f[min(binary.BigEndian.Uint64(at.Hash[:])-1, uint64(len(f))):] {
		fork = min(fork, after)
	}
	return fork, fork < at.Block
}

// chained reads a chain that changes its mind, and checks with the hash of the
// block before each that it still reads the same one.
type chained struct {
	PerBlock  uint64        `hcl:"per_block,optional"`
	SafeEvery uint64        `hcl:"safe_every,optional"` // blocks between safe points
	Head      uint64        `hcl:"head,optional"`       // follow the head from here on, a block each Pause
	Pause     time.Duration `hcl:"pause,optional"`
	Pace      time.Duration `hcl:"pace,optional"`       // between blocks of the past
	Until     uint64        `hcl:"until,optional"`      // no block after it ever comes
	Last      uint64        `hcl:"last,optional"`       // end after this block, although nobody asked for it
	Loose     bool          `hcl:"loose,optional"`      // end with rows after the last safe point
	Forks     []uint64      `hcl:"forks,optional"`      // the chain is reorganised when these blocks are due
	Depth     uint64        `hcl:"depth,optional"`      // and loses as many
	Finality  uint64        `hcl:"finality,optional"`   // blocks behind the newest one are final
	Sure      uint64        `hcl:"sure,optional"`       // all blocks up to this one are final from the beginning
	MovesBack uint64        `hcl:"moves_back,optional"` // from this block on only block 1 is called final
	Log       string        `hcl:"log,optional"`        // a file that is told what is read
	fault
}

func (c *chained) Read(ctx context.Context, start sdk.Start, out *sdk.Output[number]) error {
	b, last := start.From, start.Cursor
	switch {
	case last != nil:
		b = last.Block + 1
	case start.FromLatest:
		b = c.Head
	}
	if err := c.tell("start", b); err != nil {
		return err
	}
	for ; (start.To == nil || b <= *start.To) && (c.Last == 0 || b <= c.Last); b++ {
		if err := c.due(ctx, b); err != nil {
			return err
		}
		if err := awaitBlock(ctx, c.Mark, b, last); err != nil {
			return err
		}
		now, err := readForks(c.Mark)
		if err != nil {
			return err
		}
		if fork, gone := now.left(last); gone {
			return out.Reorg(now.cursor(fork))
		}
		if err := c.block(b, now.salt(b), out); err != nil {
			return err
		}
		place := now.cursor(b)
		last = &place
		if b%c.SafeEvery == 0 || start.To != nil && b == *start.To || b == c.Last && !c.Loose {
			if err := out.SafePoint(sdk.SafePoint{Cursor: place, Head: max(b, c.Head), Finalized: c.finalized(b)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// due waits for a block, which may find the chain reorganised.
func (c *chained) due(ctx context.Context, b uint64) error {
	wait := time.After(0)
	switch {
	case c.Until > 0 && b > c.Until:
		wait = nil
	case b > c.Head:
		wait = time.After(c.Pause)
	case c.Pace > 0:
		wait = time.After(c.Pace)
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-wait:
	}
	if slices.Contains(c.Forks, b) && c.once(fmt.Sprint("fork-", b)) {
		return reorganise(c.Mark, b-c.Depth)
	}
	return nil
}

func (c *chained) block(b, salt uint64, out *sdk.Output[number]) error {
	if err := c.tell("block", b); err != nil {
		return err
	}
	for i := range c.PerBlock {
		if err := out.Emit(number{BlockNumber: b, Value: b*1000 + i + salt*salted}); err != nil {
			return err
		}
	}
	return c.strike(b)
}

func (c *chained) finalized(b uint64) uint64 {
	switch {
	case c.Sure > 0:
		return c.Sure
	case c.Finality == 0 || b <= c.Finality:
		return 0
	case c.MovesBack > 0 && b >= c.MovesBack:
		return 1
	}
	return b - c.Finality
}

func (c *chained) tell(what string, b uint64) error {
	if c.Log == "" {
		return nil
	}
	return appendTo(c.Log, fmt.Sprintf("%s %d\n", what, b))
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// told are the blocks of which a reader's log says one thing.
func told(t *testing.T, path, what string) []uint64 {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []uint64
	for line := range strings.Lines(string(raw)) {
		var word string
		var block uint64
		if _, err := fmt.Sscan(line, &word, &block); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if word == what {
			out = append(out, block)
		}
	}
	return out
}

// rowsOf are the rows of a chain as it is now.
func rowsOf(t *testing.T, dir string, from, to, perBlock uint64) []record {
	t.Helper()
	f, err := readForks(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []record
	for b := from; b <= to; b++ {
		for i := range perBlock {
			out = append(out, record{BlockNumber: b, Value: b*1000 + i + f.salt(b)*salted})
		}
	}
	return out
}

// summed are the running sums of rows.
func summed(rows []record) []record {
	out := slices.Clone(rows)
	for i := 1; i < len(out); i++ {
		out[i].Value += out[i-1].Value
	}
	return out
}
