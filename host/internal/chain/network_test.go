package chain_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/penstock-io/penstock/host/internal/config"
)

// What passes is tried again, however it looks.
func TestTroubleThatPasses(t *testing.T) {
	cases := map[string]func(w http.ResponseWriter, calls []asked, batch bool){
		"HTML with status 200": func(w http.ResponseWriter, _ []asked, _ bool) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>one moment</html>")
		},
		"HTML said to be JSON": func(w http.ResponseWriter, _ []asked, _ bool) { _, _ = io.WriteString(w, "<html>one moment</html>") },
		"half an answer": func(w http.ResponseWriter, c []asked, b bool) {
			s := echo(c, b)
			_, _ = io.WriteString(w, s[:len(s)/2])
		},
		"an empty answer":     func(http.ResponseWriter, []asked, bool) {},
		"502":                 func(w http.ResponseWriter, _ []asked, _ bool) { w.WriteHeader(502) },
		"503":                 func(w http.ResponseWriter, _ []asked, _ bool) { w.WriteHeader(503) },
		"429":                 func(w http.ResponseWriter, _ []asked, _ bool) { w.WriteHeader(429) },
		"408":                 func(w http.ResponseWriter, _ []asked, _ bool) { w.WriteHeader(408) },
		"a broken connection": func(http.ResponseWriter, []asked, bool) { panic(http.ErrAbortHandler) },
		"a body cut short": func(w http.ResponseWriter, c []asked, b bool) {
			w.Header().Set("Content-Length", "100000")
			_, _ = io.WriteString(w, echo(c, b))
		},
		"an error of all": func(w http.ResponseWriter, _ []asked, _ bool) {
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"try later"}}`)
		},
		"one left out":  func(w http.ResponseWriter, c []asked, b bool) { _, _ = io.WriteString(w, echo(c[len(c)/2:], b)) },
		"an unknown id": func(w http.ResponseWriter, _ []asked, _ bool) { _, _ = io.WriteString(w, `[{"id":99,"result":0}]`) },
		"no id":         func(w http.ResponseWriter, _ []asked, _ bool) { _, _ = io.WriteString(w, `[{"result":0}]`) },
		"one in two ways": func(w http.ResponseWriter, _ []asked, _ bool) {
			_, _ = io.WriteString(w, `[{"id":1,"result":0},{"id":1,"result":1}]`)
		},
		"neither result nor error": func(w http.ResponseWriter, _ []asked, _ bool) {
			_, _ = io.WriteString(w, `[{"id":1},{"id":2},{"id":3},{"id":4}]`)
		},
		"more after the answer": func(w http.ResponseWriter, c []asked, b bool) { _, _ = io.WriteString(w, echo(c, b)+"{}") },
		"bad gzip": func(w http.ResponseWriter, _ []asked, _ bool) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "not gzip")
		},
	}
	for name, trouble := range cases {
		t.Run(name, func(t *testing.T) {
			var troubles atomic.Int32
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				calls, batch := requests(t, r)
				if calls[0].Method == "say" && troubles.Add(1) <= 3 {
					trouble(w, calls, batch)
					return
				}
				_, _ = io.WriteString(w, echo(calls, batch))
			})
			said(t, open(t, config.Network{}, url).ask(t, say(4)...))
			if troubles.Load() < 2 {
				t.Error("there was no trouble")
			}
		})
	}
}

func TestAnswersInAnyOrder(t *testing.T) {
	orders := map[string]func(calls []asked){
		"reversed": func(calls []asked) {
			for i, k := 0, len(calls)-1; i < k; i, k = i+1, k-1 {
				calls[i], calls[k] = calls[k], calls[i]
			}
		},
		"ids as text": func(calls []asked) {
			for i := range calls {
				calls[i].ID = []byte(`"` + strings.Trim(string(calls[i].ID), `"`) + `"`)
			}
		},
	}
	for name, order := range orders {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				calls, batch := requests(t, r)
				order(calls)
				_, _ = io.WriteString(w, echo(calls, batch))
			})
			said(t, open(t, config.Network{}, url).ask(t, say(10)...))
		})
	}
}
