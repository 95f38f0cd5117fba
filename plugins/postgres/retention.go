package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/penstock-io/penstock/sdk"
)

// Partitions are dropped that lie so far behind the newest row of a checkpoint which is final: a rewind never takes that row back, so that
// what is dropped would be dropped again after it. Rows that come later than all others get their partition back, and it goes with the next
// ones. It is done in the transaction that commits a checkpoint, where nobody reads the table just then; otherwise with a later one.

// aging is how old the rows of a table are, by the column that it is parted by.
type aging struct {
	seen    bool
	newest  int64   // of the rows that have come, where seen is set
	reaches []reach // how far checkpoints reach that are not known to be final, oldest first
	final   *reach  // the newest that is; nil: not known yet

	retired, retiring *int64    // partitions that end here or before are gone, and are with the next commit; nil: not known
	again             time.Time // not before that are partitions tried that were in use
}

// reach is what the newest row of a checkpoint was.
type reach struct {
	checkpoint uint64
	newest     int64
}

// see notes a row.
func (a *aging) see(value int64) {
	if !a.seen || value > a.newest {
		a.seen, a.newest = true, value
	}
}

// committed notes that a checkpoint was committed.
func (a *aging) committed(checkpoint uint64) {
	if a.seen {
		a.reaches = append(a.reaches, reach{checkpoint, a.newest})
	}
	if a.retiring != nil {
		a.retired, a.retiring = a.retiring, nil
	}
}

// settle notes which checkpoint is final: nobody goes back before it.
func (a *aging) settle(final uint64) {
	n := 0
	for n < len(a.reaches) && a.reaches[n].checkpoint <= final {
		n++
	}
	if n > 0 {
		newest := a.reaches[n-1]
		a.final, a.reaches = &newest, slices.Delete(a.reaches, 0, n)
	}
}

// oldest is where the partitions begin that are kept; ok is false where nothing is to be done.
func (a *aging) oldest(p *partitions) (oldest int64, ok bool) {
	if a.final == nil || a.final.newest < math.MinInt64+p.Retain || time.Now().Before(a.again) {
		return 0, false
	}
	oldest = floorDiv(a.final.newest-p.Retain, p.Size) * p.Size
	return oldest, a.retired == nil || oldest > *a.retired
}

// retryAfter is how long a partition is left alone that somebody reads, so that nobody who comes to read has to wait often.
const retryAfter = 10 * time.Second

// retire takes away the partitions that are too old.
func (l *loader) retire(ctx context.Context) error {
	if !l.parted() || l.Partitions.Retain == 0 {
		return nil
	}
	for _, s := range l.shelves {
		s.age.settle(l.final)
		s.age.retiring = nil
		oldest, ok := s.age.oldest(l.Partitions)
		if !ok {
			continue
		}
		all, err := l.retireBefore(ctx, s, oldest)
		if err != nil {
			return err
		}
		if !all {
			s.age.again = time.Now().Add(retryAfter)
			continue
		}
		s.age.retiring = &oldest
	}
	return nil
}

// retireBefore takes away the partitions of a table that end before a number or at it, as far as nobody uses them.
func (l *loader) retireBefore(ctx context.Context, s *shelf, oldest int64) (all bool, err error) {
	rows, err := l.db.conn.Query(ctx, "SELECT relname::text, pg_get_expr(relpartbound, oid) FROM pg_class JOIN pg_inherits ON inhrelid = oid WHERE inhparent = to_regclass($1)", s.full)
	if err != nil {
		return false, err
	}
	var name, bounds string
	var from, to int64
	old := make(map[int64]string)
	_, err = pgx.ForEachRow(rows, []any{&name, &bounds}, func() error {
		// One that somebody else has made is left alone.
		if n, _ := fmt.Sscanf(bounds, "FOR VALUES FROM ('%d') TO ('%d')", &from, &to); n == 2 && to <= oldest && name == l.partition(s, floorDiv(from, l.Partitions.Size)) {
			old[from] = name
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	all = true
	for from, name := range old {
		done, err := l.retirePart(ctx, s, name)
		if err != nil {
			return false, err
		}
		if done {
			delete(s.parts, floorDiv(from, l.Partitions.Size))
		}
		all = all && done
	}
	return all, nil
}

// retirePart takes a partition away, unless somebody uses it.
func (l *loader) retirePart(ctx context.Context, s *shelf, name string) (done bool, err error) {
	full := l.full(name)
	statement, what := "DROP TABLE "+full, "dropped"
	if l.Partitions.Detach {
		statement, what = "ALTER TABLE "+s.full+" DETACH PARTITION "+full, "detached"
	}
	err = l.db.exec(ctx, "SAVEPOINT penstock; SET LOCAL lock_timeout = 500; "+statement+"; SET LOCAL lock_timeout = 0; RELEASE penstock")
	if err == nil {
		sdk.Logger(ctx).Info("a partition was too old to be kept", "table", s.name, "partition", name, what, true)
		return true, nil
	}
	switch codeOf(err) {
	case "55P03": // somebody reads it
	case "2BP01", "42501", "0A000", "55006": // something else depends on it, or it is not ours to drop
		sdk.Logger(ctx).Warn("a partition that is too old could not be taken away, and is tried again later: see what depends on it, or take it away by hand",
			"table", s.name, "partition", name, "cause", err.Error())
	default:
		return false, err
	}
	return false, l.db.exec(ctx, "ROLLBACK TO penstock")
}

// boundsOf are the bounds of a partition, as PostgreSQL writes them.
func boundsOf(from, to int64) string {
	return fmt.Sprintf("FOR VALUES FROM ('%d') TO ('%d')", from, to)
}

// standsAlone refuses a table that has the name of a partition to be made.
func (l *loader) standsAlone(ctx context.Context, t *target, name, full string) error {
	var there bool
	if err := l.db.conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", full).Scan(&there); err != nil || !there {
		return err
	}
	return mistakef("rows for partition %s of table %s have come, and a table of that name is there which is no partition of it: it was detached (retain) or made by another program: "+
		"rename or drop it", name, t.full)
}
