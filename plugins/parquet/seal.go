package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// seal makes the files of an input whose numbers are not above one. The parts of
// a file stay as long as its rows can be taken back.
func (s *shelf) seal(input string, upTo int64, checkpoint uint64) error {
	files := s.Inputs[input]
	for i := range files.Complete {
		if g := &files.Complete[i]; g.Number <= upTo && !g.Sealed {
			if err := s.make(input, files, g, checkpoint); err != nil {
				return err
			}
		}
	}
	return nil
}

// make makes a file. Whatever ends it early, it can be done again: the books
// claim its name before it has one, and the manifest names it when it is there.
func (s *shelf) make(input string, files *series, g *segment, checkpoint uint64) error {
	path := filepath.Join(s.dir, files.file(*g))
	if !g.Claimed {
		if err := vacant(path); err != nil {
			return err
		}
		g.Claimed = true
		if err := s.save(); err != nil {
			return err
		}
	}
	var pieces []string
	for n := range g.Pieces {
		pieces = append(pieces, s.path(files.pieceName(g.Number, n+1)))
	}
	beside := s.path("file.tmp")
	done, err := joinPieces(beside, pieces, s.labels(files, *g))
	if err != nil {
		return err
	}
	if done.rows != g.Rows {
		return damaged(pieces[0], fmt.Errorf("it and the pieces after it have %d rows, and should have %d", done.rows, g.Rows))
	}
	if err := publish(beside, path); err != nil {
		return err
	}
	m, err := s.readManifest(input, files)
	if err != nil {
		return err
	}
	e := entry{
		File: files.file(*g), Number: g.Number, Rows: g.Rows, Bytes: done.bytes, SHA256: done.sha256,
		Checkpoint: checkpoint, Made: time.Now().UTC().Truncate(time.Second),
	}
	if files.ByBlock {
		e.FromBlock, e.ToBlock = &g.From, &g.To
	}
	m.ChainID = files.ChainID
	m.add(e, files.Forms[g.Form])
	if err := s.writeManifest(files, m); err != nil {
		return err
	}
	if s.sql {
		if err := s.writeViews(files, files.Forms[g.Form].Columns); err != nil {
			return err
		}
	}
	g.Sealed = true
	return nil
}

// labels stand in a file for whoever meets it alone.
func (s *shelf) labels(files *series, g segment) [][2]string {
	labels := [][2]string{
		{"penstock.network", files.Network},
		{"penstock.chain_id", strconv.FormatUint(files.ChainID, 10)},
		{"penstock.dataset", files.Dataset},
		{"penstock.type", files.Forms[g.Form].Type},
	}
	if files.ByBlock {
		labels = append(labels, [2]string{"penstock.from_block", strconv.FormatUint(g.From, 10)}, [2]string{"penstock.to_block", strconv.FormatUint(g.To, 10)})
	}
	return labels
}

// release removes the parts of files that are made and cannot be taken back.
func (s *shelf) release(input string, upTo int64) error {
	files := s.Inputs[input]
	for len(files.Complete) > 0 && files.Complete[0].Number <= upTo && files.Complete[0].Sealed {
		g := files.Complete[0]
		files.Complete, files.Settled = files.Complete[1:], g.Number
		if err := s.save(); err != nil {
			return err
		}
		for n := range g.Pieces {
			if err := s.removePart(files.pieceName(g.Number, n+1)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shelf) removePart(name string) error {
	if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return explain("remove", s.path(name), err)
	}
	return nil
}

// last is the newest file that is complete at a place.
func (p place) last() int64 {
	if p.Done {
		return p.File
	}
	return max(p.File-1, 0)
}

// sweepTails removes the tails that no checkpoint ends in any more, but those
// that rows are added to.
func (s *shelf) sweepTails(open map[string]bool) error {
	parts, err := s.parts()
	if err != nil {
		return err
	}
	for name, p := range parts {
		if !p.tail || open[s.path(name)] || s.needs(p, mark{}) {
			continue
		}
		if err := s.removePart(name); err != nil {
			return err
		}
	}
	return nil
}
