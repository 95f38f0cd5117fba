package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"
	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/transit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what comes.
const patience = time.Minute

type swap struct {
	BlockNumber uint64
	Pair        common.Address
	Amount      uint256.Int
	Note        *string
}

func (swap) TransitType() string { return "test.swap" }

func swapsOf(blocks ...uint64) []swap {
	var rows []swap
	for _, b := range blocks {
		rows = append(rows, swap{BlockNumber: b, Pair: common.Address{19: byte(b)}})
	}
	return rows
}

// startAt is a place with so many rows of each step before it.
func startAt[T transit.Row](tb testing.TB, generation, checkpoint, before uint64, steps ...string) sdk.Start {
	tb.Helper()
	start := sdk.Start{Pipeline: "live", Domain: "main", Step: "feed", Generation: generation, Checkpoint: checkpoint}
	if checkpoint > 0 {
		start.Cursor = &sdk.Cursor{ChainID: 1, Block: before}
	}
	for _, name := range steps {
		in := plugintest.Wire[T](tb, "input")
		in.Name, in.Rows = name, before
		start.Inputs = append(start.Inputs, in)
	}
	return start
}

// newTestHouse is a house that is empty when the test has ended.
func newTestHouse(tb testing.TB) *house {
	tb.Helper()
	h := newHouse(time.Minute)
	h.patience = time.Second
	tb.Cleanup(h.close)
	return h
}

// started is a loader of the house.
func started(tb testing.TB, h *house, start sdk.Start, change func(*loader)) *loader {
	tb.Helper()
	l := defaults(h)
	l.Listen = "127.0.0.1:0"
	if change != nil {
		change(l)
	}
	if err := l.Validate(); err != nil {
		tb.Fatal(err)
	}
	if err := l.Start(tb.Context(), start); err != nil {
		tb.Fatal(err)
	}
	return l
}

func closed(tb testing.TB, l *loader) {
	tb.Helper()
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
}

func load(tb testing.TB, l *loader, input int, blocks ...uint64) {
	tb.Helper()
	if err := l.Load(tb.Context(), input, plugintest.Batch(tb, swapsOf(blocks...)...)); err != nil {
		tb.Fatal(err)
	}
}

func commit(tb testing.TB, l *loader, checkpoint, block uint64) {
	tb.Helper()
	if err := l.Commit(tb.Context(), sdk.Commit{Checkpoint: checkpoint, Cursor: &sdk.Cursor{ChainID: 1, Block: block}}); err != nil {
		tb.Fatal(err)
	}
}

// visitor is a client as somebody writes one.
type visitor struct {
	tb   testing.TB
	conn *websocket.Conn
	ctx  func() context.Context
}

// heard is any message of a server.
type heard struct {
	Op, Channel, Code, Message string
	Checkpoint, Sequence       uint64
	Missed, Generation         uint64
	Cursor                     *struct{ Block uint64 }
	Rows                       []struct {
		Key    string
		Number uint64
		Row    json.RawMessage
	}
	Channels []json.RawMessage
	ID       json.RawMessage
}

func (m heard) blocks() (all []uint64) {
	for _, r := range m.Rows {
		var row struct {
			BlockNumber uint64 `json:"block_number"`
		}
		if err := json.Unmarshal(r.Row, &row); err != nil {
			panic(err) // the test has parsed what is around it
		}
		all = append(all, row.BlockNumber)
	}
	return all
}

// String is what a message says, in short.
func (m heard) String() string {
	switch m.Op {
	case "rows":
		return fmt.Sprintf("rows %s %d %v", m.Channel, m.Sequence, m.blocks())
	case "error":
		return "error " + m.Code
	case "pong":
		return "pong"
	case "subscribed":
		return fmt.Sprintf("subscribed %s %d missed %d", m.Channel, m.Sequence, m.Missed)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %d", m.Op, m.Channel, m.Sequence))
}

func (h *hub) url() string { return "ws://" + h.address + h.server.Path }

func visit(tb testing.TB, l *loader) *visitor {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tb.Cleanup(cancel)
	conn, res, err := websocket.Dial(ctx, l.hub.url(), nil)
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	if res.Body != nil {
		_ = res.Body.Close()
	}
	conn.SetReadLimit(-1)
	tb.Cleanup(func() { _ = conn.CloseNow() })
	v := &visitor{tb: tb, conn: conn, ctx: func() context.Context { return ctx }}
	v.quiet() // it is let in
	return v
}

func (v *visitor) say(text string) {
	v.tb.Helper()
	if err := v.conn.Write(v.ctx(), websocket.MessageText, []byte(text)); err != nil {
		v.tb.Fatalf("send %.100s: %v", text, err)
	}
}

func (v *visitor) read() []byte {
	v.tb.Helper()
	_, text, err := v.conn.Read(v.ctx())
	if err != nil {
		v.tb.Fatalf("read: %v", err)
	}
	return text
}

func (v *visitor) hear() heard {
	v.tb.Helper()
	var m heard
	if text := v.read(); json.Unmarshal(text, &m) != nil {
		v.tb.Fatalf("that is no JSON: %s", text)
	}
	return m
}

// hears reads as many messages as are wanted, and compares.
func (v *visitor) hears(want ...string) {
	v.tb.Helper()
	var got []string
	for range want {
		got = append(got, v.hear().String())
	}
	same(v.tb, "messages", got, want)
}

// quiet checks that nothing more has come.
func (v *visitor) quiet() {
	v.tb.Helper()
	v.say(`{"op":"ping"}`)
	v.hears("pong")
}

// dismissed is how the server lets the visitor go.
func (v *visitor) dismissed() (websocket.StatusCode, string) {
	v.tb.Helper()
	for {
		_, _, err := v.conn.Read(v.ctx())
		if err == nil {
			continue
		}
		e, ok := errors.AsType[websocket.CloseError](err)
		if !ok {
			v.tb.Errorf("the connection ends without a code: %v", err)
		}
		return e.Code, e.Reason
	}
}

func same(tb testing.TB, what string, got, want any) {
	tb.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func says(tb testing.TB, err error, words ...string) {
	tb.Helper()
	if err == nil {
		tb.Fatalf("no error, want %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			tb.Errorf("the error does not say %q: %v", word, err)
		}
	}
}
