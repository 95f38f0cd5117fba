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

	"github.com/penstock-io/penstock/plugins/postgres/internal/server"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// keyedEnv makes the writer replace rows by a key.
const keyedEnv = "PENSTOCK_TEST_KEYED"

// write is this program as a process of its own, that is told what to write.
func write(dsn string) {
	s := defaults()
	s.DSN, s.Patience, s.Batch = dsn, time.Minute, 20
	if os.Getenv(keyedEnv) != "" {
		s.Key = []string{"name"}
	}
	l := &loader{settings: s}
	err := obey(context.Background(), l, os.Stdin, os.Stdout)
	if err = errors.Join(err, l.Close()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
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
			batch, err := encoded(story(first, n+1, len(l.Key) > 0)...)
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

// story is what all writers write: the same rows, into two tables. With a key, most rows replace others.
func story(from, to uint64, keyed bool) []event {
	var rows []event
	for n := from; n < to; n++ {
		name := strings.Repeat(fmt.Sprint(n, " "), 60)
		if keyed {
			name = fmt.Sprint(n * n % 97)
		}
		rows = append(rows, event{BlockNumber: n / 10, LogIndex: n, Name: name})
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

// told is what stands in a database in the end. With a key, rows may have other numbers, as more or fewer were sent at once.
func told(t *testing.T, dsn string, keyed bool) string {
	t.Helper()
	columns, order := "*", "penstock_row"
	if keyed {
		columns, order = "block_number, log_index, name", "name"
	}
	return query(t, dsn, "SELECT "+columns+" FROM even ORDER BY "+order) + "\n" + query(t, dsn, "SELECT "+columns+" FROM odd ORDER BY "+order)
}

// writer is a process that writes to a database.
type writer struct {
	t       *testing.T
	cmd     *exec.Cmd
	orders  io.WriteCloser
	answers *bufio.Reader
	waiting int // answers that have not been read
}

func startWriter(t *testing.T, dsn string, keyed bool) *writer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{t: t, cmd: exec.CommandContext(t.Context(), self)}
	w.cmd.Env = append(os.Environ(), writerEnv+"="+dsn)
	if keyed {
		w.cmd.Env = append(w.cmd.Env, keyedEnv+"=1")
	}
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

const storyEnd = 3000

// storm is what happens while the story is written.
type storm struct {
	*testing.T
	dsn    string
	keyed  bool
	random *rand.Rand
	hit    func() // somebody else does harm; nil: nobody
}

func (s *storm) chance(percent int) bool { return s.random.IntN(100) < percent }

// write writes the story with one writer after the other, and returns how many were killed.
func (s *storm) write() (kills int) {
	s.Helper()
	var checkpoint, rows uint64 // as the host has recorded them
	for generation := uint64(1); rows < storyEnd; generation++ {
		w := startWriter(s.T, s.dsn, s.keyed)
		w.say("start", generation, checkpoint)
		sent, killed := rows, false
		for rows < storyEnd && !killed {
			switch {
			case s.chance(60):
				to := min(sent+1+s.random.Uint64N(200), storyEnd)
				w.say("load", sent, to)
				sent = to
			case s.chance(50):
				w.say("commit")
			default:
				w.say("commit", checkpoint+1)
				if killed = s.chance(30); !killed { // or else it is done, and the host does not know
					w.heed(0)
					checkpoint, rows = checkpoint+1, sent
				}
			}
			if s.hit != nil && s.chance(15) {
				s.hit()
			}
			killed = killed || s.chance(8)
		}
		if !killed {
			w.end()
			continue
		}
		w.heed(s.random.IntN(w.waiting + 1))
		w.kill()
		kills++
	}
	return kills
}

// peace is what a writer writes that is left alone.
func peace(t *testing.T, keyed bool) string {
	t.Helper()
	dsn := newDatabase(t)
	w := startWriter(t, dsn, keyed)
	w.say("start", 1, 0)
	w.say("load", 0, storyEnd)
	w.say("commit", 1)
	w.end()
	want := told(t, dsn, keyed)
	if rows := strings.Count(want, "\n") + 1; !keyed && rows != storyEnd {
		t.Fatalf("a writer that is left in peace keeps %d rows, want %d", rows, storyEnd)
	}
	return want
}

// Writers are killed in the middle of whatever they do, again and again, and connections are cut. In the end, the database holds what one
// writer writes that is left in peace.
func TestKilledWritersLeaveEveryRowOnce(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		want := peace(t, keyed)
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("keyed %t, seed %d", keyed, seed), func(t *testing.T) {
				dsn := newDatabase(t)
				s := &storm{T: t, dsn: dsn, keyed: keyed, random: rand.New(rand.NewPCG(seed, 0))}
				cut := 0
				s.hit = func() {
					query(t, dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'penstock%' AND datname = current_database()")
					cut++
				}
				kills := s.write()
				if got := told(t, dsn, keyed); got != want {
					t.Errorf("after %d kills and %d cuts the database holds other rows: %d of them, want %d", kills, cut, strings.Count(got, "\n")+1, strings.Count(want, "\n")+1)
				}
				t.Logf("%d kills, connections cut %d times", kills, cut)
			})
		}
	}
}

// The server is killed and stopped under a writer, and comes again.
func TestAServerThatIsKilledLosesNothing(t *testing.T) {
	own, err := server.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	for _, keyed := range []bool{false, true} {
		want := peace(t, keyed)
		t.Run(fmt.Sprintf("keyed %t", keyed), func(t *testing.T) {
			name, err := own.Database(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s := &storm{T: t, dsn: own.URL(name), keyed: keyed, random: rand.New(rand.NewPCG(7, 0))}
			hits := 0
			s.hit = func() {
				if hits++; hits > 15 {
					return
				}
				end := own.Kill
				if hits%2 == 0 {
					end = own.Stop
				}
				if err := errors.Join(end(), own.Resume(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			kills := s.write()
			if got := told(t, s.dsn, keyed); got != want {
				t.Errorf("after %d kills of the server the database holds other rows: %d of them, want %d", hits, strings.Count(got, "\n")+1, strings.Count(want, "\n")+1)
			}
			t.Logf("the server was ended %d times, its writers %d times", min(hits, 15), kills)
		})
	}
}

func TestOfTwoProcessesTheNewerOneWrites(t *testing.T) {
	dsn := newDatabase(t)
	first := startWriter(t, dsn, false)
	first.say("start", 1, 0)
	first.say("load", 0, 100)
	first.say("commit", 1)
	first.say("load", 100, 120)
	first.say("commit")
	first.heed(0)

	second := startWriter(t, dsn, false)
	second.say("start", 2, 1)
	second.say("load", 100, 150)
	second.say("commit", 2)
	second.heed(0)
	first.say("load", 120, 121) // is gathered, and goes nowhere
	first.heed(0)
	for range 2 { // it stays so
		first.say("commit", 2)
		if answer := first.hear(); !strings.Contains(answer, "opened again since by generation 2") {
			t.Errorf("the older process was told %q, want a refusal", answer)
		}
	}
	first.end()
	second.say("load", 150, 200)
	second.say("commit")
	second.heed(0)
	if got := query(t, dsn, "SELECT count(*), count(DISTINCT log_index) FROM (SELECT * FROM even UNION ALL SELECT * FROM odd) rows"); got != "200|200" {
		t.Errorf("got %s rows, and as many different ones, want 200|200", got)
	}
	second.end()
}

// A process that is not dead, only held up, has its connection ended by the next one: it would keep the step locked.
func TestAProcessThatIsHeldUpLosesItsTurn(t *testing.T) {
	dsn := newDatabase(t)
	first := startWriter(t, dsn, false)
	first.say("start", 1, 0)
	first.say("load", 0, 100)
	first.say("commit", 1)
	first.say("load", 100, 300) // stays in its transaction
	first.heed(0)
	const holder = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	until(t, "rows on their way", func() bool { return query(t, dsn, holder) != "" })
	second := startWriter(t, dsn, false)
	second.say("start", 2, 1)
	second.say("load", 100, 101)
	second.say("commit", 2)
	second.say("load", 101, 160) // stays in its transaction in turn
	second.heed(0)
	until(t, "rows on their way again", func() bool { return query(t, dsn, holder) != "" })
	holds := query(t, dsn, holder)
	first.say("commit", 2) // waits for the step, and may not end the newer one's connection
	if answer := first.hear(); !strings.Contains(answer, "opened again since by generation 2") {
		t.Errorf("the older process was told %q, want a refusal", answer)
	}
	if now := query(t, dsn, holder); now != holds {
		t.Errorf("backend %s has the step, want %s: an older process has ended a newer one's connection", now, holds)
	}
	first.end()
	second.say("commit", 3)
	second.end()
	if got := query(t, dsn, "SELECT (SELECT count(*) FROM even) + (SELECT count(*) FROM odd)"); got != "160" {
		t.Errorf("got %s rows, want 160", got)
	}
}
