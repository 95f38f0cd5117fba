package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// TimescaleDB is not a part of PostgreSQL, and tests do without it: what is asked of it is compared word by word, what PostgreSQL's own parser
// can say of that is asked, and functions with the names and parameters of its own stand in for it.

// trade is a row with a time.
type trade struct {
	Timestamp   time.Time
	BlockNumber uint64
	Price       float64
}

func (trade) TransitType() string { return "test.trade" }

func hourly() *timescale {
	return &timescale{
		Chunk: "1 day", CompressAfter: "7 days", SegmentBy: []string{"block_number"}, OrderBy: []string{"timestamp"}, Retain: "90 days",
		Aggregates: []aggregate{{
			Name: "hourly", Query: "SELECT time_bucket('1 hour', timestamp) AS hour, avg(price) FROM trades GROUP BY 1;", Start: "3 hours", End: "1 hour", Every: "30 minutes",
		}},
	}
}

// statementsFor are those that make a table what the settings say.
func statementsFor(t *testing.T, s *timescale) []string {
	t.Helper()
	l := &loader{settings: with("", func(set *settings) { set.Timescale = s }), hasTimescale: true}
	if err := l.plan(sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[trade](t, "trades", "input")}}); err != nil {
		t.Fatal(err)
	}
	column, err := l.timeColumn(l.targets[0])
	if err != nil {
		t.Fatal(err)
	}
	return s.statements(l.targets[0], column)
}

