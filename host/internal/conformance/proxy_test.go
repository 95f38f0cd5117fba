package conformance_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// meddler stands between a host and a plugin that is right, and makes it wrong in
// what no author can get wrong who uses the SDK. Each function is given frames in
// their order, and passes on what it likes.
type meddler struct {
	toPlugin func(frame []byte, on, back func([]byte))
	toHost   func(frame []byte, on func([]byte))
	tells    func(described []byte) []byte                // changes what the plugin says of itself
	call     func(method string) (answer []byte, ok bool) // answers instead of the plugin
	stays    bool                                         // it does not end with the plugin
	hoards   bool                                         // it takes all that a host sends at once
}

// wireKind is the kind of a frame.
func wireKind(frame []byte) (kind uint64) {
	for len(frame) > 0 {
		number, typ, n := protowire.ConsumeTag(frame)
		if n < 0 {
			return 0
		}
		frame = frame[n:]
		if number == 1 && typ == protowire.VarintType {
			kind, _ = protowire.ConsumeVarint(frame)
			return kind
		}
		if n = protowire.ConsumeFieldValue(number, typ, frame); n < 0 {
			return 0
		}
		frame = frame[n:]
	}
	return 0
}

// The kinds, as the protocol numbers them.
const (
	wireDrain, wireBatch, wireBarrier, wireSafePoint, wireEnded, wireProbe = 4, 10, 11, 12, 13, 14
)

// raw passes messages through without reading them.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// mostBytes is what a message may have.
const mostBytes = 256 << 20

// serve plays the plugin of that role, with a meddler in between.
func (m meddler) serve(role string) error {
	conn, cmd, err := behind(role)
	if err != nil {
		return err
	}
	path := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "proxy")
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, in grpc.ServerStream) error { return m.pass(conn, in) }),
		grpc.ForceServerCodecV2(raw{}), grpc.MaxRecvMsgSize(mostBytes), grpc.MaxSendMsgSize(mostBytes))
	go func() { _ = server.Serve(listener) }()
	fmt.Printf("1|1|unix|%s|grpc|\n", path)
	err = cmd.Wait()
	if m.stays {
		select {}
	}
	return err
}

// behind starts the plugin that is right.
func behind(role string) (*grpc.ClientConn, *exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	liveness, err := unix.FcntlInt(3, unix.F_DUPFD_CLOEXEC, 0) // a copy, which may be closed
	if err != nil {
		return nil, nil, err
	}
	file := os.NewFile(uintptr(liveness), "liveness")
	defer file.Close()
	cmd.ExtraFiles = []*os.File{file}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, nil, err
	}
	conn, err := grpc.NewClient("unix://"+strings.Split(line, "|")[3], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{}), grpc.MaxCallRecvMsgSize(mostBytes), grpc.MaxCallSendMsgSize(mostBytes)))
	return conn, cmd, err
}

// pass passes one call on, whichever it is.
func (m meddler) pass(conn *grpc.ClientConn, in grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(in)
	if m.call != nil {
		if answer, ok := m.call(method); ok {
			return in.SendMsg(&answer)
		}
	}
	ctx, cancel := context.WithCancel(in.Context())
	defer cancel()
	out, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	process := strings.HasSuffix(method, "/Process")
	var answering sync.Mutex
	back := func(frame []byte) {
		answering.Lock()
		defer answering.Unlock()
		_ = in.SendMsg(&frame)
	}
	go m.forth(in, out, process, back)
	for {
		var frame []byte
		if err := out.RecvMsg(&frame); err != nil {
			if err.Error() == "EOF" {
				return nil
			}
			return err
		}
		if process && m.toHost != nil {
			m.toHost(frame, back)
			continue
		}
		if m.tells != nil && strings.HasSuffix(method, "/Describe") {
			frame = m.tells(frame)
		}
		back(frame)
	}
}

// forth carries what the host sends.
func (m meddler) forth(in grpc.ServerStream, out grpc.ClientStream, process bool, back func([]byte)) {
	on := func(frame []byte) { _ = out.SendMsg(&frame) }
	if m.hoards && process {
		pass, queue := on, make(chan []byte, 1<<20)
		on = func(frame []byte) { queue <- frame }
		go func() {
			for frame := range queue {
				pass(frame)
			}
		}()
	}
	for {
		var frame []byte
		if err := in.RecvMsg(&frame); err != nil {
			_ = out.CloseSend()
			return
		}
		if process && m.toPlugin != nil {
			m.toPlugin(frame, on, back)
			continue
		}
		on(frame)
	}
}
