package view

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// slowCheckpoint is how long a checkpoint may be under way before that is worth
// a line.
const slowCheckpoint = 3 * time.Second

// Summary writes a line for every path, with tabs between the columns.
func Summary(w io.Writer, paths []engine.PathStatus, now time.Time) {
	var text strings.Builder
	text.WriteString("PIPELINE\tSTATE\tBLOCK\tHEAD\tLAG\tROWS\tCHECKPOINT\tCOMMITTED\tAGE\tRESTARTS\n")
	for _, p := range paths {
		number, age := "-", "-"
		if c := p.Checkpoint; c != nil {
			number, age = fmt.Sprint(c.Number), elapsed(max(now.Sub(c.Time), 0))
		}
		text.WriteString(strings.Join([]string{
			pathTitle(p, paths), string(p.State), block(reached(p)), head(p), block(api.Lag(p)), count(loaded(p)),
			number, block(p.Committed), age, count(restarts(p)),
		}, "\t") + "\n")
	}
	_, _ = io.WriteString(w, text.String()) // the caller's buffer
}

// Remarks are what a person must know of paths beyond figures: the cause of an
// error, in full, what steps wait for, and who keeps a checkpoint waiting.
func Remarks(paths []engine.PathStatus, now time.Time) []string {
	var out []string
	for _, p := range paths {
		if p.Cause != "" {
			out = append(out, pathTitle(p, paths)+": "+Plain(p.Cause))
		}
		for _, s := range p.Processes {
			if w := s.Waiting; w != nil {
				out = append(out, fmt.Sprintf("%s: step %s has been waiting for %s, for %s", pathTitle(p, paths), s.Step, elapsed(max(now.Sub(w.Since), 0)), Plain(w.For)))
			}
		}
		if c := p.Pending; c != nil && now.Sub(c.Since) > slowCheckpoint {
			out = append(out, fmt.Sprintf("%s: checkpoint %d has been under way for %s and waits for %s",
				pathTitle(p, paths), c.Number, elapsed(now.Sub(c.Since)), strings.Join(c.Waiting, ", ")))
		}
	}
	return out
}

// Steps are the lines of a table with every process of a path.
func Steps(path engine.PathStatus, width int, color bool) []string {
	return picture{color: color}.table(path, width)
}

// Place says where a path is that can be gone back to.
func Place(path engine.PathStatus) string {
	c := path.Checkpoint
	if c == nil {
		return "the beginning"
	}
	if c.Block == nil {
		return fmt.Sprintf("checkpoint %d", c.Number)
	}
	return fmt.Sprintf("block %s (checkpoint %d)", block(c.Block), c.Number)
}

// Plain is a text that somebody else has written, without what would move the
// cursor of a terminal. Lines after the first are indented.
func Plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, strings.TrimRight(text, "\n"))
	return strings.ReplaceAll(text, "\n", "\n    ")
}

// pathTitle is the name of the pipeline, or that of the path where the pipeline
// has several.
func pathTitle(p engine.PathStatus, all []engine.PathStatus) string {
	same := 0
	for _, other := range all {
		if other.Pipeline == p.Pipeline {
			same++
		}
	}
	if same > 1 {
		return api.PathName(p)
	}
	return p.Pipeline
}

// reached is the block that all readers have reached.
func reached(p engine.PathStatus) *uint64 {
	var least *uint64
	for _, s := range p.Processes {
		if s.Type != registry.Reader {
			continue
		}
		if s.Block == nil {
			return nil
		}
		if least == nil || *s.Block < *least {
			least = s.Block
		}
	}
	return least
}

// loaded is how many rows have come to an end.
func loaded(p engine.PathStatus) uint64 {
	var n uint64
	for _, s := range p.Processes {
		if s.Type == registry.Loader {
			n += s.RowsIn
		}
	}
	return n
}
