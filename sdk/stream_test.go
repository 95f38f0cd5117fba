package sdk_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// pipe is a stream in memory: nothing is buffered, so that a test decides when
// each side goes on. Closing in ends it.
type pipe struct {
	in  chan *wire.Frame
	out chan *wire.Frame
	ctx func() <-chan struct{}
}

func (p *pipe) Recv() (*wire.Frame, error) {
	select {
	case f, ok := <-p.in:
		if !ok {
			return nil, io.EOF
		}
		return f, nil
	case <-p.ctx():
		return nil, context.Canceled
	}
}

func (p *pipe) Send(f *wire.Frame) error {
	select {
	case p.out <- f.Ref():
		return nil
	case <-p.ctx():
		return context.Canceled
	}
}

// converse serves a register on a pipe until the test has ended.
func converse(tb testing.TB, r sdk.Register, open *pluginv1.Open) *pipe {
	tb.Helper()
	service, err := serve(r)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &pipe{in: make(chan *wire.Frame), out: make(chan *wire.Frame), ctx: ctx.Done}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = service.Process(ctx, p) // what it says about a stream that was cut off is of no interest
	}()
	tb.Cleanup(func() {
		cancel()
		<-done
	})
	p.in <- &wire.Frame{Kind: pluginv1.Kind_KIND_OPEN, Open: open}
	if f := <-p.out; f.Kind != pluginv1.Kind_KIND_OPENED {
		tb.Fatalf("open: got %s %v", f.Kind, f.Failed)
	}
	return p
}

func openOf[In transit.Row](tb testing.TB, register, port string) *pluginv1.Open {
	tb.Helper()
	typ, err := transit.TypeOf[In]()
	if err != nil {
		tb.Fatal(err)
	}
	return &pluginv1.Open{Register: register, Inputs: []*pluginv1.Input{
		{Name: "in", Port: port, Type: &pluginv1.DataType{Name: typ.Name, Schema: typ.MarshalSchema()}},
	}}
}

func batchOf[In transit.Row](tb testing.TB, rows ...In) *wire.Frame {
	tb.Helper()
	e, err := transit.NewEncoder[In]()
	if err != nil {
		tb.Fatal(err)
	}
	body, err := e.Append(nil, rows)
	if err != nil {
		tb.Fatal(err)
	}
	var bodies wire.Bodies
	return &wire.Frame{Kind: pluginv1.Kind_KIND_BATCH, Rows: uint32(len(rows)), Body: bodies.Body(&body)}
}

func TestRowsLingerOnlyInAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := make(chan time.Duration)
		r := reader(func(_ context.Context, _ sdk.Start, out *sdk.Output[value]) error {
			for pause := range steps {
				time.Sleep(pause)
				if err := out.Emit(value{}); err != nil {
					return err
				}
			}
			return nil
		})
		p := converse(t, r, &pluginv1.Open{Register: "script"})
		began := time.Now()
		steps <- time.Hour
		if f := <-p.out; f.Rows != 1 || time.Since(began) != time.Hour {
			t.Errorf("the first row came after %s with %d others", time.Since(began), f.Rows-1)
		}
		began = time.Now()
		for range 10 {
			steps <- time.Microsecond
		}
		if f := <-p.out; f.Rows != 10 || time.Since(began) != 200*time.Microsecond {
			t.Errorf("%d rows that came close to the last frame came after %s, want 10 after 200µs", f.Rows, time.Since(began))
		}
		began = time.Now()
		steps <- 300 * time.Microsecond
		if f := <-p.out; f.Rows != 1 || time.Since(began) != 300*time.Microsecond {
			t.Errorf("a row after a pause came after %s", time.Since(began))
		}
		close(steps)
		if f := <-p.out; f.Kind != pluginv1.Kind_KIND_ENDED {
			t.Errorf("got %s, want the end", f.Kind)
		}
	})
}

func TestHostIsHeardWhileAReaderIsBlocked(t *testing.T) {
	p := converse(t, reader(blocks), &pluginv1.Open{Register: "script"})
	// The reader cannot send its first row, because nobody reads.
	for k := range uint64(20) {
		p.in <- &wire.Frame{Kind: pluginv1.Kind_KIND_BARRIER, Checkpoint: k + 1}
	}
	p.in <- &wire.Frame{Kind: pluginv1.Kind_KIND_REWIND, Generation: 2, Cursor: &wire.Cursor{Block: 7}}
	for f := range p.out {
		if f.Kind == pluginv1.Kind_KIND_OPENED {
			break
		}
		if f.Generation != 0 {
			t.Fatalf("a frame of generation %d before the process is open again", f.Generation)
		}
	}
	if f := <-p.out; f.Generation != 2 || f.Kind != pluginv1.Kind_KIND_BATCH || f.Sequence != 1 {
		t.Errorf("got %+v, want the first batch of generation 2", f)
	}
}

