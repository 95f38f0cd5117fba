package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/penstock-io/penstock/host/internal/store"
)

// Records that come while one is being written share the next transaction, and
// one among them that cannot be written is nobody else's trouble.
func TestGroupCommit(t *testing.T) {
	s := open(t, t.TempDir())
	defer closed(t, s)
	const domains = 8
	for i := range domains {
		domain(t, s, fmt.Sprint(i))
	}
	first, release := make(chan struct{}), make(chan struct{})
	var transactions atomic.Int32
	s.Around(func(update func(func(*bbolt.Tx) error) error, apply func(*bbolt.Tx) error) error {
		if transactions.Add(1) == 1 {
			close(first)
			<-release
		}
		return update(apply)
	})

	errs := make([]error, domains)
	var all sync.WaitGroup
	start := func(i int, c store.Checkpoint) {
		d := domain(t, s, fmt.Sprint(i))
		all.Go(func() { errs[i] = d.Record(c) })
	}
	start(0, store.Checkpoint{Number: 1})
	<-first
	for i := 1; i < domains; i++ {
		c := store.Checkpoint{Number: 1}
		if i == 3 {
			c.States = map[string]store.State{strings.Repeat("too long a key", bbolt.MaxKeySize): state(1, "x")}
		}
		start(i, c)
	}
	until(t, func() bool { return s.Waiting() == domains-1 })
	close(release)
	all.Wait()

	for i, err := range errs {
		if (err != nil) != (i == 3) {
			t.Errorf("domain %d: got %v", i, err)
		}
	}
	if got := transactions.Load(); got != 3 {
		t.Errorf("%d transactions for %d records, want 3: the first, the others, and those again without the bad one", got, domains)
	}
	for i := range domains {
		if got := len(kept(domain(t, s, fmt.Sprint(i)))); got != 1 && i != 3 {
			t.Errorf("domain %d has %d checkpoints, want 1", i, got)
		}
	}
}

// Where there is no room for all of them there may be for some.
func TestNoRoomForAll(t *testing.T) {
	s := open(t, t.TempDir())
	defer closed(t, s)
	first, release := make(chan struct{}), make(chan struct{})
	transactions := 0
	s.Around(func(update func(func(*bbolt.Tx) error) error, apply func(*bbolt.Tx) error) error {
		switch transactions++; transactions {
		case 1:
			close(first)
			<-release
		case 2, 4: // all that wait, and the second of them alone
			return update(func(tx *bbolt.Tx) error { return errors.Join(apply(tx), syscall.ENOSPC) })
		}
		return update(apply)
	})
	var failed atomic.Int32
	var all sync.WaitGroup
	start := func(name string) {
		d := domain(t, s, name)
		all.Go(func() {
			if err := d.Record(store.Checkpoint{Number: 1}); errors.Is(err, syscall.ENOSPC) {
				failed.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	start("a")
	<-first
	for _, name := range []string{"b", "c", "d"} {
		start(name)
	}
	until(t, func() bool { return s.Waiting() == 3 })
	close(release)
	all.Wait()
	if failed.Load() != 1 || transactions != 5 {
		t.Errorf("%d records failed in %d transactions, want 1 in 5", failed.Load(), transactions)
	}
}

// until waits for something that is about to happen.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within ten seconds")
		}
	}
}

// What the system says of a write is explained, and is no harm to what comes
// after it.
func TestRecordExplainsWhatTheSystemSays(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{&os.PathError{Op: "write", Path: "penstock.db", Err: syscall.EROFS}, "read-only file system; make it writable"},
		{&os.PathError{Op: "write", Path: "penstock.db", Err: syscall.EACCES}, "permission denied; make it writable"},
		{&os.PathError{Op: "write", Path: "penstock.db", Err: syscall.ENOSPC}, "no space left on device; free some space"},
		{errors.New("file resize error: " + syscall.EDQUOT.Error()), "disk quota exceeded; free some space"},
	} {
		t.Run(test.want, func(t *testing.T) {
			s := open(t, t.TempDir())
			defer closed(t, s)
			d := domain(t, s, "main")
			record(t, d, store.Checkpoint{Number: 1})
			fails := true
			s.Around(func(update func(func(*bbolt.Tx) error) error, apply func(*bbolt.Tx) error) error {
				if !fails {
					return update(apply)
				}
				return update(func(tx *bbolt.Tx) error { return errors.Join(apply(tx), test.err) }) // takes everything back
			})
			err := d.Record(store.Checkpoint{Number: 2})
			if err == nil {
				t.Fatal("Record: no error")
			}
			for _, want := range []string{"record checkpoint 2 of domain \"main\"", "data directory " + s.Dir(), test.want, "--data-dir"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Record: got %q, which lacks %q", err, want)
				}
			}
			wantKept(t, d, 1)
			fails = false
			record(t, d, store.Checkpoint{Number: 2})
			wantKept(t, d, 1, 2)
		})
	}
}

