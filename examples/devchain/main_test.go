package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

// The test binary plays the program, and also a parent that starts the program and then waits for ever.
const role = "DEVCHAIN_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "devchain":
		main()
		os.Exit(0)
	case "parent":
		child := program(context.Background(), os.Args[1:]...)
		child.Stdout = os.Stdout
		if err := child.Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func program(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), role+"=devchain")
	return cmd
}

// launch starts a command and returns the line that it prints when it is ready.
func launch(t *testing.T, cmd *exec.Cmd) (line []byte, rest *bufio.Reader) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	rest = bufio.NewReader(out)
	if line, err = rest.ReadBytes('\n'); err != nil {
		t.Fatalf("no ready line: %v", err)
	}
	return line, rest
}

func TestServesUntilTold(t *testing.T) {
	cmd := program(t.Context(), "--listen", "127.0.0.1:0", "--ws", "127.0.0.1:0", "--blocks", "10", "--block-time", "50ms", "--json", "--quiet")
	line, rest := launch(t, cmd)
	var got ready
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatalf("the ready line %q: %v", line, err)
	}
	if got.ChainID != 1337 || got.Head < 10 || len(got.Tokens) != 4 || len(got.Pairs) != 3 {
		t.Errorf("ready: got %+v, want chain 1337, head 10 or more, 4 tokens, 3 pairs", got)
	}
	client, err := ethclient.DialContext(t.Context(), got.WS)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	heads := make(chan *types.Header)
	sub, err := client.SubscribeNewHead(t.Context(), heads)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	select {
	case <-heads:
	case err := <-sub.Err():
		t.Fatalf("subscription ended: %v", err)
	}

	// With a subscriber still there, the end is orderly, quick and silent.
	told := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if more, err := io.ReadAll(rest); err != nil || len(more) > 0 {
		t.Errorf("after the ready line: got %q, %v; want nothing", more, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: got %v, want exit code 0", err)
	}
	if took := time.Since(told); took > 30*time.Second {
		t.Errorf("the end took %s", took)
	}
}

func TestReadyLineForPeople(t *testing.T) {
	cmd := program(t.Context(), "--listen", "127.0.0.1:0", "--ws", "127.0.0.1:0", "--blocks", "0", "--block-time", "0", "--quiet", "--pairs", "1")
	line, _ := launch(t, cmd)
	for _, want := range []string{"development chain ready: http://127.0.0.1:", " ws://127.0.0.1:", "chain id 1337, head 4, 2 tokens, 1 pairs\n"} {
		if !strings.Contains(string(line), want) {
			t.Errorf("got %q, want it to contain %q", line, want)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGINT: got %v, want exit code 0", err)
	}
}

func TestSaysWhatIsWrong(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().String()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"port taken":   {[]string{"--listen", taken, "--ws", taken}, "devchain: serve the chain: listen tcp " + taken + ": bind: address already in use: another program listens there; choose other ports with --listen and --ws\n"},
		"unknown flag": {[]string{"--lisen", "x"}, "devchain: flag provided but not defined: -lisen (devchain --help lists the flags)\n"},
		"argument":     {[]string{"run"}, "devchain: unexpected argument \"run\": all settings are flags (devchain --help lists them)\n"},
		"address":      {[]string{"--listen", "8545"}, "devchain: address \"8545\": want host:port, for example 127.0.0.1:8545: address 8545: missing port in address\n"},
		"no pairs":     {[]string{"--pairs", "0"}, "devchain: 0 pairs: want at least 1\n"},
		"block time":   {[]string{"--block-time", "1ms"}, "devchain: block time 1ms: want 0 (mine on demand) or at least 10ms\n"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := program(t.Context(), c.args...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("got %v, want exit code 1", err)
			}
			if stderr.String() != c.want || stdout.Len() > 0 {
				t.Errorf("got %q on stderr and %q on stdout, want %q and nothing", stderr.String(), stdout.String(), c.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	out, err := program(t.Context(), "--help").Output()
	if err != nil {
		t.Fatalf("--help: %v", err)
	}
	for _, flag := range []string{"-listen", "-ws", "-ipc", "-block-time", "-seed", "-tx-per-block", "-pairs", "-blocks", "-quiet", "-json", "-with-parent"} {
		if !strings.Contains(string(out), "\n  "+flag) {
			t.Errorf("--help does not list %s", flag)
		}
	}
}

// The parent is killed and can tell nobody; the chain must end all the same.
func TestEndsWithItsParent(t *testing.T) {
	parent := program(t.Context(), "--with-parent", "--listen", "127.0.0.1:0", "--ws", "127.0.0.1:0", "--blocks", "0", "--json", "--quiet")
	parent.Env = append(os.Environ(), role+"=parent")
	line, rest := launch(t, parent)
	var got ready
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatalf("the ready line %q: %v", line, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The chain has the pipe open as long as it lives.
	if _, err := io.ReadAll(rest); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(got.HTTP, "http://")); err == nil {
		_ = conn.Close()
		t.Error("the chain is still served after its parent's end")
	}
	if err := parent.Wait(); err == nil {
		t.Error("the parent ended by itself, want it killed")
	}
}

func TestWatchEndsWithoutAParentsEnd(t *testing.T) {
	ctx, stop, err := untilOrphaned(t.Context(), os.Getppid())
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Errorf("the parent is there, the context has ended: %v", ctx.Err())
	}
	stop() // waits for the watch
	if ctx.Err() == nil {
		t.Error("the context goes on after the watch has ended")
	}
}
