package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// loader writes each input into its table.
type loader struct {
	Path   string            `hcl:"path,writes" doc:"the database file; it is made if it is not there, its directory is not"`
	Tables map[string]string `hcl:"tables,optional" doc:"names of tables, by the step that the rows come from; a table is named after its step otherwise"`
	Hex    bool              `hcl:"hex,optional" doc:"keep addresses, hashes and bytes as hexadecimal text, otherwise as blobs"`

	patience time.Duration // how long to wait for another program that writes to the file
	db       *database
	ledger   *ledger
	tables   []*table // by input
	shelves  []*shelf // all that belong to the step
	anew     bool     // all is read again: old rows go when the source has given the first sign of life
	network  sdk.Network
	wrote    bool   // rows have been written
	final    uint64 // nobody goes back to a checkpoint before it
}

var _ sdk.Finalizer = (*loader)(nil)

// Validate checks what can be known without the file.
func (l *loader) Validate() error {
	var errs []error
	switch {
	case l.Path == "":
		errs = append(errs, errors.New(`path is empty: write the name of a file, such as "rows.db"`))
	case l.Path == ":memory:" || strings.HasPrefix(l.Path, "file:"):
		errs = append(errs, fmt.Errorf("path is %q, which SQLite takes for something else: write the name of a file, such as \"rows.db\"", l.Path))
	}
	for _, step := range slices.Sorted(maps.Keys(l.Tables)) {
		if name := l.Tables[step]; name == "" || reserved(name) {
			errs = append(errs, fmt.Errorf("the table of step %q is named %q: a name has a letter and does not begin with sqlite_ or penstock_", step, name))
		}
	}
	return errors.Join(errs...)
}

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
		l.tables = append(l.tables, newTable(l.shelf(name), in.Type, l.Hex))
	}
	for _, step := range slices.Sorted(maps.Keys(l.Tables)) {
		if !slices.Contains(steps, step) {
			return fmt.Errorf("tables names the step %q, which this loader does not read: it reads %s", step, strings.Join(steps, ", "))
		}
	}
	return nil
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

// Load writes the rows of a batch. They are seen by others after the next Commit.
func (l *loader) Load(ctx context.Context, input int, batch transit.Batch) error {
	if batch.Record.NumRows() == 0 {
		return nil
	}
	if err := l.beginAnew(ctx); err != nil {
		return err
	}
	if err := l.begin(ctx); err != nil {
		return err
	}
	l.wrote = true
	t := l.tables[input]
	return l.db.insert(ctx, t, t.cells(batch), int(batch.Record.NumRows()))
}

// Commit makes durable what was loaded, and with it the checkpoint that it belongs to.
func (l *loader) Commit(ctx context.Context, c sdk.Commit) error {
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
