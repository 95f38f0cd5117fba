package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// printJSON prints a value for machines that a person can read too.
func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}

// aligned prints what write does, with what stands between tabs in columns and
// no space at the ends of lines.
func aligned(w io.Writer, write func(*bytes.Buffer)) error {
	var plain, text bytes.Buffer
	write(&plain)
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	if _, err := table.Write(plain.Bytes()); err != nil {
		return fmt.Errorf("print a table: %w", err)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print a table: %w", err)
	}
	var out bytes.Buffer
	for line := range bytes.Lines(text.Bytes()) {
		out.Write(bytes.TrimRight(line, " \n"))
		out.WriteByte('\n')
	}
	_, err := w.Write(out.Bytes())
	return err
}
