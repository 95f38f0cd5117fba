package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// writerEnv names the file that this program writes to when it is started as a process of its own.
const writerEnv = "PENSTOCK_TEST_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		write := newLoader(path).with(func(l *loader) { l.patience = time.Minute })
		err := obey(context.Background(), write, os.Stdin, os.Stdout)
		if err = errors.Join(err, write.Close()); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// obey does what it is told, a line at a time, and answers each with a line.
func obey(ctx context.Context, l *loader, orders io.Reader, answers io.Writer) error {
	lines := bufio.NewScanner(orders)
	for lines.Scan() {
		answer := "done"
		if err := order(ctx, l, lines.Text()); err != nil {
			answer = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		if _, err := fmt.Fprintln(answers, answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

func order(ctx context.Context, l *loader, line string) error {
	var name string
	var a, b uint64
	if _, err := fmt.Sscan(line, &name, &a, &b); err != nil {
		return err
	}
	switch name {
	case "start":
		return l.Start(ctx, storyStart(a, b))
	case "load":
		for n := a; n < b; n++ { // by runs of one input
			first := n
			for n+1 < b && storyInput(n+1) == storyInput(first) {
				n++
			}
			batch, err := encoded(story(first, n+1)...)
			if err != nil {
				return err
			}
			if err := l.Load(ctx, storyInput(first), batch); err != nil {
				return err
			}
		}
		return nil
	case "commit":
		return l.Commit(ctx, sdk.Commit{Checkpoint: a, Cursor: &sdk.Cursor{ChainID: 1}})
	default:
		return fmt.Errorf("no order %q", name)
	}
}

// story is what all writers write: the same rows, into two tables.
func story(from, to uint64) []event {
	var rows []event
	for n := from; n < to; n++ {
		rows = append(rows, event{BlockNumber: n / 10, LogIndex: n, Name: strings.Repeat(fmt.Sprint(n, " "), 60)})
	}
	return rows
}

func storyInput(n uint64) int { return int(n / 40 % 2) }

func storyStart(generation, checkpoint uint64) sdk.Start {
	typ, err := transit.TypeOf[event]()
	if err != nil {
		panic(err) // unreachable: the tests before have used it
	}
	return sdk.Start{
		Domain: "story", Step: "store", Generation: generation, Checkpoint: checkpoint, Network: sdk.Network{Name: "test", ChainID: 1},
		Inputs: []sdk.Input{{Name: "even", Port: "input", Type: typ}, {Name: "odd", Port: "input", Type: typ}},
	}
}

// told is what stands in a file in the end.
func told(t *testing.T, path string) string {
	t.Helper()
	return query(t, path, "SELECT * FROM even ORDER BY penstock_row") + "\n" + query(t, path, "SELECT * FROM odd ORDER BY penstock_row")
}

// writer is a process that writes to a file.
type writer struct {
	t       *testing.T
	cmd     *exec.Cmd
	orders  io.WriteCloser
	answers *bufio.Reader
	waiting int // answers that have not been read
}

func startWriter(t *testing.T, path string) *writer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{t: t, cmd: exec.CommandContext(t.Context(), self)}
	w.cmd.Env = append(os.Environ(), writerEnv+"="+path)
	w.cmd.Stderr = t.Output()
	if w.orders, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	answers, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.answers = bufio.NewReader(answers)
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return w
}

// say gives an order, and does not wait for the answer.
func (w *writer) say(name string, numbers ...uint64) {
	w.t.Helper()
	numbers = append(numbers, 0, 0)
	if _, err := fmt.Fprintln(w.orders, name, numbers[0], numbers[1]); err != nil {
		w.t.Fatal(err)
	}
	w.waiting++
}

// hear reads an answer.
func (w *writer) hear() string {
	w.t.Helper()
	line, err := w.answers.ReadString('\n')
	if err != nil {
		w.t.Fatalf("the writer has ended: %v", err)
	}
	w.waiting--
	return strings.TrimSpace(line)
}

// heed reads all answers but some, and wants each order to be done.
func (w *writer) heed(but int) {
	w.t.Helper()
	for w.waiting > but {
		if answer := w.hear(); answer != "done" {
			w.t.Fatalf("the writer answered %q", answer)
		}
	}
}

// kill ends the process as losing the machine would.
func (w *writer) kill() {
	w.t.Helper()
	if err := w.cmd.Process.Kill(); err != nil {
		w.t.Fatal(err)
	}
	_ = w.cmd.Wait() // it was killed
}

// end lets the process end by itself.
func (w *writer) end() {
	w.t.Helper()
	w.heed(0)
	if err := errors.Join(w.orders.Close(), w.cmd.Wait()); err != nil {
		w.t.Fatal(err)
	}
}

const storyEnd = 4000

// Writers are killed in the middle of whatever they do, again and again. In the end, the file holds what one writer writes that is left
// in peace.
func TestKilledWritersLeaveEveryRowOnce(t *testing.T) {
	peace := newFile(t)
	w := startWriter(t, peace)
	w.say("start", 1, 0)
	w.say("load", 0, storyEnd)
	w.say("commit", 1)
	w.end()
	want := told(t, peace)
	if rows := strings.Count(want, "\n") + 1; rows != storyEnd {
		t.Fatalf("a writer that is left in peace keeps %d rows, want %d", rows, storyEnd)
	}
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			path := newFile(t)
			kills := killAll(t, path, rand.New(rand.NewPCG(seed, 0)))
			if got := told(t, path); got != want {
				t.Errorf("after %d kills the file holds other rows: %d of them, want %d", kills, strings.Count(got, "\n")+1, storyEnd)
			}
			if got := query(t, path, "PRAGMA integrity_check"); got != "ok" {
				t.Errorf("after %d kills the file is damaged: %s", kills, got)
			}
			t.Logf("%d kills", kills)
		})
	}
}

