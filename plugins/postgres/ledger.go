package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// books are the tables in which a schema keeps account of the steps that write to it. Numbers without a sign are kept as PostgreSQL's
// integers, which have one.
var books = []string{"penstock_steps", "penstock_tables", "penstock_checkpoints", "penstock_undo"}

// bookkeeping makes the books in a schema.
func bookkeeping(schema string) string {
	s := quote(schema)
	return `CREATE TABLE IF NOT EXISTS ` + s + `.penstock_steps (
  domain text NOT NULL,
  step text NOT NULL,
  generation bigint NOT NULL,
  openings bigint NOT NULL,
  commits bigint NOT NULL,
  network text NOT NULL,
  chain_id bigint NOT NULL,
  PRIMARY KEY (domain, step)
);
CREATE TABLE IF NOT EXISTS ` + s + `.penstock_tables (
  name text PRIMARY KEY,
  domain text NOT NULL,
  step text NOT NULL,
  settings text NOT NULL
);
CREATE TABLE IF NOT EXISTS ` + s + `.penstock_checkpoints (
  domain text NOT NULL,
  step text NOT NULL,
  checkpoint bigint NOT NULL,
  name text NOT NULL,
  last_row bigint NOT NULL,
  PRIMARY KEY (domain, step, checkpoint, name)
);
CREATE TABLE IF NOT EXISTS ` + s + `.penstock_undo (
  name text NOT NULL,
  row bigint NOT NULL,
  after bigint NOT NULL,
  image jsonb NOT NULL,
  PRIMARY KEY (name, row, after)
)`
}

// ledger is what a schema says about one step: who may write, from which chain the rows are, which tables are the step's own, and how
// many rows each had at its checkpoints. All of its methods that ask are called within a transaction.
type ledger struct {
	db           *database
	schema       string
	domain, step string

	generation uint64 // of the newest process that has opened the step
	openings   int64  // how often it was opened: the process that was opened last writes alone
	commits    int64  // of this opening: by it a process whose connection broke finds out whether its commit was one
	network    string // where the rows are from
	chain      uint64 // 0: not known yet
}

// lock is the number by which the step is locked.
func (g *ledger) lock() int64 { return lockOf("penstock", g.schema, g.domain, g.step) }

// at names one of the books.
func (g *ledger) at(book string) string { return quote(g.schema) + "." + book }

// own is the part of a condition that names the step.
func (g *ledger) own() string {
	return "domain = " + literal(g.domain) + " AND step = " + literal(g.step)
}

// read reads the account of a step, which may be empty.
func (g *ledger) read(ctx context.Context) error {
	g.generation, g.openings, g.commits, g.network, g.chain = 0, 0, 0, "", 0
	var generation, chain int64
	err := g.db.conn.QueryRow(ctx, "SELECT generation, openings, commits, network, chain_id FROM "+g.at("penstock_steps")+" WHERE "+g.own()).
		Scan(&generation, &g.openings, &g.commits, &g.network, &chain)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	g.generation, g.chain = uint64(generation), uint64(chain)
	return err
}

// enter makes this process the one that writes, and all before it old ones.
func (g *ledger) enter(ctx context.Context, generation uint64) error {
	g.generation = generation
	g.openings++
	g.commits = 0
	return g.db.exec(ctx, fmt.Sprintf(`INSERT INTO %s VALUES (%s, %s, %d, %d, 0, %s, %d)
ON CONFLICT (domain, step) DO UPDATE SET generation = EXCLUDED.generation, openings = EXCLUDED.openings, commits = 0,
  network = EXCLUDED.network, chain_id = EXCLUDED.chain_id`,
		g.at("penstock_steps"), literal(g.domain), literal(g.step), int64(generation), g.openings, literal(g.network), int64(g.chain)))
}

// noCommit is the number of no commit.
const noCommit = -1

// check fails when another process has been opened for the step since: this one may live on for a moment, but it must not write. done
// says that the commit with that number is there: only its answer was lost.
func (g *ledger) check(ctx context.Context, number int64) (done bool, err error) {
	var generation, openings, commits int64
	err = g.db.conn.QueryRow(ctx, "SELECT generation, openings, commits FROM "+g.at("penstock_steps")+" WHERE "+g.own()).Scan(&generation, &openings, &commits)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, mistakef("%s is not in the books any more: somebody has emptied %s: begin anew with penstock run --fresh", g, g.at("penstock_steps"))
	}
	if err != nil {
		return false, err
	}
	switch {
	case openings != g.openings:
		return false, mistakef("%s was opened again since by generation %d: this process, of generation %d, is out of date and writes nothing more: "+
			"if two hosts run this pipeline, end one of them", g, uint64(generation), g.generation)
	case commits == number:
		return true, nil
	case commits != g.commits:
		return false, mistakef("%s has %d commits in the books, and this process knows of %d: the server has lost some, as where it went over to a standby that was behind: "+
			"run the pipeline again: it goes on if the server has the checkpoint, and says what to do if not", g, commits, g.commits)
	}
	return false, nil
}

