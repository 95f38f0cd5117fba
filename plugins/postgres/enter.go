package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/penstock-io/penstock/sdk"
)

// enter takes the step over from whoever wrote it before, and leaves the rows that belong to the checkpoint to go on from. Where the step
// begins anew, it leaves them all until the source has given a sign of life. It can be tried again at any point.
func (l *loader) enter(ctx context.Context, start sdk.Start) error {
	if err := l.prepareSchema(ctx, start); err != nil {
		return err
	}
	if err := l.db.begin(ctx, l.ledger.lock(), func() error { return l.isNewer(ctx, start) }); err != nil {
		return err
	}
	if err := l.ledger.read(ctx); err != nil {
		return err
	}
	if err := l.recall(ctx); err != nil {
		return err
	}
	if err := l.admit(ctx, start); err != nil {
		return err
	}
	if err := l.goBack(ctx, start.Checkpoint); err != nil {
		return err
	}
	for _, t := range l.targets {
		if err := l.prepare(ctx, t); err != nil {
			return err
		}
	}
	if l.anew = start.Checkpoint == 0; !l.anew {
		if err := l.truncate(ctx, start.Checkpoint); err != nil {
			return err
		}
	}
	if err := l.ledger.enter(ctx, start.Generation); err != nil {
		return err
	}
	return l.db.commit(ctx)
}

// goBack finds out how far each table was filled at a checkpoint.
func (l *loader) goBack(ctx context.Context, checkpoint uint64) (err error) {
	var last map[string]int64
	if checkpoint > 0 {
		if last, err = l.ledger.marks(ctx, checkpoint); err != nil {
			return err
		}
	}
	for _, s := range l.shelves {
		s.last = last[s.name]
		s.marked, s.parts, s.age = s.last, make(map[int64]bool), aging{}
	}
	l.checkpoint = checkpoint
	return nil
}

// prepareSchema makes the schema and the books. It refuses a process that is older than the one that wrote last before it waits for
// anything: such a process must not end the newer one's connection.
func (l *loader) prepareSchema(ctx context.Context, start sdk.Start) error {
	if err := l.db.connect(ctx); err != nil {
		return err
	}
	if err := l.findTimescale(ctx); err != nil {
		return err
	}
	var missing int
	err := l.db.conn.QueryRow(ctx, "SELECT count(*) FROM unnest($1::text[]) AS book WHERE to_regclass(quote_ident($2) || '.' || book) IS NULL", books, l.Schema).Scan(&missing)
	if err != nil {
		return err
	}
	if missing > 0 {
		if err := l.makeBooks(ctx); err != nil {
			return err
		}
	}
	return l.isNewer(ctx, start)
}

// isNewer refuses a process that is older than the one that wrote last, unless nothing is left of what that one wrote.
func (l *loader) isNewer(ctx context.Context, start sdk.Start) error {
	if err := l.ledger.read(ctx); err != nil || start.Generation >= l.ledger.generation {
		return err
	}
	if gone, err := l.allGone(ctx); gone || err != nil {
		return err
	}
	return l.older(start)
}

// makeBooks makes the schema, if it is not there, and the tables in which it keeps account.
func (l *loader) makeBooks(ctx context.Context) error {
	var there bool
	if err := l.db.conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", l.Schema).Scan(&there); err != nil {
		return err
	}
	statements := bookkeeping(l.Schema)
	if !there {
		statements = "CREATE SCHEMA IF NOT EXISTS " + quote(l.Schema) + ";\n" + statements
	}
	if !l.Create {
		return mistakef("the tables of checkpoints are not there, and create is off: run\n%s", statements)
	}
	none := func() error { return nil }
	if err := l.db.begin(ctx, lockOf("penstock", l.Schema), none); err != nil { // or two would make them at once
		return err
	}
	if err := l.db.exec(ctx, statements); err != nil {
		return err
	}
	return l.db.commit(ctx)
}

// recall finds the tables that the step has written before, which may be more than it reads now. A step whose tables were all dropped has
// nothing to be held to.
func (l *loader) recall(ctx context.Context) error {
	written, err := l.ledger.tables(ctx)
	if err != nil {
		return err
	}
	gone := true
	for _, name := range written {
		f, err := l.db.look(ctx, l.full(name))
		if err != nil {
			return err
		}
		if f.has(rowNumber) {
			gone = false
			l.shelf(name).there = f.writable
		}
	}
	if gone {
		l.ledger.generation, l.ledger.chain = 0, 0
	}
	return nil
}

// allGone tells that no table of the step is there any more.
func (l *loader) allGone(ctx context.Context) (bool, error) {
	written, err := l.ledger.tables(ctx)
	if err != nil {
		return false, err
	}
	for _, name := range written {
		f, err := l.db.look(ctx, l.full(name))
		if err != nil || f.has(rowNumber) {
			return false, err
		}
	}
	return true, nil
}

