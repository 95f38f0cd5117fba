package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/penstock-io/penstock/sdk/gather"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestWhoIsLetIn(t *testing.T) {
	open := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a"), func(l *loader) { l.Path, l.Origins = "/feed", []string{"app.example.com", "*.example.org"} })
	defer closed(t, open)
	locked := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a"), func(l *loader) { l.Token, l.MaxClients, l.Origins = "s3cret", 1, []string{"*"} })
	defer closed(t, locked)
	for name, tt := range map[string]struct {
		l       *loader
		url     string
		headers map[string]string
		want    int
	}{
		"no page":              {open, "/feed", nil, 101},
		"a page of the host":   {open, "/feed", map[string]string{"Origin": "http://" + open.hub.address}, 101},
		"a page that may":      {open, "/feed", map[string]string{"Origin": "https://app.example.com"}, 101},
		"a page that may, too": {open, "/feed", map[string]string{"Origin": "https://x.example.org"}, 101},
		"another page":         {open, "/feed", map[string]string{"Origin": "https://evil.test"}, 403},
		"an origin of nowhere": {open, "/feed", map[string]string{"Origin": "null"}, 403},
		"another path":         {open, "/", nil, 404},
		"no token":             {locked, "/", nil, 401},
		"another token":        {locked, "/", map[string]string{"Authorization": "Bearer s3cre"}, 401},
		"another one in query": {locked, "/?token=s3cret1", nil, 401},
		"the token":            {locked, "/", map[string]string{"Authorization": "Bearer s3cret", "Origin": "https://evil.test"}, 101},
		"the token in a query": {locked, "/?token=s3cret", nil, 101},
	} {
		header := http.Header{}
		for k, v := range tt.headers {
			header.Set(k, v)
		}
		conn, res, err := websocket.Dial(t.Context(), "ws://"+tt.l.hub.address+tt.url, //nolint:bodyclose // Dial closes it
			&websocket.DialOptions{HTTPHeader: header})
		if res == nil {
			t.Errorf("%s: no answer: %v", name, err)
			continue
		}
		if res.StatusCode != tt.want {
			t.Errorf("%s: got %s, want %d", name, res.Status, tt.want)
		}
		if err == nil {
			_ = conn.Close(websocket.StatusNormalClosure, "")
			await(t, func() bool { return tt.l.hub.count() == 0 })
		}
	}
	first, _, err := websocket.Dial(t.Context(), "ws://"+locked.hub.address+"/?token=s3cret", nil) //nolint:bodyclose // Dial closes it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.CloseNow() }()
	_, res, err := websocket.Dial(t.Context(), "ws://"+locked.hub.address+"/?token=s3cret", nil) //nolint:bodyclose // Dial closes it
	if err == nil || res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("one more than max_clients: %v, %v", res, err)
	}
	plain, err := http.Get("http://" + open.hub.address + "/feed")
	if err != nil {
		t.Fatal(err)
	}
	_ = plain.Body.Close()
	same(t, "a request that is none for a WebSocket", plain.StatusCode, http.StatusUpgradeRequired)
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clients
}

// await waits until something is so.
func await(tb testing.TB, is func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !is(); {
		if time.Now().After(end) {
			tb.Fatal("waited for too long")
		}
		runtime.Gosched()
		<-time.After(time.Millisecond)
	}
}

func TestHugeFramesAndNonsense(t *testing.T) {
	l := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a"), nil)
	defer closed(t, l)
	v := visit(t, l)
	_ = v.conn.Write(v.ctx(), websocket.MessageText, make([]byte, 10<<20)) // it need not take all of it
	if code, _ := v.dismissed(); code != websocket.StatusMessageTooBig && code != -1 {
		t.Errorf("huge frame: got %d", code)
	}
	talker := visit(t, l)
	for range mostBad + 1 {
		talker.say("{{{")
	}
	code, reason := talker.dismissed()
	same(t, "code", code, websocket.StatusPolicyViolation)
	same(t, "reason", reason, nonsense.reason)
	await(t, func() bool { return l.hub.count() == 0 })
}

func TestThousandsOfSubscriptions(t *testing.T) {
	l := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a"), nil)
	defer closed(t, l)
	load(t, l, 0, 1)
	commit(t, l, 1, 1)
	v := visit(t, l)
	const n = 5000
	go func() {
		for range n {
			if v.conn.Write(v.ctx(), websocket.MessageText, []byte(`{"op":"subscribe","channel":"a"}`)) != nil {
				return
			}
		}
	}()
	for range n {
		v.hears("subscribed a 1 missed 0")
	}
	load(t, l, 0, 2)
	commit(t, l, 2, 2)
	v.hears("rows a 1 [2]") // once
	v.quiet()
}

