package main

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// A disk that is full is told of, and when there is room again the loader goes on by itself.
func TestADiskThatIsFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a small disk")
	}
	small, err := os.MkdirTemp("/tmp", "penstock-small-") //nolint:usetesting // the server's user may not enter the test's directory
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Remove(small) }()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("this machine lets nobody make a small disk: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(small, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	s := serverOf(t)
	if err := s.Lend(small); err != nil {
		t.Fatal(err)
	}
	dsn := newDatabase(t)
	execute(t, dsn, "CREATE TABLESPACE small LOCATION "+literal(small))
	name := query(t, dsn, "SELECT current_database()")
	execute(t, s.URL("postgres"), "ALTER DATABASE "+name+" SET TABLESPACE small")
	defer func() {
		execute(t, s.URL("postgres"), "DROP DATABASE "+name+" WITH (FORCE)")
		execute(t, s.URL("postgres"), "DROP TABLESPACE small")
	}()

	start := sdk.Start{Domain: "d", Step: "store", Inputs: []sdk.Input{plugintest.WireFrom[transfer](t, "rows", "input")}}
	l := started(t, with(dsn, func(s *settings) { s.Patience = 300 * time.Millisecond }), start)
	mark(t, l, 1)
	loaded := 0
	fill := func() error {
		for range 60 {
			rows := make([]transfer, batchRows)
			for n := range rows {
				rows[n] = transferOf(loaded + n)
			}
			if err := l.Load(t.Context(), 0, plugintest.Batch(t, rows...)); err != nil {
				return err
			}
			loaded += len(rows)
		}
		return l.Commit(t.Context(), sdk.Commit{Checkpoint: 2, Cursor: &sdk.Cursor{}})
	}
	err = fill()
	says(t, err, "53100", "disk is full", "make room", "given up after")
	closed(t, l)

	// The host begins again from the checkpoint. Meanwhile somebody makes room.
	room := time.AfterFunc(500*time.Millisecond, func() {
		if err := syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=200m"); err != nil {
			t.Error(err)
		}
	})
	defer room.Stop()
	start.Checkpoint = 1
	l = started(t, with(dsn, func(s *settings) { s.Patience = time.Minute }), start)
	loaded = 0
	if err := fill(); err != nil {
		t.Fatal(err)
	}
	if got := query(t, dsn, "SELECT count(*), max(penstock_row) FROM rows"); got != "61440|61440" {
		t.Errorf("got %s rows and last number, want 61440|61440", got)
	}
}
