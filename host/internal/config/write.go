package config

import (
	"bytes"
	"fmt"
	"io"

	"github.com/hashicorp/hcl/v2"
)

// Write writes diagnostics for people, each with the lines it is about. Text is
// wrapped at width, unless that is 0.
func (f *File) Write(w io.Writer, diags Diagnostics, color bool, width uint) error {
	for _, diag := range diags {
		files := f.sources
		if diag.Subject != nil {
			diag, files = excerpt(diag, f.sources)
		}
		if err := hcl.NewDiagnosticTextWriter(w, files, width, color).WriteDiagnostic(diag); err != nil {
			return fmt.Errorf("write diagnostics: %w", err)
		}
	}
	return nil
}

// excerptAbove is the size from which the writer, which looks at every line of
// a file for every diagnostic, gets an excerpt instead.
const excerptAbove = 256 << 10

// excerpt returns the diagnostic and the sources in which it is to be shown.
// From a large source all text is taken away but the lines it is about.
func excerpt(diag *hcl.Diagnostic, sources map[string]*hcl.File) (*hcl.Diagnostic, map[string]*hcl.File) {
	file := sources[diag.Subject.Filename]
	if file == nil || len(file.Bytes) <= excerptAbove {
		return diag, sources
	}
	at := *diag.Subject
	begin := bytes.LastIndexByte(file.Bytes[:at.Start.Byte], '\n') + 1
	lines := min(at.End.Line, at.Start.Line+8) - at.Start.Line + 1
	end := begin
	for range lines {
		next := bytes.IndexByte(file.Bytes[end:], '\n')
		if next < 0 {
			end = len(file.Bytes)
			break
		}
		end += next + 1
	}
	end = min(end, begin+1<<10)
	above := at.Start.Line - 1
	src := append(bytes.Repeat([]byte("\n"), above), file.Bytes[begin:end]...)
	at.Start.Byte += above - begin
	at.End.Byte = min(at.End.Byte+above-begin, len(src))
	moved := *diag
	moved.Subject, moved.Context = &at, nil
	return &moved, map[string]*hcl.File{at.Filename: {Bytes: src}}
}

// Report is a diagnostic for machines. Lines and columns count from 1, columns
// in characters; without a file there is no place.
type Report struct {
	Severity  string `json:"severity"` // "error" or "warning"
	Summary   string `json:"summary"`
	Detail    string `json:"detail,omitempty"`
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
	Column    int    `json:"column,omitempty"`
	EndLine   int    `json:"end_line,omitempty"`
	EndColumn int    `json:"end_column,omitempty"`
}

// Reports turns diagnostics into what machines read. It is never nil, so that
// it encodes as a list.
func Reports(diags Diagnostics) []Report {
	reports := make([]Report, 0, len(diags))
	for _, diag := range diags {
		report := Report{Severity: "error", Summary: diag.Summary, Detail: diag.Detail}
		if diag.Severity == hcl.DiagWarning {
			report.Severity = "warning"
		}
		if at := diag.Subject; at != nil {
			report.File = at.Filename
			report.Line, report.Column = at.Start.Line, at.Start.Column
			report.EndLine, report.EndColumn = at.End.Line, at.End.Column
		}
		reports = append(reports, report)
	}
	return reports
}
