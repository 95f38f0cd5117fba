package main

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/plugins/postgres/internal/server"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// hyperServer is a server that runs TimescaleDB. Tests that need it are skipped
// where the machine's PostgreSQL does not have the extension.
type hyperServer struct{ *server.Server }

func withTimescaleDB(t *testing.T) hyperServer {
	t.Helper()
	if query(t, newDatabase(t), "SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'") == "0" {
		t.Skip("the PostgreSQL of this machine does not have the extension timescaledb: what is asked of it is compared word by word in other tests")
	}
	s, err := server.Start(t.Context(), "shared_preload_libraries=timescaledb", "timescaledb.telemetry_level=off", "max_worker_processes=20", "TimeZone=UTC")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return hyperServer{s}
}

// database is the URL of an empty database with the extension.
func (h hyperServer) database(t *testing.T) string {
	t.Helper()
	name, err := h.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dsn := h.URL(name)
	execute(t, dsn, "CREATE EXTENSION timescaledb; SELECT _timescaledb_functions.stop_background_workers()") // tests run jobs themselves
	return dsn
}

// day is midnight of a day.
func day(n int) time.Time { return time.Date(2024, 1, 1+n, 0, 0, 0, 0, time.UTC) }

// tradesOf are trades of the days from one to another, n a day, in blocks that
// count them.
func tradesOf(from, to, n int) []trade {
	var rows []trade
	for d := from; d < to; d++ {
		for i := range n {
			rows = append(rows, trade{Timestamp: day(d).Add(time.Duration(i) * 86400 / time.Duration(n) * time.Second), BlockNumber: uint64(d*n + i), Price: float64(i)})
		}
	}
	return rows
}

func tradesStart(t *testing.T, generation, checkpoint uint64) sdk.Start {
	t.Helper()
	return sdk.Start{Domain: "d", Step: "store", Generation: generation, Checkpoint: checkpoint, Inputs: []sdk.Input{plugintest.WireFrom[trade](t, "trades", "input")}}
}

// runJobs runs the policies of a kind, such as policy_compression.
func runJobs(t *testing.T, dsn, kind string) {
	t.Helper()
	jobs := query(t, dsn, "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = "+literal(kind))
	if jobs == "" {
		t.Fatalf("there is no job %s", kind)
	}
	for job := range strings.Lines(jobs) {
		execute(t, dsn, "CALL run_job("+strings.TrimSpace(job)+")")
	}
}

// compress compresses all chunks.
func compress(t *testing.T, dsn string) {
	t.Helper()
	execute(t, dsn, "SELECT compress_chunk(c, true) FROM show_chunks('trades') c")
}

const countChunks = "SELECT count(*), count(*) FILTER (WHERE is_compressed) FROM timescaledb_information.chunks WHERE hypertable_name = 'trades'"

// All that can be asked for by settings is there, and does what it says.
func TestHypertables(t *testing.T) {
	h := withTimescaleDB(t)
	t.Run("chunks, compression, retention, aggregates", func(t *testing.T) { h.keepsPolicies(t) })
	t.Run("by numbers", func(t *testing.T) { h.byNumbers(t) })
	t.Run("rewind into compressed chunks", func(t *testing.T) { h.rewinds(t) })
	t.Run("undo in compressed chunks", func(t *testing.T) { h.undoes(t) })
	t.Run("anew", func(t *testing.T) { h.beginsAnew(t) })
	t.Run("columns are added", func(t *testing.T) { h.migrates(t) })
	t.Run("settings change", func(t *testing.T) { h.retunes(t) })
	t.Run("a server that dies", func(t *testing.T) { h.dies(t) })
	t.Run("contract", func(t *testing.T) { h.keepsTheContract(t) })
}