func (l *loader) older(start sdk.Start) error {
	return mistakef("%s was opened by generation %d, and this process is of generation %d, which is older: it must not write. "+
		"If another host runs this pipeline, end one of the two; if the host's data directory was removed or replaced, "+
		"drop the tables %s, which will be filled anew", l.ledger, l.ledger.generation, start.Generation, l.names())
}

// admit refuses a process that is older than the one that wrote last, one that reads another chain, and one that would remove rows which
// will not come again: those of a pipeline that begins at the head, whose host has lost what it remembered. One checkpoint may be there
// that no host has recorded; more tell that one has.
func (l *loader) admit(ctx context.Context, start sdk.Start) error {
	if start.Generation < l.ledger.generation {
		return l.older(start)
	}
	if err := l.attribute(start.Cursor); err != nil {
		return err
	}
	if start.Checkpoint > 0 || !start.FromLatest || start.Fresh {
		return nil
	}
	_, checkpoints, err := l.ledger.newest(ctx)
	if err != nil || checkpoints < 2 {
		return err
	}
	return mistakef("%s has rows of an earlier run (%s) of which the host remembers nothing: its data directory is another one or was removed. "+
		"The pipeline begins at the head, so these rows would be removed and not come again: put the data directory back, give the step another schema, "+
		"or begin anew without them with penstock run --fresh", l.ledger, l.names())
}

// attribute holds the tables to one chain: the one that filled them. Its number is that of the newest cursor, or else the network's.
func (l *loader) attribute(cursor *sdk.Cursor) error {
	chain, filled := l.network.ChainID, l.ledger.chain
	if cursor != nil && cursor.ChainID != 0 {
		chain = cursor.ChainID
	}
	switch {
	case chain == 0 || chain == filled:
		return nil
	case filled != 0:
		return mistakef("the tables of %s (%s) were filled from chain %d (%s), and the pipeline reads chain %d (%s): "+
			"give the step another schema or other tables, or drop these, which will be filled anew with penstock run --fresh",
			l.ledger, l.names(), filled, l.ledger.network, chain, l.network.Name)
	case l.wrote:
		l.ledger.network, l.ledger.chain = l.network.Name, chain
	}
	return nil
}

func (l *loader) names() string {
	var all []string
	for _, s := range l.shelves {
		all = append(all, s.name)
	}
	return strings.Join(all, ", ")
}

// prepare makes the table of an input, or checks that the one that is there fits and is the step's own.
func (l *loader) prepare(ctx context.Context, t *target) error {
	owner, made, err := l.ledger.owner(ctx, t.name)
	if err != nil {
		return err
	}
	f, err := l.db.look(ctx, t.full)
	if err != nil {
		return err
	}
	mine := l.ledger.owns(owner)
	switch {
	case f.kind == "" && t.last > 0:
		return mistakef("table %s had %d rows at the checkpoint to go on from, and is gone: put it back, or begin anew with penstock run --fresh", t.full, t.last)
	case f.kind == "":
		err = l.make(ctx, t)
	case owner != nil && !mine:
		return mistakef("table %s belongs to %s, and this is %s: a table has one writer: name another: tables = { %q = \"another\" }, "+
			"or drop the table if the other does not exist any more", t.full, owner, l.ledger, t.step)
	default:
		err = l.adopt(ctx, t, f, mine)
	}
	if err != nil {
		return err
	}
	if f, err = l.db.look(ctx, t.full); err != nil {
		return err
	}
	t.there = f.writable
	settings := l.settingsOf()
	if l.hyper() && (settings != made || !mine) {
		if err := l.tune(ctx, t); err != nil {
			return err
		}
	}
	if mine && settings == made {
		return nil
	}
	return l.ledger.claim(ctx, t.name, settings)
}

// make makes a table.
func (l *loader) make(ctx context.Context, t *target) error {
	statements := l.create(t)
	if !l.Create {
		return mistakef("table %s is not there, and create is off: run\n%s", t.full, strings.Join(statements, ";\n"))
	}
	if err := l.db.exec(ctx, statements[0]); err != nil {
		return err
	}
	return l.index(ctx, t)
}

// adopt checks a table that is there. One that nobody is known to have filled has to be empty.
func (l *loader) adopt(ctx context.Context, t *target, f found, mine bool) error {
	if err := l.fit(ctx, t, f); err != nil {
		return err
	}
	if l.parted() && f.kind != "p" {
		return mistakef("table %s has no partitions, and partitions is set: leave the block out, or rename or drop the table, or name another: tables = { %q = \"another\" }", t.full, t.step)
	}
	if !mine {
		if err := l.empty(ctx, t); err != nil {
			return err
		}
	}
	if err := l.keyed(ctx, t); err != nil {
		return err
	}
	if !l.Create {
		return nil
	}
	return l.index(ctx, t)
}

