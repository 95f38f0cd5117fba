package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// loader writes each input into its table.
type loader struct {
	Path   string            `hcl:"path" doc:"the database file; it is made if it is not there, its directory is not"`
	Tables map[string]string `hcl:"tables,optional" doc:"names of tables, by the step that the rows come from; a table is named after its step otherwise"`
	Hex    bool              `hcl:"hex,optional" doc:"keep addresses, hashes and bytes as hexadecimal text, otherwise as blobs"`

	patience time.Duration // how long to wait for another program that writes to the file
	db       *database
	tables   []*table // by input
	anew     bool     // all is read again: old rows go when the source has given the first sign of life
}

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
		if name := l.Tables[step]; name == "" || strings.HasPrefix(strings.ToLower(name), "sqlite_") {
			errs = append(errs, fmt.Errorf("the table of step %q is named %q: a name has a letter and does not begin with sqlite_", step, name))
		}
	}
	return errors.Join(errs...)
}

// Start opens the database, makes the tables or checks those that are there, and removes the rows after the cursor, which will come again.
func (l *loader) Start(ctx context.Context, start sdk.Start) error {
	path, err := filepath.Abs(l.Path)
	if err != nil {
		return sdk.Stop(fmt.Errorf("find the database %s: %w", l.Path, err))
	}
	if err := l.plan(start.Inputs); err != nil {
		return sdk.Stop(err)
	}
	l.db = &database{path: path, patience: l.patience}
	if err := l.db.open(ctx); err != nil {
		return err
	}
	if err := l.db.begin(ctx); err != nil {
		return err
	}
	for i, t := range l.tables {
		if err := l.db.prepare(ctx, t, start.Inputs[i]); err != nil {
			return err
		}
		if err := l.forget(ctx, t, start); err != nil {
			return err
		}
	}
	return l.db.commit(ctx)
}

// plan gives every input a table.
func (l *loader) plan(inputs []sdk.Input) error {
	var steps []string
	shared := map[string]*table{}
	for _, in := range inputs {
		steps = append(steps, in.Name)
		name, ok := l.Tables[in.Name]
		if !ok {
			name = in.Name
		}
		t := newTable(name, in.Type, l.Hex)
		key := strings.ToLower(name) // SQLite does not tell them apart
		if other := shared[key]; other != nil {
			t.again = other.again
		}
		shared[key] = t
		l.tables = append(l.tables, t)
	}
	for _, step := range slices.Sorted(maps.Keys(l.Tables)) {
		if !slices.Contains(steps, step) {
			return fmt.Errorf("tables names the step %q, which this loader does not read: it reads %s", step, strings.Join(steps, ", "))
		}
	}
	return nil
}

// forget removes the rows of a table that will come again.
func (l *loader) forget(ctx context.Context, t *table, start sdk.Start) error {
	if t.block < 0 {
		sdk.Logger(ctx).Warn("rows that come again after a restart will be there twice: they have no column "+blockNumber, "table", t.name)
		return nil
	}
	t.again.first, t.again.last = start.From, start.To
	switch c := start.Cursor; {
	case c != nil && c.Block == 0 && len(c.Position) > 0:
		sdk.Logger(ctx).Warn("rows that come again after a restart will be there twice: their source does not count blocks", "table", t.name)
		return nil
	case c != nil && c.Block == math.MaxUint64:
		return nil // nothing comes after it
	case c != nil:
		t.again.first = c.Block + 1
	case start.FromLatest:
		t.again.unsure = true
		return nil
	default:
		// An endpoint that does not answer must not cost anybody their rows.
		l.anew = true
		return nil
	}
	return l.remove(ctx, t)
}

// beginAnew removes, once, what will be read again from the first block on.
func (l *loader) beginAnew(ctx context.Context) error {
	if !l.anew {
		return nil
	}
	l.anew = false
	if err := l.db.begin(ctx); err != nil {
		return err
	}
	for _, t := range l.tables {
		if t.block < 0 {
			continue
		}
		if err := l.remove(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) remove(ctx context.Context, t *table) error {
	removed, err := l.db.remove(ctx, t)
	if removed > 0 {
		sdk.Logger(ctx).Info("removed rows that come again", "table", t.name, "rows", removed, "from_block", t.again.first)
	}
	return err
}

// Load writes the rows of a batch. They are seen by others after the next Commit.
func (l *loader) Load(ctx context.Context, input int, batch transit.Batch) error {
	t := l.tables[input]
	if batch.Record.NumRows() == 0 {
		return nil
	}
	if err := l.beginAnew(ctx); err != nil {
		return err
	}
	if err := l.db.begin(ctx); err != nil {
		return err
	}
	cells := t.cells(batch)
	if t.again.unsure {
		t.again.unsure = false
		if first, ok := cells[t.block](0).(int64); ok && first >= 0 {
			t.again.first = uint64(first)
			if err := l.remove(ctx, t); err != nil {
				return err
			}
		}
	}
	return l.db.insert(ctx, t, cells, int(batch.Record.NumRows()))
}

// Commit makes durable what was loaded.
func (l *loader) Commit(ctx context.Context, c sdk.Commit) error {
	if c.Cursor != nil {
		if err := l.beginAnew(ctx); err != nil {
			return err
		}
	}
	return l.db.commit(ctx)
}

// Close gives up what was not committed. Unless others have the file open, it is whole when Close returns: no log lies beside it.
func (l *loader) Close() error {
	if l.db == nil {
		return nil
	}
	return l.db.close(l.tables)
}
