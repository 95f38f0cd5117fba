package chain

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// httpConn speaks JSON-RPC over HTTP. It is not go-ethereum's client because that
// one loses the header Retry-After and goes over every answer four times before it
// reaches us.
type httpConn struct {
	url     string
	header  http.Header
	timeout time.Duration
	longest int64 // bytes that are read of an answer
	client  *http.Client
	bodies  bodies
}

func newHTTP(u *url.URL, headers map[string]string, timeout time.Duration) *httpConn {
	c := &httpConn{url: u.String(), timeout: timeout, longest: longestAnswer, header: http.Header{}}
	for name, value := range headers {
		c.header.Set(name, value)
	}
	c.header.Set("Content-Type", "application/json")
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	c.client = &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         near(dialer.DialContext),
			ForceAttemptHTTP2:   true,
			MaxIdleConns:        64,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     90 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second,
			ReadBufferSize:      64 << 10,
			WriteBufferSize:     16 << 10,
			DisableCompression:  isLoopback(u.Hostname()),
		},
		// Whoever answers in the place of a node is to be written into the settings.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// nearBuffer is how much of an answer of a node on this machine waits to be read:
// more would only leave the processor's caches before it is.
const nearBuffer = 128 << 10

// near bounds that for connections that dial makes.
func near(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if tcp, is := conn.(*net.TCPConn); is && err == nil {
			if to, is := tcp.RemoteAddr().(*net.TCPAddr); is && to.IP.IsLoopback() {
				_ = tcp.SetReadBuffer(nearBuffer) // without it everything works as well
			}
		}
		return conn, err
	}
}

func (c *httpConn) close() { c.client.CloseIdleConnections() }

func (c *httpConn) subscribe(context.Context, []byte, func([]byte) error) error {
	return errNoSubscriptions
}

func (c *httpConn) exchange(ctx context.Context, calls []*chain.Query) ([]reply, error) {
	ctx, watch := watchProgress(ctx, c.timeout)
	defer watch.stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(encode(calls, 1)))
	if err != nil {
		return nil, errors.New("its url is malformed: write http://host:port")
	}
	req.Header = c.header.Clone()
	if !slices.ContainsFunc(calls, changes) {
		req.Header["Idempotency-Key"] = []string{} // not sent: it may go again over another connection when an idle one has just ended
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, watch.explain(ctx, withoutURL(err))
	}
	defer resp.Body.Close()
	buf := c.bodies.take()
	defer c.bodies.putBack(buf)
	answer, err := c.read(resp, watch, buf)
	if err != nil {
		return nil, watch.explain(ctx, err)
	}
	replies, err := parse(answer, 1, len(calls))
	return own(replies), err
}

// changes tells calls that do something.
func changes(q *chain.Query) bool { return strings.Contains(q.Method, "_send") }

// read takes the whole body of an answer, into a buffer or memory of its own.
func (c *httpConn) read(resp *http.Response, watch *progress, buf *bytes.Buffer) ([]byte, error) {
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // as much of it as there is
		if isRPC(text) && resp.StatusCode != http.StatusTooManyRequests {
			return text, nil // the node says more than the status does
		}
		return nil, &statusError{status: resp.StatusCode, after: retryAfter(resp.Header, time.Now()), body: chain.Short(string(text)), to: redirect(resp)}
	}
	from := watch.reader(resp.Body)
	if resp.ContentLength > c.longest {
		return nil, errTooLong
	}
	buf.Grow(int(max(resp.ContentLength, 0)) + bytes.MinRead)
	if resp.Header.Get("Content-Encoding") == "gzip" { // of a proxy that was not asked to
		zip, err := gzip.NewReader(from)
		if err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		from = zip
	}
	if _, err := buf.ReadFrom(io.LimitReader(from, c.longest+1)); err != nil {
		return nil, fmt.Errorf("read the answer after %d bytes: %w", buf.Len(), err)
	}
	if int64(buf.Len()) > c.longest {
		return nil, errTooLong
	}
	return buf.Bytes(), nil
}

// isRPC tells JSON-RPC errors, which some nodes send with a status that is not
// 200.
func isRPC(body []byte) bool {
	s := scanner{text: body}
	all, err := s.envelopes(1)
	return err == nil && len(all) > 0 && all[0].fault != nil && rpcError(all[0].fault).Message != ""
}

// redirect is where a redirect leads, without what may be a key.
func redirect(resp *http.Response) string {
	to, err := resp.Location()
	if err != nil {
		return ""
	}
	return to.Scheme + "://" + to.Host
}

// longestAfter bounds how long an endpoint may have us wait.
const longestAfter = 5 * time.Minute

// retryAfter is how long an endpoint wants to be left alone: told in seconds or as
// a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	after := time.Duration(0)
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		after = time.Duration(min(seconds, longestAfter.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(text); err == nil {
		after = at.Sub(now)
	}
	return min(max(after, 0), longestAfter)
}

// progress ends an exchange that does not get ahead: no first byte in time, or
// after it fewer than enough bytes in each such time.
type progress struct {
	every time.Duration
	timer *time.Timer
	end   context.CancelCauseFunc
	bytes int // since the timer was set
	all   int
}

const enough = 16 << 10

func watchProgress(ctx context.Context, every time.Duration) (context.Context, *progress) {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &progress{every: every, end: cancel}
	p.timer = time.AfterFunc(every, func() { cancel(errTimedOut) })
	p.bytes = enough - 1 // the first byte counts as much as what follows
	return ctx, p
}

// explain says of an exchange that was ended why it was.
func (p *progress) explain(ctx context.Context, err error) error {
	switch {
	case !errors.Is(context.Cause(ctx), errTimedOut):
		return err
	case p.all == 0:
		return fmt.Errorf("%w within %s", errTimedOut, p.every)
	}
	return fmt.Errorf("%w: %d bytes of it came, then less than %d in %s", errTimedOut, p.all, enough, p.every)
}

func (p *progress) stop() {
	p.timer.Stop()
	p.end(nil)
}

func (p *progress) reader(r io.Reader) io.Reader { return &progressReader{from: r, p: p} }

type progressReader struct {
	from io.Reader
	p    *progress
}

func (r *progressReader) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	r.p.all += n
	if r.p.bytes += n; r.p.bytes >= enough {
		r.p.bytes = 0
		r.p.timer.Reset(r.p.every)
	}
	return n, err
}
