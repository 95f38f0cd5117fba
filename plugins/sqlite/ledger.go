package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/sdk"
)

// books are the tables in which a file keeps account of the steps that write to it. Numbers without a sign are kept as SQLite's integers,
// which have one.
var books = []string{
	`CREATE TABLE IF NOT EXISTS penstock_steps (
  domain TEXT NOT NULL,
  step TEXT NOT NULL,
  generation INTEGER NOT NULL,
  openings INTEGER NOT NULL,
  network TEXT NOT NULL,
  chain_id INTEGER NOT NULL,
  PRIMARY KEY (domain, step)
) WITHOUT ROWID`,
	`CREATE TABLE IF NOT EXISTS penstock_tables (
  name TEXT NOT NULL COLLATE NOCASE PRIMARY KEY,
  domain TEXT NOT NULL,
  step TEXT NOT NULL
) WITHOUT ROWID`,
	`CREATE TABLE IF NOT EXISTS penstock_checkpoints (
  domain TEXT NOT NULL,
  step TEXT NOT NULL,
  checkpoint INTEGER NOT NULL,
  name TEXT NOT NULL COLLATE NOCASE,
  last_row INTEGER NOT NULL,
  PRIMARY KEY (domain, step, checkpoint, name)
) WITHOUT ROWID`,
}

// ledger is what a file says about one step: who may write, from which chain the rows are, which tables are the step's own, and how many
// rows each had at its checkpoints. All of its methods are called within a transaction.
type ledger struct {
	db           *database
	domain, step string

	generation uint64 // of the newest process that has opened the step
	openings   int64  // how often it was opened: the process that was opened last writes alone
	network    string // where the rows are from
	chain      uint64 // 0: not known yet
}

// read reads the account of a step, which may be empty.
func (g *ledger) read(ctx context.Context) error {
	for _, statement := range books {
		if err := g.db.exec(ctx, statement); err != nil {
			return g.db.explain("make the tables of checkpoints", err)
		}
	}
	var generation, chain int64
	err := g.db.conn.QueryRowContext(ctx, "SELECT generation, openings, network, chain_id FROM penstock_steps WHERE domain = ? AND step = ?",
		g.domain, g.step).Scan(&generation, &g.openings, &g.network, &chain)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return g.db.explain("read who writes to it", err)
	}
	g.generation, g.chain = uint64(generation), uint64(chain)
	return nil
}

// enter makes this process the one that writes, and all before it old ones.
func (g *ledger) enter(ctx context.Context, generation uint64) error {
	g.generation = generation
	g.openings++
	return g.do(ctx, "say who writes to it", "INSERT OR REPLACE INTO penstock_steps VALUES (?, ?, ?, ?, ?, ?)",
		g.domain, g.step, int64(generation), g.openings, g.network, int64(g.chain))
}

// check fails when another process has been opened for the step since: this one may live on for a moment, but it must not write.
func (g *ledger) check(ctx context.Context) error {
	var generation, openings int64
	err := g.db.conn.QueryRowContext(ctx, "SELECT generation, openings FROM penstock_steps WHERE domain = ? AND step = ?",
		g.domain, g.step).Scan(&generation, &openings)
	if err != nil {
		return g.db.explain("read who writes to it", err)
	}
	if openings == g.openings {
		return nil
	}
	return sdk.Stop(fmt.Errorf("%s: %s was opened again since by generation %d: this process, of generation %d, is out of date and writes nothing more: "+
		"if two hosts run this pipeline, end one of them", g.db.path, g, uint64(generation), g.generation))
}

// of keeps in mind which chain the rows come from.
func (g *ledger) of(ctx context.Context) error {
	return g.do(ctx, "say which chain its rows are from", "UPDATE penstock_steps SET network = ?, chain_id = ? WHERE domain = ? AND step = ?",
		g.network, int64(g.chain), g.domain, g.step)
}

// owner is the step that a table belongs to; nil: none.
func (g *ledger) owner(ctx context.Context, table string) (*ledger, error) {
	owner := &ledger{}
	err := g.db.conn.QueryRowContext(ctx, "SELECT domain, step FROM penstock_tables WHERE name = ?", table).Scan(&owner.domain, &owner.step)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, g.db.explain("read whose table "+table+" is", err)
	}
	return owner, nil
}

func (g *ledger) owns(owner *ledger) bool {
	return owner != nil && owner.domain == g.domain && owner.step == g.step
}

// claim says that a table is this step's.
func (g *ledger) claim(ctx context.Context, table string) error {
	return g.do(ctx, "claim table "+table, "INSERT OR REPLACE INTO penstock_tables VALUES (?, ?, ?)", table, g.domain, g.step)
}

