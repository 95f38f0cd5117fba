package main

import (
	"bufio"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk"
)

// sent loads a row for a receiver that is tried for a moment only.
func sent(t *testing.T, url string, change func(*webhook)) error {
	t.Helper()
	w := started(t, nil, startAt(t, 0, "a"), func(w *webhook) {
		w.URL, w.transport, w.Timeout, w.GiveUpAfter = url, nil, time.Minute, time.Millisecond
		if change != nil {
			change(w)
		}
	})
	load(t, w, 0, 1)
	return w.Commit(t.Context(), sdk.Commit{})
}

// Receivers that answer with anything but HTTP are tried again, and what they say
// is not repeated at length.
func TestReceiversThatSpeakSomethingElse(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(conn net.Conn)
		want   string
	}{
		"garbage":          {func(c net.Conn) { _, _ = io.WriteString(c, strings.Repeat("\x00garbage", 1000)) }, "malformed HTTP"},
		"nothing":          {func(net.Conn) {}, "EOF"},
		"half an answer":   {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200") }, "unexpected EOF"},
		"headers for ever": {func(c net.Conn) { forEver(c, "HTTP/1.1 200 OK\r\n", "X-More: and more\r\n") }, "server response headers exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			err := sent(t, serveRaw(t, tt.answer), nil)
			says(t, err, tt.want, "given up after 1 attempts")
			if len(err.Error()) > 500 {
				t.Errorf("it says too much: %s", err)
			}
		})
	}
	// Its status counts, however long it goes on.
	if err := sent(t, serveRaw(t, func(c net.Conn) { forEver(c, "HTTP/1.1 200 OK\r\n\r\n", "and so on\n") }), nil); err != nil {
		t.Errorf("a body without end: %v", err)
	}
}

func forEver(c net.Conn, first, rest string) {
	_, err := io.WriteString(c, first)
	for err == nil {
		_, err = io.WriteString(c, rest)
	}
}

// serveRaw answers each connection once it has read a request.
func serveRaw(t *testing.T, answer func(net.Conn)) (url string) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				answer(conn)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = socket.Close(); <-done })
	return "http://" + socket.Addr().String()
}

func TestCertificates(t *testing.T) {
	r := &receiver{}
	server := httptest.NewUnstartedServer(r)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	says(t, sent(t, server.URL, nil), "its certificate does not hold", "name the authority that signed it with ca", "given up")
	says(t, sent(t, strings.Replace(httptestPlain(t), "http:", "https:", 1), nil), "it does not speak TLS", "begin with http://")

	ca := filepath.Join(t.TempDir(), "ca.pem")
	says(t, new(webhook).with(ca), "read the certificates of ca", "change ca")
	if err := os.WriteFile(ca, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, new(webhook).with(ca), "has none as PEM")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sent(t, server.URL, func(w *webhook) { w.CA = ca }); err != nil {
		t.Errorf("with its authority: %v", err)
	}
	same(t, "rows", rows(r.take()), numbered("a", 1))
}

func httptestPlain(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(&receiver{})
	t.Cleanup(server.Close)
	return server.URL
}

// with is what connecting with these certificates says.
func (w *webhook) with(ca string) error {
	w.CA = ca
	return errors.Join(w.connect())
}