func TestWhatIsAskedOfTimescaleDB(t *testing.T) {
	const at = `E'"public"."trades"'`
	want := []string{
		"SELECT create_hypertable(" + at + ", E'timestamp', if_not_exists => true, migrate_data => true, chunk_time_interval => INTERVAL E'1 day')",
		"SELECT set_chunk_time_interval(" + at + ", INTERVAL E'1 day')",
		"SELECT remove_compression_policy(" + at + ", if_exists => true)",
		"SELECT remove_retention_policy(" + at + ", if_exists => true)",
		`ALTER TABLE "public"."trades" SET (timescaledb.compress, timescaledb.compress_segmentby = E'"block_number"', timescaledb.compress_orderby = E'"timestamp"')`,
		"SELECT add_compression_policy(" + at + ", INTERVAL E'7 days')",
		"SELECT add_retention_policy(" + at + ", INTERVAL E'90 days')",
		`CREATE MATERIALIZED VIEW IF NOT EXISTS "public"."hourly" WITH (timescaledb.continuous) AS SELECT time_bucket('1 hour', timestamp) AS hour, avg(price) FROM trades GROUP BY 1 WITH NO DATA`,
		`SELECT remove_continuous_aggregate_policy(E'"public"."hourly"', if_exists => true)`,
		`SELECT add_continuous_aggregate_policy(E'"public"."hourly"', start_offset => INTERVAL E'3 hours', end_offset => INTERVAL E'1 hour', schedule_interval => INTERVAL E'30 minutes')`,
	}
	if diff := cmp.Diff(want, statementsFor(t, hourly())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	blocks := &timescale{Time: "block_number", Chunk: "100000", Retain: "1000000"}
	want = []string{
		"SELECT create_hypertable(" + at + ", E'block_number', if_not_exists => true, migrate_data => true, chunk_time_interval => 100000::bigint)",
		"SELECT set_chunk_time_interval(" + at + ", 100000::bigint)",
		`CREATE OR REPLACE FUNCTION "public"."trades_now"() RETURNS bigint LANGUAGE SQL STABLE AS E'SELECT coalesce(max("block_number"), 0)::bigint FROM "public"."trades"'`,
		"SELECT set_integer_now_func(" + at + `, E'"public"."trades_now"', replace_if_exists => true)`,
		"SELECT remove_compression_policy(" + at + ", if_exists => true)",
		"SELECT remove_retention_policy(" + at + ", if_exists => true)",
		"SELECT add_retention_policy(" + at + ", 1000000::bigint)",
	}
	if diff := cmp.Diff(want, statementsFor(t, blocks)); diff != "" {
		t.Errorf("by blocks (-want +got):\n%s", diff)
	}
}

// standIns have the names and parameters of TimescaleDB's functions, and write down that they were called.
const standIns = `
SET allow_system_table_mods = on;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion) VALUES (999999, 'timescaledb', 10, 'public'::regnamespace, false, '2.99');
CREATE TABLE calls (n serial, call text);
CREATE FUNCTION create_hypertable(relation regclass, time_column_name name, chunk_time_interval anyelement DEFAULT NULL::bigint, if_not_exists boolean DEFAULT false, migrate_data boolean DEFAULT false)
  RETURNS void LANGUAGE SQL AS $$ INSERT INTO public.calls (call) VALUES ('hypertable ' || relation || ' ' || time_column_name || ' ' || coalesce(chunk_time_interval::text, 'by itself')) $$;
CREATE FUNCTION set_chunk_time_interval(hypertable regclass, chunk_time_interval anyelement) RETURNS void LANGUAGE SQL AS $$ INSERT INTO public.calls (call) VALUES ('chunk ' || chunk_time_interval) $$;
CREATE FUNCTION set_integer_now_func(hypertable regclass, integer_now_func regproc, replace_if_exists boolean) RETURNS void LANGUAGE SQL AS $$ INSERT INTO public.calls (call) VALUES ('now ' || integer_now_func) $$;
CREATE FUNCTION remove_compression_policy(hypertable regclass, if_exists boolean) RETURNS boolean LANGUAGE SQL AS $$ SELECT true $$;
CREATE FUNCTION remove_retention_policy(relation regclass, if_exists boolean) RETURNS void LANGUAGE SQL AS $$ SELECT $$;
CREATE FUNCTION add_retention_policy(relation regclass, drop_after anyelement) RETURNS integer LANGUAGE SQL AS $$ INSERT INTO public.calls (call) VALUES ('retain ' || drop_after); SELECT 1 $$;
CREATE FUNCTION add_compression_policy(hypertable regclass, compress_after anyelement) RETURNS integer LANGUAGE SQL AS $$ INSERT INTO public.calls (call) VALUES ('compress ' || compress_after); SELECT 1 $$;
`

func TestHypertablesAreMadeOnceAndTunedWhenTheirSettingsChange(t *testing.T) {
	dsn := newDatabase(t)
	execute(t, dsn, standIns)
	start := sdk.Start{Domain: "d", Step: "store", Inputs: []sdk.Input{plugintest.WireFrom[trade](t, "trades", "input")}}
	for i, test := range []struct {
		s    *timescale
		want string
	}{
		{&timescale{}, "hypertable trades timestamp by itself"},
		{&timescale{}, ""},
		{&timescale{Chunk: "1 day", Retain: "90 days"}, "hypertable trades timestamp 1 day, chunk 1 day, retain 90 days"},
		{&timescale{Chunk: "1 day", Retain: "90 days"}, ""},
		{&timescale{Time: "block_number", Retain: "500"}, "hypertable trades block_number by itself, now trades_now, retain 500"},
	} {
		execute(t, dsn, "DELETE FROM calls")
		start.Checkpoint = uint64(i)
		l := started(t, with(dsn, func(set *settings) { set.Timescale = test.s; set.Partitions = &partitions{Size: 10} }), start)
		load(t, l, 0, trade{Timestamp: time.Unix(int64(i), 0), BlockNumber: uint64(i)})
		mark(t, l, uint64(i)+1)
		closed(t, l)
		if got := query(t, dsn, "SELECT coalesce(string_agg(call, ', ' ORDER BY n), '') FROM calls"); got != test.want {
			t.Errorf("settings %d: it called %q, want %q", i, got, test.want)
		}
	}
	if got := blocksIn(t, dsn, "trades"); got != "0 1 2 3 4" {
		t.Errorf("got blocks %s", got)
	}
	if got := query(t, dsn, "SELECT trades_now()"); got != "4" {
		t.Errorf("the newest block is %s, want 4", got)
	}
	if got := query(t, dsn, "SELECT relkind, (SELECT count(*) FROM pg_index WHERE indrelid = c.oid AND indisunique) FROM pg_class c WHERE relname = 'trades'"); got != "r|0" {
		t.Errorf("got %s, want a plain table without unique indexes, which a hypertable cannot have without its time", got)
	}
}

// What PostgreSQL hands on to TimescaleDB it has to understand first: it fails for no other reason than that TimescaleDB is not there.
func TestStatementsThatPostgreSQLHandsOn(t *testing.T) {
	dsn := newDatabase(t)
	execute(t, dsn, "CREATE FUNCTION time_bucket(interval, timestamptz) RETURNS timestamptz LANGUAGE SQL IMMUTABLE AS 'SELECT $2'; CREATE TABLE trades (timestamp timestamptz, block_number bigint, price float)")
	handed := 0
	for _, statement := range statementsFor(t, hourly()) {
		if strings.HasPrefix(statement, "SELECT") {
			continue
		}
		handed++
		_, err := ask(t.Context(), dsn, statement)
		if failed, ok := errors.AsType[*pgconn.PgError](err); !ok || !strings.Contains(failed.Message, `unrecognized parameter namespace "timescaledb"`) {
			t.Errorf("%s: got %v", statement, err)
		}
	}
	if handed != 2 {
		t.Errorf("%d statements are handed on, want 2", handed)
	}
}

func TestWithoutTimescaleDB(t *testing.T) {
	dsn := newDatabase(t)
	start := sdk.Start{Domain: "d", Step: "store", Inputs: []sdk.Input{plugintest.WireFrom[trade](t, "trades", "input")}}
	_, err := tried(t, with(dsn, func(s *settings) { s.Timescale = hourly() }), start)
	says(t, err, "TimescaleDB is not in the database", "CREATE EXTENSION timescaledb", "partitions")
	l := started(t, with(dsn, func(s *settings) { s.Timescale, s.Partitions = hourly(), &partitions{Size: 10} }), start)
	load(t, l, 0, trade{BlockNumber: 7}, trade{BlockNumber: 17})
	mark(t, l, 1)
	if got := query(t, dsn, "SELECT tableoid::regclass FROM trades ORDER BY 1"); got != "trades_p0\ntrades_p10" {
		t.Errorf("got the tables %s, want partitions", got)
	}
	execute(t, dsn, standIns)
	for words, change := range map[string]func(s *settings){
		"have no column at":                  func(s *settings) { s.Timescale = &timescale{Time: "at"} },
		"it has to have times or whole":      func(s *settings) { s.Timescale = &timescale{Time: "price"} },
		`"7 days" is none`:                   func(s *settings) { s.Timescale = &timescale{Time: "block_number", CompressAfter: "7 days"} },
		"key lacks the column timestamp":     func(s *settings) { s.Timescale, s.Key = &timescale{}, []string{"block_number"} },
		"which cannot be kept as \"number\"": func(s *settings) { s.Timescale, s.Types = &timescale{}, map[string]string{"timestamp": "number"} },
	} {
		_, err := tried(t, with(dsn, func(s *settings) { s.Table = "other"; change(s) }), start)
		says(t, err, words)
	}
}