func (h hyperServer) keepsPolicies(t *testing.T) {
	t.Helper()
	dsn := h.database(t)
	l := started(t, with(dsn, func(s *settings) { s.Timescale = hourly() }), tradesStart(t, 1, 0))
	load(t, l, 0, tradesOf(0, 5, 24)...)
	mark(t, l, 1)
	closed(t, l)
	if got := query(t, dsn, countChunks); got != "5|0" {
		t.Errorf("got %s chunks, want one a day", got)
	}
	runJobs(t, dsn, "policy_compression")
	if got := query(t, dsn, countChunks); got != "5|5" {
		t.Errorf("got %s chunks, want all compressed", got)
	}
	execute(t, dsn, "CALL refresh_continuous_aggregate('hourly', NULL, NULL)")
	if got := query(t, dsn, "SELECT count(*), sum(avg) FROM hourly"); got != "120|"+strconv.Itoa(5*276) {
		t.Errorf("the aggregate has %s", got)
	}
	runJobs(t, dsn, "policy_refresh_continuous_aggregate")
	runJobs(t, dsn, "policy_retention")
	if got := query(t, dsn, "SELECT count(*) FROM trades"); got != "0" {
		t.Errorf("%s rows are left of long ago", got)
	}
	l = started(t, with(dsn, func(s *settings) { s.Timescale = hourly() }), tradesStart(t, 2, 1))
	load(t, l, 0, tradesOf(5, 6, 24)...)
	mark(t, l, 2)
	closed(t, l)
	if got := query(t, dsn, "SELECT count(*), min(penstock_row) FROM trades"); got != "24|121" {
		t.Errorf("after another start there are %s", got)
	}
}

func (h hyperServer) byNumbers(t *testing.T) {
	t.Helper()
	dsn := h.database(t)
	numbers := func(s *settings) {
		s.Timescale = &timescale{Time: "block_number", Chunk: "100", CompressAfter: "200", Retain: "500"}
	}
	l := started(t, with(dsn, numbers), tradesStart(t, 1, 0))
	load(t, l, 0, tradesOf(0, 10, 100)...)
	mark(t, l, 1)
	if got := query(t, dsn, countChunks); got != "10|0" {
		t.Errorf("got %s chunks", got)
	}
	runJobs(t, dsn, "policy_compression")
	runJobs(t, dsn, "policy_retention")
	if got := query(t, dsn, "SELECT min(block_number), max(block_number), count(*) FROM trades"); got != "400|999|600" {
		t.Errorf("got blocks %s", got)
	}
	load(t, l, 0, tradesOf(10, 11, 100)...)
	mark(t, l, 2)
	closed(t, l)
	l = started(t, with(dsn, numbers), tradesStart(t, 2, 1))
	if got := query(t, dsn, "SELECT max(block_number) FROM trades"); got != "999" {
		t.Errorf("the newest block is %s", got)
	}
	closed(t, l)
}

// manyRows are more than TimescaleDB decompresses for one transaction if nobody
// lets it.
const manyRows = 150_000

func (h hyperServer) rewinds(t *testing.T) {
	t.Helper()
	dsn := h.database(t)
	hyper := func(s *settings) { s.Timescale = &timescale{Chunk: "10 days", CompressAfter: "7 days"} }
	l := started(t, with(dsn, hyper), tradesStart(t, 1, 0))
	load(t, l, 0, tradesOf(0, 1, 1000)...)
	mark(t, l, 1)
	load(t, l, 0, tradesOf(1, 2, manyRows)...)
	mark(t, l, 2)
	load(t, l, 0, tradesOf(2, 3, 10)...) // is committed by nobody
	closed(t, l)
	compress(t, dsn)
	l = started(t, with(dsn, hyper), tradesStart(t, 2, 2))
	if got := query(t, dsn, "SELECT count(*), max(penstock_row) FROM trades"); got != fmt.Sprintf("%d|%[1]d", manyRows+1000) {
		t.Errorf("at the second checkpoint there are %s", got)
	}
	closed(t, l)
	l = started(t, with(dsn, hyper), tradesStart(t, 3, 1))
	if got := query(t, dsn, "SELECT count(*), max(penstock_row) FROM trades"); got != "1000|1000" {
		t.Errorf("at the first checkpoint there are %s", got)
	}
	load(t, l, 0, tradesOf(1, 2, 100)...)
	mark(t, l, 2)
	closed(t, l)
	if got := query(t, dsn, "SELECT count(*), max(penstock_row) FROM trades"); got != "1100|1100" {
		t.Errorf("after they have come again there are %s", got)
	}
}

