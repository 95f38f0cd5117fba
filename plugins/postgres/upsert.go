package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/plugins/postgres/internal/binary"
)

// Rows that have a key are tried as if they were new, because most are in a chain's history: PostgreSQL refuses them all where one is not.
// Then they gather in a temporary table, the stage, and go from there into the table in two statements. Before a row is replaced that was
// there at the newest checkpoint, its image goes into penstock_undo: once, as only the first after a checkpoint is what was there at it. A
// row keeps its number when it is replaced, so the number names it; rows that have come since the checkpoint have greater ones, and need no
// image: a rewind removes them.

// mostStaged bounds how often rows go by the stage before they are tried as new ones again.
const mostStaged = 1024

// odds are how often rows with a key have been new of late.
type odds struct {
	pause int // how many consignments go by the stage before the next try
	last  int // what pause began with
}

// worse notes that rows were not new.
func (o *odds) worse() {
	o.last = min(max(2*o.last, 1), mostStaged)
	o.pause = o.last
}

// upsert sends rows that have a key.
func (l *loader) upsert(ctx context.Context, t *target, c consignment) error {
	if t.odds.pause == 0 {
		isNew, err := l.insert(ctx, t, c)
		if isNew || err != nil {
			return err
		}
		t.odds.worse()
	} else {
		t.odds.pause--
	}
	if err := l.makeStage(ctx, t); err != nil {
		return err
	}
	if err := l.stream(ctx, t, t.stage, c); err != nil {
		return err
	}
	return l.merge(ctx, t)
}

// insert sends rows as new ones.
func (l *loader) insert(ctx context.Context, t *target, c consignment) (isNew bool, err error) {
	if err := l.db.exec(ctx, "SAVEPOINT penstock"); err != nil {
		return false, err
	}
	err = l.stream(ctx, t, t.full, c)
	switch {
	case err == nil:
		t.odds.last /= 2
		return true, l.db.exec(ctx, "RELEASE penstock")
	case codeOf(err) == "23505":
		return false, l.db.exec(ctx, "ROLLBACK TO penstock")
	default:
		return false, err
	}
}

// makeStage makes the stage of a table, unless this transaction has it.
func (l *loader) makeStage(ctx context.Context, t *target) error {
	lines := []string{quote(rowNumber) + " bigint NOT NULL"}
	for _, c := range t.columns {
		lines = append(lines, quote(c.Name)+" "+c.SQL)
	}
	// It goes with the transaction: with a pooler, the connection may be another loader's next.
	return l.db.exec(ctx, fmt.Sprintf("CREATE TEMPORARY TABLE IF NOT EXISTS %s (%s) ON COMMIT DROP", t.stage, strings.Join(lines, ", ")))
}

// merge takes rows from the stage into the table. Of those with the same key the last one counts.
func (l *loader) merge(ctx context.Context, t *target) error {
	stage, key := t.stage, quoteAll(l.Key)
	var set []string
	for _, c := range t.columns {
		if !slices.Contains(l.Key, c.Name) {
			set = append(set, quote(c.Name)+" = EXCLUDED."+quote(c.Name))
		}
	}
	conflict := "DO NOTHING" // rows are nothing but their key
	if len(set) > 0 {
		conflict = "DO UPDATE SET " + strings.Join(set, ", ")
	}
	columns := quote(rowNumber) + ", " + quoteAll(columnNames(t.columns))
	var same []string
	for _, name := range l.Key {
		same = append(same, "t."+quote(name)+" = s."+quote(name))
	}
	// How the table is gone through depends on the size of the stage and on its keys, and rows are sorted in memory where they fit.
	statements := []string{"SET LOCAL work_mem = '64MB'", "ANALYZE " + stage + " (" + key + ")"}
	if t.marked > 0 {
		statements = append(statements, fmt.Sprintf(`INSERT INTO %s (name, row, after, image)
SELECT %s, t.%s, %d, to_jsonb(t) FROM %s t WHERE t.%s <= %d AND EXISTS (SELECT 1 FROM %s s WHERE %s)
ON CONFLICT (name, row, after) DO NOTHING`,
			l.ledger.at("penstock_undo"), literal(t.name), quote(rowNumber), int64(l.checkpoint), t.full, quote(rowNumber), t.marked, stage, strings.Join(same, " AND ")))
	}
	statements = append(
		statements,
		fmt.Sprintf("INSERT INTO %s (%s) SELECT DISTINCT ON (%s) %s FROM %s ORDER BY %s, %s DESC ON CONFLICT (%s) %s",
			t.full, columns, key, columns, stage, key, quote(rowNumber), key, conflict),
		"TRUNCATE "+stage)
	return l.db.exec(ctx, strings.Join(statements, ";\n"))
}

// restore puts back the rows of a table that were replaced after a checkpoint, and forgets their images.
func (l *loader) restore(ctx context.Context, s *shelf, checkpoint uint64) (int64, error) {
	undo := l.ledger.at("penstock_undo")
	var set []string
	for _, name := range s.there {
		if name != rowNumber {
			set = append(set, quote(name)+" = r."+quote(name))
		}
	}
	after := fmt.Sprintf("name = %s AND after >= %d", literal(s.name), int64(checkpoint))
	var restored int64
	if len(set) > 0 {
		images := fmt.Sprintf("SELECT DISTINCT ON (row) row, image FROM %s WHERE %s AND row <= %d ORDER BY row, after", undo, after, s.last)
		statement := fmt.Sprintf("UPDATE %s t SET %s FROM (%s) u, LATERAL jsonb_populate_record(NULL::%s, u.image) r WHERE t.%s = u.row",
			s.full, strings.Join(set, ", "), images, s.full, quote(rowNumber))
		if l.hyper() { // compressed rows cannot have every column changed
			if err := l.db.exec(ctx, fmt.Sprintf("DELETE FROM %s t USING (%s) u WHERE t.%s = u.row", s.full, images, quote(rowNumber))); err != nil {
				return 0, err
			}
			columns := quoteAll(s.there)
			statement = fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM (%s) u, LATERAL jsonb_populate_record(NULL::%s, u.image) r", s.full, columns, columns, images, s.full)
		}
		tag, err := l.db.conn.Exec(ctx, statement)
		if err != nil {
			return 0, err
		}
		restored = tag.RowsAffected()
	}
	return restored, l.db.exec(ctx, "DELETE FROM "+undo+" WHERE "+after)
}

func columnNames(columns []binary.Column) []string {
	var all []string
	for _, c := range columns {
		all = append(all, c.Name)
	}
	return all
}
