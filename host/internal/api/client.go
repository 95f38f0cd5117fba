package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"connectrpc.com/connect"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/api/hostv1/hostv1connect"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

const (
	pidName       = "penstock.pid" // what a host leaves behind that was killed
	largestAnswer = 16 << 20
)

// Client is the end of whoever asks. Its methods may be called concurrently.
type Client struct {
	dir           string
	transport     *http.Transport
	calls         hostv1connect.ControlServiceClient
	plugins       hostv1connect.PluginServiceClient
	configuration hostv1connect.ConfigurationServiceClient
}

// Host is the process that answers.
type Host struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	DataDir string    `json:"data_dir"`
	// Configuration is the number of what it was told to run, 0 if it does not know.
	Configuration uint64 `json:"configuration,omitempty"`
}

// Dial finds the host that runs on a data directory. That there is none is a
// *NoHostError.
func Dial(ctx context.Context, dir string) (*Client, error) {
	path, err := find(dir)
	if err != nil {
		return nil, absent(dir, err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	first, err := dial(ctx, "", "")
	if err != nil {
		return nil, absent(dir, err)
	}
	_ = first.Close() // it was only to see that somebody listens
	c := &Client{dir: dir, transport: &http.Transport{DialContext: dial, DisableCompression: true}}
	over, most := &http.Client{Transport: c.transport}, connect.WithReadMaxBytes(largestAnswer)
	c.calls = hostv1connect.NewControlServiceClient(over, "http://host", most)
	c.plugins = hostv1connect.NewPluginServiceClient(over, "http://host", most)
	c.configuration = hostv1connect.NewConfigurationServiceClient(over, "http://host", most)
	return c, nil
}

// Close lets go of the connection.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// NoHostError tells that no host answers on a data directory, and what to do.
type NoHostError struct {
	Dir    string
	Advice string
}

func (e *NoHostError) Error() string { return fmt.Sprintf("no host runs on %s: %s", e.Dir, e.Advice) }

// absent says why nobody listens.
func absent(dir string, err error) error {
	const begin = "start one with penstock run, or name the data directory of another with --data-dir"
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("data directory %s: %w: only the user who runs its host may control it", dir, err)
	}
	if _, statErr := os.Stat(dir); errors.Is(statErr, fs.ErrNotExist) {
		return &NoHostError{Dir: dir, Advice: "there is no such directory; " + begin}
	}
	has := (*store.InUseError)(nil)
	if _, lockErr := store.Preview(dir); errors.As(lockErr, &has) {
		return fmt.Errorf("the host of %s (process %d) does not answer: it has only just begun, or is ending; try again in a moment", dir, has.PID)
	}
	if pid, readErr := os.ReadFile(filepath.Join(dir, pidName)); readErr == nil {
		return &NoHostError{Dir: dir, Advice: fmt.Sprintf("its last one, process %s, was killed, and %s is stale; penstock run goes on from its last checkpoint",
			firstLine(pid), filepath.Join(dir, pidName))}
	}
	if errors.Is(err, fs.ErrNotExist) || isRefused(err) {
		return &NoHostError{Dir: dir, Advice: begin}
	}
	return fmt.Errorf("reach the host of data directory %s: %w", dir, err)
}

func firstLine(text []byte) string {
	var line string
	_, _ = fmt.Sscan(string(text), &line) // nothing there is nothing to tell
	return line
}

// Status is a picture of a pipeline, or of all that runs if it is "".
func (c *Client) Status(ctx context.Context, pipeline string) (Host, []engine.PathStatus, error) {
	r, err := c.calls.Status(ctx, connect.NewRequest(&hostv1.StatusRequest{Pipeline: pipeline}))
	if err != nil {
		return Host{}, nil, c.told("status", err)
	}
	h := r.Msg.GetHost()
	host := Host{Version: h.GetVersion(), PID: int(h.GetPid()), Started: fromTime(h.GetStarted()), DataDir: h.GetDataDir(), Configuration: h.GetConfiguration()}
	paths, err := fromPaths(r.Msg.Paths)
	return host, paths, err
}

// Pause takes a checkpoint and stops a pipeline there.
func (c *Client) Pause(ctx context.Context, pipeline string) ([]engine.PathStatus, error) {
	r, err := c.calls.Pause(ctx, connect.NewRequest(&hostv1.PauseRequest{Pipeline: pipeline}))
	return paths(c, "pause", r, err)
}

// Resume lets a pipeline run again.
func (c *Client) Resume(ctx context.Context, pipeline string) ([]engine.PathStatus, error) {
	r, err := c.calls.Resume(ctx, connect.NewRequest(&hostv1.ResumeRequest{Pipeline: pipeline}))
	return paths(c, "resume", r, err)
}

// Stop ends a pipeline, which begins anew when it runs again.
func (c *Client) Stop(ctx context.Context, pipeline string) ([]engine.PathStatus, error) {
	r, err := c.calls.Stop(ctx, connect.NewRequest(&hostv1.StopRequest{Pipeline: pipeline}))
	return paths(c, "stop", r, err)
}

// Checkpoint takes a checkpoint, unless nothing has moved since the last.
func (c *Client) Checkpoint(ctx context.Context, pipeline string) ([]engine.PathStatus, error) {
	r, err := c.calls.Checkpoint(ctx, connect.NewRequest(&hostv1.CheckpointRequest{Pipeline: pipeline}))
	return paths(c, "checkpoint", r, err)
}

// Rewind goes back to the newest checkpoint at or before a block.
func (c *Client) Rewind(ctx context.Context, pipeline string, block uint64) ([]engine.PathStatus, error) {
	r, err := c.calls.Rewind(ctx, connect.NewRequest(&hostv1.RewindRequest{Pipeline: pipeline, Block: block}))
	return paths(c, "rewind", r, err)
}

// paths is the answer to a call that did something to a pipeline.
func paths[T any, M interface {
	*T
	GetPaths() []*hostv1.Path
}](c *Client, what string, r *connect.Response[T], err error,
) ([]engine.PathStatus, error) {
	if err != nil {
		return nil, c.told(what, err)
	}
	return fromPaths(M(r.Msg).GetPaths())
}

// Watcher gets events in order. Both fields are required.
type Watcher struct {
	// Event gets the next one.
	Event func(Event) error
	// Missed is told how many were not kept for so long.
	Missed func(n uint64) error
}

// Watch tells a watcher what happens: all that is kept after an event, or only
// what is new if after is nil. It ends with ctx, with an error of the watcher,
// and otherwise once the host has no more to tell, which is at once where
// endAtNewest is set.
func (c *Client) Watch(ctx context.Context, after *uint64, endAtNewest bool, w Watcher) error {
	stream, err := c.calls.Watch(ctx, connect.NewRequest(&hostv1.WatchRequest{After: after, EndAtNewest: endAtNewest}))
	if err != nil {
		return c.told("watch", err)
	}
	defer stream.Close()
	for stream.Receive() {
		switch what := stream.Msg().What.(type) {
		case *hostv1.WatchResponse_Event:
			err = w.Event(fromEvent(what.Event))
		case *hostv1.WatchResponse_Missed:
			err = w.Missed(what.Missed.Events)
		default: // it only says that the watch has begun
		}
		if err != nil {
			return err
		}
	}
	return c.told("watch", stream.Err())
}

// GoneError tells that a host was lost while it was asked.
type GoneError struct {
	Dir string
	Err error
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("the host of %s has gone while it was asked (%v): it was stopped or killed; penstock run goes on from its last checkpoint", e.Dir, e.Err)
}

func (e *GoneError) Unwrap() error { return e.Err }

// told is what a person is to read of an error of a call.
func (c *Client) told(what string, err error) error {
	coded := (*connect.Error)(nil)
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &coded):
		return err
	case coded.Code() == connect.CodeDeadlineExceeded && what == "status":
		return fmt.Errorf("the host of %s has not answered in time: %w", c.dir, context.DeadlineExceeded)
	case coded.Code() == connect.CodeDeadlineExceeded:
		return fmt.Errorf("%s: it is not done yet, and goes on all the same: penstock status tells when it is done: %w", what, context.DeadlineExceeded)
	case coded.Code() == connect.CodeCanceled:
		return fmt.Errorf("%s: %w", what, context.Canceled)
	case coded.Code() == connect.CodeUnavailable && !connect.IsWireError(err), errors.Is(err, io.ErrUnexpectedEOF):
		return &GoneError{Dir: c.dir, Err: coded.Unwrap()}
	}
	return errors.New(coded.Message())
}