func TestBackpressureHoldsTheAuthorBack(t *testing.T) {
	var emitted atomic.Int64
	r := reader(func(_ context.Context, _ sdk.Start, out *sdk.Output[value]) error {
		for {
			if err := out.Emit(value{}); err != nil {
				return err
			}
			emitted.Add(1)
		}
	})
	p := converse(t, r, &pluginv1.Open{Register: "script"})
	taken := int64(0)
	for range 100 {
		if ahead := emitted.Load() - taken; ahead > 2*4096 {
			t.Fatalf("%d rows more were emitted than read", ahead)
		}
		taken += int64((<-p.out).Rows)
	}
}

func TestReaderCutOffWhileItIsBlocked(t *testing.T) {
	result := make(chan error, 1)
	t.Run("host", func(t *testing.T) {
		r := reader(func(_ context.Context, _ sdk.Start, out *sdk.Output[value]) error {
			for {
				if err := out.Emit(value{}); err != nil {
					result <- err
					return err
				}
			}
		})
		converse(t, r, &pluginv1.Open{Register: "script"})
	}) // the cleanup cuts the stream off
	if err := <-result; err == nil {
		t.Error("Emit on a stream that is over: got no error")
	}
}

func TestUnknownFramesAreRefusedWithASentence(t *testing.T) {
	tests := []struct {
		name     string
		register sdk.Register
		open     *pluginv1.Open
		frame    *wire.Frame
		want     string
	}{
		{"to a reader", reader(func(ctx context.Context, _ sdk.Start, _ *sdk.Output[value]) error {
			<-ctx.Done()
			return ctx.Err()
		}), &pluginv1.Open{Register: "script"}, &wire.Frame{Kind: 99}, "a reader does not understand 99"},
		{
			"to the others", sdk.Subscriber("whales", &whales{}), openOf[transfer](t, "whales", "input"),
			&wire.Frame{Kind: 99}, "a process with inputs does not understand 99",
		},
		{
			"of an input that is not there", sdk.Subscriber("whales", &whales{}), openOf[transfer](t, "whales", "input"),
			&wire.Frame{Kind: pluginv1.Kind_KIND_BATCH, Input: 1}, "KIND_BATCH for input 1, but there are 1",
		},
		{
			"a place that is none", sdk.Subscriber("whales", &whales{}), openOf[transfer](t, "whales", "input"),
			&wire.Frame{Kind: pluginv1.Kind_KIND_SAFE_POINT}, "a safe point without a cursor",
		},
		{
			"a body that is none", sdk.Subscriber("whales", &whales{}), openOf[transfer](t, "whales", "input"),
			&wire.Frame{Kind: pluginv1.Kind_KIND_BATCH}, "decode a batch: decode token.transfer: ",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := converse(t, test.register, test.open)
			p.in <- test.frame
			f := <-p.out
			if f.Failed == nil || f.Failed.Class != pluginv1.Class_CLASS_STOP || len(f.Failed.Message) < len(test.want) || f.Failed.Message[:len(test.want)] != test.want {
				t.Errorf("got %s %v, want a stop with %q", f.Kind, f.Failed, test.want)
			}
		})
	}
}

func TestConversationBeginsWithOpen(t *testing.T) {
	service, err := serve(reader(blocks))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		first *wire.Frame
		want  string
	}{
		{&wire.Frame{Kind: pluginv1.Kind_KIND_BATCH}, "the first frame must be KIND_OPEN, not KIND_BATCH"},
		{&wire.Frame{Kind: pluginv1.Kind_KIND_OPEN}, "KIND_OPEN does not say what to open"},
		{&wire.Frame{Kind: pluginv1.Kind_KIND_OPEN, Open: &pluginv1.Open{Register: "scripts"}}, `this plugin has no register "scripts": did you mean "script"?`},
	}
	for _, test := range tests {
		p := &pipe{in: make(chan *wire.Frame, 1), out: make(chan *wire.Frame, 1), ctx: t.Context().Done}
		p.in <- test.first
		close(p.in)
		if err := service.Process(t.Context(), p); err != nil {
			t.Errorf("%s: %v", test.want, err)
		}
		if f := <-p.out; f.Failed.GetMessage() != test.want {
			t.Errorf("got %v, want %s", f.Failed, test.want)
		}
	}
	p := &pipe{in: make(chan *wire.Frame), ctx: t.Context().Done}
	close(p.in)
	if err := service.Process(t.Context(), p); !errors.Is(err, io.EOF) {
		t.Errorf("a host that hangs up at once: got %v", err)
	}
}
