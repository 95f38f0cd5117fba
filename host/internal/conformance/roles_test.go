package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/penstock-io/penstock/sdk"
)

// roleEnv tells this program which plugin it is.
const roleEnv = "PENSTOCK_CONFORMANCE_ROLE"

// What the plugins of these tests read and emit.
type in struct {
	BlockNumber uint64
	Amount      int64
}

func (in) TransitType() string { return "role.in" }

type out struct {
	BlockNumber uint64
	Amount      int64
	Number      int64
}

func (out) TransitType() string { return "role.out" }

// counter numbers rows, which is its state, and does one thing wrong where it is
// told to.
type counter struct {
	Step int64  `hcl:"step,optional" doc:"what the number grows by"`
	Path string `hcl:"path,optional,writes" doc:"a file"`

	wrong  string
	number int64
}

var (
	everybodys int64    // what a plugin should not have
	kept       [][]byte // as little as this
	open       []*os.File
)

func (c *counter) Validate() error {
	if c.wrong == "settings" && c.Step < 0 {
		os.Exit(3)
	}
	return nil
}

func (c *counter) Start(context.Context, sdk.Start) error {
	switch c.wrong {
	case "files":
		f, err := os.Open(os.DevNull)
		open = append(open, f)
		return err
	case "memory":
		b := make([]byte, 3<<20)
		for i := range b {
			b[i] = byte(i)
		}
		kept = append(kept, b)
	case "lock":
		f, err := os.OpenFile(c.Path, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return sdk.Stop(fmt.Errorf("somebody works already: %w", err))
		}
		return f.Close()
	}
	return nil
}

func (c *counter) Close() error {
	if c.wrong == "lock" {
		return os.Remove(c.Path)
	}
	return nil
}

func (c *counter) Transform(ctx context.Context, r in, emit func(out) error) error {
	switch c.wrong {
	case "chance":
		c.number += rand.Int64N(10)
	case "everybodys":
		everybodys += c.Step
		c.number = everybodys
		return emit(out{r.BlockNumber, r.Amount, c.number})
	case "hang":
		<-ctx.Done()
		select {}
	case "sleep":
		time.Sleep(2 * time.Millisecond)
	case "panic":
		nothing := r.Amount * 0
		return errors.New(strconv.FormatInt(r.Amount/nothing, 10))
	}
	c.number += c.Step
	return emit(out{r.BlockNumber, r.Amount, c.number})
}

func (c *counter) Snapshot() ([]byte, error) {
	if c.wrong == "forgets" {
		return nil, nil
	}
	return json.Marshal(map[string]int64{"number": c.number})
}

func (c *counter) Restore(state []byte) error {
	var all map[string]int64
	err := json.Unmarshal(state, &all)
	c.number = all["number"]
	everybodys = c.number
	if c.wrong == "believes" {
		return nil
	}
	return err
}

// numbers reads numbers out of nothing.
type numbers struct {
	wrong string
}

func (n *numbers) Read(ctx context.Context, start sdk.Start, to *sdk.Output[in]) error {
	block := start.From
	if start.Cursor != nil && n.wrong != "anew" {
		block = start.Cursor.Block + 1
	}
	if start.Cursor != nil && n.wrong == "gap" {
		block++
	}
	for ; start.To == nil || block <= *start.To; block++ {
		amount := int64(block)
		if n.wrong == "chance" {
			amount = rand.Int64()
		}
		if err := to.Emit(in{BlockNumber: block, Amount: amount}); err != nil {
			return err
		}
		if err := to.SafePoint(sdk.SafePoint{Cursor: sdk.Cursor{ChainID: 1, Block: block}, Head: 1000}); err != nil {
			return err
		}
		if block >= 1000 {
			<-ctx.Done()
			if n.wrong == "stays" {
				select {}
			}
			return ctx.Err()
		}
	}
	return nil
}

