package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"

	"github.com/penstock-io/penstock/sdk/remote"
)

// nothing is the signal that only asks whether a process is there.
const nothing = syscall.Signal(0)

// task is what a process is told that plays the host.
type task struct {
	Path    string          `json:"path"`
	Env     []string        `json:"env"`
	RunDir  string          `json:"run_dir"`
	Sandbox *remote.Sandbox `json:"sandbox"`
}

// host is a process that plays the host.
type host struct {
	cmd    *exec.Cmd
	plugin int // its process
}

// startHost starts a process that starts the plugin, and returns when the plugin
// answers it.
func startHost(ctx context.Context, b *bench) (*host, error) {
	cfg := b.config()
	told, err := json.Marshal(task{Path: cfg.Path, Env: cfg.Env, RunDir: cfg.RunDir, Sandbox: cfg.Sandbox})
	if err != nil {
		return nil, err
	}
	line := b.suite.cfg.Host
	h := &host{cmd: exec.CommandContext(ctx, line[0], line[1:]...)}
	h.cmd.Stdin = strings.NewReader(string(told) + "\n")
	var problems strings.Builder
	h.cmd.Stderr = &problems
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a process that plays the host: %w", err)
	}
	if _, err := fmt.Fscan(bufio.NewReader(out), &h.plugin); err != nil {
		h.end()
		return nil, fmt.Errorf("start the plugin from a process that plays the host: %w: %s", err, problems.String())
	}
	return h, nil
}

// end ends the process, if it is still there.
func (h *host) end() {
	_ = h.cmd.Process.Kill() // it is gone already, most likely
	_ = h.cmd.Wait()
}

// ActAsHost starts the plugin that is named on its input, prints the ID of its
// process and waits to be killed.
func ActAsHost(ctx context.Context, in io.Reader, out io.Writer) error {
	var t task
	if err := json.NewDecoder(in).Decode(&t); err != nil {
		return fmt.Errorf("read which plugin to start: %w", err)
	}
	p, err := remote.Start(ctx, remote.Config{Path: t.Path, Env: t.Env, RunDir: t.RunDir, Sandbox: t.Sandbox, Stdout: discard{}})
	if err != nil {
		return err
	}
	defer p.Kill()
	if _, err := fmt.Fprintln(out, p.PID()); err != nil {
		return fmt.Errorf("tell the ID of the plugin's process: %w", err)
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.Done():
		return errors.New("the plugin has ended before its host was killed")
	}
}