// A write of which nobody knows whether it has reached the disk is the last.
func TestNothingIsWrittenInDoubt(t *testing.T) {
	s := open(t, t.TempDir())
	defer closed(t, s)
	d, other := domain(t, s, "main"), domain(t, s, "other")
	writes := 0
	s.Around(func(update func(func(*bbolt.Tx) error) error, apply func(*bbolt.Tx) error) error {
		writes++
		return errors.Join(update(apply), syscall.EIO)
	})
	for i, do := range []func() error{
		func() error { return d.Record(store.Checkpoint{Number: 1}) },
		func() error { return d.Record(store.Checkpoint{Number: 2}) },
		func() error { _, err := other.Begin(); return err },
		func() error { _, err := s.Number("zeta"); return err },
	} {
		err := do()
		if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "look after the disk, then start the host again") {
			t.Errorf("write %d: got %v", i, err)
		}
	}
	if writes != 1 {
		t.Errorf("%d writes reached the database, want 1", writes)
	}
}

// A panic of the database over damaged pages ends in an error, and nobody waits
// for a lock that it may still hold.
func TestPanicOfTheDatabase(t *testing.T) {
	s := open(t, t.TempDir())
	d := domain(t, s, "main")
	held, release := make(chan struct{}), make(chan struct{})
	var lock sync.WaitGroup
	s.Around(func(update func(func(*bbolt.Tx) error) error, _ func(*bbolt.Tx) error) error {
		lock.Go(func() {
			_ = update(func(*bbolt.Tx) error {
				close(held)
				<-release
				return errors.New("never mind")
			})
		})
		<-held
		panic("page 7 already freed")
	})
	for n := range uint64(2) {
		err := d.Record(store.Checkpoint{Number: n + 1})
		if err == nil || !strings.Contains(err.Error(), "penstock.db is damaged") || !strings.Contains(err.Error(), "page 7") {
			t.Errorf("Record: got %v", err)
		}
	}
	closed(t, s)
	close(release)
	lock.Wait()
}

// A file that was cut, wherever, is refused or read as it was: never half.
func TestFileThatIsCutShort(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	d := domain(t, s, "main")
	for n := range uint64(20) {
		record(t, d, store.Checkpoint{Number: n + 1, States: map[string]store.State{"p": state(1, strings.Repeat(fmt.Sprint(n), 3000))}})
	}
	closed(t, s)
	whole, err := os.ReadFile(filepath.Join(dir, "penstock.db"))
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for size := 512; size < len(whole); size += 4096 - 512 {
		cut := t.TempDir()
		write(t, filepath.Join(cut, "penstock.db"), string(whole[:size]))
		s, err := store.Open(cut)
		if err != nil {
			refused++
			if !strings.Contains(err.Error(), "penstock.db is damaged") || !strings.Contains(err.Error(), "--data-dir") {
				t.Errorf("cut to %d of %d bytes: %v", size, len(whole), err)
			}
			continue
		}
		if c := newest(t, domain(t, s, "main")); c.Number != 20 {
			t.Errorf("cut to %d of %d bytes: the newest checkpoint is %d", size, len(whole), c.Number)
		}
		closed(t, s)
	}
	if refused == 0 {
		t.Error("no file was refused")
	}
}