// disclaim lets others have a table.
func (g *ledger) disclaim(ctx context.Context, table string) error {
	return g.do(ctx, "give table "+table+" away", "DELETE FROM penstock_tables WHERE name = ?", table)
}

// tables are the names of the step's tables.
func (g *ledger) tables(ctx context.Context) ([]string, error) {
	rows, err := g.db.conn.QueryContext(ctx, "SELECT name FROM penstock_tables WHERE domain = ? AND step = ?", g.domain, g.step)
	if err != nil {
		return nil, g.db.explain("read whose its tables are", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, g.db.explain("read whose its tables are", err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return nil, g.db.explain("read whose its tables are", err)
	}
	return names, nil
}

// marks are the last rows of a checkpoint, by lower-case name of the table. A checkpoint that is not known is refused.
func (g *ledger) marks(ctx context.Context, checkpoint uint64) (map[string]int64, error) {
	rows, err := g.db.conn.QueryContext(ctx, "SELECT name, last_row FROM penstock_checkpoints WHERE domain = ? AND step = ? AND checkpoint = ?",
		g.domain, g.step, int64(checkpoint))
	if err != nil {
		return nil, g.db.explain("read checkpoints", err)
	}
	defer rows.Close()
	last := make(map[string]int64)
	for rows.Next() {
		var name string
		var row int64
		if err := rows.Scan(&name, &row); err != nil {
			return nil, g.db.explain("read checkpoints", err)
		}
		last[strings.ToLower(name)] = row
	}
	if err := rows.Err(); err != nil {
		return nil, g.db.explain("read checkpoints", err)
	}
	if len(last) == 0 {
		return nil, g.unknown(ctx, checkpoint)
	}
	return last, nil
}

// checkpoints counts those that are known.
func (g *ledger) checkpoints(ctx context.Context) (n int, err error) {
	err = g.db.conn.QueryRowContext(ctx, "SELECT count(DISTINCT checkpoint) FROM penstock_checkpoints WHERE domain = ? AND step = ?", g.domain, g.step).Scan(&n)
	if err != nil {
		return 0, g.db.explain("read checkpoints", err)
	}
	return n, nil
}

// unknown says that the file and the host's data directory do not belong together.
func (g *ledger) unknown(ctx context.Context, checkpoint uint64) error {
	var newest sql.NullInt64
	err := g.db.conn.QueryRowContext(ctx, "SELECT max(checkpoint) FROM penstock_checkpoints WHERE domain = ? AND step = ?", g.domain, g.step).Scan(&newest)
	if err != nil {
		return g.db.explain("read checkpoints", err)
	}
	there := "it has none of it"
	if newest.Valid {
		there = fmt.Sprintf("the newest it has is %d", newest.Int64)
	}
	return sdk.Stop(fmt.Errorf("%s: go on with %s from checkpoint %d: the file does not have that checkpoint, %s: it was replaced, emptied or restored from an older copy: "+
		"put back the file that belongs to the data directory, or begin anew with penstock run --fresh", g.db.path, g, checkpoint, there))
}

// mark keeps how many rows each table has at a checkpoint, and forgets the checkpoints that nobody goes back to.
func (g *ledger) mark(ctx context.Context, checkpoint, final uint64, shelves []*shelf) error {
	for _, s := range shelves {
		err := g.do(ctx, "keep a checkpoint", "INSERT OR REPLACE INTO penstock_checkpoints VALUES (?, ?, ?, ?, ?)",
			g.domain, g.step, int64(checkpoint), s.name, s.last)
		if err != nil {
			return err
		}
	}
	return g.do(ctx, "forget old checkpoints", "DELETE FROM penstock_checkpoints WHERE domain = ? AND step = ? AND checkpoint < ?",
		g.domain, g.step, int64(final))
}

// truncate forgets all checkpoints after one.
func (g *ledger) truncate(ctx context.Context, checkpoint uint64) error {
	return g.do(ctx, "forget checkpoints", "DELETE FROM penstock_checkpoints WHERE domain = ? AND step = ? AND checkpoint > ?",
		g.domain, g.step, int64(checkpoint))
}

func (g *ledger) do(ctx context.Context, doing, statement string, args ...any) error {
	if _, err := g.db.conn.ExecContext(ctx, statement, args...); err != nil {
		return g.db.explain(doing, err)
	}
	return nil
}

// String names the step.
func (g *ledger) String() string {
	if g.domain == "" {
		return fmt.Sprintf("step %q", g.step)
	}
	return fmt.Sprintf("step %q of %q", g.step, g.domain)
}

// reserved are names that tables of rows cannot have.
func reserved(name string) bool {
	return slices.ContainsFunc([]string{"sqlite_", "penstock_"}, func(prefix string) bool {
		return strings.HasPrefix(strings.ToLower(name), prefix)
	})
}
