package remote_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/mem"

	"github.com/penstock-io/penstock/sdk/remote"
)

func batch(size int) *remote.Frame {
	return &remote.Frame{Kind: remote.KindBatch, Generation: 3, Sequence: 9, Rows: 1, Body: mem.BufferSlice{mem.SliceBuffer(bytes.Repeat([]byte("b"), size))}}
}

func TestStream(t *testing.T) {
	p := start(t, config(t, "good"))
	s := open(t, p, "echo")
	if got, want := s.Output().String(), pingType().String(); got != want {
		t.Errorf("Output: got %s, want %s", got, want)
	}
	for _, size := range []int{0, 100, 5 << 20, 64 << 20} {
		sent := batch(size)
		if err := s.Send(sent); err != nil {
			t.Fatal(err)
		}
		got, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if got.Kind != sent.Kind || got.Sequence != 9 || got.Generation != 3 || !bytes.Equal(got.Body.Materialize(), sent.Body.Materialize()) {
			t.Errorf("a frame with %d bytes comes back as another", size)
		}
		got.Free()
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("Recv: got %v, want %v", err, io.EOF)
	}
	if err := s.Send(batch(1)); err == nil {
		t.Error("Send after the end: got no error")
	}
}

func TestStreamTooLarge(t *testing.T) {
	p := start(t, config(t, "good"))
	s := open(t, p, "echo")
	if err := s.Send(batch(257 << 20)); err == nil || !strings.Contains(err.Error(), "larger than max") {
		t.Errorf("Send: got %v", err)
	}
	if _, err := p.Describe(t.Context()); err != nil {
		t.Errorf("the plugin has suffered: %v", err)
	}
}

func TestStreamCancel(t *testing.T) {
	p := start(t, config(t, "good"))
	s := open(t, p, "deaf")
	received := make(chan error)
	go func() {
		_, err := s.Recv()
		received <- err
	}()
	s.Cancel()
	if err := <-received; !errors.Is(err, context.Canceled) {
		t.Errorf("Recv: got %v, want %v", err, context.Canceled)
	}
	if _, err := p.Describe(t.Context()); err != nil {
		t.Errorf("the plugin has suffered: %v", err)
	}
}

// The context of Open is over when the stream is open.
func TestStreamOutlivesTheContextOfOpen(t *testing.T) {
	p := start(t, config(t, "good"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	s, err := p.Open(ctx, remote.Open{Register: "echo", Step: "step"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Cancel()
	cancel()
	if err := s.Send(batch(1)); err != nil {
		t.Fatal(err)
	}
	f, err := s.Recv()
	if err != nil {
		t.Fatal(err)
	}
	f.Free()
}

func TestFailureOnAStream(t *testing.T) {
	s := open(t, start(t, config(t, "good")), "fail")
	_, err := s.Recv()
	var failure *remote.Failure
	if !errors.As(err, &failure) {
		t.Fatalf("Recv: got %v, want a failure", err)
	}
	if failure.Class != remote.ClassRewind || failure.Message != "the chain has forked" || failure.Stack != "stack" ||
		failure.Row != 5 || failure.Cursor == nil || failure.Cursor.Block != 7 {
		t.Errorf("got %+v", failure)
	}
	if err := s.Send(batch(3)); err != nil {
		t.Errorf("Send after a failure: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	p := start(t, config(t, "good"))
	tests := []struct{ register, says string }{
		{"refuse", "open step in plugin tested: the key is wrong"},
		{"end", "ended the stream without an answer"},
		{"error", "out of order"},
		{"wrong answer", "it answered KIND_BATCH, want KIND_OPENED"},
		{"broken type", "read the type of its output: "},
	}
	for _, test := range tests {
		_, err := p.Open(t.Context(), remote.Open{Register: test.register, Step: "step"})
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %q", test.register, err, test.says)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.Open(ctx, remote.Open{Register: "hang", Step: "step"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hang: got %v, want %v", err, context.DeadlineExceeded)
	}
	s := open(t, p, "unknown kind")
	if _, err := s.Recv(); err == nil || !strings.Contains(err.Error(), "a frame of kind 99") {
		t.Errorf("unknown kind: got %v", err)
	}
}