func (h hyperServer) undoes(t *testing.T) {
	t.Helper()
	dsn := h.database(t)
	keyed := func(s *settings) {
		s.Timescale, s.Key = &timescale{Chunk: "1 day", CompressAfter: "7 days", SegmentBy: []string{"block_number"}}, []string{"block_number", "timestamp"}
	}
	l := started(t, with(dsn, keyed), tradesStart(t, 1, 0))
	load(t, l, 0, tradesOf(0, 3, 100)...)
	mark(t, l, 1)
	was := query(t, dsn, "SELECT * FROM trades ORDER BY penstock_row")
	compress(t, dsn)
	rows := tradesOf(1, 4, 100)
	for i := range rows {
		rows[i].Price += 1000
	}
	load(t, l, 0, rows...)
	mark(t, l, 2)
	if got := query(t, dsn, "SELECT count(*), count(*) FILTER (WHERE price >= 1000) FROM trades"); got != "400|300" {
		t.Errorf("after rows were replaced there are %s", got)
	}
	compress(t, dsn)
	load(t, l, 0, tradesOf(0, 1, 7)...)
	mark(t, l, 3)
	closed(t, l)
	l = started(t, with(dsn, keyed), tradesStart(t, 2, 1))
	if got := query(t, dsn, "SELECT * FROM trades ORDER BY penstock_row"); got != was {
		t.Errorf("after going back there are %d bytes of rows, want %d", len(got), len(was))
	}
	load(t, l, 0, rows...)
	mark(t, l, 2)
	closed(t, l)
	if got := query(t, dsn, "SELECT count(*), count(*) FILTER (WHERE price >= 1000) FROM trades"); got != "400|300" {
		t.Errorf("after they have come again there are %s", got)
	}
}

func (h hyperServer) beginsAnew(t *testing.T) {
	t.Helper()
	dsn := h.database(t)
	hyper := func(s *settings) { s.Timescale = hourly() }
	l := started(t, with(dsn, hyper), tradesStart(t, 1, 0))
	load(t, l, 0, tradesOf(0, 3, 24)...)
	mark(t, l, 1)
	closed(t, l)
	compress(t, dsn)
	execute(t, dsn, "CALL refresh_continuous_aggregate('hourly', NULL, NULL)")
	start := tradesStart(t, 2, 0)
	start.Fresh = true
	l = started(t, with(dsn, hyper), start)
	load(t, l, 0, tradesOf(1, 2, 12)...)
	mark(t, l, 1)
	closed(t, l)
	execute(t, dsn, "CALL refresh_continuous_aggregate('hourly', NULL, NULL)")
	if got := query(t, dsn, "SELECT (SELECT count(*) FROM trades), (SELECT count(*) FROM hourly)"); got != "12|12" {
		t.Errorf("got %s rows and hours", got)
	}
}

// wideTrade is a trade that has gained columns.
type wideTrade struct {
	Timestamp   time.Time
	BlockNumber uint64
	Price       float64
	Venue       *string
	Fee         *float64
}

func (wideTrade) TransitType() string { return "test.trade" }

func (h hyperServer) migrates(t *testing.T) {
	t.Helper()
	dsn := h.database(t)
	hyper := func(s *settings) { s.Timescale = &timescale{Chunk: "1 day", CompressAfter: "7 days"} }
	l := started(t, with(dsn, hyper), tradesStart(t, 1, 0))
	load(t, l, 0, tradesOf(0, 3, 24)...)
	mark(t, l, 1)
	closed(t, l)
	compress(t, dsn)
	start := tradesStart(t, 2, 1)
	start.Inputs = []sdk.Input{plugintest.WireFrom[wideTrade](t, "trades", "input")}
	l = started(t, with(dsn, hyper), start)
	load(t, l, 0, wideTrade{Timestamp: day(0), Venue: new("a"), Fee: new(0.5)})
	mark(t, l, 2)
	closed(t, l)
	if got := query(t, dsn, "SELECT count(*), count(venue), sum(fee) FROM trades"); got != "73|1|0.5" {
		t.Errorf("got %s", got)
	}
}

