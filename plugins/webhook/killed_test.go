package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// senderEnv has what this program needs when it is started as a process of its
// own: the receiver, the outbox, the generation, the checkpoint and its rows.
const senderEnv = "PENSTOCK_TEST_SENDER"

func TestMain(m *testing.M) {
	if orders := os.Getenv(senderEnv); orders != "" {
		if err := sendForEver(context.Background(), strings.Fields(orders)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// sendForEver loads rows, of which each has its number as block, and tells each
// checkpoint when it is committed.
func sendForEver(ctx context.Context, orders []string) error {
	var numbers [3]uint64
	for i := range numbers {
		n, err := strconv.ParseUint(orders[2+i], 10, 64)
		if err != nil {
			return err
		}
		numbers[i] = n
	}
	generation, checkpoint, next := numbers[0], numbers[1], numbers[2]
	encoder, err := transit.NewEncoder[swap]()
	if err != nil {
		return err
	}
	w := defaults()
	w.URL, w.Outbox, w.Rows = orders[0], &outboxSettings{Path: orders[1]}, 3
	if err := w.Start(ctx, sdk.Start{
		Domain: "main", Step: "hook", Generation: generation, Checkpoint: checkpoint,
		Inputs: []sdk.Input{{Name: "a", Port: "input", Type: encoder.Type(), Rows: next}},
	}); err != nil {
		return err
	}
	for {
		body, err := encoder.Append(nil, swapsOf(next, next+1))
		if err != nil {
			return err
		}
		batch, err := transit.DecodeBatch(encoder.Type(), body)
		if err != nil {
			return err
		}
		if err := w.Load(ctx, 0, batch); err != nil {
			return err
		}
		if next += 2; next%10 != 0 {
			continue
		}
		checkpoint++
		if err := w.Commit(ctx, sdk.Commit{Checkpoint: checkpoint}); err != nil {
			return err
		}
		fmt.Println(checkpoint, next)
	}
}

// Whenever a process is killed, what was part of a checkpoint arrives, in order,
// and a receiver that remembers keys has every row once.
func TestKilledSenders(t *testing.T) {
	dir := t.TempDir()
	r := &receiver{}
	server := httptest.NewServer(r)
	defer server.Close()
	var checkpoint, next uint64
	random := rand.New(rand.NewPCG(7, 0))
	const kills = 12
	for kill := range kills {
		checkpoint, next = killOne(t, random, fmt.Sprint(server.URL, " ", dir, " ", kill+1, " ", checkpoint, " ", next))
	}
	start := at(startAt(t, next, "a"), checkpoint)
	start.Generation = kills + 1
	w := boxed(t, dir, nil, start, func(w *webhook) { w.URL = server.URL })
	defer closed(t, w)
	for end := time.Now().Add(2 * time.Minute); len(files(t, dir)) > 0; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what is in the outbox is not sent")
		}
	}
	seen := map[string]bool{}
	var kept []uint64
	for _, request := range r.take() {
		for _, row := range request.Rows {
			if !seen[row.Key] {
				seen[row.Key] = true
				kept = append(kept, row.block())
			}
		}
	}
	if uint64(len(kept)) < next {
		t.Errorf("%d rows have arrived, want the %d before checkpoint %d", len(kept), next, checkpoint)
	}
	for i, block := range kept {
		if block != uint64(i) {
			t.Fatalf("row %d is of block %d", i, block)
		}
	}
	t.Logf("%d rows, %d of them before checkpoint %d", len(kept), next, checkpoint)
}

// killOne starts a sender and kills it; it returns the last checkpoint that it
// told of.
func killOne(t *testing.T, random *rand.Rand, orders string) (checkpoint, next uint64) {
	t.Helper()
	_, _ = fmt.Sscan(strings.Join(strings.Fields(orders)[3:], " "), &checkpoint, &next)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), senderEnv+"="+orders)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range 1 + random.IntN(20) {
		if !lines.Scan() {
			t.Fatal("the sender has ended")
		}
		if _, err := fmt.Sscan(lines.Text(), &checkpoint, &next); err != nil {
			t.Fatal(lines.Text())
		}
	}
	time.AfterFunc(time.Duration(random.IntN(3000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
	for lines.Scan() { // the host records what it hears
		if n, _ := fmt.Sscan(lines.Text(), &checkpoint, &next); n != 2 {
			t.Fatal(lines.Text())
		}
	}
	_ = cmd.Wait() // it was killed
	return checkpoint, next
}
