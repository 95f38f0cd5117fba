package journal_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/penstock-io/penstock/host/internal/store/journal"
)

const appendEnv = "JOURNAL_TEST_APPEND"

// TestMain appends until it is killed where appendEnv names a directory.
func TestMain(m *testing.M) {
	if dir := os.Getenv(appendEnv); dir != "" {
		fmt.Println(appendForEver(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

var crashConfig = journal.Config{MaxBytes: 1 << 20, SegmentBytes: 5000}

// appendForEver syncs now and then and says what is durable, and also releases
// and truncates.
func appendForEver(dir string) error {
	j, _, err := journal.Open(dir, crashConfig)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(j.Last(), 1))
	for err == nil {
		n := j.Last() + 1
		if _, err = j.Append(byte(n), fmt.Appendf(nil, "h%d", n), body(n)); err != nil {
			return err
		}
		switch n := r.IntN(40); {
		case n == 0:
			err = say(j)
		case n == 1 && j.Last() > 500:
			err = j.Release(j.Last() - 500)
		case n == 2:
			if err = say(j); err == nil {
				synced := j.Last()
				for range 20 {
					_, err = j.Append(1, nil, []byte("to be dropped"))
				}
				if err == nil {
					err = j.Truncate(synced)
				}
			}
		}
	}
	return err
}

func say(j *journal.Journal) error {
	if err := j.Sync(); err != nil {
		return err
	}
	_, err := fmt.Println(j.Last())
	return err
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// Whenever a writer is killed, all that it had made durable is there and whole.
func TestKillWhileAppending(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(2, 71))
	dir := t.TempDir()
	for round := range 12 {
		durable := killAfter(t, dir, 1+r.IntN(80))
		config := crashConfig
		config.Durable = durable
		j, found := open(t, dir, config)
		for r, err := range j.Read(found.First) {
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if r.Position <= durable && string(r.Body) != string(body(r.Position)) {
				t.Errorf("round %d: record %d holds %q", round, r.Position, r.Body)
			}
		}
		ok(t, j.Truncate(durable))
		wantRecords(t, j, found.First, durable)
		ok(t, j.Close())
	}
}

// killAfter kills a writing process after some lines and tells the last position
// that it has said.
func killAfter(t *testing.T, dir string, lines int) (durable uint64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), appendEnv+"="+dir)
	stdout, err := child.StdoutPipe()
	ok(t, err)
	ok(t, child.Start())
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); lines-- {
		if durable, err = strconv.ParseUint(scanner.Text(), 10, 64); err != nil {
			t.Errorf("the other process said %q", scanner.Text())
		}
		if lines == 1 {
			ok(t, child.Process.Kill()) // what it has said until then is still to be read
		}
	}
	_ = child.Wait() // it was killed
	return durable
}
