package main

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// What a client hears. The digests in the keys are as sha256sum computes them of
// the texts of the rows.
func TestAConversation(t *testing.T) {
	h := newTestHouse(t)
	l := started(t, h, startAt[swap](t, 7, 3, 10, "swaps", "others"), func(l *loader) { l.Channels = map[string]string{"swaps": "trades"} })
	defer closed(t, l)
	if err := l.Restore([]byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	v := visit(t, l)
	v.say(`{"op":"subscribe","channel":"trades","id":5}`)
	same(t, "answer", string(v.read()), `{"op":"subscribed","channel":"trades","sequence":10,"missed":0,"generation":7,"id":5}`)
	load(t, l, 0, 1, 2)
	load(t, l, 1, 3)
	commit(t, l, 4, 11)
	same(t, "rows", string(v.read()), `{"op":"rows","channel":"trades","checkpoint":3,"sequence":10,"cursor":{"chain_id":1,"block":11},"rows":[`+
		`{"key":"main/feed/swaps/10/20d7de07407c3649736904081fa1dd0a","number":10,"row":{"block_number":1,"pair":"0x0000000000000000000000000000000000000001","amount":"0","note":null}},`+
		`{"key":"main/feed/swaps/11/24ec357dc5f020b4ae84a82b206a0589","number":11,"row":{"block_number":2,"pair":"0x0000000000000000000000000000000000000002","amount":"0","note":null}}]}`)
	v.say(`{"op":"subscribe","channel":"others","since":10}`)
	v.hears("subscribed others 10 missed 0", "rows others 10 [3]")
	v.say(`{"op":"unsubscribe","channel":"trades"}`)
	v.hears("unsubscribed trades 0")
	load(t, l, 0, 4)
	commit(t, l, 5, 12)
	if err := l.Final(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	same(t, "final", string(v.read()), `{"op":"final","channel":"others","sequence":11,"cursor":{"chain_id":1,"block":12}}`)
	v.quiet()
	v.say(`{"op":"channels","id":"a"}`)
	same(t, "channels", string(v.read()), `{"op":"channels","channels":[{"channel":"trades","type":"test.swap","sequence":13,"columns":[`+
		`{"name":"block_number","type":"uint64","nullable":false},{"name":"pair","type":"address","nullable":false},{"name":"amount","type":"uint256","nullable":false},{"name":"note","type":"string","nullable":true}]},`+
		`{"channel":"others","type":"test.swap","sequence":11,"columns":[`+
		`{"name":"block_number","type":"uint64","nullable":false},{"name":"pair","type":"address","nullable":false},{"name":"amount","type":"uint256","nullable":false},{"name":"note","type":"string","nullable":true}]}],"id":"a"}`)
}

// The register works over the wire of hosts.
func TestOverTheWire(t *testing.T) {
	h := newTestHouse(t)
	p := plugintest.Run(t, register(h))
	process := plugintest.Open(t, p, plugintest.Step{Register: "websocket", Start: startAt[swap](t, 1, 0, 0, "swaps"), Settings: map[string]any{
		"listen": "127.0.0.1:0", "batch": 2,
	}})
	plugintest.Send(process, "swaps", swapsOf(1, 2, 3)...)
	process.Barrier(1)
	events := process.Until(plugintest.Barrier)
	same(t, "state", string(events[len(events)-1].State), `{"swaps":[{"generation":1,"sequence":0}]}`)
	process.RewindTo(1, &sdk.Cursor{ChainID: 1, Block: 3}, events[len(events)-1].State)
	plugintest.Send(process, "swaps", swapsOf(4)...)
	process.Barrier(2)
	process.Until(plugintest.Barrier)
	process.HangUp()
}

func TestMessagesAreBounded(t *testing.T) {
	h := newTestHouse(t)
	l := started(t, h, startAt[swap](t, 1, 0, 0, "a"), func(l *loader) { l.Limits = gather.Limits{Rows: 3, Bytes: 1000} })
	defer closed(t, l)
	v := visit(t, l)
	v.say(`{"op":"subscribe","channel":"a"}`)
	v.hears("subscribed a 0 missed 0")
	load(t, l, 0, 1, 2, 3, 4)
	v.hears("rows a 0 [1 2 3]")
	long := strings.Repeat("x", 2000)
	if err := l.Load(t.Context(), 0, plugintest.Batch(t, swap{BlockNumber: 5, Note: &long}, swap{BlockNumber: 6})); err != nil {
		t.Fatal(err)
	}
	commit(t, l, 0, 9)
	v.hears("rows a 3 [4]", "rows a 4 [5]", "rows a 5 [6]")
}

func TestFilters(t *testing.T) {
	h := newTestHouse(t)
	l := started(t, h, startAt[swap](t, 1, 0, 0, "a"), nil)
	defer closed(t, l)
	note := "x"
	rows := append(swapsOf(1, 2, 3), swap{BlockNumber: 1, Note: &note})
	rows[2].Amount.SetAllOne()
	if err := l.Load(t.Context(), 0, plugintest.Batch(t, rows...)); err != nil {
		t.Fatal(err)
	}
	commit(t, l, 1, 3)
	for filter, want := range map[string]string{
		`{}`:                       "[1 2 3 1]",
		`{"block_number":1}`:       "[1 1]",
		`{"block_number":["1",3]}`: "[1 3 1]",
		`{"block_number":1,"pair":"0x0000000000000000000000000000000000000001"}`: "[1]",
		`{"note":null}`:       "[1 2 3]",
		`{"note":["x",null]}`: "[1 2 3 1]",
		`{"note":"x"}`:        "[1]",
		`{"amount":"115792089237316195423570985008687907853269984665640564039457584007913129639935"}`: "[3]",
		`{"amount":0}`: "[1 2 1]",
	} {
		v := visit(t, l)
		v.say(`{"op":"subscribe","channel":"a","since":0,"filter":` + filter + `}`)
		v.hears("subscribed a 0 missed 0", "rows a 0 "+want)
		v.quiet()
	}
	v := visit(t, l)
	v.say(`{"op":"subscribe","channel":"a","since":0,"filter":{"block_number":77}}`)
	v.hears("subscribed a 0 missed 0")
	v.quiet()
}

func TestWhatIsRefused(t *testing.T) {
	h := newTestHouse(t)
	l := started(t, h, startAt[swap](t, 1, 0, 0, "a"), nil)
	defer closed(t, l)
	v := visit(t, l)
	for text, want := range map[string]string{
		``:                                badMessage,
		`nonsense`:                        badMessage,
		`{"op":"ping"} {"op":"ping"}`:     badMessage,
		`{"op":"subscribe","chanel":"a"}`: badMessage,
		`{"op":"subscribe","channel":"a","since":-1}`: badMessage,
		`[]`:                                 badMessage,
		`{}`:                                 unknownOp,
		`{"op":"drop"}`:                      unknownOp,
		`{"op":"subscribe","channel":"b"}`:   unknownChannel,
		`{"op":"unsubscribe","channel":"a"}`: notSubscribed,
		`{"op":"subscribe","channel":"a","filter":{"nope":1}}`:                                                badFilter,
		`{"op":"subscribe","channel":"a","filter":{"pair":"0x12"}}`:                                           badFilter,
		`{"op":"subscribe","channel":"a","filter":{"pair":7}}`:                                                badFilter,
		`{"op":"subscribe","channel":"a","filter":{"block_number":"x"}}`:                                      badFilter,
		`{"op":"subscribe","channel":"a","filter":{"block_number":{"a":1}}}`:                                  badFilter,
		`{"op":"subscribe","channel":"a","filter":{"block_number":[` + strings.Repeat("1,", 10) + `"nope"]}}`: badFilter,
	} {
		v.say(text)
		if m := v.hear(); m.Op != "error" || m.Code != want || m.Message == "" {
			t.Errorf("%s: got %s (%s), want %s", text, m, m.Message, want)
		}
	}
	v.quiet()
}

func TestMistakes(t *testing.T) {
	p := plugintest.Run(t, register(newTestHouse(t)))
	for settings, want := range map[string]string{
		`{}`:                                                 "listen is missing",
		`{"listen": ":0", "socket": "a"}`:                    "listen and socket are both set",
		`{"listen": "8080"}`:                                 `listen is "8080": write a host and a port`,
		`{"listen": "a:b"}`:                                  `listen is "a:b"`,
		`{"listen": ":0", "path": "a"}`:                      `path is "a"`,
		`{"listen": ":0", "path": "/a?b"}`:                   `path is "/a?b"`,
		`{"listen": ":0", "origins": ["[a"]}`:                `"[a" is no host`,
		`{"listen": ":0", "max_clients": 0}`:                 "max_clients is 0",
		`{"listen": ":0", "ping": "0s"}`:                     "ping is 0s",
		`{"listen": ":0", "timeout": "-1s"}`:                 "timeout is -1s",
		`{"listen": ":0", "history": 0}`:                     "history is 0",
		`{"listen": ":0", "buffer": "1KiB"}`:                 "buffer is 1KiB",
		`{"listen": ":0", "batch": 0}`:                       "batch is 0: write a number from 1 to 10000",
		`{"listen": ":0", "channels": {"a": ""}}`:            `the channel of step "a" has no name`,
		`{"listen": ":0", "channels": {"a": "c", "b": "c"}}`: `steps "a" and "b" have the same channel "c"`,
	} {
		got := plugintest.Mistakes(t, p, "websocket", settings)
		if len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: got %q, want %q", settings, got, want)
		}
	}
	if got := plugintest.Mistakes(t, p, "websocket", `{"listen": "[::1]:8080", "path": "/a/b", "origins": ["*.example.com"], "token": "x", "buffer": "1GiB"}`); got != nil {
		t.Errorf("good settings are refused: %q", got)
	}
	for channels, want := range map[string]string{
		`{"c": "x"}`: `channels names the step "c", which this loader does not read: it reads a, b`,
		`{"a": "b"}`: `steps "a" and "b" would have the same channel "b"`,
	} {
		_, failure := plugintest.TryOpen(t, p, plugintest.Step{Register: "websocket", Settings: `{"listen": "127.0.0.1:0", "channels": ` + channels + `}`, Start: startAt[swap](t, 1, 0, 0, "a", "b")})
		if failure == nil || failure.Class != "stop" || !strings.Contains(failure.Message, want) {
			t.Errorf("%s: got %v, want %q", channels, failure, want)
		}
	}
}

func TestWhereNobodyCanListen(t *testing.T) {
	h := newTestHouse(t)
	first := started(t, h, startAt[swap](t, 1, 0, 0, "a"), nil)
	defer closed(t, first)
	h.patience = 0
	for listen, want := range map[string]string{
		first.hub.address: "another program listens there: end it, or change listen", "192.0.2.1:0": "this machine does not have that address", "no.such.host.invalid:0": "change listen",
	} {
		l := defaults(h)
		l.Listen = listen
		start := startAt[swap](t, 1, 0, 0, "a")
		start.Step = "other " + listen
		says(t, l.Start(t.Context(), start), "listen on "+listen, want)
		closed(t, l)
	}
}
