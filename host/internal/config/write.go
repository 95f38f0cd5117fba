package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Write writes diagnostics for people: what is wrong, where, the line with the
// place marked, and what to do. Sentences are wrapped at width, unless that is
// 0. No value of a variable is written, only what stands in the file.
func (f *File) Write(w io.Writer, diags Diagnostics, color bool, width uint) error {
	var out bytes.Buffer
	for _, diag := range diags {
		p := paint{on: color}
		severity := p.red("Error")
		if diag.Severity == hcl.DiagWarning {
			severity = p.yellow("Warning")
		}
		fmt.Fprintf(&out, "%s: %s\n", severity, p.bold(diag.Summary))
		if diag.Subject != nil {
			f.writePlace(&out, *diag.Subject, p)
		}
		for line := range strings.Lines(diag.Detail) {
			out.WriteString(wrap(strings.TrimRight(line, "\n"), int(width)) + "\n")
		}
		out.WriteString("\n")
	}
	if _, err := io.WriteString(w, f.discreet(out.String())); err != nil { // the lines shown may hold secrets that were written down
		return fmt.Errorf("write diagnostics: %w", err)
	}
	return nil
}

// writePlace writes where something is and marks it in its first line.
func (f *File) writePlace(out *bytes.Buffer, at hcl.Range, p paint) {
	fmt.Fprintf(out, "  at %s", p.bold(fmt.Sprintf("%s:%d:%d", at.Filename, at.Start.Line, at.Start.Column)))
	file := f.sources[at.Filename]
	if file == nil || at.Start.Byte > len(file.Bytes) {
		out.WriteString("\n")
		return
	}
	if block := outermost(file, at.Start); block != "" {
		out.WriteString(", in " + block)
	}
	out.WriteString("\n")
	begin := bytes.LastIndexByte(file.Bytes[:at.Start.Byte], '\n') + 1
	line := file.Bytes[begin:]
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	line = bytes.TrimRight(line, "\r")
	if len(line) > longestLine || len(line) == 0 {
		return
	}
	text := strings.Map(printable, string(line))
	marks := 1
	if at.End.Line > at.Start.Line {
		marks = len(line) - (at.Start.Byte - begin)
	} else if n := at.End.Column - at.Start.Column; n > 0 {
		marks = n
	}
	number := fmt.Sprintf("%5d", at.Start.Line)
	fmt.Fprintf(out, "%s | %s\n", number, text)
	fmt.Fprintf(out, "%s | %s%s\n", strings.Repeat(" ", len(number)), strings.Repeat(" ", at.Start.Column-1), p.red(strings.Repeat("^", max(marks, 1))))
}

// printable keeps a terminal safe from what stands in a file.
func printable(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case !unicode.IsPrint(r):
		return utf8.RuneError
	}
	return r
}

// longestLine is the length up to which a line is shown.
const longestLine = 400

// outermost names the top-level block that a place is in.
func outermost(file *hcl.File, at hcl.Pos) string {
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return ""
	}
	for _, block := range body.Blocks {
		if r := block.Range(); r.Start.Byte <= at.Byte && at.Byte <= r.End.Byte {
			return header(block.Type, strings.Clone, block.Labels)
		}
	}
	return ""
}

// wrap breaks a line between words. Lines that begin with space are a drawing
// and stay as they are.
func wrap(line string, width int) string {
	if width == 0 || len(line) <= width || strings.HasPrefix(line, " ") {
		return line
	}
	var out strings.Builder
	column := 0
	for i, word := range strings.Fields(line) {
		length := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+length > width:
			out.WriteByte('\n')
			column = 0
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += length
	}
	return out.String()
}

// paint colours text for terminals, if it is on.
type paint struct{ on bool }

func (p paint) with(code, text string) string {
	if !p.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p paint) red(text string) string    { return p.with("31", text) }
func (p paint) yellow(text string) string { return p.with("33", text) }
func (p paint) bold(text string) string   { return p.with("1", text) }

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
