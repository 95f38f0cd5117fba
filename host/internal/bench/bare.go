package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/penstock-io/penstock/host/internal/bench/sample"
	"github.com/penstock-io/penstock/sdk/transit/testdata/logpb"
)

// bareArg is the argument with which this program is started a second time as
// the other end of a bare gRPC connection.
const bareArg = "bare"

// What a bare connection carries, and how it is set up.
const (
	opaque   = "opaque"   // bytes, in one piece
	pieces   = "pieces"   // bytes, left in the buffers that gRPC reads into
	protobuf = "protobuf" // generated messages
	defaults = "defaults" // as gRPC comes
	tuned    = "tuned"    // with large windows and buffers
)

const (
	tunedWindow = 16 << 20
	tunedBuffer = 256 << 10
	// bareGrace is how long the other end may take to end.
	bareGrace = 2 * time.Second
)

// raw is an opaque message.
type raw struct{ data mem.BufferSlice }

// rawCodec hands bytes over: whole, which takes a copy on the receiver's side,
// or as they lie in gRPC's buffers, which is of use to those only who pass them on.
type rawCodec struct{ whole bool }

func (rawCodec) Name() string { return "bench" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	data := v.(*raw).data
	data.Ref()
	return data, nil
}

func (c rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if c.whole {
		v.(*raw).data = mem.BufferSlice{mem.SliceBuffer(data.Materialize())}
		return nil
	}
	data.Ref()
	v.(*raw).data = data
	return nil
}

// bareService is the other end. Its messages are all alike.
type bareService struct {
	message func() any // the message that is sent
	empty   func() any // one to receive into
	free    func(any)
}

func newBareService(content, body string) (*bareService, error) {
	if content == protobuf {
		return &bareService{
			message: func() any { return messages(sample.Logs(sample.FrameRows)) },
			empty:   func() any { return new(logpb.Logs) },
			free:    func(any) {},
		}, nil
	}
	data, err := os.ReadFile(body)
	if err != nil {
		return nil, err
	}
	return &bareService{
		message: func() any { return &raw{mem.BufferSlice{mem.SliceBuffer(data)}} },
		empty:   func() any { return new(raw) },
		free:    func(m any) { m.(*raw).data.Free() },
	}, nil
}

// read sends the same message for ever.
func (s *bareService) read(_ any, stream grpc.ServerStream) error {
	m := s.message()
	for {
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
}

// tick sends a row's bytes now and then, the first of which say when.
func (s *bareService) tick(_ any, stream grpc.ServerStream) error {
	tick := time.NewTicker(ticksEvery)
	defer tick.Stop()
	for {
		row := binary.LittleEndian.AppendUint64(make([]byte, 0, sample.Bytes), uint64(time.Now().UnixNano()))
		if err := stream.SendMsg(&raw{mem.BufferSlice{mem.SliceBuffer(row[:sample.Bytes])}}); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// copy sends back what it receives.
func (s *bareService) copy(_ any, stream grpc.ServerStream) error {
	return s.each(stream, stream.SendMsg)
}

// drop drops what it receives.
func (s *bareService) drop(_ any, stream grpc.ServerStream) error {
	return s.each(stream, func(any) error { return nil })
}

func (s *bareService) each(stream grpc.ServerStream, handle func(any) error) error {
	for {
		m := s.empty()
		if err := stream.RecvMsg(m); err != nil {
			return ignoreEnd(err)
		}
		err := handle(m)
		s.free(m)
		if err != nil {
			return err
		}
	}
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

var bareStreams = []grpc.StreamDesc{
	{StreamName: "Read", ServerStreams: true, ClientStreams: true},
	{StreamName: "Tick", ServerStreams: true, ClientStreams: true},
	{StreamName: "Copy", ServerStreams: true, ClientStreams: true},
	{StreamName: "Drop", ServerStreams: true, ClientStreams: true},
}

const bareName = "penstock.bench.Bare"

// serveBare is the other process. It ends when its standard input does, which
// is when its parent is gone or wants it to.
func serveBare(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("bare: %d arguments, want content, settings, socket and body", len(args))
	}
	content, settings, socket, body := args[0], args[1], args[2], args[3]
	s, err := newBareService(content, body)
	if err != nil {
		return err
	}
	listener, err := listen(socket)
	if err != nil {
		return err
	}
	options := []grpc.ServerOption{grpc.ForceServerCodecV2(bareCodec(content))}
	if settings == tuned {
		options = append(options,
			grpc.InitialWindowSize(tunedWindow), grpc.InitialConnWindowSize(tunedWindow),
			grpc.ReadBufferSize(tunedBuffer), grpc.WriteBufferSize(tunedBuffer))
	}
	desc := &grpc.ServiceDesc{ServiceName: bareName, HandlerType: (*any)(nil)}
	for i, handler := range []grpc.StreamHandler{s.read, s.tick, s.copy, s.drop} {
		d := bareStreams[i]
		d.Handler = handler
		desc.Streams = append(desc.Streams, d)
	}
	server := grpc.NewServer(options...)
	server.RegisterService(desc, s)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	server.Stop()
	return errors.Join(err, <-served)
}

func bareCodec(content string) encoding.CodecV2 {
	if content == protobuf {
		return encoding.GetCodecV2(proto.Name)
	}
	return rawCodec{whole: content == opaque}
}

// bare is a connection to another process that is nothing but gRPC.
type bare struct {
	*bareService
	conn  *grpc.ClientConn
	cmd   *exec.Cmd
	stdin io.Closer
}

var bareCount atomic.Int64

// startBare starts the other process and connects. Close must be called.
func (b *bench) startBare(ctx context.Context, content, settings, body string) (*bare, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(b.dir, fmt.Sprintf("bare%d", bareCount.Add(1)))
	cmd := exec.CommandContext(ctx, self, bareArg, content, settings, socket, body)
	cmd.Stderr, cmd.WaitDelay = os.Stderr, bareGrace
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &bare{cmd: cmd, stdin: stdin}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for the other end: %w", err), p.close())
	}
	if err := p.connect(content, settings, socket, body); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *bare) connect(content, settings, socket, body string) (err error) {
	if p.bareService, err = newBareService(content, body); err != nil {
		return err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bareCodec(content))),
	}
	if settings == tuned {
		options = append(options,
			grpc.WithInitialWindowSize(tunedWindow), grpc.WithInitialConnWindowSize(tunedWindow),
			grpc.WithReadBufferSize(tunedBuffer), grpc.WithWriteBufferSize(tunedBuffer))
	}
	p.conn, err = grpc.NewClient("unix:"+socket, options...)
	return err
}

// close ends the other process and waits for it.
func (p *bare) close() error {
	var err error
	if p.conn != nil {
		err = p.conn.Close()
	}
	_ = p.stdin.Close()
	timer := time.AfterFunc(bareGrace, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	return errors.Join(err, p.cmd.Wait())
}

func (p *bare) pid() int { return p.cmd.Process.Pid }

// open opens the stream of a name.
func (p *bare) open(ctx context.Context, name string) (grpc.ClientStream, error) {
	for i := range bareStreams {
		if bareStreams[i].StreamName == name {
			return p.conn.NewStream(ctx, &bareStreams[i], "/"+bareName+"/"+name)
		}
	}
	panic("a stream that is not served") // unreachable: the names are in this package
}
