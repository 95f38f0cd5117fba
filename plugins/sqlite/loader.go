package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"

	_ "modernc.org/sqlite" // the driver

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// loader writes each input into a table of its own. A transaction is open from
// the first row to Commit, so that readers of the file see whole blocks only.
type loader struct {
	Path   string            `hcl:"path" doc:"the file, made if it is not there"`
	Tables map[string]string `hcl:"tables,optional" doc:"table names by input; an input's table is called after its step if left out"`
	Hex    bool              `hcl:"hex,optional" doc:"keep addresses, hashes and bytes as text (0x…); as blobs if false"`

	db     *sql.DB
	conn   *sql.Conn // the one connection: SQLite has one writer
	tx     *sql.Tx   // nil: nothing to commit
	tables []*table
}

// Start opens the file, makes or checks the tables, and removes the rows that
// will come again.
func (l *loader) Start(ctx context.Context, start sdk.Start) error {
	if err := l.open(ctx); err != nil {
		return explain(l.Path, "open", err)
	}
	taken := map[string]string{}
	for _, in := range start.Inputs {
		name := in.Name
		if given, ok := l.Tables[in.Name]; ok {
			name = given
		}
		if other, twice := taken[name]; twice {
			return sdk.Stop(fmt.Errorf("inputs %q and %q both go to table %q: name one of them in tables", other, in.Name, name))
		}
		taken[name] = in.Name
		t := newTable(name, in.Type, l.Hex)
		if err := t.prepare(ctx, l.conn); err != nil {
			return explain(l.Path, "prepare table "+name, err)
		}
		if err := t.forget(ctx, l.conn, start); err != nil {
			return explain(l.Path, "remove rows that come again from table "+name, err)
		}
		l.tables = append(l.tables, t)
	}
	return nil
}

func (l *loader) open(ctx context.Context) (err error) {
	query := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)"}}
	source := url.URL{Scheme: "file", Opaque: (&url.URL{Path: l.Path}).EscapedPath(), RawQuery: query.Encode()}
	if l.db, err = sql.Open("sqlite", source.String()); err != nil {
		return err
	}
	if l.conn, err = l.db.Conn(ctx); err != nil {
		return err
	}
	// A file that is no database shows only when it is read.
	_, err = l.conn.ExecContext(ctx, "SELECT count(*) FROM sqlite_master")
	return err
}

// Load inserts the rows of a batch.
func (l *loader) Load(ctx context.Context, input int, batch transit.Batch) error {
	if l.tx == nil {
		tx, err := l.conn.BeginTx(context.WithoutCancel(ctx), nil)
		if err != nil {
			return explain(l.Path, "begin", err)
		}
		l.tx = tx
	}
	t := l.tables[input]
	if err := t.insert(ctx, l.tx, batch); err != nil {
		return explain(l.Path, "insert into "+t.name, err)
	}
	return nil
}

// Commit makes durable what was loaded.
func (l *loader) Commit(context.Context, sdk.Commit) error {
	if l.tx == nil {
		return nil
	}
	err := l.tx.Commit()
	l.tx = nil
	for _, t := range l.tables {
		t.forgetStatements()
	}
	if err != nil {
		return explain(l.Path, "commit", err)
	}
	return nil
}

// Close rolls back what was not committed and leaves one file behind.
func (l *loader) Close() error {
	if l.conn == nil {
		return nil
	}
	var errs []error
	if l.tx != nil {
		errs = append(errs, l.tx.Rollback())
		l.tx = nil
	}
	// Someone who reads the file may keep its log; that is no error.
	_, _ = l.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
	return errors.Join(append(errs, l.conn.Close(), l.db.Close())...)
}

// forget removes the rows that the host will deliver again: those after the
// cursor, or all from the first block on. Tables without a block number keep
// what they have.
func (t *table) forget(ctx context.Context, conn *sql.Conn, start sdk.Start) error {
	if !t.blocks || start.Cursor == nil && start.FromLatest {
		return nil
	}
	first := start.From
	if start.Cursor != nil {
		first = start.Cursor.Block + 1
	}
	if first > math.MaxInt64 {
		return nil // no row can be there
	}
	_, err := conn.ExecContext(ctx, fmt.Sprintf("DELETE FROM %s WHERE block_number >= ?", quote(t.name)), int64(first))
	return err
}
