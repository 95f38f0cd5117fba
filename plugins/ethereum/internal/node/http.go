package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	gojson "github.com/goccy/go-json"
)

// longestAnswer bounds what is read of one answer. Nodes stop far below it by themselves.
const longestAnswer = 256 << 20

// httpConn speaks JSON-RPC over HTTP. It is not go-ethereum's client because that one loses the header Retry-After and goes over every
// answer four times before it reaches us.
type httpConn struct {
	url    string
	client *http.Client
}

func newHTTP(u *url.URL) *httpConn {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &httpConn{url: u.String(), client: &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        64,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		DisableCompression:  isLoopback(u.Hostname()),
	}}}
}

func (c *httpConn) close() { c.client.CloseIdleConnections() }

type request struct {
	Version string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  []any  `json:"params"`
}

func (c *httpConn) exchange(ctx context.Context, calls []*Call) ([]reply, error) {
	body, err := encode(calls)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	answer, err := read(resp)
	if err != nil {
		return nil, err
	}
	return parse(answer, len(calls))
}

// encode writes one call as an object and several as a batch; the ids are their places, from 1.
func encode(calls []*Call) ([]byte, error) {
	requests := make([]request, len(calls))
	for i, c := range calls {
		requests[i] = request{Version: "2.0", ID: i + 1, Method: c.Method, Params: c.Params}
		if c.Params == nil {
			requests[i].Params = []any{}
		}
	}
	if len(requests) == 1 {
		return json.Marshal(requests[0])
	}
	return json.Marshal(requests)
}

// withoutURL drops the URL, which may hold a key, from an error of the HTTP client.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// read takes the whole body of an answer that is JSON.
func read(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	odd := resp.StatusCode < 200 || resp.StatusCode > 299
	if odd || kind == "text/html" {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // as much of it as there is
		if odd && isRPC(text) {
			return text, nil // the node says more than the status does
		}
		return nil, &statusError{status: resp.StatusCode, after: retryAfter(resp.Header), body: short(string(text))}
	}
	var buf bytes.Buffer
	if n := resp.ContentLength; n > 0 && n < longestAnswer {
		buf.Grow(int(n) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(io.LimitReader(resp.Body, longestAnswer+1)); err != nil {
		return nil, fmt.Errorf("read the answer after %d bytes: %w", buf.Len(), err)
	}
	if buf.Len() > longestAnswer {
		return nil, errTooLong
	}
	return buf.Bytes(), nil
}

// isRPC tells JSON-RPC errors, which some nodes send with a status that is not 200.
func isRPC(body []byte) bool {
	var e struct {
		Error *RPCError `json:"error"`
	}
	return json.Unmarshal(body, &e) == nil && e.Error != nil && e.Error.Message != ""
}

func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return time.Until(at)
	}
	return 0
}

// envelope is one answer in a body.
type envelope struct {
	ID     gojson.RawMessage `json:"id"`
	Result gojson.RawMessage `json:"result"`
	Error  *struct {
		Code    int               `json:"code"`
		Message string            `json:"message"`
		Data    gojson.RawMessage `json:"data"`
	} `json:"error"`
}

// parse finds the reply to each of n calls in a body.
func parse(body []byte, n int) ([]reply, error) {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) == 0 {
		return nil, errors.New("an empty answer")
	}
	var all []envelope
	switch trimmed[0] {
	case '[':
		if err := gojson.Unmarshal(trimmed, &all); err != nil {
			return nil, fmt.Errorf("parse %d bytes of an answer: %w", len(body), err)
		}
	case '{':
		all = make([]envelope, 1)
		if err := gojson.Unmarshal(trimmed, &all[0]); err != nil {
			return nil, fmt.Errorf("parse %d bytes of an answer: %w", len(body), err)
		}
	default:
		return nil, &statusError{status: http.StatusOK, body: short(string(body[:min(len(body), 4<<10)]))}
	}
	return match(all, n)
}

// match puts answers in the order of their calls. An error without a call that it belongs to concerns them all.
func match(all []envelope, n int) ([]reply, error) {
	replies := make([]reply, n)
	for i := range replies {
		replies[i].err = errMissing
	}
	for _, e := range all {
		id, err := strconv.Atoi(strings.Trim(string(e.ID), `"`))
		known := err == nil && id >= 1 && id <= n
		whole := len(all) == 1 && n > 1
		switch {
		case e.Error != nil && (!known || whole):
			return nil, e.failure()
		case !known:
			return nil, fmt.Errorf("the node answered a call with id %s, which was not asked", short(string(e.ID)))
		case e.Error != nil:
			replies[id-1].err = e.failure()
		default:
			replies[id-1] = reply{result: e.Result}
		}
	}
	return replies, nil
}

func (e *envelope) failure() error {
	return &RPCError{Code: e.Error.Code, Message: e.Error.Message, Data: e.Error.Data}
}
