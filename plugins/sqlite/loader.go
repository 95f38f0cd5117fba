package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
	"github.com/penstock-io/penstock/sdk/transit"
)

// loader writes each input into its table.
type loader struct {
	settings

	patience time.Duration // how long to wait for another program that writes to the file
	db       *database
	ledger   *ledger
	tables   []*table     // by input
	shelves  []*shelf     // all that belong to the step
	waiting  []portion    // rows that are not written yet
	gathered gather.Batch // counts them
	anew     bool         // all is read again: old rows go when the source has given the first sign of life
	network  sdk.Network
	wrote    bool   // rows have been written
	final    uint64 // nobody goes back to a checkpoint before it
}

// portion is rows of one table.
type portion struct {
	table *table
	batch transit.Batch
}

var _ sdk.Finalizer = (*loader)(nil)

// Start opens the database, makes the tables or checks those that are there, and removes the rows after the checkpoint to go on from, which
// will come again.
func (l *loader) Start(ctx context.Context, start sdk.Start) error {
	path, err := filepath.Abs(l.Path)
	if err != nil {
		return sdk.Stop(fmt.Errorf("find the database %s: %w", l.Path, err))
	}
	if err := l.plan(start.Inputs); err != nil {
		return sdk.Stop(err)
	}
	l.network = start.Network
	l.db = &database{path: path, patience: l.patience}
	l.ledger = &ledger{db: l.db, domain: start.Domain, step: start.Step}
	if err := l.db.open(ctx); err != nil {
		return err
	}
	if err := l.db.begin(ctx); err != nil {
		return err
	}
	if err := l.enter(ctx, start); err != nil {
		return err
	}
	return l.db.commit(ctx)
}

// plan gives every input a table.
func (l *loader) plan(inputs []sdk.Input) error {
	var steps []string
	for _, in := range inputs {
		steps = append(steps, in.Name)
		name, ok := l.Tables[in.Name]
		if !ok {
			name = in.Name
		}
		if reserved(name) {
			return fmt.Errorf("the table of step %q would be named %q, and such names are taken: name another: tables = { %q = \"another\" }", in.Name, name, in.Name)
		}
		if i := slices.IndexFunc(in.Type.Columns(), func(c transit.Column) bool { return strings.EqualFold(c.Name, rowNumber) }); i >= 0 {
			return fmt.Errorf("the rows of step %q (%s) have a column %s, which is the number of the row in its table: rename the column", in.Name, in.Type.Name, rowNumber)
		}
		t, err := newTable(l.shelf(name), in, &l.settings)
		if err != nil {
			return err
		}
		l.tables = append(l.tables, t)
	}
	return l.checkSteps(steps)
}

// shelf is the table of that name. SQLite does not tell upper from lower case.
func (l *loader) shelf(name string) *shelf {
	for _, s := range l.shelves {
		if strings.EqualFold(s.name, name) {
			return s
		}
	}
	s := &shelf{name: name}
	l.shelves = append(l.shelves, s)
	return s
}

// begin begins a transaction, unless one is open or the step has gone over to another process.
func (l *loader) begin(ctx context.Context) error {
	if l.db.began {
		return nil
	}
	if err := l.db.begin(ctx); err != nil {
		return err
	}
	if err := l.ledger.check(ctx); err != nil {
		l.db.rollback()
		return err
	}
	return nil
}

// Load takes the rows of a batch, and writes what has been gathered when it is
// enough. They are seen by others after the next Commit.
func (l *loader) Load(ctx context.Context, input int, batch transit.Batch) error {
	rows := int(batch.Record.NumRows())
	if rows == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	size, now := sizeOf(batch), time.Now()
	if l.Full(l.gathered, size, now) {
		if err := l.write(ctx); err != nil {
			return err
		}
	}
	l.gathered.Add(size, now)
	l.gathered.Rows += rows - 1
	l.waiting = append(l.waiting, portion{table: l.tables[input], batch: batch})
	if l.Full(l.gathered, 0, now) {
		return l.write(ctx)
	}
	return nil
}

// sizeOf is how much of the memory a batch takes.
func sizeOf(batch transit.Batch) (bytes int) {
	for _, c := range batch.Record.Columns() {
		bytes += sizeOfColumn(c.Data())
	}
	return bytes
}

func sizeOfColumn(data arrow.ArrayData) (bytes int) {
	for _, b := range data.Buffers() {
		if b != nil {
			bytes += b.Len()
		}
	}
	for _, child := range data.Children() {
		bytes += sizeOfColumn(child)
	}
	return bytes
}

// write writes what was gathered, in the order it came.
func (l *loader) write(ctx context.Context) error {
	if len(l.waiting) == 0 {
		return nil
	}
	if err := l.beginAnew(ctx); err != nil {
		return err
	}
	if err := l.begin(ctx); err != nil {
		return err
	}
	l.wrote = true
	for _, p := range l.waiting {
		if err := l.db.insert(ctx, p.table, p.table.cells(p.batch), int(p.batch.Record.NumRows())); err != nil {
			return err
		}
	}
	clear(l.waiting)
	l.waiting, l.gathered = l.waiting[:0], gather.Batch{}
	return nil
}

// Commit makes durable what was loaded, and with it the checkpoint that it belongs to.
func (l *loader) Commit(ctx context.Context, c sdk.Commit) error {
	if err := l.write(ctx); err != nil {
		return err
	}
	if c.Cursor != nil || c.Checkpoint > 0 {
		if err := l.beginAnew(ctx); err != nil {
			return err
		}
	}
	if c.Checkpoint > 0 {
		if err := l.begin(ctx); err != nil {
			return err
		}
		if err := l.ledger.mark(ctx, c.Checkpoint, l.final, l.shelves); err != nil {
			return err
		}
		if err := l.forgetReplaced(ctx); err != nil {
			return err
		}
	}
	if err := l.attribute(ctx, c.Cursor); err != nil {
		return err
	}
	return l.db.commit(ctx)
}

// Final notes which checkpoints can be forgotten: with the next one, so that it costs nothing.
func (l *loader) Final(_ context.Context, checkpoint uint64) error {
	l.final = max(l.final, checkpoint)
	return nil
}

// Close gives up what was not committed. Unless others have the file open, it is whole when Close returns: no log lies beside it.
func (l *loader) Close() error {
	if l.db == nil {
		return nil
	}
	return l.db.close(l.tables)
}
