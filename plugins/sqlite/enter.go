package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/sdk"
)

// enter takes the step over from whoever wrote it before, and leaves the rows that belong to the checkpoint to go on from. Where the step
// begins anew, it leaves them all until the source has given a sign of life.
func (l *loader) enter(ctx context.Context, start sdk.Start) error {
	if err := l.ledger.read(ctx); err != nil {
		return err
	}
	if err := l.recall(ctx); err != nil {
		return err
	}
	if err := l.admit(ctx, start); err != nil {
		return err
	}
	if err := l.spare(ctx, start); err != nil {
		return err
	}
	var last map[string]int64
	if start.Checkpoint > 0 {
		var err error
		if last, err = l.ledger.marks(ctx, start.Checkpoint); err != nil {
			return err
		}
	}
	for _, s := range l.shelves {
		s.last = last[strings.ToLower(s.name)]
	}
	for i, t := range l.tables {
		if err := l.prepare(ctx, t, start.Inputs[i]); err != nil {
			return err
		}
	}
	if err := l.goOn(ctx, start.Checkpoint); err != nil {
		return err
	}
	return l.ledger.enter(ctx, start.Generation)
}

// goOn removes what came after a checkpoint, unless the step begins anew.
func (l *loader) goOn(ctx context.Context, checkpoint uint64) error {
	if l.anew = checkpoint == 0; l.anew {
		return nil
	}
	if err := l.truncate(ctx, checkpoint); err != nil {
		return err
	}
	return l.keyed(ctx)
}

// recall finds the tables that the step has written before, which may be more than it reads now. A step whose tables were all dropped has
// nothing to be held to.
func (l *loader) recall(ctx context.Context) error {
	names, err := l.ledger.tables(ctx)
	if err != nil {
		return err
	}
	gone := true
	for _, name := range names {
		there, err := l.db.columns(ctx, name)
		if err != nil {
			return err
		}
		if there.numbered {
			gone = false
			l.shelf(name)
		}
	}
	if gone {
		l.ledger.generation, l.ledger.chain = 0, 0
	}
	return nil
}

// admit refuses a process that is older than the one that wrote last, and one that reads another chain.
func (l *loader) admit(ctx context.Context, start sdk.Start) error {
	if start.Generation < l.ledger.generation {
		return sdk.Stop(fmt.Errorf("%s: %s was opened by generation %d, and this process is of generation %d, which is older: it must not write. "+
			"If another host runs this pipeline, end one of the two; if the host's data directory was removed or replaced, "+
			"move the file away or drop the tables %s, which will be filled anew",
			l.db.path, l.ledger, l.ledger.generation, start.Generation, l.names()))
	}
	return l.attribute(ctx, start.Cursor)
}

// spare refuses to remove rows that will not come again: those of a pipeline that begins at the head, whose host has lost what it
// remembered. One checkpoint may be there that no host has recorded; more tell that one has.
func (l *loader) spare(ctx context.Context, start sdk.Start) error {
	if start.Checkpoint > 0 || !start.FromLatest || start.Fresh {
		return nil
	}
	checkpoints, err := l.ledger.checkpoints(ctx)
	if err != nil || checkpoints < 2 {
		return err
	}
	return sdk.Stop(fmt.Errorf("%s: %s has rows of an earlier run (%s) of which the host remembers nothing: its data directory is another one or was removed. "+
		"The pipeline begins at the head, so these rows would be removed and not come again: put the data directory back, give the step another path, "+
		"or begin anew without them with penstock run --fresh", l.db.path, l.ledger, l.names()))
}

// attribute holds the tables to one chain: the one that filled them. Its number is that of the newest cursor, or else the network's.
func (l *loader) attribute(ctx context.Context, cursor *sdk.Cursor) error {
	chain, filled := l.network.ChainID, l.ledger.chain
	if cursor != nil && cursor.ChainID != 0 {
		chain = cursor.ChainID
	}
	switch {
	case chain == 0 || chain == filled:
		return nil
	case filled != 0:
		return sdk.Stop(fmt.Errorf("%s: the tables of %s (%s) were filled from chain %d (%s), and the pipeline reads chain %d (%s): "+
			"give the step another path or other tables, or drop these, which will be filled anew with penstock run --fresh",
			l.db.path, l.ledger, l.names(), filled, l.ledger.network, chain, l.network.Name))
	case !l.wrote:
		return nil
	}
	l.ledger.network, l.ledger.chain = l.network.Name, chain
	return l.ledger.of(ctx)
}

