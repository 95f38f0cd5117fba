package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// harness runs the page's JavaScript without a page, and prints the blocks of its
// rows whenever they are others.
const harness = `
follow(process.argv[2], "a", (rows) => console.log([...rows.values()].map((r) => r.block_number).join(" ")));
`

// The JavaScript of the documentation works: it keeps the rows, over a
// reorganisation and a server that goes away and comes again.
func TestThePageInTheDocumentation(t *testing.T) {
	doc, err := os.ReadFile("../../docs/websocket.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```js\n(.*?)```").FindSubmatch(doc)
	if code == nil {
		t.Fatal("there is no JavaScript in the documentation")
	}
	script := filepath.Join(t.TempDir(), "follow.js")
	if err := os.WriteFile(script, append(code[1], harness...), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "node", "--experimental-websocket", "-e", "new WebSocket('ws://127.0.0.1:1').onerror = () => {}").CombinedOutput(); err != nil {
		t.Skipf("there is no node with WebSocket: %v: %.200s", err, out)
	}
	l := started(t, newTestHouse(t), startAt[swap](t, 1, 0, 0, "a"), nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--experimental-websocket", "--no-warnings", script, l.hub.url())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			lines <- in.Text()
		}
	}()
	prints := func(want string) {
		t.Helper()
		for line := range lines {
			if line == want {
				return
			}
		}
		t.Fatalf("it never printed %q", want)
	}
	last := uint64(0)
	await(t, func() bool { // it subscribes somewhere in between
		last++
		load(t, l, 0, last)
		commit(t, l, last, last)
		return len(lines) > 0
	})
	first := <-lines
	prints(blocksFrom(first, last))
	start := startAt[swap](t, 2, last, last-1, "a") // the last row is undone
	start.Forks = 1
	address := l.hub.address
	l = reopened(t, l, start, nil)
	load(t, l, 0, 7777)
	commit(t, l, last+1, 7777)
	prints(strings.TrimSpace(blocksFrom(first, last-1) + " 7777"))

	state := snapshot(t, l)
	closed(t, l)
	l.house.close() // the plugin dies
	turnAway(t, address)
	l = started(t, newTestHouse(t), startAt[swap](t, 3, last, last-1, "a"), func(l *loader) { l.Listen = address })
	if err := l.Restore(state); err != nil {
		t.Fatal(err)
	}
	prints(blocksFrom(first, last-1))
	load(t, l, 0, 8888, 9999)
	commit(t, l, last+1, 9999)
	prints(strings.TrimSpace(blocksFrom(first, last-1) + " 8888 9999"))
	closed(t, l)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
}

// turnAway is a moment in which nobody answers who speaks WebSocket.
func turnAway(t *testing.T, address string) {
	t.Helper()
	socket, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := socket.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	_ = socket.Close()
}

// blocksFrom are the blocks from the first of a line to another.
func blocksFrom(line string, to uint64) string {
	var from uint64
	_, _ = fmt.Sscan(line, &from)
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprint(n))
	}
	return strings.Join(all, " ")
}
