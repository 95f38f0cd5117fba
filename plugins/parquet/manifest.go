package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// manifest says which files there are of an input. It is for people and
// programs: whoever reads only what it names never meets a file that is about to
// go.
type manifest struct {
	Version int                 `json:"penstock_manifest"`
	Network string              `json:"network"`
	ChainID uint64              `json:"chain_id"`
	Dataset string              `json:"dataset"`
	Domain  string              `json:"domain"`
	Step    string              `json:"step"`
	Input   string              `json:"input"`
	Type    string              `json:"type"`    // of the rows of the newest file
	Schemas map[string][]column `json:"schemas"` // by fingerprint
	Files   []entry             `json:"files"`   // in the order of their rows
}

// entry is one file.
type entry struct {
	File       string    `json:"file"`
	Number     int64     `json:"number"`
	FromBlock  *uint64   `json:"from_block,omitempty"`
	ToBlock    *uint64   `json:"to_block,omitempty"`
	Rows       int64     `json:"rows"`
	Bytes      int64     `json:"bytes"`
	SHA256     string    `json:"sha256"`
	Schema     string    `json:"schema"`     // fingerprint
	Checkpoint uint64    `json:"checkpoint"` // all rows had come by then
	Made       time.Time `json:"made"`
}

const manifestVersion = 1

// readManifest reads the manifest of an input; one that is not there is empty.
func (s *shelf) readManifest(input string, files *series) (*manifest, error) {
	path := filepath.Join(s.dir, files.manifest())
	empty := &manifest{
		Version: manifestVersion, Network: files.Network, ChainID: files.ChainID, Dataset: files.Dataset,
		Domain: s.Domain, Step: s.Step, Input: input, Schemas: map[string][]column{}, Files: []entry{},
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return nil, explain("read", path, err)
	}
	m := &manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, stopf("read %s: %w: it is damaged: restore it from a copy, or move it and the files of this step away and begin anew with `penstock run --fresh`", path, err)
	}
	if m.Version != manifestVersion {
		return nil, stopf("read %s: it has version %d, and this plugin knows version %d: use the plugin that has written it", path, m.Version, manifestVersion)
	}
	if m.Domain != s.Domain || m.Step != s.Step || m.Input != input {
		return nil, stopf("read %s: it is of step %q of domain %q, not of step %q of domain %q: change path, or give the rows another name with datasets",
			path, m.Step, m.Domain, s.Step, s.Domain)
	}
	return m, nil
}

// writeManifest replaces the manifest.
func (s *shelf) writeManifest(files *series, m *manifest) error {
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return stopf("write %s: %w", files.manifest(), err) // unreachable: all of it can be written
	}
	return replace(filepath.Join(s.dir, files.manifest()), s.path(files.manifest()+".tmp"), append(text, '\n'))
}

// add adds a file, or replaces what was said of it.
func (m *manifest) add(e entry, f form) {
	m.remove(e.Number)
	e.Schema = f.fingerprint()
	m.Type, m.Schemas[e.Schema] = f.Type, f.Columns
	m.Files = append(m.Files, e)
	slices.SortFunc(m.Files, func(a, b entry) int { return int(a.Number - b.Number) })
}

// remove forgets a file.
func (m *manifest) remove(number int64) {
	m.Files = slices.DeleteFunc(m.Files, func(e entry) bool { return e.Number == number })
}
