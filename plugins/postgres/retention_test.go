package main

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// keeps20 are settings that keep 20 blocks in partitions of 10.
func keeps20(s *settings) { s.Partitions, s.Batch = &partitions{Size: 10, Retain: 20}, 1 }

// blocks are events in each block from one to before another.
func blocks(from, to uint64) []event {
	var all []uint64
	for b := from; b < to; b++ {
		all = append(all, b)
	}
	return eventsOf(all...)
}

// partsOf are the partitions of the table.
func partsOf(t *testing.T, dsn string) string {
	t.Helper()
	return strings.ReplaceAll(query(t, dsn, "SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = oid WHERE inhparent = 'events'::regclass AND relkind = 'r' ORDER BY length(relname::text), relname"), "\n", " ")
}

func wantParts(t *testing.T, dsn, want string) {
	t.Helper()
	if got := partsOf(t, dsn); got != want {
		t.Errorf("the partitions are %s, want %s", got, want)
	}
}

func final(t *testing.T, l *loader, checkpoint uint64) {
	t.Helper()
	if err := l.Final(t.Context(), checkpoint); err != nil {
		t.Fatal(err)
	}
}

func TestOldPartitionsAreDropped(t *testing.T) {
	dsn := newDatabase(t)
	start := eventsStart(t)
	l := started(t, with(dsn, keeps20), start)
	load(t, l, 0, blocks(0, 30)...)
	mark(t, l, 1)
	load(t, l, 0, blocks(30, 60)...)
	mark(t, l, 2)
	mark(t, l, 3)
	all := "events_p0 events_p10 events_p20 events_p30 events_p40 events_p50"
	wantParts(t, dsn, all) // nothing is final

	final(t, l, 1) // block 29 is: 9 and all before it may go, and partition 0 has it and no more
	mark(t, l, 4)
	wantParts(t, dsn, all)
	final(t, l, 2) // block 59
	wantParts(t, dsn, all)
	mark(t, l, 5)
	wantParts(t, dsn, "events_p30 events_p40 events_p50")

	load(t, l, 0, blocks(60, 70)...) // which is taken back
	mark(t, l, 6)
	load(t, l, 0, eventsOf(5)...) // and so is a late one
	mark(t, l, 7)
	closed(t, l)
	start.Generation, start.Checkpoint = 2, 2
	l = started(t, with(dsn, keeps20), start)
	if got := query(t, dsn, "SELECT min(block_number), max(block_number), count(*) FROM events"); got != "30|59|30" {
		t.Errorf("after going back there are blocks %s, want those before", got)
	}
	load(t, l, 0, blocks(60, 90)...)
	mark(t, l, 3)
	final(t, l, 3)
	load(t, l, 0, eventsOf(7)...) // a partition that is gone comes back for late rows
	mark(t, l, 4)
	wantParts(t, dsn, "events_p60 events_p70 events_p80")
	load(t, l, 0, eventsOf(8)...)
	mark(t, l, 5)
	wantParts(t, dsn, "events_p0 events_p60 events_p70 events_p80")
}

// Somebody who reads is not held up, and what depends on a partition keeps it.
func TestOldPartitionsInUse(t *testing.T) {
	dsn := newDatabase(t)
	l := started(t, with(dsn, keeps20), eventsStart(t))
	load(t, l, 0, blocks(0, 60)...)
	mark(t, l, 1)
	execute(t, dsn, "CREATE VIEW early AS SELECT * FROM events_p10")
	reader := connected(t, dsn)
	if _, err := reader.PgConn().Exec(t.Context(), "BEGIN; SELECT count(*) FROM events").ReadAll(); err != nil {
		t.Fatal(err)
	}
	final(t, l, 1)
	mark(t, l, 2)
	all := "events_p0 events_p10 events_p20 events_p30 events_p40 events_p50"
	wantParts(t, dsn, all)
	if err := reader.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	mark(t, l, 3)
	wantParts(t, dsn, all) // it is too early to try again
	l.shelves[0].age.again = time.Time{}
	mark(t, l, 4)
	wantParts(t, dsn, "events_p10 events_p30 events_p40 events_p50")
	execute(t, dsn, "DROP VIEW early")
	l.shelves[0].age.again = time.Time{}
	mark(t, l, 5)
	wantParts(t, dsn, "events_p30 events_p40 events_p50")
}

func TestOldPartitionsAreDetached(t *testing.T) {
	dsn := newDatabase(t)
	l := started(t, with(dsn, func(s *settings) { keeps20(s); s.Partitions.Detach = true }), eventsStart(t))
	load(t, l, 0, blocks(0, 60)...)
	mark(t, l, 1)
	final(t, l, 1)
	mark(t, l, 2)
	wantParts(t, dsn, "events_p30 events_p40 events_p50")
	if got := query(t, dsn, "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM events_p0), (SELECT count(*) FROM events_p20)"); got != "30|10|10" {
		t.Errorf("got %s rows", got)
	}
	err := l.Load(t.Context(), 0, plugintest.Batch(t, eventsOf(7)...))
	if err == nil {
		err = l.Commit(t.Context(), sdk.Commit{Checkpoint: 3})
	}
	says(t, err, "rows for partition events_p0", "it was detached (retain)", "rename or drop it")
}
