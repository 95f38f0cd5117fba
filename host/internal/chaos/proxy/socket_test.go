package proxy

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// dial connects to the proxy by WebSocket.
func dial(t *testing.T, p *Proxy) *websocket.Conn {
	t.Helper()
	conn, resp, err := websocket.DefaultDialer.DialContext(t.Context(), p.WS(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
	return conn
}

// socketWith is a connection whose first message goes wrong in a way.
func socketWith(t *testing.T, kind Kind) (*websocket.Conn, *told) {
	t.Helper()
	p, faults := serve(t, kind, &chain{head: 9})
	p.SetRate(0)
	conn := dial(t, p)
	p.requests.Store(0) // the connection was the first request
	p.SetRate(1)
	return conn, faults
}

func TestFaultsOfAWebSocket(t *testing.T) {
	for kind, want := range map[Kind]string{
		Busy: `"error"`, Page: `"error"`, Refused: `"error"`, Slow: `"result"`, Cut: "", Broken: "-", Silent: "-", Reset: "-",
		Lagging: `"result"`, Missing: `"result"`, Shuffled: `"result"`, Doubled: `"result"`,
	} {
		t.Run(string(kind), func(t *testing.T) {
			conn, faults := socketWith(t, kind)
			if err := conn.WriteMessage(websocket.TextMessage, []byte(batch)); err != nil {
				t.Fatal(err)
			}
			_, got, err := conn.ReadMessage()
			switch {
			case want == "-" && err == nil:
				t.Errorf("got %s, want the connection to break", got)
			case want != "-" && (err != nil || !bytes.Contains(got, []byte(want))):
				t.Errorf("got %s, %v; want %s", got, err, want)
			case kind == Cut && json.Valid(got):
				t.Errorf("got %s, want half of it", got)
			}
			if kinds := faults.kinds(); !slices.Equal(kinds, []Kind{kind}) {
				t.Errorf("told of the faults %v, want %q", kinds, kind)
			}
		})
	}
}

func TestNotificationsComeTwiceOrNever(t *testing.T) {
	p, faults := serve(t, Missing, &chain{})
	p.cfg.Seed = 5
	p.SetRate(0)
	conn := dial(t, p)
	p.SetRate(0.6)
	if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`)); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for n := range uint64(20) {
		want[hex(n+1)] = 1
		switch draw(^uint64(5), n+1, 0.6).Kind {
		case Doubled:
			want[hex(n+1)] = 2
		case Missing, Silent:
			want[hex(n+1)] = 0
		default:
		}
	}
	left := 0
	for _, times := range want {
		left += times
	}
	for left > 0 {
		_, raw, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Params struct{ Result struct{ Number string } }
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		if m.Params.Result.Number == "" {
			continue // the answer to the subscription
		}
		want[m.Params.Result.Number]--
		left--
	}
	for number, times := range want {
		if times != 0 {
			t.Errorf("notification of block %s: %d less than wanted", number, times)
		}
	}
	if kinds := faults.kinds(); !slices.Contains(kinds, Doubled) || !slices.Contains(kinds, Missing) {
		t.Errorf("the seed shows nothing: its faults are %v", kinds)
	}
}
