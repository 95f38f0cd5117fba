package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
	"github.com/penstock-io/penstock/sdk/render"
	"github.com/penstock-io/penstock/sdk/transit"
)

// webhook gathers rows into requests, and sends each when it is full or a
// commit comes, or has the outbox send it.
type webhook struct {
	URL         string            `hcl:"url,sensitive" doc:"where the rows go, http or https; redirects are not followed"`
	Method      string            `hcl:"method,optional" doc:"POST, PUT or PATCH"`
	Headers     map[string]string `hcl:"headers,optional,sensitive" doc:"headers of each request, such as Authorization"`
	Secret      string            `hcl:"secret,optional,sensitive" doc:"signs each request with HMAC-SHA256, in the header Penstock-Signature"`
	SigningKey  string            `hcl:"signing_key,optional,sensitive" doc:"signs each request with Ed25519, too: a private key as PEM, such as file(\"key.pem\")"`
	CA          string            `hcl:"ca,optional,reads" doc:"a file with the certificates that the receiver's is checked against, as PEM, in the place of the system's"`
	Timeout     time.Duration     `hcl:"timeout,optional" doc:"how long a request waits for its answer"`
	GiveUpAfter time.Duration     `hcl:"give_up_after,optional" doc:"how long a request is tried before the step fails and its host starts it anew; 0: for as long as its pipeline lets it wait; requests in an outbox are always tried for ever"`
	Concurrency int               `hcl:"concurrency,optional" doc:"how many requests may be under way at once; those of one step come one after the other all the same"`
	gather.Limits
	Outbox *outboxSettings `hcl:"outbox,block" doc:"keep requests on disk until the receiver has taken them, so that it holds nobody up when it is away"`

	transport http.RoundTripper // nil: one of its own
	client    *http.Client
	signer    signer
	log       hclog.Logger
	keys      sdk.Keys
	inputs    []input
	begun     string    // the generation
	pending   []request // by lane
	outbox    *outbox   // nil: none
}

// input is how rows of one step are written.
type input struct {
	head      string // what comes before the rows
	rows      *render.Layout
	row, line []byte // of one row: as JSON, and with its key
}

// mostRows bounds how many rows a request may have.
const mostRows = 10_000

// Validate checks settings without asking anybody.
func (w *webhook) Validate() error {
	errs := []error{w.Check(mostRows), w.Outbox.check()}
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch at, err := url.Parse(w.URL); {
	case err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https":
		wrong(`url is no address of a web server: write one such as "https://example.com/hook"`)
	}
	if !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, w.Method) {
		wrong("method is %q: write POST, PUT or PATCH", w.Method)
	}
	if w.Timeout <= 0 {
		wrong("timeout is %s: write how long to wait for an answer, such as \"10s\"", w.Timeout)
	}
	if w.GiveUpAfter < 0 {
		wrong("give_up_after is %s: write how long to try, or 0 for ever", w.GiveUpAfter)
	}
	if w.Concurrency < 1 {
		wrong("concurrency is %d: write how many requests may be under way at once", w.Concurrency)
	}
	if _, err := newSigner(w.Secret, w.SigningKey); err != nil {
		errs = append(errs, err)
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

// Start prepares what is the same in all requests, and takes up what the outbox
// holds.
func (w *webhook) Start(ctx context.Context, start sdk.Start) (err error) {
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
	w.pending = make([]request, w.lanes())
	if w.signer, err = newSigner(w.Secret, w.SigningKey); err != nil {
		return sdk.Stop(err)
	}
	if err := w.connect(); err != nil {
		return sdk.Stop(err)
	}
	if w.Outbox == nil {
		return nil
	}
	w.outbox, err = openOutbox(ctx, *w.Outbox, start, w.lanes())
	if err != nil {
		return err
	}
	w.outbox.begin(ctx, w.Concurrency, func(ctx context.Context, p parcel) error { return w.deliver(ctx, p, 0) })
	return nil
}

// connect makes the client. It asks nobody.
func (w *webhook) connect() error {
	if w.transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxIdleConnsPerHost, own.MaxResponseHeaderBytes = w.Concurrency, mostAnswer
		if err := trust(own, w.CA); err != nil {
			return err
		}
		w.transport = own
	}
	w.client = &http.Client{
		Transport:     w.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return nil
}

// lanes are sequences of requests that come one after the other. There is one for
// all, or one for each input.
func (w *webhook) lanes() int {
	if w.Concurrency == 1 {
		return 1
	}
	return max(len(w.inputs), 1)
}

// Load adds the rows of a batch, and sends what has become full.
func (w *webhook) Load(ctx context.Context, index int, batch transit.Batch) error {
	lane := index % len(w.pending)
	p, now := &w.pending[lane], time.Now()
	if p.gathered.Rows > 0 && p.input != index {
		if err := w.leave(ctx, lane); err != nil {
			return err
		}
	}
	in := &w.inputs[index]
	for row := range int(batch.Record.NumRows()) {
		in.row = append(in.rows.AppendMembers(append(in.row[:0], '{'), batch, row), '}')
		key := w.keys.Next(index, in.row)
		in.line = append(key.Append(append(in.line[:0], `{"key":"`...)), `","number":`...) // keys need no escapes
		in.line = append(strconv.AppendUint(in.line, key.Row, 10), `,"row":`...)
		in.line = append(append(in.line, in.row...), '}')
		if w.Full(p.gathered, len(in.line), now) {
			if err := w.leave(ctx, lane); err != nil {
				return err
			}
		}
		p.add(index, in.head, key, in.line, now)
	}
	return nil
}

// leave sends the request that a lane gathers, or puts it into the outbox.
func (w *webhook) leave(ctx context.Context, lane int) error {
	p := w.pending[lane].parcel()
	if p.rows == 0 {
		return nil
	}
	w.pending[lane] = request{} // the connection may still hold the body
	if w.outbox != nil {
		return w.outbox.put(ctx, lane, p)
	}
	return w.deliver(ctx, p, w.GiveUpAfter)
}

// Commit sends what is left. When it returns, all rows so far were answered; or
// are in the outbox and, if they are part of a checkpoint, on the disk.
func (w *webhook) Commit(ctx context.Context, c sdk.Commit) error {
	lanes, ctx := errgroup.WithContext(ctx)
	lanes.SetLimit(w.Concurrency)
	for lane := range w.pending {
		lanes.Go(func() error { return w.leave(ctx, lane) })
	}
	if err := lanes.Wait(); err != nil {
		return err
	}
	if w.outbox == nil {
		return nil
	}
	return w.outbox.commit(c.Checkpoint > 0)
}

// Close lets go of connections. What was not sent comes again, or is in the
// outbox.
func (w *webhook) Close() error {
	var err error
	if w.outbox != nil {
		err = w.outbox.close()
	}
	if w.client != nil {
		w.client.CloseIdleConnections()
	}
	return err
}
