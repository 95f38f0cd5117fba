package main

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// later is an event of a later version: a column more, one fewer, and one that may be null.
type later struct {
	BlockNumber uint64
	LogIndex    *uint64
	Token       common.Address
	Topics      []common.Hash
}

func (later) TransitType() string { return "test.event" }

// other is an event whose name is a number.
type other struct {
	BlockNumber uint64
	LogIndex    uint64
	Name        uint64
}

func (other) TransitType() string { return "test.event" }

func TestColumnsThatRowsHaveAreAdded(t *testing.T) {
	dsn := newDatabase(t)
	start := eventsStart(t)
	l := started(t, with(dsn, nil), start)
	load(t, l, 0, eventsOf(1)...)
	mark(t, l, 1)
	execute(t, dsn, "ALTER TABLE events ADD COLUMN remark text DEFAULT 'none', ADD COLUMN twice bigint GENERATED ALWAYS AS (2 * block_number) STORED")

	start.Checkpoint = 1
	start.Inputs = []sdk.Input{plugintest.WireFrom[later](t, "events", "input")}
	_, err := tried(t, with(dsn, func(s *settings) { s.Adapt = false }), start)
	says(t, err, "migrate is off", `ALTER TABLE "public"."events" ALTER COLUMN "log_index" DROP NOT NULL, ALTER COLUMN "name" DROP NOT NULL, ADD COLUMN "token" bytea, ADD COLUMN "topics" bytea[]`)

	l = started(t, with(dsn, nil), start)
	load(t, l, 0, later{BlockNumber: 2, Token: common.Address{1}})
	mark(t, l, 2)
	want := "1|0|a|NULL|NULL|none|2\n2|NULL|NULL|\\x01" + strings.Repeat("00", 19) + "|{}|none|4"
	if got := query(t, dsn, "SELECT block_number, log_index, name, token, topics, remark, twice FROM events ORDER BY 1"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	start.Checkpoint, start.Inputs = 2, eventsStart(t).Inputs // the older version again
	l = started(t, with(dsn, nil), start)
	load(t, l, 0, eventsOf(3)...)
	mark(t, l, 3)
	if got := query(t, dsn, "SELECT block_number, name FROM events ORDER BY 1"); got != "1|a\n2|NULL\n3|a" {
		t.Errorf("got %s", got)
	}
}

func TestATypeThatChangedIsRefused(t *testing.T) {
	dsn := newDatabase(t)
	start := eventsStart(t)
	closed(t, started(t, with(dsn, nil), start))
	before := everythingIn(t, dsn)
	start.Inputs = []sdk.Input{plugintest.WireFrom[other](t, "events", "input")}
	_, err := tried(t, with(dsn, nil), start)
	says(t, err, "column name is text there and numeric(20,0) in the rows", `
  column        in the table  in the rows
  penstock_row  bigint        bigint
  block_number  bigint        bigint
  log_index     bigint        bigint
  name          text          numeric(20,0)  <- differs`, "test.event")
	if strings.Contains(err.Error(), "connection") {
		t.Errorf("it speaks of a connection: %v", err)
	}
	if after := everythingIn(t, dsn); after != before {
		t.Errorf("the database has changed: %s", after)
	}
}

func TestTablesOfOthersAreLeftAlone(t *testing.T) {
	for name, test := range map[string]struct {
		make  string
		words []string
	}{
		"another program's": {"CREATE TABLE events (id serial PRIMARY KEY, block_number bigint)", []string{"made without penstock_row", "id integer, block_number bigint", `tables = { "events" = "another" }`}},
		"a view":            {"CREATE VIEW events AS SELECT 1 AS penstock_row", []string{"is no table, but a view"}},
		"an index":          {"CREATE TABLE x (a int); CREATE INDEX events ON x (a)", []string{"is no table, but an index"}},
		"filled":            {"CREATE TABLE events (penstock_row bigint, block_number bigint, log_index bigint, name text); INSERT INTO events VALUES (1, 1, 1, 'x')", []string{"has rows, and nothing in the schema says that they are of"}},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := newDatabase(t)
			execute(t, dsn, test.make)
			_, err := tried(t, with(dsn, nil), eventsStart(t))
			says(t, err, test.words...)
		})
	}
	dsn := newDatabase(t)
	execute(t, dsn, "CREATE TABLE events (penstock_row bigint NOT NULL, block_number bigint, log_index bigint, name character varying, PRIMARY KEY (penstock_row))")
	l := started(t, with(dsn, nil), eventsStart(t)) // one that was made by hand, and fits
	load(t, l, 0, eventsOf(1)...)
	mark(t, l, 1)
	execute(t, dsn, "INSERT INTO events VALUES (2, 7, 7, 'theirs')")
	load(t, l, 0, eventsOf(2)...)
	says(t, l.Commit(t.Context(), sdk.Commit{Checkpoint: 2}), "23505", "another program writes to the table")
}

