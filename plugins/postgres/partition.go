package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/jackc/pgx/v5"

	"github.com/penstock-io/penstock/plugins/postgres/internal/binary"
	"github.com/penstock-io/penstock/sdk/transit"
)

// parted tells that tables are kept in partitions of PostgreSQL's own.
func (l *loader) parted() bool { return l.Partitions != nil && !l.hyper() }

// rangedBy finds the column by which a table is parted.
func (l *loader) rangedBy(t *target) error {
	t.ranged = -1
	if l.Partitions == nil {
		return nil
	}
	name := l.Partitions.column()
	i := slices.IndexFunc(t.columns, func(c binary.Column) bool { return c.Name == name })
	if i < 0 {
		return fmt.Errorf("partitions: the rows of step %q (%s) have no column %s: name one with column, or give them a loader of their own", t.step, t.typ, name)
	}
	if c := t.columns[i]; c.Nullable || !slices.Contains([]string{"smallint", "integer", "bigint"}, c.SQL) {
		return fmt.Errorf("partitions: column %s of step %q (%s) is %s: partitions need whole numbers (bigint, see types) that are never null", name, t.step, t.typ, describe(c))
	}
	if len(l.Key) > 0 && !slices.Contains(l.Key, name) {
		return fmt.Errorf("partitions: key lacks the column %s: PostgreSQL knows no keys across partitions: add it to key", name)
	}
	t.ranged = i
	return nil
}

func describe(c binary.Column) string {
	if c.Nullable {
		return c.SQL + ", and may be null"
	}
	return c.SQL
}

// rangesOf are the numbers of the partitions that the rows of a batch go to.
func (l *loader) rangesOf(t *target, batch transit.Batch) ([]int64, error) {
	if t.ranged < 0 || !l.parted() {
		return nil, nil
	}
	values, err := wholeNumbers(batch.Record.Column(t.ranged))
	if err != nil {
		return nil, err
	}
	var ranges []int64
	for row := range int(batch.Record.NumRows()) {
		v := values(row)
		t.age.see(v)
		n := floorDiv(v, l.Partitions.Size)
		if len(ranges) > 0 && ranges[len(ranges)-1] == n {
			continue
		}
		if !slices.Contains(ranges, n) {
			ranges = append(ranges, n)
		}
	}
	return ranges, nil
}

func floorDiv(v, by int64) int64 {
	n := v / by
	if v%by < 0 {
		n--
	}
	return n
}

func wholeNumbers(a arrow.Array) (func(row int) int64, error) {
	switch a := a.(type) {
	case *array.Uint64:
		return func(row int) int64 { return int64(a.Value(row)) }, nil
	case *array.Int64:
		return a.Value, nil
	case *array.Uint32:
		return func(row int) int64 { return int64(a.Value(row)) }, nil
	case *array.Int32:
		return func(row int) int64 { return int64(a.Value(row)) }, nil
	case *array.Uint16:
		return func(row int) int64 { return int64(a.Value(row)) }, nil
	case *array.Int16:
		return func(row int) int64 { return int64(a.Value(row)) }, nil
	case *array.Uint8:
		return func(row int) int64 { return int64(a.Value(row)) }, nil
	case *array.Int8:
		return func(row int) int64 { return int64(a.Value(row)) }, nil
	}
	return nil, errors.New("partitions: the column has no whole numbers") // unreachable: rangedBy has looked
}

// partition is the name of the n-th partition of a table.
func (l *loader) partition(t *shelf, n int64) string {
	end := "_p" + strconv.FormatInt(n*l.Partitions.Size, 10)
	if len(t.name)+len(end) <= longestName {
		return t.name + end
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.name)) // it cannot fail
	end = fmt.Sprintf("_%08x%s", h.Sum32(), end)
	return cutTo(t.name, longestName-len(end)) + end
}

// makeParts makes partitions that are not there. Who reads the table is not held up, as by CREATE TABLE ... PARTITION OF.
func (l *loader) makeParts(ctx context.Context, t *target, ranges []int64) error {
	for _, n := range ranges {
		if t.parts[n] {
			continue
		}
		if err := l.makePart(ctx, t, n); err != nil {
			return err
		}
		t.parts[n] = true
	}
	return nil
}

func (l *loader) makePart(ctx context.Context, t *target, n int64) error {
	name := l.partition(t.shelf, n)
	full := quote(l.Schema) + "." + quote(name)
	from := n * l.Partitions.Size
	to := from + l.Partitions.Size
	var bounds string
	err := l.db.conn.QueryRow(ctx, "SELECT pg_get_expr(relpartbound, oid) FROM pg_class JOIN pg_inherits ON inhrelid = oid WHERE oid = to_regclass($1) AND inhparent = to_regclass($2)",
		full, t.full).Scan(&bounds)
	switch want := boundsOf(from, to); {
	case err == nil && bounds != want:
		return mistakef("partition %s of table %s is %s, and with size %d it would be %s: put size back, or rename or drop the table, or name another: tables = { %q = \"another\" }",
			name, t.full, bounds, l.Partitions.Size, want, t.step)
	case err == nil || !errors.Is(err, pgx.ErrNoRows):
		return err
	}
	if err := l.standsAlone(ctx, t, name, full); err != nil {
		return err
	}
	return l.db.exec(ctx, fmt.Sprintf(`CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE)%s;
ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)`, full, t.full, l.storage(), t.full, full, from, to))
}
