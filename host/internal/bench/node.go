package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

// nodeArg is the argument with which this program is started a second time as an
// Ethereum node that answers from memory.
const nodeArg = "node"

// What the blocks of a node have in them.
const (
	fullBlocks  = "full"    // 100 to 200 transactions with logs, as on the main network
	smallBlocks = "headers" // nothing
	logBlocks   = "logs"    // 60 transactions of 4 logs
)

func blocksOf(kind string) nodetest.Config {
	switch kind {
	case fullBlocks:
		return nodetest.Config{Transactions: [2]int{100, 200}, Logs: [2]int{0, 5}, Data: 64, Bodies: 24}
	case logBlocks:
		return nodetest.Config{Transactions: [2]int{60, 60}, Logs: [2]int{4, 4}, Data: 64, Bodies: 24}
	}
	return nodetest.Config{Transactions: [2]int{-1, -1}, Logs: [2]int{-1, -1}, Bodies: 1}
}

// beyond is how many blocks a node has after the last that is read: that one is
// final.
const beyond = 200

// serveNode answers until standard input ends: with blocks of a kind up to a
// height, each exchange after a delay, and each call after some work.
func serveNode(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("node: %d arguments, want kind, last block, delay and work", len(args))
	}
	last, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	delay, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	work, err := time.ParseDuration(args[3])
	if err != nil {
		return err
	}
	n := &nodetest.Node{Chain: nodetest.Make(blocksOf(args[0]), last+beyond)}
	n.Chain.Finalize(last + beyond/2)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	answer := http.Handler(n)
	if work > 0 {
		answer = toiling(answer, work)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pass(r.Context(), delay)
		answer.ServeHTTP(w, r)
	})}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	fmt.Printf("http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// toiling is a node that has to look things up: each call takes a time, on one of
// two disks.
func toiling(next http.Handler, each time.Duration) http.Handler {
	disks := make(chan struct{}, 2)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		disks <- struct{}{}
		pass(r.Context(), each*time.Duration(bytes.Count(body, []byte(`"method"`))))
		<-disks
		next.ServeHTTP(w, r)
	})
}

// pass lets time go by, as long as anybody waits for what comes after it: how
// slow a node is, is what is measured against.
func pass(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// node is another process that answers.
type node struct {
	url   string
	last  uint64
	cmd   *exec.Cmd
	stdin io.Closer
}

func startNode(ctx context.Context, kind string, last uint64, delay, work time.Duration) (*node, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, nodeArg, kind, strconv.FormatUint(last, 10), delay.String(), work.String())
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
	n := &node{cmd: cmd, stdin: stdin, last: last}
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wait for the node: %w", err), n.close())
	}
	n.url = strings.TrimSpace(url)
	return n, nil
}

func (n *node) close() error {
	_ = n.stdin.Close()
	timer := time.AfterFunc(bareGrace, func() { _ = n.cmd.Process.Kill() })
	defer timer.Stop()
	return n.cmd.Wait()
}

// bareClient asks for blocks with some batch size and so many batches at once,
// and throws the answers away: what a node can answer.
func (n *node) bareClient(ctx context.Context, batch uint64, width int, calls func(number string) []string) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: width}}
	defer client.CloseIdleConnections()
	var (
		next atomic.Uint64
		all  sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	for range width {
		all.Go(func() {
			for {
				end := next.Add(batch)
				if end-batch > n.last {
					return
				}
				if err := n.ask(ctx, client, end-batch, min(end, n.last+1), calls); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (n *node) ask(ctx context.Context, client *http.Client, from, to uint64, calls func(number string) []string) error {
	var body bytes.Buffer
	body.WriteByte('[')
	for number := from; number < to; number++ {
		for i, call := range calls("0x" + strconv.FormatUint(number, 16)) {
			if body.Len() > 1 {
				body.WriteByte(',')
			}
			fmt.Fprintf(&body, `{"jsonrpc":"2.0","id":%d,%s}`, 2*number+uint64(i), call)
		}
	}
	body.WriteByte(']')
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, &body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return errors.Join(err, res.Body.Close())
}

func wholeBlock(number string) []string {
	return []string{
		`"method":"eth_getBlockByNumber","params":["` + number + `",true]`,
		`"method":"eth_getBlockReceipts","params":["` + number + `"]`,
	}
}

func onlyHeader(number string) []string {
	return []string{`"method":"eth_getBlockByNumber","params":["` + number + `",false]`}
}