// index makes the indexes of a table that are not there. PostgreSQL does not say whose an index is that has the name already.
func (l *loader) index(ctx context.Context, t *target) error {
	if err := l.db.exec(ctx, strings.Join(append(l.indexes(t), "SELECT 1"), ";\n")); err != nil {
		return err
	}
	var name, owner string
	err := l.db.conn.QueryRow(ctx, `SELECT i.relname::text, indrelid::regclass::text FROM pg_class i JOIN pg_index ON indexrelid = i.oid
WHERE i.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass($1)) AND i.relname = ANY ($2::text[]) AND indrelid <> to_regclass($1)`,
		t.full, l.indexNames(t)).Scan(&name, &owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return mistakef("table %s was to have an index %s, and table %s has one of that name: rename it: ALTER INDEX %s RENAME TO ...", t.full, name, owner, quote(name))
}

// empty refuses a table with rows that no step has written.
func (l *loader) empty(ctx context.Context, t *target) error {
	var filled bool
	if err := l.db.conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+t.full+")").Scan(&filled); err != nil || !filled {
		return err
	}
	return mistakef("table %s has rows, and nothing in the schema says that they are of %s: rename or drop it, or name another: tables = { %q = \"another\" }",
		t.full, l.ledger, t.step)
}

// keyed sees to it that the database holds rows to their key.
func (l *loader) keyed(ctx context.Context, t *target) error {
	if len(l.Key) == 0 {
		return nil
	}
	var there bool
	err := l.db.conn.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_index WHERE indrelid = to_regclass($1) AND indisunique AND indpred IS NULL AND indexprs IS NULL
  AND (SELECT array_agg(attname::text ORDER BY attname::text COLLATE "C") FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY (indkey[0:indnkeyatts-1])) = $2::text[])`,
		t.full, slices.Sorted(slices.Values(l.Key))).Scan(&there)
	if err != nil || there {
		return err
	}
	statement := fmt.Sprintf("CREATE UNIQUE INDEX %s ON %s (%s)", quote(indexName(t.name, "btree", "key", l.Key)), t.full, quoteAll(l.Key))
	if !l.Create {
		return mistakef("table %s has no unique index on key, and create is off: run %s", t.full, statement)
	}
	err = l.db.exec(ctx, statement)
	if codeOf(err) == "23505" {
		return mistakef("table %s has several rows with the same key (%s), as it was filled without: begin anew with penstock run --fresh, or name another table: %w",
			t.full, strings.Join(l.Key, ", "), err)
	}
	return err
}

// truncate takes back what came after a checkpoint.
func (l *loader) truncate(ctx context.Context, checkpoint uint64) error {
	for _, s := range l.shelves {
		removed, err := l.remove(ctx, s.full, s.last)
		if err != nil {
			return err
		}
		restored, err := l.restore(ctx, s, checkpoint)
		if err != nil {
			return err
		}
		if removed+restored > 0 {
			sdk.Logger(ctx).Info("took back rows that come again", "table", s.name, "removed", removed, "restored", restored, "after_checkpoint", checkpoint)
		}
	}
	return l.ledger.truncate(ctx, checkpoint)
}

// remove removes the rows of a table after the last one that is to stay; 0: all.
func (l *loader) remove(ctx context.Context, full string, last int64) (int64, error) {
	if last == 0 {
		var filled bool
		if err := l.db.conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+full+")").Scan(&filled); err != nil || !filled {
			return 0, err // to empty it would hold up readers for nothing
		}
		done, err := l.emptyOut(ctx, full)
		if done || err != nil {
			return 0, err
		}
	}
	tag, err := l.db.conn.Exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE %s > %d", full, quote(rowNumber), last))
	return tag.RowsAffected(), err
}

// emptyOut empties a table at once, where nobody reads it just now and nothing refers to it: otherwise its rows are removed one by one, which
// holds up nobody. Whoever comes to read an emptied table waits until the first rows are committed.
func (l *loader) emptyOut(ctx context.Context, full string) (done bool, err error) {
	err = l.db.exec(ctx, "SAVEPOINT penstock; SET LOCAL lock_timeout = 500; TRUNCATE "+full+"; SET LOCAL lock_timeout = 0; RELEASE penstock")
	if err == nil {
		return true, nil
	}
	if code := codeOf(err); code != "55P03" && code != "0A000" && code != "42501" { // locked, referred to, not allowed
		return false, err
	}
	return false, l.db.exec(ctx, "ROLLBACK TO penstock")
}
