package main

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
)

// content is what is in a file that is full.
type content struct {
	Number int64 `json:"number"`
	Rows   int64 `json:"rows"`
	Bytes  int64 `json:"bytes"`
	blocks
}

// listing is how far a manifest has come.
type listing struct {
	Number int64 `json:"number,omitempty"` // the last file that it tells of
	Bytes  int64 `json:"bytes,omitempty"`  // the manifest ends there
}

// note notes what is in a file that is full.
func (s *series) note(at place) {
	if s.Numbered {
		s.Full = append(s.Full, content{Number: at.File, Rows: at.Rows, Bytes: at.Bytes, blocks: at.blocks})
	}
}

// forget forgets what was noted of a file and all after it.
func (s *series) forget(from int64) {
	s.Full = slices.DeleteFunc(s.Full, func(c content) bool { return c.Number >= from })
}

// manifest is the name of the file that tells of all files that do not change any
// more. It has an ending of its own: who reads all files of a series by a pattern
// does not mean it.
func (s *series) manifest() string {
	stem, _ := s.parts()
	return stem + ".manifest.penstock"
}

// listed is a line of a manifest.
type listed struct {
	File  string `json:"file"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	blocks
}

// list adds to the manifest the files that were sealed since. The books may have
// been saved before it was done: what is there of it is written again.
func (s *shelf) list(files *series) error {
	if !files.Numbered || files.Listed.Number >= files.Sealed {
		return nil
	}
	var text []byte
	for _, c := range files.Full {
		if c.Number <= files.Listed.Number || c.Number > files.Sealed {
			continue
		}
		line, err := json.Marshal(listed{File: files.final(c.Number), Rows: c.Rows, Bytes: c.Bytes, blocks: c.blocks})
		if err != nil {
			return stopf("write %s: %w", s.path(files.manifest()), err) // unreachable: all of it can be written
		}
		text = append(append(text, line...), '\n')
	}
	path := s.path(files.manifest())
	if err := appendAt(path, files.Listed.Bytes, text); err != nil {
		return explain("write", path, err)
	}
	files.Listed = listing{Number: files.Sealed, Bytes: files.Listed.Bytes + int64(len(text))}
	files.Full = slices.DeleteFunc(files.Full, func(c content) bool { return c.Number <= files.Sealed })
	return nil
}

// appendAt adds to a file behind a place, and waits for the disk.
func appendAt(path string, at int64, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	if err = f.Truncate(at); err == nil {
		_, err = f.WriteAt(text, at)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
