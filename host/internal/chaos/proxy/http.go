package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// longestRequest bounds what is read of a request.
const longestRequest = 16 << 20

const page = `<html>
<head><title>%d %s</title></head>
<body><center><h1>%d %s</h1></center><hr><center>nginx</center></body>
</html>
`

// statuses are those of a gateway that has no node behind it.
var statuses = []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		p.serveSocket(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, longestRequest))
	if err != nil {
		return // whoever asked has gone
	}
	m, f := parse(body), p.next()
	if !p.beforeAnswer(w, r, &m, f) {
		return
	}
	answer, err := p.ask(r.Context(), &m, f)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	switch f.Kind {
	case Cut:
		p.tell(f, fmt.Sprintf("%s: %d of %d bytes", m.about(), len(answer)/2, len(answer)))
		answer = answer[:len(answer)/2]
	case Reset:
		p.tell(f, fmt.Sprintf("%s: after %d of %d bytes", m.about(), len(answer)/2, len(answer)))
		reset(w, answer)
		return
	default:
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer) // whoever asked may have gone
}

// beforeAnswer is what happens before the node is asked. It is false if it is
// not asked at all.
func (p *Proxy) beforeAnswer(w http.ResponseWriter, r *http.Request, m *message, f Fault) bool {
	switch f.Kind {
	case Busy:
		p.tell(f, m.about())
		w.Header().Set("Retry-After", "1")
		http.Error(w, "Too Many Requests", http.StatusTooManyRequests)
	case Broken, Page:
		status := http.StatusOK
		if f.Kind == Broken {
			status = statuses[f.of(len(statuses))]
		}
		p.tell(f, fmt.Sprintf("%s: status %d", m.about(), status))
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, page, status, http.StatusText(status), status, http.StatusText(status))
	case Silent:
		p.tell(f, fmt.Sprintf("%s: for %s", m.about(), f.Pause))
		p.hold(r.Context(), f.Pause)
		reset(w, nil)
	case Slow:
		p.tell(f, fmt.Sprintf("%s: by %s", m.about(), f.Pause))
		return p.hold(r.Context(), f.Pause)
	default:
		return true
	}
	return false
}

// reset writes half of an answer and resets the connection.
func reset(w http.ResponseWriter, answer []byte) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return // unreachable: only HTTP 1.1 is served
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return // it is gone already
	}
	if len(answer) > 0 {
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer[:len(answer)/2])
	}
	abort(conn)
}

// abort closes a connection so that the other end sees it reset.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // then it is closed as any other
	}
	_ = conn.Close()
}
