package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The test binary plays the development chain, hosts that keep their word and
// hosts that do not, and their plugins.
const role = "CHAOS_TEST_ROLE"

func play(name string) error {
	switch name {
	case "devchain":
		return fakeChain()
	case "plugin":
		select {}
	default:
		return fakeHost(name)
	}
}

// fakeChain is a chain of numbers and hashes.
func fakeChain() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c := &hashes{}
	for i, arg := range os.Args {
		if arg == "--blocks" {
			n, err := strconv.Atoi(os.Args[i+1])
			if err != nil {
				return err
			}
			c.extend(n + 1)
		}
	}
	fmt.Printf("{\"http\":\"http://%s\",\"ws\":\"ws://%[1]s\"}\n", listener.Addr())
	return http.Serve(listener, c)
}

type hashes struct {
	mu      sync.Mutex
	blocks  []string
	made    int
	refused bool // the first reorganisation was
}

func (c *hashes) extend(n int) {
	for range n {
		c.made++
		c.blocks = append(c.blocks, fmt.Sprintf("0x%064x", c.made))
	}
}

func (c *hashes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var one struct {
		ID     json.RawMessage
		Method string
		Params []any
	}
	body, _ := io.ReadAll(r.Body)
	batch := bytes.HasPrefix(body, []byte("["))
	if err := json.Unmarshal(bytes.Trim(body, "[]"), &one); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := map[string]any{"jsonrpc": "2.0", "id": one.ID, "result": c.answer(one.Method, one.Params)}
	if one.Method == "dev_reorg" && !c.refused {
		c.refused = true
		answer = map[string]any{"jsonrpc": "2.0", "id": one.ID, "error": map[string]any{"code": -32000, "message": "not now"}}
	}
	if batch {
		_ = json.NewEncoder(w).Encode([]any{answer})
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (c *hashes) answer(method string, params []any) any {
	head := len(c.blocks) - 1
	block := func(n int) any {
		if n >= len(c.blocks) {
			return nil
		}
		return map[string]any{"number": fmt.Sprintf("%#x", n), "hash": c.blocks[n]}
	}
	switch method {
	case "dev_mine":
		c.extend(1)
		return block(head + 1)
	case "dev_reorg":
		depth := int(params[0].(float64))
		fork := head - depth
		c.blocks = c.blocks[:fork+1]
		c.extend(depth + 1)
		return map[string]any{"fork_number": fork, "old": make([]string, depth), "new": make([]string, depth+1)}
	case "eth_blockNumber":
		return fmt.Sprintf("%#x", head)
	}
	switch tag := params[0].(string); tag {
	case "latest":
		return block(head)
	case "safe":
		return block(head / 32 * 32)
	case "finalized":
		return block(max(head/32*32, 32) - 32)
	default:
		n, _ := strconv.ParseInt(strings.TrimPrefix(tag, "0x"), 16, 64)
		return block(int(n))
	}
}

// fakeHost writes a line for every block it finds. One that is "right" takes
// back what is no longer so; one that is "naive" begins anew whenever it is
// started, below what it wrote before; one that is "blind" never looks back; one
// that is "stuck" goes no further than block 45 after it was killed once, and one
// that is "restless" goes there again and again.
func fakeHost(how string) error {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	plugin := exec.Command(os.Args[0])
	plugin.Env = append(os.Environ(), role+"=plugin")
	plugin.SysProcAttr = attributes()
	if err := plugin.Start(); err != nil {
		return err
	}
	h := &liar{how: how, client: &http.Client{Timeout: time.Second}}
	if how == "naive" || how == "stuck" || how == "restless" {
		h.before, _ = os.ReadFile("rows.jsonl")
	}
	for {
		h.step()
		select {
		case <-interrupted:
			_ = plugin.Process.Kill()
			_ = plugin.Wait()
			return nil
		case <-time.After(15 * time.Millisecond):
		}
	}
}

type liar struct {
	how    string
	client *http.Client
	before []byte
	rows   []string
	said   time.Time
	turns  int
}

// step writes all blocks, as far as the node answers.
func (h *liar) step() {
	head, _, err := h.block("latest")
	if err != nil {
		return
	}
	if len(h.before) > 0 && h.how == "stuck" {
		head = min(head, 45)
	}
	if len(h.before) > 0 && h.how == "restless" {
		h.turns++
		head = min(head, 30+h.turns/20%2*15)
	}
	rows := h.rows[:0:0]
	if h.how == "blind" {
		rows = h.rows
	}
	for n := len(rows) + 1; n <= head; n++ {
		_, hash, err := h.block(fmt.Sprintf("%#x", n))
		for tries := 0; err != nil && tries < 10; tries++ {
			_, hash, err = h.block(fmt.Sprintf("%#x", n))
		}
		if err != nil {
			return
		}
		rows = append(rows, fmt.Sprintf("{\"block_number\":%d,\"hash\":%q}\n", n, hash))
	}
	h.rows = rows
	content := strings.Join(rows, "")
	if h.how == "naive" {
		content = string(h.before) + content
	}
	if os.WriteFile("rows.jsonl.penstock", []byte(content), 0o600) == nil {
		_ = os.Rename("rows.jsonl.penstock", "rows.jsonl")
	}
	if time.Since(h.said) > 100*time.Millisecond {
		h.said = time.Now()
		fmt.Printf("%s fake live  head %d  committed %d  read 0/s\n", h.said.Format(time.TimeOnly), head, head)
	}
}

func (h *liar) block(which string) (int, string, error) {
	body := `{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["` + which + `",false]}`
	url := strings.Replace(os.Getenv("ETH_RPC_URL"), "ws://", "http://", 1)
	resp, err := h.client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	var answer struct {
		Result *struct{ Number, Hash string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, "", err
	}
	if answer.Result == nil {
		return 0, "", errors.New("no such block")
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(answer.Result.Number, "0x"), 16, 64)
	return int(n), answer.Result.Hash, err
}

// program is the path of a script that has the test binary play a role.
func program(dir, name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\n%s=%s exec %s \"$@\"\n", role, name, self), 0o700)
}