// Whoever does not let the loader make tables is told what to make, and it fits.
func TestWhatIsToBeMadeIsSaid(t *testing.T) {
	dsn := newDatabase(t)
	change := func(s *settings) {
		s.Create, s.Schema, s.Key = false, "mine", []string{"block_number", "log_index"}
		s.Indexes = []index{{Columns: []string{"name"}, Method: "hash"}, {Columns: []string{"name", "block_number"}, Where: "log_index > 5", Unique: true, Step: "events"}}
		s.Partitions = &partitions{Size: 100}
	}
	start := eventsStart(t)
	for range 2 { // the books, and the table
		_, err := tried(t, with(dsn, change), start)
		says(t, err, "create is off: run\n")
		_, statements, _ := strings.Cut(err.Error(), "create is off: run\n")
		execute(t, dsn, statements)
	}
	l := started(t, with(dsn, change), start)
	load(t, l, 0, eventsOf(1, 250)...)
	mark(t, l, 1)
	if got := query(t, dsn, "SELECT tableoid::regclass, block_number FROM mine.events ORDER BY 2"); got != "mine.events_p0|1\nmine.events_p200|250" {
		t.Errorf("got %s", got)
	}
	want := `events_name_block_number_XXXXXXXX_idx btree (name, block_number) WHERE (log_index > 5)
events_name_hash_idx hash (name)
events_penstock_row_idx btree (penstock_row)
events_pkey btree (block_number, log_index)`
	got := query(t, dsn, `SELECT regexp_replace(indexname, '_[0-9a-f]{8}_', '_XXXXXXXX_') || ' ' || substring(indexdef from 'USING (.*)') FROM pg_indexes
WHERE schemaname = 'mine' AND tablename = 'events' ORDER BY indexname COLLATE "C"`)
	if got != want {
		t.Errorf("got the indexes %s, want %s", got, want)
	}
	started(t, with(dsn, func(s *settings) { change(s); s.Create = true }), start) // which finds nothing to do
}

