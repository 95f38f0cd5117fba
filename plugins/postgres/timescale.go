package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-io/penstock/plugins/postgres/internal/binary"
)

// timescale makes a table a hypertable. Spans of time are written as PostgreSQL's intervals where the column has times ("7 days"), and as
// whole numbers where it has those ("1000000" blocks).
type timescale struct {
	Time          string      `hcl:"time,optional" doc:"the column that the table is parted by, of times or whole numbers; empty: timestamp"`
	Chunk         string      `hcl:"chunk,optional" doc:"how much a chunk holds, such as \"1 day\" or \"100000\"; empty: as TimescaleDB has it"`
	CompressAfter string      `hcl:"compress_after,optional" doc:"compress chunks that are older, such as \"7 days\"; longer than a reorganisation reaches back, because what is compressed is slow to take back"`
	SegmentBy     []string    `hcl:"segment_by,optional" doc:"columns that compressed rows are grouped by, such as an address"`
	OrderBy       []string    `hcl:"order_by,optional" doc:"columns that compressed rows are ordered by; none: as TimescaleDB has it"`
	Retain        string      `hcl:"retain,optional" doc:"drop chunks that are older, such as \"90 days\""`
	Aggregates    []aggregate `hcl:"aggregate,block" doc:"a continuous aggregate"`
}

// aggregate is a view that TimescaleDB keeps up to date.
type aggregate struct {
	Name  string `hcl:"name" doc:"the name of the view, in the schema of the table"`
	Query string `hcl:"query" doc:"its SQL, which groups by a time_bucket"`
	Start string `hcl:"start,optional" doc:"how far back it is brought up to date, such as \"3 days\"; empty: to the beginning"`
	End   string `hcl:"end,optional" doc:"how much of the newest is left out, such as \"1 hour\"; empty: nothing"`
	Every string `hcl:"every,optional" doc:"how often it is brought up to date, such as \"10 minutes\"; empty: when somebody calls refresh_continuous_aggregate"`
}

func (s *timescale) validate() error {
	var errs []error
	for _, a := range s.Aggregates {
		if err := checkName("timescale: an aggregate", a.Name); err != nil {
			errs = append(errs, err)
		}
		if strings.TrimSpace(a.Query) == "" {
			errs = append(errs, fmt.Errorf("timescale: the aggregate %q has no query: write its SELECT", a.Name))
		}
		if a.Every == "" && a.Start+a.End != "" {
			errs = append(errs, fmt.Errorf("timescale: the aggregate %q has start or end, which say what is brought up to date, and no every, which says how often: write every", a.Name))
		}
	}
	return errors.Join(errs...)
}

func (s *timescale) time() string {
	if s.Time == "" {
		return "timestamp"
	}
	return s.Time
}

// hyper tells that tables are hypertables.
func (l *loader) hyper() bool { return l.Timescale != nil && l.hasTimescale }

// findTimescale finds out whether the server has TimescaleDB in this database.
func (l *loader) findTimescale(ctx context.Context) error {
	if l.Timescale == nil {
		return nil
	}
	err := l.db.conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'timescaledb')").Scan(&l.hasTimescale)
	if err == nil && l.hasTimescale {
		l.db.more = unbounded
	}
	if err != nil || l.hasTimescale || l.Partitions != nil {
		return err
	}
	return mistakef("timescale is set, and TimescaleDB is not in the database: CREATE EXTENSION timescaledb (where the server has it), or leave the block out; " +
		"with a block partitions beside it, PostgreSQL's own partitions are used where it is missing")
}

// unbounded lets a transaction decompress as many rows as it takes: a rewind may go back into chunks that were compressed since. Versions that
// have no such bound do not know its name.
const unbounded = `
SELECT set_config(bound, '0', true) FROM (VALUES ('timescaledb.max_tuples_decompressed_per_dml_transaction')) AS bounds (bound) WHERE current_setting(bound, true) IS NOT NULL`

// timeColumn is the column by which a table is a hypertable.
func (l *loader) timeColumn(t *target) (binary.Column, error) {
	name := l.Timescale.time()
	i := slices.IndexFunc(t.columns, func(c binary.Column) bool { return c.Name == name })
	if i < 0 {
		return binary.Column{}, mistakef("timescale: the rows of step %q (%s) have no column %s: name one with time, or give them a loader of their own", t.step, t.typ, name)
	}
	c := t.columns[i]
	if c.Nullable || !slices.Contains([]string{"smallint", "integer", "bigint", "timestamp with time zone"}, c.SQL) {
		return c, mistakef("timescale: column %s of step %q (%s) is %s: it has to have times or whole numbers (bigint, see types) that are never null", name, t.step, t.typ, describe(c))
	}
	if len(l.Key) > 0 && !slices.Contains(l.Key, name) {
		return c, mistakef("timescale: key lacks the column %s: TimescaleDB knows no keys without it: add it to key", name)
	}
	for _, span := range []string{l.Timescale.Chunk, l.Timescale.CompressAfter, l.Timescale.Retain} {
		if _, err := strconv.ParseInt(span, 10, 64); c.SQL != "timestamp with time zone" && span != "" && err != nil {
			return c, mistakef("timescale: column %s has whole numbers, and %q is none: write how many, such as \"1000000\"", name, span)
		}
	}
	return c, nil
}

