package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// chainPatience is how long a chain may take to mine its history.
	chainPatience = time.Minute
	// chainGrace is how long it may take to end.
	chainGrace = 3 * time.Second
)

// chain is a development chain that mines when it is told to.
type chain struct {
	HTTP string `json:"http"`
	WS   string `json:"ws"`

	process *process
	client  *http.Client
}

// startChain starts the program and returns when the chain answers. What it
// logs goes to log.
func startChain(ctx context.Context, program string, seed, blocks uint64, log io.Writer) (*chain, error) {
	cmd := exec.Command(program, "--json", "--quiet", "--with-parent", "--block-time", "0", "--blocks", strconv.FormatUint(blocks, 10),
		"--seed", strconv.FormatUint(seed, 10), "--listen", "127.0.0.1:0", "--ws", "127.0.0.1:0")
	ready := &firstLine{line: make(chan []byte, 1)}
	cmd.Stdout, cmd.Stderr = ready, log
	process, err := start(cmd)
	if err != nil {
		return nil, err
	}
	c := &chain{process: process, client: &http.Client{}}
	timer := time.NewTimer(chainPatience)
	defer timer.Stop()
	select {
	case line := <-ready.line:
		if err = json.Unmarshal(line, c); err != nil {
			err = fmt.Errorf("read where it is: %w", err)
		}
	case <-process.done:
		err = fmt.Errorf("it ended at once: %w", process.err)
	case <-timer.C:
		err = fmt.Errorf("it was not ready within %s", chainPatience)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("start the development chain: %w", err)
	}
	return c, nil
}

// close ends the chain and returns when its process is gone.
func (c *chain) close() {
	c.process.end(syscall.SIGTERM, chainGrace)
	c.client.CloseIdleConnections()
}

// firstLine is a writer that gives out the first line.
type firstLine struct {
	line chan []byte // takes one
	text []byte
	done bool
}

func (f *firstLine) Write(text []byte) (int, error) {
	if !f.done {
		f.text = append(f.text, text...)
		if line, _, ok := bytes.Cut(f.text, []byte("\n")); ok {
			f.done = true
			f.line <- line
		}
	}
	return len(text), nil
}

// mine mines a block, whose time is so much later than it would be, and returns
// its number.
func (c *chain) mine(ctx context.Context, later time.Duration) (uint64, error) {
	var mined struct{ Number string }
	if err := c.call(ctx, &mined, "dev_mine", int64(later/time.Second)); err != nil {
		return 0, err
	}
	return number(mined.Number)
}

// branch is a reorganisation.
type branch struct {
	ForkNumber uint64   `json:"fork_number"`
	Old        []string `json:"old"`
	New        []string `json:"new"`
}

// reorg replaces the newest blocks.
func (c *chain) reorg(ctx context.Context, depth uint64) (branch, error) {
	var b branch
	err := c.call(ctx, &b, "dev_reorg", depth)
	return b, err
}

// head is the number of the newest block, or of that with a tag.
func (c *chain) head(ctx context.Context, tag string) (uint64, error) {
	var block struct{ Number string }
	if err := c.call(ctx, &block, "eth_getBlockByNumber", tag, false); err != nil {
		return 0, err
	}
	return number(block.Number)
}

func number(text string) (uint64, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 64)
	if err != nil {
		return 0, fmt.Errorf("read the number of a block: %w", err)
	}
	return n, nil
}

// mayReplace is how many blocks no pipeline takes for final, given by what
// rules they go.
func (c *chain) mayReplace(ctx context.Context, finality []string) (uint64, error) {
	head, err := c.head(ctx, "latest")
	if err != nil {
		return 0, err
	}
	final, err := c.head(ctx, "finalized")
	if err != nil {
		return 0, err
	}
	most := head - final
	for _, rule := range finality {
		if rule == "safe" {
			safe, err := c.head(ctx, "safe")
			if err != nil {
				return 0, err
			}
			most = min(most, head-safe)
		} else if n, err := strconv.ParseUint(rule, 10, 64); err == nil {
			most = min(most, n)
		}
	}
	return most, nil
}

// refusal is what the chain says to a request that it does not want.
type refusal struct{ method, message string }

func (e *refusal) Error() string {
	return "the development chain refuses " + e.method + ": " + e.message
}

func (c *chain) call(ctx context.Context, into any, method string, params ...any) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return fmt.Errorf("ask the development chain for %s: %w", method, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.HTTP, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the development chain for %s: %w", method, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the development chain for %s: %w", method, err)
	}
	defer resp.Body.Close()
	var answer struct {
		Result json.RawMessage
		Error  *struct{ Message string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("read the development chain's answer to %s: %w", method, err)
	}
	if answer.Error != nil {
		return &refusal{method, answer.Error.Message}
	}
	if err := json.Unmarshal(answer.Result, into); err != nil {
		return fmt.Errorf("read the development chain's answer to %s: %w", method, err)
	}
	return nil
}
