package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/plugins/postgres/internal/binary"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// loader writes each input into its table.
type loader struct {
	settings

	db           *database
	ledger       *ledger
	hasTimescale bool
	targets      []*target // by input
	shelves      []*shelf  // all that belong to the step
	network      sdk.Network

	anew       bool   // all is read again: old rows go when the source has given the first sign of life
	wrote      bool   // rows have been written
	warned     bool   // that times are cut
	checkpoint uint64 // the newest one
	final      uint64 // nobody goes back to a checkpoint before it
	forgotten  uint64 // checkpoints before it are not kept any more

	unit   unit    // what is on its way; it belongs to the flight while there is one
	flight *flight // nil: nothing is on its way
	filled filling // what waits to be sent
}

var (
	_ sdk.Finalizer = (*loader)(nil)
	_ sdk.Committer = (*loader)(nil)
)

// startPatience bounds how long a start tries a server that is away: hosts give a process half a minute to open, and begin anew with their
// own pauses when they are told why it could not.
const startPatience = 20 * time.Second

// Start connects, makes the tables or checks those that are there, and takes back the rows after the checkpoint to go on from, which will
// come again.
func (l *loader) Start(ctx context.Context, start sdk.Start) error {
	if err := l.plan(start); err != nil {
		return sdk.Stop(err)
	}
	db, err := open(l.DSN, "penstock "+start.Pipeline+"/"+start.Step, min(l.Patience, startPatience))
	if err != nil {
		return sdk.Stop(err)
	}
	l.db, l.network = db, start.Network
	l.ledger = &ledger{db: db, schema: l.Schema, domain: start.Domain, step: start.Step}
	if err := db.insist(ctx, "open it", nil, func() error { return l.enter(ctx, start) }); err != nil {
		return err
	}
	db.patience = l.Patience
	return nil
}

// plan gives every input a table.
func (l *loader) plan(start sdk.Start) error {
	if l.Table != "" && len(start.Inputs) > 1 {
		return fmt.Errorf("table is set, and the loader reads %d steps, which have a table each: name them with tables = { %q = \"...\" }", len(start.Inputs), start.Inputs[0].Name)
	}
	var steps []string
	for _, in := range start.Inputs {
		steps = append(steps, in.Name)
		t, err := l.target(in)
		if err != nil {
			return err
		}
		l.targets = append(l.targets, t)
	}
	for _, step := range slices.Sorted(maps.Keys(l.Tables)) {
		if !slices.Contains(steps, step) {
			return fmt.Errorf("tables names the step %q, which this loader does not read: it reads %s", step, strings.Join(steps, ", "))
		}
	}
	for _, ix := range l.Indexes {
		if err := l.planIndex(ix, steps); err != nil {
			return err
		}
	}
	return l.planTypes()
}