func (l *loader) names() string {
	var names []string
	for _, s := range l.shelves {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// prepare makes the table of an input, or checks that the one that is there fits and is the step's own.
func (l *loader) prepare(ctx context.Context, t *table, in sdk.Input) error {
	owner, err := l.ledger.owner(ctx, t.name)
	if err != nil {
		return err
	}
	there, err := l.db.columns(ctx, t.name)
	if err != nil {
		return err
	}
	mine := l.ledger.owns(owner)
	switch {
	case !there.there() && t.last > 0:
		return sdk.Stop(fmt.Errorf("%s: table %s had %d rows at the checkpoint to go on from, and is gone: put it back, or begin anew with penstock run --fresh",
			l.db.path, t.name, t.last))
	case !there.there():
		err = l.db.make(ctx, t)
	case owner != nil && !mine:
		return sdk.Stop(fmt.Errorf("%s: table %s belongs to %s, and this is %s: a table has one writer: name another: tables = { %q = \"another\" }, "+
			"or drop the table if the other does not exist any more", l.db.path, t.name, owner, l.ledger, in.Name))
	default:
		err = l.db.fit(ctx, t, in, there, l.Migrate)
	}
	if err != nil {
		return err
	}
	if !mine {
		if err := l.empty(ctx, t, in); err != nil {
			return err
		}
		if err := l.ledger.claim(ctx, t.name); err != nil {
			return err
		}
	}
	for _, ix := range t.indexes {
		if err := l.db.makeIndex(ctx, t, ix); err != nil {
			return err
		}
	}
	return nil
}

// empty refuses a table with rows that no step has written.
func (l *loader) empty(ctx context.Context, t *table, in sdk.Input) error {
	var filled bool
	if err := l.db.conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+quote(t.name)+")").Scan(&filled); err != nil {
		return l.db.explain("look at table "+t.name, err)
	}
	if !filled {
		return nil
	}
	return sdk.Stop(fmt.Errorf("%s: table %s has rows, and nothing in the file says that they are of %s: rename or drop it, or name another: tables = { %q = \"another\" }",
		l.db.path, t.name, l.ledger, in.Name))
}

// truncate removes what came after a checkpoint.
func (l *loader) truncate(ctx context.Context, checkpoint uint64) error {
	for _, s := range l.shelves {
		removed, err := l.db.remove(ctx, s.name, s.last)
		if err != nil {
			return err
		}
		if err := l.db.putBack(ctx, s); err != nil {
			return err
		}
		if removed > 0 {
			sdk.Logger(ctx).Info("removed rows that come again", "table", s.name, "rows", removed, "after_checkpoint", checkpoint)
		}
	}
	return l.ledger.truncate(ctx, checkpoint)
}

// beginAnew removes, once, what will be read again from the beginning: an endpoint that does not answer must not cost anybody their rows.
// Tables that the step does not read any more are not its own from then on.
func (l *loader) beginAnew(ctx context.Context) error {
	if !l.anew {
		return nil
	}
	if err := l.begin(ctx); err != nil {
		return err
	}
	if err := l.truncate(ctx, 0); err != nil {
		return err
	}
	l.anew = false
	if err := l.keyed(ctx); err != nil {
		return err
	}
	read := func(s *shelf) bool {
		return slices.ContainsFunc(l.tables, func(t *table) bool { return t.shelf == s })
	}
	for _, s := range l.shelves {
		if read(s) {
			continue
		}
		if err := l.ledger.disclaim(ctx, s.name); err != nil {
			return err
		}
	}
	l.shelves = slices.DeleteFunc(l.shelves, func(s *shelf) bool { return !read(s) })
	return nil
}