// killAll writes the story with one writer after the other, and returns how many were killed.
func killAll(t *testing.T, path string, random *rand.Rand) (kills int) {
	t.Helper()
	chance := func(percent int) bool { return random.IntN(100) < percent }
	var checkpoint, rows uint64 // as the host has recorded them
	for generation := uint64(1); rows < storyEnd; generation++ {
		w := startWriter(t, path)
		w.say("start", generation, checkpoint)
		sent, killed := rows, false
		for rows < storyEnd && !killed {
			switch {
			case chance(60):
				to := min(sent+1+random.Uint64N(200), storyEnd)
				w.say("load", sent, to)
				sent = to
			case chance(50):
				w.say("commit")
			default:
				w.say("commit", checkpoint+1)
				if killed = chance(30); !killed { // or else it is done, and the host does not know
					w.heed(0)
					checkpoint, rows = checkpoint+1, sent
				}
			}
			killed = killed || chance(10)
		}
		if !killed {
			w.end()
			continue
		}
		w.heed(random.IntN(w.waiting + 1))
		w.kill()
		kills++
	}
	return kills
}

func TestOfTwoProcessesTheNewerOneWrites(t *testing.T) {
	path := newFile(t)
	first := startWriter(t, path)
	first.say("start", 1, 0)
	first.say("load", 0, 100)
	first.say("commit", 1)
	first.say("load", 100, 120)
	first.say("commit")
	first.heed(0)

	second := startWriter(t, path)
	second.say("start", 2, 1)
	second.say("load", 100, 150)
	second.say("commit", 2)
	second.heed(0)
	for _, late := range []func(){
		func() { first.say("load", 120, 130) },
		func() { first.say("commit", 2) },
		func() { first.say("load", 130, 140) },
	} {
		late()
		if answer := first.hear(); !strings.Contains(answer, "opened again since by generation 2") {
			t.Errorf("the older process was told %q, want a refusal", answer)
		}
	}
	first.end()
	second.say("load", 150, 200)
	second.say("commit")
	second.heed(0)
	if got := query(t, path, "SELECT count(*), count(DISTINCT log_index) FROM (SELECT * FROM even UNION ALL SELECT * FROM odd)"); got != "200|200" {
		t.Errorf("got %s rows, and as many different ones, want 200|200", got)
	}
	second.end()
}

// A process in the middle of a transaction keeps the next one waiting, until it is dead.
func TestAProcessThatDiesMakesWay(t *testing.T) {
	path := newFile(t)
	first := startWriter(t, path)
	first.say("start", 1, 0)
	first.say("load", 0, 100)
	first.say("commit", 1)
	first.say("load", 100, 300)
	first.heed(0)
	second := startWriter(t, path)
	second.say("start", 2, 1)
	first.kill()
	second.say("load", 100, 101)
	second.say("commit", 2)
	second.end()
	if got := query(t, path, "SELECT (SELECT count(*) FROM even) + (SELECT count(*) FROM odd)"); got != "101" {
		t.Errorf("got %s rows, want 101", got)
	}
}