// settingsOf are what a table was made with, to know when they change.
func (l *loader) settingsOf() string {
	if !l.hyper() {
		return ""
	}
	text, err := json.Marshal(l.Timescale)
	if err != nil {
		return "" // unreachable: strings and lists of them
	}
	return string(text)
}

// tune makes a table a hypertable, and sets what it is kept by. All of it can be done again.
func (l *loader) tune(ctx context.Context, t *target) error {
	column, err := l.timeColumn(t)
	if err != nil {
		return err
	}
	for _, statement := range l.Timescale.statements(t, column) {
		if err := l.db.exec(ctx, statement); err != nil {
			return fmt.Errorf("%w (in %s)", err, statement)
		}
	}
	return nil
}

// statements make and tune a hypertable.
func (s *timescale) statements(t *target, column binary.Column) []string {
	at := literal(t.full)
	span := func(text string) string {
		if column.SQL == "timestamp with time zone" {
			return "INTERVAL " + literal(text)
		}
		return text + "::" + column.SQL
	}
	make := "SELECT create_hypertable(" + at + ", " + literal(column.Name) + ", if_not_exists => true, migrate_data => true"
	if s.Chunk != "" {
		make += ", chunk_time_interval => " + span(s.Chunk)
	}
	all := []string{make + ")"}
	if s.Chunk != "" { // of a hypertable that is there already, for the chunks to come
		all = append(all, "SELECT set_chunk_time_interval("+at+", "+span(s.Chunk)+")")
	}
	if column.SQL != "timestamp with time zone" && s.CompressAfter+s.Retain != "" {
		all = append(all, s.now(t, column)...)
	}
	all = append(all, "SELECT remove_compression_policy("+at+", if_exists => true)", "SELECT remove_retention_policy("+at+", if_exists => true)")
	if s.CompressAfter != "" {
		all = append(all, s.compression(t), "SELECT add_compression_policy("+at+", "+span(s.CompressAfter)+")")
	}
	if s.Retain != "" {
		all = append(all, "SELECT add_retention_policy("+at+", "+span(s.Retain)+")")
	}
	for _, a := range s.Aggregates {
		all = append(all, a.statements(t, span)...)
	}
	return all
}

// now says what the newest number is, for which TimescaleDB has no clock.
func (s *timescale) now(t *target, column binary.Column) []string {
	name := cutTo(t.name, longestName-len("_now")) + "_now"
	function := strings.TrimSuffix(t.full, quote(t.name)) + quote(name)
	return []string{
		fmt.Sprintf("CREATE OR REPLACE FUNCTION %s() RETURNS %s LANGUAGE SQL STABLE AS %s", function, column.SQL,
			literal(fmt.Sprintf("SELECT coalesce(max(%s), 0)::%s FROM %s", quote(column.Name), column.SQL, t.full))),
		"SELECT set_integer_now_func(" + literal(t.full) + ", " + literal(function) + ", replace_if_exists => true)",
	}
}

func (s *timescale) compression(t *target) string {
	options := []string{"timescaledb.compress"}
	if len(s.SegmentBy) > 0 {
		options = append(options, "timescaledb.compress_segmentby = "+literal(quoteAll(s.SegmentBy)))
	}
	if len(s.OrderBy) > 0 {
		options = append(options, "timescaledb.compress_orderby = "+literal(quoteAll(s.OrderBy)))
	}
	return "ALTER TABLE " + t.full + " SET (" + strings.Join(options, ", ") + ")"
}

func (a *aggregate) statements(t *target, span func(string) string) []string {
	view := strings.TrimSuffix(t.full, quote(t.name)) + quote(a.Name)
	all := []string{
		"CREATE MATERIALIZED VIEW IF NOT EXISTS " + view + " WITH (timescaledb.continuous) AS " + strings.TrimRight(strings.TrimSpace(a.Query), ";") + " WITH NO DATA",
		"SELECT remove_continuous_aggregate_policy(" + literal(view) + ", if_exists => true)",
	}
	if a.Every == "" {
		return all
	}
	orNull := func(text string) string {
		if text == "" {
			return "NULL"
		}
		return span(text)
	}
	return append(all, fmt.Sprintf("SELECT add_continuous_aggregate_policy(%s, start_offset => %s, end_offset => %s, schedule_interval => INTERVAL %s)",
		literal(view), orNull(a.Start), orNull(a.End), literal(a.Every)))
}
