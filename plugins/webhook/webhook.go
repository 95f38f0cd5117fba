package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/render"
	"github.com/penstock-io/penstock/sdk/transit"
)

// webhook gathers rows into requests, and sends each when it is full or a
// commit comes.
type webhook struct {
	URL         string            `hcl:"url,sensitive" doc:"where the rows go, http or https; redirects are not followed"`
	Method      string            `hcl:"method,optional" doc:"POST, PUT or PATCH"`
	Headers     map[string]string `hcl:"headers,optional,sensitive" doc:"headers of each request, such as Authorization"`
	Secret      string            `hcl:"secret,optional,sensitive" doc:"signs each request, in the header Penstock-Signature"`
	Timeout     time.Duration     `hcl:"timeout,optional" doc:"how long a request waits for its answer"`
	Rows        int               `hcl:"rows,optional" doc:"the most rows of a request"`
	GiveUpAfter time.Duration     `hcl:"give_up_after,optional" doc:"how long a request is tried before the step fails and its host starts it anew; 0: for ever"`

	transport http.RoundTripper // nil: one of its own
	client    *http.Client
	log       hclog.Logger
	keys      sdk.Keys
	inputs    []input
	begun     string // the generation
	pending   request
	row, line []byte // of one row: as JSON, and with its key
}

// input is how rows of one step are written.
type input struct {
	head string // what comes before the rows
	rows *render.Layout
}

// mostBytes is when a request is sent that has fewer rows than it may have.
const mostBytes = 1 << 20

// mostRows bounds how many rows a request may have.
const mostRows = 10_000

// Validate checks settings without asking anybody.
func (w *webhook) Validate() error {
	var errs []error
	switch at, err := url.Parse(w.URL); {
	case err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https":
		errs = append(errs, errors.New(`url is no address of a web server: write one such as "https://example.com/hook"`))
	}
	if !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, w.Method) {
		errs = append(errs, fmt.Errorf("method is %q: write POST, PUT or PATCH", w.Method))
	}
	if w.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout is %s: write how long to wait for an answer, such as \"10s\"", w.Timeout))
	}
	if w.Rows < 1 || w.Rows > mostRows {
		errs = append(errs, fmt.Errorf("rows is %d: write a number from 1 to %d", w.Rows, mostRows))
	}
	if w.GiveUpAfter < 0 {
		errs = append(errs, fmt.Errorf("give_up_after is %s: write how long to try, or 0 for ever", w.GiveUpAfter))
	}
	for _, name := range slices.Sorted(maps.Keys(w.Headers)) {
		errs = append(errs, checkHeader(name, w.Headers[name]))
	}
	return errors.Join(errs...)
}

// own are headers that are ours, or that mean something to the connection.
var own = []string{
	"Connection", "Content-Length", "Host", "Idempotency-Key",
	"Penstock-Generation", "Penstock-Signature", "Penstock-Timestamp", "Transfer-Encoding",
}

// checkHeader refuses what cannot be sent. It does not tell values.
func checkHeader(name, value string) error {
	bad := func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	}
	switch {
	case name == "" || strings.ContainsFunc(name, bad):
		return fmt.Errorf("headers: %q is no name of a header: write letters, digits and -", name)
	case slices.Contains(own, http.CanonicalHeaderKey(name)):
		return fmt.Errorf("headers: %s is set by the loader itself: remove it", http.CanonicalHeaderKey(name))
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return fmt.Errorf("headers: the value of %s has a line break or another character that no header takes: remove it", name)
	}
	return nil
}

// Start prepares what is the same in all requests. It sends nothing.
//
//nolint:unparam // sdk.Starter has an error
func (w *webhook) Start(ctx context.Context, start sdk.Start) error {
	w.log = sdk.Logger(ctx)
	w.keys.Begin(start)
	w.begun = strconv.FormatUint(start.Generation, 10)
	for _, in := range start.Inputs {
		head := []byte("{")
		for _, member := range [][2]string{
			{"domain", start.Domain}, {"pipeline", start.Pipeline}, {"step", start.Step}, {"input", in.Name}, {"type", in.Type.Name},
		} {
			head = append(render.AppendString(head, member[0]), ':')
			head = append(render.AppendString(head, member[1]), ',')
		}
		head = append(head, `"rows":[`...)
		w.inputs = append(w.inputs, input{head: string(head), rows: render.New(in.Type)})
	}
	if w.transport == nil {
		w.transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	w.client = &http.Client{
		Transport:     w.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return nil
}

// Load adds the rows of a batch, and sends what has become full.
func (w *webhook) Load(ctx context.Context, index int, batch transit.Batch) error {
	if w.pending.rows > 0 && w.pending.input != index {
		if err := w.send(ctx); err != nil {
			return err
		}
	}
	in := &w.inputs[index]
	for row := range int(batch.Record.NumRows()) {
		w.row = append(in.rows.AppendMembers(append(w.row[:0], '{'), batch, row), '}')
		key := w.keys.Next(index, w.row)
		w.line = append(key.Append(append(w.line[:0], `{"key":"`...)), `","number":`...) // keys need no escapes
		w.line = append(strconv.AppendUint(w.line, key.Row, 10), `,"row":`...)
		w.line = append(append(w.line, w.row...), '}')
		if w.pending.full(w.Rows, len(w.line)) {
			if err := w.send(ctx); err != nil {
				return err
			}
		}
		w.pending.add(index, in.head, key, w.line)
	}
	return nil
}

// Commit sends what is left. When it returns, all rows so far were answered.
func (w *webhook) Commit(ctx context.Context, _ sdk.Commit) error { return w.send(ctx) }

// Close lets go of connections. What was not sent comes again.
//
//nolint:unparam // sdk.Closer has an error
func (w *webhook) Close() error {
	if w.client != nil {
		w.client.CloseIdleConnections()
	}
	return nil
}

// request is rows of one input that follow each other.
type request struct {
	input   int
	rows    int
	body    []byte // without its end
	first   sdk.Key
	digests hash.Hash // of the digests of its rows
}

// full tells whether there is no room for a line.
func (r *request) full(most, line int) bool {
	return r.rows == most || r.rows > 0 && len(r.body)+line > mostBytes
}

func (r *request) add(index int, head string, key sdk.Key, line []byte) {
	if r.rows == 0 {
		r.input, r.first, r.digests = index, key, sha256.New()
		r.body = append(r.body, head...)
	} else {
		r.body = append(r.body, ',')
	}
	r.body = append(r.body, line...)
	r.digests.Write(key.Digest[:])
	r.rows++
}

// key names exactly the rows of the request: it is that of the first, with a
// digest of all, and their number.
func (r *request) key() string {
	key := r.first
	copy(key.Digest[:], r.digests.Sum(nil))
	return fmt.Sprintf("%s/%d", key, r.rows)
}
