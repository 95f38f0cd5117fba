package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// service does what the register it is asked for says. It has the files that the
// process was started with: a second *os.File for one of them would close it as
// soon as it is garbage.
type service struct{ stdout, stderr *os.File }

func (s service) Describe(ctx context.Context, req *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	switch os.Getenv("DESCRIBE") {
	case "panic":
		panic("boom in describe")
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "error":
		return nil, errors.New("the catalogue is closed")
	case "huge":
		return &pluginv1.DescribeResponse{Protocol: 1, Version: strings.Repeat("v", 17<<20)}, nil
	}
	return description(), nil
}

func (s service) Configure(ctx context.Context, req *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	if what, ok := strings.CutPrefix(req.Register, "try "); ok {
		return mistakes(attempt(what, string(req.Settings))), nil
	}
	switch req.Register {
	case "panic":
		panic("boom in configure")
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "tell":
		return nil, errors.New("the token is " + os.Getenv("TOKEN"))
	case "dial":
		_, err := net.Dial("udp", "127.0.0.1:9")
		if err == nil {
			err = &os.PathError{Op: "open", Path: "/somewhere", Err: syscall.EACCES}
		}
		return nil, err
	case "crash":
		go func() { panic("the token is " + os.Getenv("TOKEN")) }()
		<-ctx.Done()
		return nil, ctx.Err()
	case "environment":
		return mistakes(os.Environ()...), nil
	case "directory":
		info, err := os.Stat(socketDir())
		if err != nil {
			return nil, err
		}
		return mistakes(socketDir(), info.Mode().String()), nil
	case "arguments":
		return mistakes(os.Args...), nil
	case "descriptors":
		return mistakes(descriptors()...), nil
	case "log":
		hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: s.stderr, JSONFormat: true, Name: "author"}).
			Warn("a node is slow", "endpoint", "primary", "seconds", 3)
		return mistakes(), nil
	case "raw stderr":
		_, _ = syscall.Write(2, req.Settings)
		return mistakes(), nil
	case "long log":
		_, err := io.WriteString(s.stderr, `{"@level":"warn","@message":"`+strings.Repeat("m", 1<<20)+`"}`+"\n")
		return mistakes(), err
	case "flood stdout":
		flood(s.stdout)
		_, err := s.stdout.WriteString("\nafter the flood\n")
		return mistakes(), err
	case "flood os.Stdout":
		flood(os.Stdout)
		_, err := os.Stdout.WriteString("\nafter the flood\n")
		return mistakes(), err
	case "count":
		for i := range 10_000 {
			fmt.Println("line", i)
			_, _ = fmt.Fprintln(s.stdout, "fd 1", i)
		}
		return mistakes(), nil
	case "print token":
		_, _ = fmt.Fprintln(s.stdout, "stdout "+os.Getenv("TOKEN"))
		_, _ = fmt.Fprintln(s.stderr, "stderr "+os.Getenv("TOKEN"))
		hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: s.stderr, JSONFormat: true, Name: "author"}).
			Warn("record", "token", os.Getenv("TOKEN"), "quoted", fmt.Sprintf("%q", os.Getenv("TOKEN")), "url", url.QueryEscape(os.Getenv("TOKEN")))
		return mistakes(), nil
	case "print":
		_, _ = fmt.Fprintln(os.Stdout, "printed to os.Stdout")
		fmt.Fprintln(os.Stderr, "printed to os.Stderr")
		return mistakes(), nil
	}
	return mistakes("unknown"), nil
}

func mistakes(messages ...string) *pluginv1.ConfigureResponse {
	res := &pluginv1.ConfigureResponse{}
	for _, m := range messages {
		res.Mistakes = append(res.Mistakes, &pluginv1.Mistake{Attribute: "a", Message: m})
	}
	return res
}

// descriptors lists what the process has open.
func descriptors() (open []string) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil {
			open = append(open, e.Name()+" "+to)
		}
	}
	return open
}

func (s service) Process(ctx context.Context, stream wire.Stream) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	defer first.Free()
	opened := &wire.Frame{Kind: pluginv1.Kind_KIND_OPENED, Opened: &pluginv1.Opened{Output: rowType()}}
	switch first.Open.Register {
	case "hang":
		<-ctx.Done()
		return nil
	case "refuse":
		return stream.Send(failed(pluginv1.Class_CLASS_STOP, "the key is wrong"))
	case "end":
		return nil
	case "error":
		return errors.New("out of order")
	case "wrong answer":
		opened.Kind = pluginv1.Kind_KIND_BATCH
	case "broken type":
		opened.Opened.Output.Schema = []byte("no schema")
	}
	if err := stream.Send(opened); err != nil {
		return err
	}
	return s.run(ctx, first.Open, stream)
}

func (s service) run(ctx context.Context, open *pluginv1.Open, stream wire.Stream) error {
	switch open.Register {
	case "panic", "exit":
		if _, err := stream.Recv(); err != nil { // the host is ready
			return err
		}
	}
	switch open.Register {
	case "panic":
		go func() { panic("boom in another goroutine") }()
		<-ctx.Done()
	case "exit":
		_, _ = fmt.Fprintln(s.stderr, "the disk is on fire")
		os.Exit(7)
	case "fail":
		if err := stream.Send(failed(pluginv1.Class_CLASS_REWIND, "the chain has forked")); err != nil {
			return err
		}
	case "waits":
		cause := "the database of " + os.Getenv("TOKEN") + "\x1b[31m" + strings.Repeat(" and so on", 1000)
		if err := stream.Send(&wire.Frame{Kind: pluginv1.Kind_KIND_PROGRESS, Progress: &pluginv1.Progress{Cause: cause}}); err != nil {
			return err
		}
	case "unknown kind":
		return stream.Send(&wire.Frame{Kind: 99})
	case "deaf":
		<-ctx.Done()
	}
	for {
		f, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(f); err != nil {
			return err
		}
		f.Free()
	}
}

func failed(class pluginv1.Class, message string) *wire.Frame {
	return &wire.Frame{
		Kind: pluginv1.Kind_KIND_FAILED, Cursor: &wire.Cursor{Block: 7},
		Failed: &pluginv1.Failed{Class: class, Message: message, Stack: "stack", Row: 5},
	}
}

func (service) Host(context.Context, wire.HostStream) error { return nil }

func (service) Digest(context.Context, *pluginv1.DigestRequest) (*pluginv1.DigestResponse, error) {
	return &pluginv1.DigestResponse{}, nil
}
