package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// chainPatience is how long a development chain may take to mine its
	// history.
	chainPatience = 30 * time.Second
	// chainGrace is how long it may take to end.
	chainGrace = 2 * time.Second
)

// chain is a development chain in a process of its own. It ends with this one,
// however that ends.
type chain struct {
	HTTP    string `json:"http"`
	WS      string `json:"ws"`
	ChainID uint64 `json:"chain_id"`

	cmd      *exec.Cmd
	stopping atomic.Bool
	done     chan struct{} // closed when the process is gone; err is set before
	err      error
}

// startChain starts the program beside this one and returns when the chain
// answers.
func startChain(ctx context.Context, logger hclog.Logger) (*chain, error) {
	program, err := devchain()
	if err != nil {
		return nil, err
	}
	c := &chain{
		cmd:  exec.Command(program, "--json", "--quiet", "--with-parent", "--listen", "127.0.0.1:0", "--ws", "127.0.0.1:0"),
		done: make(chan struct{}),
	}
	c.cmd.Stderr = logger.Named("devchain").StandardWriter(&hclog.StandardLoggerOptions{InferLevels: true})
	c.cmd.SysProcAttr = ownGroup()
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the development chain: %w", err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the development chain: %w", err)
	}
	ready := make(chan error, 1)
	go c.watch(stdout, ready)
	ctx, cancel := context.WithTimeoutCause(ctx, chainPatience, fmt.Errorf("it was not ready within %s", chainPatience))
	defer cancel()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		c.stop()
		return nil, fmt.Errorf("start the development chain: %w", err)
	}
	return c, nil
}

// watch reads the line that says where the chain is, and whatever comes after
// it, until the process has ended.
func (c *chain) watch(stdout io.Reader, ready chan<- error) {
	defer close(c.done)
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadBytes('\n')
	if err == nil {
		if err = json.Unmarshal(line, c); err != nil {
			err = fmt.Errorf("read where it is: %w", err)
		}
		ready <- err
		_, _ = io.Copy(io.Discard, lines) // it says nothing more; a full pipe must not stop it
	}
	c.err = c.cmd.Wait()
	if c.err == nil {
		c.err = errors.New("it was asked to")
	}
	if errors.Is(err, io.EOF) {
		ready <- fmt.Errorf("it ended at once (%w); its log says why", c.err)
	}
}

// stop ends the chain and returns when its process is gone.
func (c *chain) stop() {
	c.stopping.Store(true)
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		_ = c.cmd.Process.Kill() // it is gone, or there are no signals here
	}
	late := time.AfterFunc(chainGrace, func() { _ = c.cmd.Process.Kill() })
	defer late.Stop()
	<-c.done
}

// devchain is the path of the development chain's program.
func devchain() (string, error) {
	path, err := beside("devchain")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("there is no development chain at %s: build it (make build), or set ETH_RPC_URL to the address of a node", path)
	}
	return path, nil
}
