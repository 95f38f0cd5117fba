package store_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/penstock-io/penstock/host/internal/store"
)

// TestMain is a second host where holdEnv names a directory: it opens it, says
// so, and holds it until its input ends. Where recordEnv names one it records
// until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(recordEnv); dir != "" {
		recordForEver(dir)
	}
	dir := os.Getenv(holdEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	if _, err := store.Open(dir); err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
	fmt.Println("open")
	bufio.NewScanner(os.Stdin).Scan()
	os.Exit(0) // without Close, as a host that is killed
}

const holdEnv = "STORE_TEST_HOLD"

func open(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func number(t *testing.T, s *store.Store, register string) uint8 {
	t.Helper()
	n, err := s.Number(register)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func closed(t *testing.T, s *store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenMakesThePrivateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, dir)
	defer closed(t, s)
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("the directory has mode %o, want 700", got)
	}
	if s.Dir() != dir {
		t.Errorf("Dir: got %s, want %s", s.Dir(), dir)
	}
}

func TestNumbersAreRemembered(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	first, second := number(t, s, "zeta"), number(t, s, "alpha")
	if first != 16 || second != 17 {
		t.Errorf("the first two registers got %d and %d, want 16 and 17: numbers go by first sight", first, second)
	}
	if again := number(t, s, "zeta"); again != first {
		t.Errorf("the same register got %d, then %d", first, again)
	}
	closed(t, s)

	s = open(t, dir)
	defer closed(t, s)
	if got := number(t, s, "alpha"); got != second {
		t.Errorf("after the host was started again: got %d, want %d", got, second)
	}
	if got := number(t, s, "new"); got != 18 {
		t.Errorf("a new register after that: got %d, want 18", got)
	}
	if got := number(t, s, "eth.logs"); got != 2 {
		t.Errorf("a register with a fixed number: got %d, want 2", got)
	}
}

func TestNumbersRunOut(t *testing.T) {
	if testing.Short() {
		t.Skip("each number is made durable")
	}
	s := open(t, t.TempDir())
	defer closed(t, s)
	for i := range 240 {
		number(t, s, fmt.Sprintf("register%d", i))
	}
	if n, err := s.Number("one.too.many"); err == nil {
		t.Errorf("the 241st register got number %d, want an error", n)
	}
}

func TestPreviewChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p, err := store.Preview(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := p.Number("alpha"); n != 16 || err != nil {
		t.Errorf("where there is no directory: got %d, %v, want 16", n, err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a preview made the directory")
	}

	s := open(t, dir)
	number(t, s, "zeta")
	if _, err := store.Preview(dir); !errors.As(err, new(*store.InUseError)) {
		t.Errorf("while a host has it: got %v, want an InUseError", err)
	}
	closed(t, s)
	p, err = store.Preview(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint8{"zeta": 16, "alpha": 17} {
		if n, err := p.Number(name); n != want || err != nil {
			t.Errorf("%s: got %d, %v, want %d", name, n, err, want)
		}
	}
	s = open(t, dir)
	defer closed(t, s)
	if n := number(t, s, "beta"); n != 17 {
		t.Errorf("a number that a preview told was kept: beta got %d, want 17", n)
	}
}

func TestTwoHostsOnOneDirectory(t *testing.T) {
	dir := t.TempDir()
	other := exec.CommandContext(t.Context(), os.Args[0])
	other.Env = append(os.Environ(), holdEnv+"="+dir)
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "open\n" {
		t.Fatalf("the other host said %q, %v", line, err)
	}

	_, err = store.Open(dir)
	var inUse *store.InUseError
	if !errors.As(err, &inUse) {
		t.Fatalf("Open: got %v, want an InUseError", err)
	}
	if inUse.Dir != dir || inUse.PID != other.Process.Pid {
		t.Errorf("the error names directory %s and process %d, want %s and %d", inUse.Dir, inUse.PID, dir, other.Process.Pid)
	}
	for _, want := range []string{dir, fmt.Sprint(other.Process.Pid), "--data-dir", "stop"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the message lacks %q: %v", want, err)
		}
	}

	if err := errors.Join(stdin.Close(), other.Wait()); err != nil {
		t.Fatal(err)
	}
	closed(t, open(t, dir)) // what the other has left behind keeps nobody out
}

func TestOpenRefuses(t *testing.T) {
	database := func(t *testing.T, path string, fill func(*bbolt.Tx) error) {
		t.Helper()
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Update(fill); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		prepare func(t *testing.T, dir string)
		want    string
	}{
		"a file of a newer host": {func(t *testing.T, dir string) {
			t.Helper()
			database(t, filepath.Join(dir, "penstock.db"), func(tx *bbolt.Tx) error {
				meta, err := tx.CreateBucket([]byte("penstock"))
				if err != nil {
					return err
				}
				return meta.Put([]byte("schema"), []byte("7"))
			})
		}, "written by a newer penstock (layout 7, this one knows up to 2)"},
		"a database of another program": {func(t *testing.T, dir string) {
			t.Helper()
			database(t, filepath.Join(dir, "penstock.db"), func(tx *bbolt.Tx) error {
				_, err := tx.CreateBucket([]byte("something"))
				return err
			})
		}, "database of another program"},
		"a file that is no database": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, filepath.Join(dir, "penstock.db"), strings.Repeat("not a database ", 1000))
		}, "damaged or not a file of Penstock"},
		"a file in the place of the directory": {func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			write(t, dir, "")
		}, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			test.prepare(t, dir)
			_, err := store.Open(dir)
			if err == nil {
				t.Fatal("Open: no error")
			}
			for _, want := range []string{test.want, "data directory " + dir} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Open: got %q, which lacks %q", err, want)
				}
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What a host that was killed left behind is gone when the next one begins, and
// nothing is left after a clean end.
func TestRunDirIsEmptyAtFirst(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "run", "4711", "plugin.sock")
	if err := os.MkdirAll(filepath.Dir(left), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	run, err := s.RunDir()
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(run); err != nil || len(entries) > 0 {
		t.Errorf("the directory holds %v, %v; want nothing", entries, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(run); !os.IsNotExist(err) {
		t.Errorf("the directory is there after Close: %v", err)
	}
}