// owner is the step that a table belongs to, and with which settings it was made; nil: none.
func (g *ledger) owner(ctx context.Context, name string) (owner *ledger, settings string, err error) {
	owner = &ledger{}
	err = g.db.conn.QueryRow(ctx, "SELECT domain, step, settings FROM "+g.at("penstock_tables")+" WHERE name = $1", name).Scan(&owner.domain, &owner.step, &settings)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, "", nil
	}
	return owner, settings, err
}

func (g *ledger) owns(owner *ledger) bool {
	return owner != nil && owner.domain == g.domain && owner.step == g.step
}

// claim says that a table is this step's.
func (g *ledger) claim(ctx context.Context, name, settings string) error {
	return g.db.exec(ctx, fmt.Sprintf(`INSERT INTO %s VALUES (%s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET domain = EXCLUDED.domain, step = EXCLUDED.step, settings = EXCLUDED.settings`,
		g.at("penstock_tables"), literal(name), literal(g.domain), literal(g.step), literal(settings)))
}

// disclaim lets others have a table.
func (g *ledger) disclaim(ctx context.Context, name string) error {
	return g.db.exec(ctx, "DELETE FROM "+g.at("penstock_tables")+" WHERE name = "+literal(name))
}

// tables are the names of the step's tables.
func (g *ledger) tables(ctx context.Context) ([]string, error) {
	rows, err := g.db.conn.Query(ctx, "SELECT name FROM "+g.at("penstock_tables")+" WHERE "+g.own()+" ORDER BY name")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// marks are the last rows of a checkpoint, by the name of the table. A checkpoint that is not known is refused.
func (g *ledger) marks(ctx context.Context, checkpoint uint64) (map[string]int64, error) {
	rows, err := g.db.conn.Query(ctx, "SELECT name, last_row FROM "+g.at("penstock_checkpoints")+" WHERE "+g.own()+" AND checkpoint = $1", int64(checkpoint))
	if err != nil {
		return nil, err
	}
	last := make(map[string]int64)
	var name string
	var row int64
	_, err = pgx.ForEachRow(rows, []any{&name, &row}, func() error {
		last[name] = row
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(last) == 0 {
		return nil, g.unknown(ctx, checkpoint)
	}
	return last, nil
}

// newest is the newest checkpoint that is known, and how many there are.
func (g *ledger) newest(ctx context.Context) (newest *int64, n int, err error) {
	err = g.db.conn.QueryRow(ctx, "SELECT max(checkpoint), count(DISTINCT checkpoint) FROM "+g.at("penstock_checkpoints")+" WHERE "+g.own()).Scan(&newest, &n)
	return newest, n, err
}

// unknown says that the database and the host's data directory do not belong together.
func (g *ledger) unknown(ctx context.Context, checkpoint uint64) error {
	newest, _, err := g.newest(ctx)
	if err != nil {
		return err
	}
	there := "it has none of it"
	if newest != nil {
		there = fmt.Sprintf("the newest it has is %d", *newest)
	}
	return mistakef("go on with %s from checkpoint %d: the database does not have that checkpoint, %s: it was replaced, emptied or restored from an older copy: "+
		"put back the database that belongs to the data directory, or begin anew with penstock run --fresh", g, checkpoint, there)
}

// mark is how many rows each table has at a checkpoint, as statements, which also forget the checkpoints that nobody goes back to.
func (g *ledger) mark(checkpoint, final uint64, forget bool, shelves []*shelf) string {
	var rows []string
	for _, s := range shelves {
		rows = append(rows, fmt.Sprintf("(%s, %s, %d, %s, %d)", literal(g.domain), literal(g.step), int64(checkpoint), literal(s.name), s.last))
	}
	statements := "INSERT INTO " + g.at("penstock_checkpoints") + " VALUES " + strings.Join(rows, ", ") +
		" ON CONFLICT (domain, step, checkpoint, name) DO UPDATE SET last_row = EXCLUDED.last_row"
	if !forget {
		return statements
	}
	return statements + ";\nDELETE FROM " + g.at("penstock_checkpoints") + " WHERE " + g.own() + " AND checkpoint < " + strconv.FormatInt(int64(final), 10) +
		";\nDELETE FROM " + g.at("penstock_undo") + " WHERE name IN (" + names(shelves) + ") AND after < " + strconv.FormatInt(int64(final), 10)
}

// count is the statement that counts a commit.
func (g *ledger) count(number int64) string {
	return fmt.Sprintf("UPDATE %s SET commits = %d, network = %s, chain_id = %d WHERE %s", g.at("penstock_steps"), number, literal(g.network), int64(g.chain), g.own())
}

// truncate forgets all checkpoints after one.
func (g *ledger) truncate(ctx context.Context, checkpoint uint64) error {
	return g.db.exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE %s AND checkpoint > %d", g.at("penstock_checkpoints"), g.own(), int64(checkpoint)))
}

// names are the names of tables, as a list in SQL.
func names(shelves []*shelf) string {
	var all []string
	for _, s := range shelves {
		all = append(all, literal(s.name))
	}
	return strings.Join(all, ", ")
}

// String names the step.
func (g *ledger) String() string {
	if g.domain == "" {
		return fmt.Sprintf("step %q", g.step)
	}
	return fmt.Sprintf("step %q of %q", g.step, g.domain)
}