// A client that does not read holds nobody up, and is dropped with a reason. What
// it has missed it can ask for.
func TestASlowClientIsDropped(t *testing.T) {
	l := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a"), func(l *loader) { l.Buffer, l.Timeout = 1<<20, patience })
	defer closed(t, l)
	slow, quick := visit(t, l), visit(t, l)
	for _, v := range []*visitor{slow, quick} {
		v.say(`{"op":"subscribe","channel":"a"}`)
		v.hears("subscribed a 0 missed 0")
	}
	note := strings.Repeat("x", 100_000)
	const messages = 150 // more than the system holds for a connection
	longest := time.Duration(0)
	for i := range messages {
		began := time.Now()
		if err := l.Load(t.Context(), 0, plugintest.Batch(t, swap{BlockNumber: uint64(i), Note: &note})); err != nil {
			t.Fatal(err)
		}
		commit(t, l, 0, uint64(i))
		longest = max(longest, time.Since(began))
		quick.hears(fmt.Sprintf("rows a %d [%d]", i, i))
	}
	t.Logf("a message of 100 kB took %s at most to be published while a client did not read", longest)
	code, reason := slow.dismissed()
	same(t, "code", code, websocket.StatusTryAgainLater)
	same(t, "reason", reason, tooSlow.reason)
	back := visit(t, l)
	back.say(fmt.Sprintf(`{"op":"subscribe","channel":"a","since":%d,"generation":1}`, messages-2))
	back.hears(fmt.Sprintf("subscribed a %d missed 0", messages-2), fmt.Sprintf("rows a %d [%d]", messages-2, messages-2), fmt.Sprintf("rows a %d [%d]", messages-1, messages-1))
}

// Clients that do not answer, and connections that never become any, go.
func TestTheSilentAndTheHalfOpen(t *testing.T) {
	l := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a"), func(l *loader) { l.Ping, l.Timeout = 10*time.Millisecond, 50*time.Millisecond })
	defer closed(t, l)
	mute := dialRaw(t, l)
	_, _ = io.WriteString(mute, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	in := bufio.NewReader(mute)
	res, err := http.ReadResponse(in, nil) //nolint:bodyclose // it has none
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("no handshake: %v, %v", res, err)
	}
	rest, _ := io.ReadAll(in) // pings, which nobody answers, until the server has had enough
	if !strings.Contains(string(rest), silent.reason) {
		t.Errorf("a client that does not answer hears %q, want %q in it", rest, silent.reason)
	}
	for name, text := range map[string]string{"says nothing": "", "stops in the middle": "GET / HTTP/1.1\r\nHo", "speaks something else": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"} {
		conn := dialRaw(t, l)
		_, _ = io.WriteString(conn, text)
		if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("who %s is still connected: %v", name, err)
		}
	}
	await(t, func() bool { return l.hub.count() == 0 })
}

func dialRaw(tb testing.TB, l *loader) net.Conn {
	tb.Helper()
	conn, err := net.Dial("tcp", l.hub.address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// Broken frames end a connection, whatever is in them.
func TestBrokenFrames(t *testing.T) {
	l := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a"), func(l *loader) { l.Ping, l.Timeout = 20*time.Millisecond, 200*time.Millisecond })
	defer closed(t, l)
	for name, frame := range map[string]string{
		"not masked": "\x81\x02hi", "reserved bits": "\xf1\x80\x00\x00\x00\x00", "an unknown opcode": "\x83\x80\x00\x00\x00\x00",
		"longer than there is memory": "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", "a long ping": "\x89\xfe\x01\x00\x00\x00\x00\x00",
		"no UTF-8 to close": "\x88\x84\x00\x00\x00\x00\x03\xe8\xff\xff",
	} {
		conn := dialRaw(t, l)
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"+frame)
		if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: it is still connected: %v", name, err)
		}
	}
	await(t, func() bool { return l.hub.count() == 0 })
	visit(t, l)
}

// Nothing of a loader is left when the house is closed, whatever its clients do.
func TestNothingIsLeft(t *testing.T) {
	before := descriptors(t)
	h := newHouse(time.Minute)
	l := started(t, h, startAt[swap](t, 1, 0, 0, "a"), nil)
	var all []*visitor
	for range 50 {
		v := visit(t, l)
		v.say(`{"op":"subscribe","channel":"a","since":0}`)
		all = append(all, v)
	}
	load(t, l, 0, 1)
	commit(t, l, 1, 1)
	closed(t, l)
	h.close()
	same(t, "clients", l.hub.count(), 0)
	for _, v := range all {
		_ = v.conn.CloseNow()
	}
	if _, err := net.Dial("tcp", l.hub.address); err == nil {
		t.Error("somebody still listens")
	}
	await(t, func() bool { return descriptors(t) <= before })
}

// descriptors counts what this process has open, where the system tells.
func descriptors(tb testing.TB) int {
	tb.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

func TestAUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "ws") //nolint:usetesting // a path that is short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "feed.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false) // as a process does that was killed
	_ = left.Close()
	l := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a"), func(l *loader) { l.Listen, l.Socket, l.Limits = "", path, gather.Limits{Rows: 1} })
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	conn, _, err := websocket.Dial(t.Context(), "ws://feed/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}}) //nolint:bodyclose // Dial closes it
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseNow()
	closed(t, l)
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is left behind")
	}
}