func (h hyperServer) retunes(t *testing.T) {
	t.Helper()
	dsn := h.database(t)
	for i, s := range []*timescale{
		{Chunk: "1 day"},
		{Chunk: "1 day", CompressAfter: "7 days"},
		{Chunk: "2 days", CompressAfter: "9 days", SegmentBy: []string{"block_number"}, Retain: "90 days"},
		{Chunk: "2 days", CompressAfter: "9 days", SegmentBy: []string{"block_number"}, OrderBy: []string{"timestamp"}},
		{Chunk: "2 days"},
		hourly(),
		{CompressAfter: "7 days"},
	} {
		l := started(t, with(dsn, func(set *settings) { set.Timescale = s }), tradesStart(t, uint64(i)+1, uint64(i)))
		load(t, l, 0, tradesOf(2*i, 2*i+2, 24)...)
		mark(t, l, uint64(i)+1)
		closed(t, l)
		if s.CompressAfter != "" {
			compress(t, dsn)
		}
		policies := query(t, dsn, "SELECT string_agg(proc_name::text, ' ' ORDER BY proc_name) FROM timescaledb_information.jobs WHERE hypertable_name = 'trades' AND proc_name IN ('policy_compression', 'policy_retention')")
		var want []string
		if s.CompressAfter != "" {
			want = append(want, "policy_compression")
		}
		if s.Retain != "" {
			want = append(want, "policy_retention")
		}
		if got := strings.Join(want, " "); strings.ReplaceAll(policies, "NULL", "") != got {
			t.Errorf("settings %d: the policies are %s, want %s", i, policies, got)
		}
	}
	if got := query(t, dsn, "SELECT count(*), max(penstock_row) FROM trades"); got != "336|336" {
		t.Errorf("got %s", got)
	}
}

// dies has the server killed in the middle of a transaction that replaces rows of
// compressed chunks.
func (h hyperServer) dies(t *testing.T) {
	t.Helper()
	dsn := h.database(t)
	l := started(t, with(dsn, func(s *settings) {
		s.Timescale, s.Key, s.Batch = &timescale{Chunk: "1 day", CompressAfter: "7 days"}, []string{"timestamp"}, 1
	}), tradesStart(t, 1, 0))
	load(t, l, 0, tradesOf(0, 3, 100)...)
	mark(t, l, 1)
	compress(t, dsn)
	rows := tradesOf(1, 4, 100)
	for i := range rows {
		rows[i].Price += 1000
	}
	load(t, l, 0, rows[:200]...)
	if err := h.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := h.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	load(t, l, 0, rows[200:]...)
	mark(t, l, 2)
	closed(t, l)
	if got := query(t, dsn, "SELECT count(*), count(*) FILTER (WHERE price >= 1000) FROM trades"); got != "400|300" {
		t.Errorf("got %s, want each row once", got)
	}
}

// timedEvent is an event with a time.
type timedEvent struct {
	Timestamp   time.Time
	BlockNumber uint64
	Name        string
}

func (timedEvent) TransitType() string { return "test.timed" }

func (h hyperServer) keepsTheContract(t *testing.T) {
	t.Helper()
	for name, settings := range map[string]map[string]any{
		"rows": {"timescale": map[string]any{"chunk": "1 hour", "compress_after": "1 hour"}},
		"key":  {"timescale": map[string]any{"chunk": "1 hour"}, "key": []string{"name", "timestamp"}},
	} {
		t.Run(name, func(t *testing.T) {
			plugintest.Contract[timedEvent]{
				Register: register(quick()),
				Row: func(n int) (timedEvent, string) {
					return timedEvent{Timestamp: day(0).Add(time.Duration(n) * time.Minute), BlockNumber: uint64(n / 7), Name: strconv.Itoa(n)}, strconv.Itoa(n)
				},
				Store: func(plugintest.TB) plugintest.Store {
					dsn := h.database(t)
					all := map[string]any{"dsn": dsn}
					maps.Copy(all, settings)
					return plugintest.Store{Settings: all, Rows: func(input string) []string { return numbered(t, dsn, input) }}
				},
				Inputs: []string{"rows"},
				Walks:  2,
			}.Check(t)
		})
	}
}
