package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/penstock-io/penstock/host/internal/store/journal"
	"github.com/penstock-io/penstock/sdk/remote"
)

// frameJournal keeps frames on disk: what a reader has said that cannot say it
// again, and what waits for a loader that takes final rows only.
type frameJournal struct {
	*journal.Journal
}

// frameHeader is what is kept of a frame beside its body.
type frameHeader struct {
	Input      uint32         `json:"input,omitempty"`
	Rows       uint32         `json:"rows,omitempty"`
	Checkpoint uint64         `json:"checkpoint,omitempty"`
	Cursor     *remote.Cursor `json:"cursor,omitempty"`
	Head       uint64         `json:"head,omitempty"`
	Finalized  uint64         `json:"finalized,omitempty"`
	Origin     int64          `json:"origin,omitempty"`
}

// journalDir is where the journals of a domain are.
func (d *domain) journalDir() string {
	return filepath.Join(d.engine.cfg.Store.Dir(), "journal", url.PathEscape(d.spec.Name))
}

// openJournal opens the journal of a process as it was at a checkpoint: what
// came later is kept only if keep is set.
func (p *process) openJournal(durable uint64, keep bool) (*frameJournal, error) {
	dir := filepath.Join(p.domain.journalDir(), url.PathEscape(p.spec().Step.Name))
	j, found, err := journal.Open(dir, journal.Config{Durable: durable})
	if err != nil {
		return nil, &recordError{err: err}
	}
	if found.Cut > 0 {
		p.log.Warn("the end of a journal was torn and is cut", "dir", dir, "bytes", found.Cut)
	}
	if !keep {
		if err := j.Truncate(durable); err != nil {
			return nil, &recordError{err: errors.Join(err, j.Close())}
		}
	}
	return &frameJournal{j}, nil
}

// closeJournal closes the process's journal, if it has one.
func (p *process) closeJournal() error {
	var err error
	if p.keeper != nil {
		err = p.keeper.journal.Close()
	}
	if p.hold != nil {
		err = errors.Join(err, p.hold.journal.Close())
	}
	p.keeper, p.hold = nil, nil
	return err
}

// add keeps a frame, which stays the caller's.
func (j *frameJournal) add(f *remote.Frame) error {
	header, err := json.Marshal(frameHeader{
		Input: f.Input, Rows: f.Rows, Checkpoint: f.Checkpoint, Cursor: f.Cursor, Head: f.Head, Finalized: f.Finalized, Origin: f.Origin,
	})
	if err != nil {
		return err
	}
	body := make([][]byte, 0, len(f.Body))
	for _, part := range f.Body {
		body = append(body, part.ReadOnlyData())
	}
	_, err = j.Append(byte(f.Kind), header, body...)
	if errors.Is(err, journal.ErrFull) {
		return fmt.Errorf("%w: rows wait in it that nothing has taken yet; see why no checkpoint becomes final, or take less at a time", err)
	}
	return err
}

// position adds where the process's journal is to those of a checkpoint, once
// all before it is durable.
func (p *process) position(positions map[string]uint64) error {
	j := (*frameJournal)(nil)
	switch {
	case p.keeper != nil:
		j = p.keeper.journal
	case p.hold != nil:
		j = p.hold.journal
	default:
		return nil
	}
	if err := j.Sync(); err != nil {
		return &recordError{err: err}
	}
	positions[p.spec().Name()] = j.Last()
	return nil
}

// frames goes through the frames from a position on, until take returns false
// or an error.
func (j *frameJournal) frames(from uint64, take func(position uint64, f *remote.Frame) (more bool, err error)) error {
	for r, err := range j.Read(from) {
		if err != nil {
			return &recordError{err: err}
		}
		var h frameHeader
		if err := json.Unmarshal(r.Header, &h); err != nil {
			return &recordError{err: fmt.Errorf("read position %d of a journal: %w", r.Position, err)}
		}
		f := &remote.Frame{
			Kind: remote.Kind(r.Kind), Input: h.Input, Rows: h.Rows, Checkpoint: h.Checkpoint,
			Cursor: h.Cursor, Head: h.Head, Finalized: h.Finalized, Origin: h.Origin,
		}
		if len(r.Body) > 0 {
			f.Body = remote.Bytes(append([]byte(nil), r.Body...))
		}
		more, err := take(r.Position, f)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// dropJournals removes what is kept of a domain that begins anew.
func (d *domain) dropJournals() error {
	if err := os.RemoveAll(d.journalDir()); err != nil {
		return fmt.Errorf("remove the journals of pipeline %s: %w", d.name, err)
	}
	return nil
}