func TestNamesThatAreHard(t *testing.T) {
	dsn := newDatabase(t)
	name := `Se"lect.` + strings.Repeat("é", 27) // 62 bytes
	start := eventsStart(t)
	s := with(dsn, func(s *settings) {
		s.Table, s.Schema, s.Partitions = name, `a "schema'\`, &partitions{Size: 10}
		s.Indexes = []index{{Columns: []string{"name", "log_index"}}, {Columns: []string{"name", "block_number"}}}
	})
	l := started(t, s, start)
	load(t, l, 0, eventsOf(1, 11, 21)...)
	mark(t, l, 1)
	load(t, l, 0, eventsOf(22, 31)...)
	mark(t, l, 2)
	start.Checkpoint = 1
	l = started(t, s, start)
	load(t, l, 0, eventsOf(41)...)
	mark(t, l, 2)
	full := quote(s.Schema) + "." + quote(name)
	if got := blocksIn(t, dsn, full); got != "1 11 21 41" {
		t.Errorf("got blocks %s", got)
	}
	if got := query(t, dsn, "SELECT count(DISTINCT relname) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = "+literal(quote(s.Schema))+"::regnamespace AND relname NOT LIKE 'penstock%'"); got != "6" {
		t.Errorf("got %s tables, want one with five partitions", got)
	}
	_, err := tried(t, with(dsn, func(s *settings) { s.Tables = map[string]string{"swaps": "x"} }), eventsStart(t))
	says(t, err, `tables names the step "swaps", which this loader does not read: it reads events`)
	for _, wrong := range []struct {
		change func(s *settings)
		word   string
	}{
		{func(s *settings) { s.Types = map[string]string{"nonce": "bigint"} }, "types names the column nonce"},
		{func(s *settings) { s.Types = map[string]string{"name": "bigint"} }, `cannot be kept as "bigint": choose one of text`},
		{func(s *settings) { s.Indexes = []index{{Columns: []string{"nonce"}}} }, "index names the column nonce"},
		{func(s *settings) { s.Indexes = []index{{Columns: []string{"name"}, Step: "swaps"}} }, `index names the step "swaps"`},
		{func(s *settings) { s.Partitions = &partitions{Size: 1, Column: "nonce"} }, "have no column nonce"},
		{func(s *settings) { s.Partitions = &partitions{Size: 1, Column: "name"} }, "partitions need whole numbers"},
	} {
		_, err := tried(t, with(dsn, wrong.change), eventsStart(t))
		says(t, err, wrong.word)
	}
}

// A rule of the table's that rows break is told, and nothing of them is there.
func TestRulesThatRowsBreak(t *testing.T) {
	dsn := newDatabase(t)
	start := eventsStart(t)
	l := started(t, with(dsn, nil), start)
	mark(t, l, 1)
	execute(t, dsn, "ALTER TABLE events ADD CHECK (block_number < 10)")
	load(t, l, 0, eventsOf(1, 10)...)
	says(t, l.Commit(t.Context(), sdk.Commit{Checkpoint: 2}), "23514", "the table has a rule that these rows break")
	closed(t, l)
	execute(t, dsn, `CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER t BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION drop_it()`)
	start.Checkpoint = 1
	l = started(t, with(dsn, nil), start)
	load(t, l, 0, eventsOf(1)...)
	says(t, l.Commit(t.Context(), sdk.Commit{Checkpoint: 2}), "took 0 rows of 1", "trigger")
	closed(t, l)
	l = started(t, with(dsn, nil), start)
	execute(t, dsn, "DROP TABLE events")
	load(t, l, 0, eventsOf(1)...)
	says(t, l.Commit(t.Context(), sdk.Commit{Checkpoint: 2}), "42P01", "--fresh")
}

// Rows go to the partition of their block, and so do those that come when the server lost its memory of the transaction that made it.
func TestPartitionsAreMadeAsNeeded(t *testing.T) {
	dsn := newDatabase(t)
	start := eventsStart(t)
	change := func(s *settings) { s.Partitions, s.Batch = &partitions{Size: 10}, 1 }
	l := started(t, with(dsn, change), start)
	load(t, l, 0, eventsOf(5, 15)...)
	if err := l.land(t.Context()); err != nil {
		t.Fatal(err)
	}
	query(t, dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'penstock%' AND datname = current_database()")
	load(t, l, 0, eventsOf(16, 25)...)
	mark(t, l, 1)
	if got := query(t, dsn, "SELECT tableoid::regclass, array_agg(block_number ORDER BY block_number) FROM events GROUP BY 1 ORDER BY 1"); got != "events_p0|{5}\nevents_p10|{15,16}\nevents_p20|{25}" {
		t.Errorf("got %s", got)
	}
	start.Checkpoint = 1
	l = started(t, with(dsn, func(s *settings) { s.Partitions = &partitions{Size: 100} }), start)
	load(t, l, 0, eventsOf(35)...)
	says(t, l.Commit(t.Context(), sdk.Commit{Checkpoint: 2}), "events_p0", "FROM ('0') TO ('10')", "put size back")
	plain := newDatabase(t)
	closed(t, started(t, with(plain, nil), eventsStart(t)))
	_, err := tried(t, with(plain, change), eventsStart(t))
	says(t, err, "has no partitions, and partitions is set")
}

// "pairs_by" with a column "block_number" and "pairs" with "by" and "block_number" would have an index of the same name.
func TestIndexesOfAnotherTable(t *testing.T) {
	dsn := newDatabase(t)
	execute(t, dsn, "CREATE TABLE other (a int); CREATE INDEX events_block_number_idx ON other (a)")
	_, err := tried(t, with(dsn, nil), eventsStart(t))
	says(t, err, "events_block_number_idx", "table other has one of that name", "ALTER INDEX")
}