// heap is a loader that holds nothing.
type heap struct {
	Path  string `hcl:"path,writes" doc:"the file that tells which checkpoints there are"`
	wrong string
	known map[uint64]bool
	gen   uint64
}

func (h *heap) Start(_ context.Context, start sdk.Start) error {
	var book struct {
		Known      map[uint64]bool
		Generation uint64
	}
	text, err := os.ReadFile(h.Path)
	if err == nil {
		err = json.Unmarshal(text, &book)
	} else if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return err
	}
	h.known, h.gen = book.Known, start.Generation
	if h.known == nil {
		h.known = map[uint64]bool{}
	}
	if start.Checkpoint > 0 && !h.known[start.Checkpoint] && h.wrong != "anything" {
		return sdk.Stop(errors.New("that checkpoint is not known"))
	}
	if start.Generation < book.Generation && h.wrong != "elders" {
		return sdk.Stop(errors.New("a newer one has been here"))
	}
	return h.write()
}

func (h *heap) write() error {
	text, err := json.Marshal(map[string]any{"Known": h.known, "Generation": h.gen})
	return errors.Join(err, os.WriteFile(h.Path, text, 0o600))
}

func (h *heap) Load(context.Context, []in) error { return nil }

func (h *heap) Commit(_ context.Context, c sdk.Commit) error {
	if c.Checkpoint == 0 {
		return nil
	}
	h.known[c.Checkpoint] = true
	return h.write()
}

// subscriber, reader and loader are plugins that are wrong in what authors write.

func subscriber(wrong string) func() {
	return func() { sdk.Serve(sdk.Subscriber("role.counts", &counter{Step: 1, wrong: wrong})) }
}

func reader(wrong string) func() {
	return func() { sdk.Serve(sdk.Reader("role.numbers", &numbers{wrong: wrong})) }
}

func loader(wrong string) func() {
	return func() { sdk.Serve(sdk.Loader("role.heap", &heap{wrong: wrong}).Truncates()) }
}

// frame writes a frame by hand.
func frame(kind, generation uint64, more ...byte) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), kind)
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), generation)
	return append(b, more...)
}

// swallows are meddlers that keep a kind of frame to themselves.
func swallows(kind uint64, fromPlugin bool) meddler {
	if fromPlugin {
		return meddler{toHost: func(f []byte, on func([]byte)) {
			if wireKind(f) != kind {
				on(f)
			}
		}}
	}
	return meddler{toPlugin: func(f []byte, on, _ func([]byte)) {
		if wireKind(f) != kind {
			on(f)
		}
	}}
}

// earlyBarrier answers barriers before the rows that belong before them.
func earlyBarrier() meddler {
	var held [][]byte
	return meddler{toHost: func(f []byte, on func([]byte)) {
		if wireKind(f) == wireBatch {
			held = append(held, f)
			return
		}
		on(f)
		if kind := wireKind(f); kind == wireBarrier || kind == wireEnded {
			for _, late := range held {
				on(late)
			}
			held = nil
		}
	}}
}

// dies ends the program at a frame.
func dies(at func(f []byte) bool) meddler {
	return meddler{toPlugin: func(f []byte, on, _ func([]byte)) {
		if at(f) {
			fmt.Fprintln(os.Stderr, "panic: this is too much")
			os.Exit(2)
		}
		on(f)
	}}
}

// lies says of every batch that it has one row more.
func lies() meddler {
	return meddler{toHost: func(f []byte, on func([]byte)) {
		if wireKind(f) == wireBatch { // the last one of a field counts, but for the body
			f = append(protowire.AppendVarint(protowire.AppendTag(nil, 5, protowire.VarintType), 7), f...)
			f = moveRows(f)
		}
		on(f)
	}}
}

// moveRows writes the first field of a frame after all others but its body.
func moveRows(f []byte) []byte {
	_, _, n := protowire.ConsumeTag(f)
	_, m := protowire.ConsumeVarint(f[n:])
	rows, rest := f[:n+m], f[n+m:]
	for at := 0; at < len(rest); {
		number, typ, n := protowire.ConsumeTag(rest[at:])
		if number == 30 {
			return append(append(append([]byte(nil), rest[:at]...), rows...), rest[at:]...)
		}
		at += n + protowire.ConsumeFieldValue(number, typ, rest[at+n:])
	}
	return rest
}