// target is where the rows of an input go.
func (l *loader) target(in sdk.Input) (*target, error) {
	name := in.Name
	if l.Table != "" {
		name = l.Table
	}
	if other, ok := l.Tables[in.Name]; ok {
		name = other
	}
	if err := checkName(fmt.Sprintf("the table of step %q", in.Name), name); err != nil {
		return nil, fmt.Errorf("%w: tables = { %q = \"another\" }", err, in.Name)
	}
	options := binary.Options{Hex: l.Bytes == "hex", JSON: l.Lists == "jsonb", Types: l.Types, Replace: l.BadText == "replace"}
	columns, err := binary.Columns(in.Type, options)
	if err != nil {
		return nil, err
	}
	t := &target{shelf: l.shelf(name), step: in.Name, typ: in.Type.Name, columns: columns, layout: binary.NewLayout(columns, options)}
	for _, c := range columns {
		if slices.Contains([]string{rowNumber, "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}, c.Name) {
			return nil, fmt.Errorf("the rows of step %q (%s) have a column %s, and that name is taken in every table: rename the column", in.Name, in.Type.Name, c.Name)
		}
	}
	if err := t.checkKey(l.Key); err != nil {
		return nil, err
	}
	t.stage = fmt.Sprintf("penstock_stage_%d", len(l.targets)+1)
	return t, l.rangedBy(t)
}

func (t *target) checkKey(key []string) error {
	for _, name := range key {
		i := slices.IndexFunc(t.columns, func(c binary.Column) bool { return c.Name == name })
		if i < 0 {
			return fmt.Errorf("key names the column %s, which the rows of step %q (%s) do not have: they have %s; give steps with other keys a loader of their own",
				name, t.step, t.typ, strings.Join(columnNames(t.columns), ", "))
		}
		if c := t.columns[i]; c.Nullable || c.List || c.SQL == "jsonb" {
			return fmt.Errorf("key names the column %s of step %q (%s), which is %s: a key is of plain values that are never null", name, t.step, t.typ, describe(c))
		}
	}
	return nil
}

func (l *loader) planIndex(ix index, steps []string) error {
	if ix.Step != "" && !slices.Contains(steps, ix.Step) {
		return fmt.Errorf("index names the step %q, which this loader does not read: it reads %s", ix.Step, strings.Join(steps, ", "))
	}
	for _, t := range l.targets {
		for _, name := range ix.Columns {
			if (ix.Step == "" || ix.Step == t.step) && !slices.Contains(columnNames(t.columns), name) {
				return fmt.Errorf("index names the column %s, which the rows of step %q (%s) do not have: say with step which table it is for", name, t.step, t.typ)
			}
		}
	}
	return nil
}

// planTypes refuses types of columns that no table has.
func (l *loader) planTypes() error {
	for _, name := range slices.Sorted(maps.Keys(l.Types)) {
		if !slices.ContainsFunc(l.targets, func(t *target) bool { return slices.Contains(columnNames(t.columns), name) }) {
			return fmt.Errorf("types names the column %s, which no rows here have", name)
		}
	}
	return nil
}

// shelf is the table of that name.
func (l *loader) shelf(name string) *shelf {
	for _, s := range l.shelves {
		if s.name == name {
			return s
		}
	}
	s := &shelf{name: name, full: l.full(name), parts: make(map[int64]bool)}
	l.shelves = append(l.shelves, s)
	return s
}

func (l *loader) full(name string) string { return quote(l.Schema) + "." + quote(name) }

// Load takes the rows of a batch. They are seen by others after the next Commit.
func (l *loader) Load(ctx context.Context, input int, batch transit.Batch) error {
	if batch.Record.NumRows() == 0 {
		return nil
	}
	l.wrote = true
	if err := l.gather(ctx, l.targets[input], batch); err != nil {
		return err
	}
	if !l.filled.due(l.Batch, int(l.BatchBytes), l.Flush) {
		return nil
	}
	return l.send(ctx)
}

// gather turns the rows of a batch into what is sent.
func (l *loader) gather(ctx context.Context, t *target, batch transit.Batch) error {
	ranges, err := l.rangesOf(t, batch)
	if err != nil {
		return sdk.Stop(err)
	}
	p := l.filled.parcel(t)
	data, rows, refused := t.layout.Append(p.data, batch, t.last)
	p.data, p.rows = data, p.rows+rows
	t.last += int64(rows)
	for _, n := range ranges {
		if !slices.Contains(p.ranges, n) {
			p.ranges = append(p.ranges, n)
		}
	}
	l.filled.rows += rows
	for _, r := range refused {
		sdk.PutAside(ctx, fmt.Errorf("%s: table %s, column %s, row %d of a batch: %w", l.db, t.name, r.Column, r.Row, r.Err))
	}
	if t.layout.Cut && !l.warned {
		l.warned = true
		sdk.Logger(ctx).Warn("times are cut to microseconds, which is what PostgreSQL has: types = { column = \"bigint\" } keeps nanoseconds since 1970", "table", t.name)
	}
	return nil
}

// Commit makes durable what was loaded, and with it the checkpoint that it belongs to.
func (l *loader) Commit(ctx context.Context, c sdk.Commit) error {
	if err := l.land(ctx); err != nil {
		return err
	}
	l.unit.take(&l.filled)
	if l.anew && (c.Cursor != nil || c.Checkpoint > 0 || len(l.unit.parcels) > 0) {
		l.unit.anew = true
	}
	if c.Checkpoint == 0 && len(l.unit.parcels) == 0 && !l.unit.anew {
		return l.strange(c.Cursor)
	}
	if err := l.strange(c.Cursor); err != nil {
		return err
	}
	err := l.db.insist(ctx, "commit", l.unit.lost, func() error { return l.commit(ctx, c.Checkpoint) })
	if err != nil {
		return err
	}
	l.committed(c.Checkpoint)
	return nil
}

// strange stops rows of another chain.
func (l *loader) strange(cursor *sdk.Cursor) error {
	if err := l.attribute(cursor); err != nil {
		return sdk.Stop(l.db.explain("commit", err))
	}
	return nil
}

// commit sends what is left, and commits. Where a try before this one has come through, and only its answer was lost, it does nothing.
func (l *loader) commit(ctx context.Context, checkpoint uint64) error {
	number := l.ledger.commits + 1
	done, err := l.join(ctx, number)
	if err != nil {
		return err
	}
	if done {
		l.db.drop(ctx) // and the lock with it
		return nil
	}
	if err := l.ship(ctx); err != nil {
		return err
	}
	var statements []string
	if checkpoint > 0 {
		if err := l.retire(ctx); err != nil {
			return err
		}
		statements = append(statements, l.ledger.mark(checkpoint, l.final, l.final > l.forgotten, l.shelves))
	}
	statements = append(statements, l.ledger.count(number), "COMMIT")
	if err := l.db.exec(ctx, strings.Join(statements, ";\n")); err != nil {
		return err
	}
	l.db.began = false
	return nil
}

// committed notes what a commit has settled.
func (l *loader) committed(checkpoint uint64) {
	l.ledger.commits++
	l.db.began = false
	if l.unit.anew {
		l.anew = false
		l.shelves = slices.DeleteFunc(l.shelves, func(s *shelf) bool { return !l.reads(s) })
	}
	l.unit.empty(&l.filled)
	if checkpoint == 0 {
		return
	}
	l.checkpoint, l.forgotten = checkpoint, l.final
	for _, s := range l.shelves {
		s.marked = s.last
		s.age.committed(checkpoint)
	}
}

// reads tells tables that an input is written to.
func (l *loader) reads(s *shelf) bool {
	return slices.ContainsFunc(l.targets, func(t *target) bool { return t.shelf == s })
}

// Final notes which checkpoints can be forgotten: with the next one, so that it costs nothing.
func (l *loader) Final(_ context.Context, checkpoint uint64) error {
	l.final = max(l.final, checkpoint)
	return nil
}

// Close gives up what was not committed.
func (l *loader) Close() error { //nolint:unparam // the signature is the SDK's
	if l.db == nil {
		return nil
	}
	l.abandon()
	l.db.drop(context.Background())
	return nil
}
