package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// noteBasis is the durable note of what a domain's checkpoints go with.
const noteBasis = "basis"

// ChangedError tells that a pipeline is not the one any more that its
// checkpoints were taken of.
type ChangedError struct {
	Pipeline   string
	Checkpoint uint64
	Block      string
	Changes    []string // sentences without a full stop
	Fresh      bool     // a new loader has none of the rows before the checkpoint: it can only begin anew
}

func (e *ChangedError) Error() string {
	way := "put it back, or begin anew with --fresh, or go on from the checkpoint with --accept-changes, which leaves the rows before it as they are"
	if e.Fresh {
		way = "put it back, or begin anew with --fresh: a loader that holds every row once has to have them all"
	}
	return fmt.Sprintf("pipeline %s has changed since its last checkpoint (%d, block %s):\n  %s\n%s",
		e.Pipeline, e.Checkpoint, e.Block, strings.Join(e.Changes, "\n  "), way)
}

// basis is what checkpoints of the domain go with, by process and part.
func (d *domain) basis() map[string]map[string]string {
	out := make(map[string]map[string]string)
	for _, p := range d.processes {
		out[p.spec().Name()] = p.spec().Basis()
	}
	return out
}

// checkBasis compares the domain with what its checkpoints were taken of, and
// remembers what those that come are taken of.
func (d *domain) checkBasis() error {
	err := d.fits(wholeBasis)
	changed := (*ChangedError)(nil)
	switch {
	case errors.As(err, &changed) && !changed.Fresh && d.cfg.AcceptChanges:
		d.cfg.Logger.Warn("the pipeline has changed since its last checkpoint, and goes on from there all the same",
			"pipeline", d.name, "checkpoint", d.newest.Number, "changes", strings.Join(changed.Changes, "; "))
	case err != nil:
		return err
	}
	text, _ := d.memory.Note(noteBasis)
	return d.noteBasis(d.basis(), text) // a step that is gone is new when it is there again
}

// wholeBasis and shapeOnly say which parts of a basis have to be what they were.
// Settings that somebody has seen and wanted may be others.
func wholeBasis(string) bool     { return true }
func shapeOnly(part string) bool { return graph.PartName(part) == part }

// fits compares the domain with what its checkpoints were taken of, in those
// parts that matter. What does not go with them is a *ChangedError.
func (d *domain) fits(matters func(part string) bool) error {
	text, noted := d.memory.Note(noteBasis)
	if d.newest == nil || !noted {
		return nil
	}
	var then map[string]map[string]string
	if err := json.Unmarshal(text, &then); err != nil {
		return fmt.Errorf("pipeline %s: read what its checkpoints go with: %w", d.name, err)
	}
	changes := differences(then, d.basis(), matters)
	if len(changes) == 0 || len(differences(d.swappedBasis(), d.basis(), matters)) == 0 {
		return nil
	}
	return &ChangedError{
		Pipeline: d.name, Checkpoint: d.newest.Number, Block: blockText(committed(d.newest)), Changes: changes, Fresh: d.hasNewHolder(then),
	}
}

// hasNewHolder tells whether a loader is new that holds every row once.
func (d *domain) hasNewHolder(then map[string]map[string]string) bool {
	for _, process := range d.processes {
		p := process.spec()
		if _, known := then[p.Name()]; !known && p.Register.Type == registry.Loader && (p.Register.Truncates || p.Step.After == "final") {
			return true
		}
	}
	return false
}

func (d *domain) noteBasis(now map[string]map[string]string, before []byte) error {
	text, err := json.Marshal(now)
	if err != nil || string(text) == string(before) {
		return err
	}
	return d.memory.SetNote(noteBasis, text)
}

// differences are what has changed and matters, in the order of names. Processes
// that are gone are of no concern.
func differences(then, now map[string]map[string]string, matters func(part string) bool) []string {
	var out []string
	for _, process := range slices.Sorted(maps.Keys(now)) {
		_, step, _ := strings.Cut(process, "/")
		before, known := then[process]
		if !known {
			out = append(out, fmt.Sprintf("step %s is new", step))
			continue
		}
		parts := make(map[string]bool)
		for part := range before {
			parts[part] = true
		}
		for part := range now[process] {
			parts[part] = true
		}
		for _, part := range slices.Sorted(maps.Keys(parts)) {
			if before[part] != now[process][part] && matters(part) {
				out = append(out, fmt.Sprintf("step %s: %s is not what it was", step, graph.PartName(part)))
			}
		}
	}
	return out
}