// afterwards sends something after ENDED.
func afterwards() meddler {
	return meddler{toHost: func(f []byte, on func([]byte)) {
		on(f)
		if wireKind(f) == wireEnded {
			on(frame(wireProbe, 1))
		}
	}}
}

// orphan starts a program that outlives it.
func orphan() {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleEnv+"=sleeper")
	cmd.SysProcAttr = leavesGroup()
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	subscriber("")()
}

// behindOf are the meddlers, and the plugins that they stand before.
func meddlers() map[string]struct {
	meddler
	before string
} {
	type behind = struct {
		meddler
		before string
	}
	return map[string]behind{
		"bad name": {meddler{tells: func(described []byte) []byte {
			return bytes.ReplaceAll(described, []byte("role.counts"), []byte("Role-Counts"))
		}}, "right subscriber"},
		"ignores stop":    {meddler{stays: true}, "right subscriber"},
		"takes settings":  {meddler{call: func(method string) ([]byte, bool) { return nil, method == "/penstock.plugin.v1.Plugin/Configure" }}, "right subscriber"},
		"miscounts":       {lies(), "right subscriber"},
		"no safe points":  {swallows(wireSafePoint, true), "right subscriber"},
		"early barrier":   {earlyBarrier(), "right subscriber"},
		"no barrier":      {swallows(wireBarrier, false), "right subscriber"},
		"no probe":        {swallows(wireProbe, false), "right subscriber"},
		"afterwards":      {afterwards(), "right subscriber"},
		"no drain":        {swallows(wireDrain, false), "right subscriber"},
		"dies of a kind":  {dies(func(f []byte) bool { return wireKind(f) == 99 }), "right subscriber"},
		"dies of size":    {dies(func(f []byte) bool { return len(f) > 32<<20 }), "right subscriber"},
		"hoards":          {meddler{hoards: true}, "right subscriber"},
		"commits later":   {swallows(wireSafePoint, true), "right loader"},
		"reads no drain":  {swallows(wireDrain, false), "right reader"},
		"answers nothing": {swallows(wireBarrier, true), "right reader"},
	}
}

// authored are the plugins without a meddler.
func authored() map[string]func() {
	return map[string]func(){
		"right subscriber": subscriber(""), "right reader": reader(""), "right loader": loader(""),
		"prints":         func() { fmt.Println("a library greets you"); subscriber("")() },
		"exits":          func() { fmt.Fprintln(os.Stderr, "no licence found"); os.Exit(3) },
		"never the same": func() { sdk.Serve(sdk.Subscriber("role.counts", &counter{Step: time.Now().UnixNano()})) },
		"orphan":         orphan,
		"sleeper":        func() { time.Sleep(5 * time.Minute) },
		"bad settings":   subscriber("settings"), "chance": subscriber("chance"), "forgets": subscriber("forgets"), "believes": subscriber("believes"),
		"everybodys": subscriber("everybodys"), "lock": subscriber("lock"), "files": subscriber("files"), "memory": subscriber("memory"),
		"hang": subscriber("hang"), "sleep": subscriber("sleep"), "panic": subscriber("panic"),
		"reads anew": reader("anew"), "reads with a gap": reader("gap"), "reads by chance": reader("chance"), "stays": reader("stays"),
		"anything": loader("anything"), "elders": loader("elders"),
	}
}

// play is the main function of a plugin of these tests.
func play(role string) {
	if f, ok := authored()[role]; ok {
		f()
		return
	}
	m, ok := meddlers()[role]
	if !ok {
		fmt.Fprintf(os.Stderr, "there is no role %q\n", role)
		os.Exit(1)
	}
	if err := m.serve(m.before); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
