package plan

import (
	"fmt"
	"strings"

	"github.com/penstock-io/penstock/host/internal/config"
)

// Request says which configuration a host is to run. The zero value is that of
// the files that it runs, as they are now.
type Request struct {
	// Path is absolute; "": that of the files that the host runs. Name is the same
	// as a person has typed it, which stands in mistakes.
	Path, Name string
	Vars       map[string]string // beside those that the host has already, and before them
	Previous   bool              // the configuration before the one that runs, instead
	// Fresh names pipelines that begin anew. AcceptChanges: the others go on from
	// checkpoints that were taken of another shape.
	Fresh         []string
	AcceptChanges bool
	// Only names the pipelines that are changed; the others stay what they are.
	// nil: all.
	Only []string
	// Digest is that of the preview that somebody has agreed to; "": nobody has to.
	Digest string
}

// Preview is a plan, and what it was made of.
type Preview struct {
	Plan
	Digest        string    `json:"digest"`        // of the files and of what runs
	Configuration uint64    `json:"configuration"` // the number of what runs
	To            uint64    `json:"to,omitempty"`  // of what is gone back to; 0: it gets a new one
	Source        string    `json:"source"`        // the file or directory
	Warnings      []Mistake `json:"warnings,omitempty"`
}

// Outcome is what became of a plan.
type Outcome struct {
	Preview
	Configuration uint64   `json:"configuration"` // the number of what runs now
	Failed        []Failed `json:"failed,omitempty"`
}

// Failed is a pipeline that could not be changed and was put back as it was.
type Failed struct {
	Pipeline string `json:"pipeline"`
	Cause    string `json:"cause"`
}

// Unmet are the pipelines that a plan cannot be carried out of without being told
// how they are to go on.
func (p Plan) Unmet() []Pipeline {
	var out []Pipeline
	for _, one := range p.Pipelines {
		if one.Needs != "" {
			out = append(out, one)
		}
	}
	return out
}

// UnmetError tells that pipelines cannot go on from their checkpoints, and which
// ways there are.
type UnmetError struct{ Pipelines []Pipeline }

func (e *UnmetError) Error() string {
	var text strings.Builder
	for i, p := range e.Pipelines {
		if i > 0 {
			text.WriteString("\n")
		}
		fmt.Fprintf(&text, "pipeline %s cannot go on from its checkpoints as they are: %s; --fresh %s has it begin anew", p.Name, strings.Join(p.Unfit, "; "), p.Name)
		if p.Needs == NeedsAccept {
			text.WriteString(", --accept-changes has it go on from there, which leaves the rows before it as they are")
		} else {
			text.WriteString(", because a loader that holds every row once has to have them all")
		}
	}
	text.WriteString("; --only NAME changes the other pipelines that it names")
	return text.String()
}

// What a pipeline needs that does not go with its checkpoints.
const (
	NeedsAccept = "accept-changes"
	NeedsFresh  = "fresh"
)

// StaleError tells that a plan is not the one that was agreed to.
type StaleError struct{}

func (*StaleError) Error() string {
	return "the file or what runs has changed since the plan was shown: nothing was done; look at the plan again"
}

// InvalidError tells that the files have mistakes.
type InvalidError struct {
	Source   string
	Mistakes []Mistake
}

func (e *InvalidError) Error() string {
	var first string
	n := 0
	for _, m := range e.Mistakes {
		if m.Warning {
			continue
		}
		if n++; n == 1 {
			first = m.String()
		}
	}
	if n > 1 {
		first += fmt.Sprintf(" (and %d more)", n-1)
	}
	return fmt.Sprintf("%s has mistakes: %s", e.Source, first)
}

// Mistake is a diagnostic that can be sent to somebody else.
type Mistake struct {
	Warning bool     `json:"warning,omitempty"`
	Summary string   `json:"summary"`
	Detail  string   `json:"detail,omitempty"`
	File    string   `json:"file,omitempty"` // "": it has no place
	Start   Position `json:"start,omitzero"`
	End     Position `json:"end,omitzero"`
}

// Position is a place in a file. Lines and columns count from 1.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

func (m Mistake) String() string {
	text := m.Summary
	if m.File != "" {
		text = fmt.Sprintf("%s:%d:%d: %s", m.File, m.Start.Line, m.Start.Column, text)
	}
	if m.Detail != "" {
		text += ": " + m.Detail
	}
	return text
}

// Mistakes makes diagnostics ready to be sent.
func Mistakes(diags config.Diagnostics) []Mistake {
	var out []Mistake
	for _, diag := range diags {
		m := Mistake{Warning: diag.Severity == config.Warning, Summary: diag.Summary, Detail: diag.Detail}
		if at := diag.Subject; at != nil {
			m.File = at.Filename
			m.Start = Position{Line: at.Start.Line, Column: at.Start.Column, Byte: at.Start.Byte}
			m.End = Position{Line: at.End.Line, Column: at.End.Column, Byte: at.End.Byte}
		}
		out = append(out, m)
	}
	return out
}

// Diagnostics are those that mistakes were made of.
func Diagnostics(mistakes []Mistake) config.Diagnostics {
	var out config.Diagnostics
	for _, m := range mistakes {
		diag := &config.Diagnostic{Severity: config.Error, Summary: m.Summary, Detail: m.Detail}
		if m.Warning {
			diag.Severity = config.Warning
		}
		if m.File != "" {
			at := config.Range{Filename: m.File}
			at.Start.Line, at.Start.Column, at.Start.Byte = m.Start.Line, m.Start.Column, m.Start.Byte
			at.End.Line, at.End.Column, at.End.Byte = m.End.Line, m.End.Column, m.End.Byte
			diag.Subject = &at
		}
		out = append(out, diag)
	}
	return out
}
