package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/penstock-io/penstock/sdk"
)

// database is the one connection to a file: SQLite has one writer at a time. Its errors say which file they are about and what to do.
type database struct {
	path     string        // absolute
	patience time.Duration // how long to wait for another program that writes

	pool  *sql.DB
	conn  *sql.Conn
	began bool        // a transaction is open
	file  os.FileInfo // what path leads to
	log   os.FileInfo // and what is beside it, once it is there
}

// open opens the file, and makes it if it is not there.
func (d *database) open(ctx context.Context) error {
	if err := d.inspect(); err != nil {
		return sdk.Stop(err)
	}
	pool, err := sql.Open("sqlite", source(d.path))
	if err != nil {
		return d.explain("open it", err)
	}
	d.pool = pool
	if d.conn, err = pool.Conn(ctx); err != nil {
		return d.explain("open it", err)
	}
	// Readers are not held up by a writer that keeps a log beside the file, nor it by them.
	err = d.patiently(ctx, func() error { return d.exec(ctx, "PRAGMA journal_mode = WAL") })
	if err != nil {
		return d.explain("open it", err)
	}
	// The host is told that rows are there for good: a commit waits for the disk.
	if err := d.exec(ctx, "PRAGMA synchronous = FULL"); err != nil {
		return d.explain("open it", err)
	}
	return d.remember()
}

// inspect finds what SQLite has only one word for.
func (d *database) inspect() error {
	dir := filepath.Dir(d.path)
	switch info, err := os.Stat(dir); {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("open %s: there is no directory %s: make it, or change path", d.path, dir)
	case err != nil:
		return fmt.Errorf("open %s: %w: change path, or see that its directory can be read", d.path, err)
	case !info.IsDir():
		return fmt.Errorf("open %s: %s is no directory: change path", d.path, dir)
	}
	if info, err := os.Stat(d.path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("open %s: it is a %s, not a file: change path", d.path, kindOf(info))
	}
	return nil
}

func kindOf(info os.FileInfo) string {
	if info.IsDir() {
		return "directory"
	}
	return "special file"
}

// source names the file such that no character in it means anything to SQLite.
func source(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/rows.db
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// begin begins a transaction, unless one is open.
func (d *database) begin(ctx context.Context) error {
	if d.began {
		return nil
	}
	err := d.patiently(ctx, func() error { return d.exec(ctx, "BEGIN IMMEDIATE") })
	if err != nil {
		return d.explain("begin to write", err)
	}
	d.began = true
	return nil
}

// commit ends the transaction, if one is open.
func (d *database) commit(ctx context.Context) error {
	if !d.began {
		return nil
	}
	if err := d.present(); err != nil {
		return err
	}
	if err := d.exec(ctx, "COMMIT"); err != nil {
		return d.explain("commit", err)
	}
	d.began = false
	return nil
}

// patiently tries again while another program writes. SQLite's own waiting could not be cut short.
func (d *database) patiently(ctx context.Context, try func() error) error {
	const pause = 10 * time.Millisecond
	for end := time.Now().Add(d.patience); ; {
		err := try()
		if !isBusy(err) || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

func (d *database) exec(ctx context.Context, statement string) error {
	_, err := d.conn.ExecContext(ctx, statement)
	return err
}

// insert adds rows to a table, and numbers them.
//
// One row at a time through the driver's own interface is the fastest way: it looks for the value of each placeholder among all values, and
// SQLite keeps a journal for each statement of several rows.
func (d *database) insert(ctx context.Context, t *table, cells []cell, rows int) error {
	// The driver starts a goroutine for every call whose context can end: looking now and then is cheaper.
	calm := context.WithoutCancel(ctx)
	err := d.conn.Raw(func(conn any) error {
		if err := t.compile(calm, conn.(driver.ConnPrepareContext)); err != nil {
			return err
		}
		for row := range rows {
			if row%256 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if err := t.add(calm, cells, row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return d.explain("write to table "+t.name, err)
	}
	return nil
}

// add adds a row, in the place of the one with its key if there is one.
func (t *table) add(ctx context.Context, cells []cell, row int) error {
	t.last++
	t.values[0].Value = t.last
	for i, cell := range cells {
		t.values[i+1].Value = cell(row)
	}
	if err := t.replacer.replace(ctx, t.values); err != nil {
		return err
	}
	_, err := t.statement.ExecContext(ctx, t.values)
	return err
}

// remove removes the rows of a table after the one with that number, and returns how many there were.
func (d *database) remove(ctx context.Context, table string, last int64) (int64, error) {
	statement, args := "DELETE FROM "+quote(table), []any(nil)
	if last > 0 { // SQLite empties a table faster than it goes through its rows
		statement, args = statement+" WHERE "+rowNumber+" > ?", []any{last}
	}
	result, err := d.conn.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, d.explain("remove rows that come again from table "+table, err)
	}
	return result.RowsAffected()
}

// rollback gives up the transaction, if one is open.
func (d *database) rollback() {
	if d.began { // after some failures SQLite has done it by itself, and closing does it too
		_, _ = d.conn.ExecContext(context.Background(), "ROLLBACK")
		d.began = false
	}
}

// close gives up an open transaction. The last connection to a file clears away the log beside it.
func (d *database) close(tables []*table) error {
	if d.conn == nil {
		if d.pool == nil {
			return nil
		}
		return d.pool.Close()
	}
	err := d.conn.Raw(func(any) error {
		for _, t := range tables {
			t.release()
		}
		return nil
	})
	d.rollback()
	if err := errors.Join(err, d.conn.Close(), d.pool.Close()); err != nil {
		return d.explain("close it", err)
	}
	return nil
}
