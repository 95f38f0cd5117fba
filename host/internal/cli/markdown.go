package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// writeMarkdown writes registers as a page of documentation: a table of them all,
// and what each takes, gives and can be set.
func writeMarkdown(w io.Writer, docs []registerDocument) error {
	var b bytes.Buffer
	b.WriteString("# Registers\n\nWhat can stand in a pipeline. This page is made of what the plugins say about themselves, by `make docs`.\n\n")
	row(&b, "register", "kind", "takes", "gives", "plugin", "what it does")
	row(&b, "---", "---", "---", "---", "---", "---")
	for _, d := range docs {
		gives := "-"
		if d.Output != nil {
			gives = d.Output.Name
		}
		row(&b, "["+d.Name+"](#"+anchor(d.Name)+")", d.Kind, d.takes(), gives, d.Plugin, d.Doc)
	}
	for _, d := range docs {
		fmt.Fprintf(&b, "\n## %s\n\n", d.Name)
		if d.Doc != "" {
			fmt.Fprintf(&b, "%s\n\n", sentenceOf(d.Doc))
		}
		d.markdown(&b)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (d registerDocument) markdown(b *bytes.Buffer) {
	fmt.Fprintf(b, "A %s of plugin `%s`.", d.Kind, d.Plugin)
	if d.Addressable {
		b.WriteString(" What it looks at can be changed while it runs, through the shared state of its pipeline.")
	}
	b.WriteString("\n")
	if len(d.Settings.Attributes)+len(d.Settings.Blocks) > 0 {
		b.WriteString("\n")
		row(b, "setting", "type", "default", "")
		row(b, "---", "---", "---", "---")
		d.Settings.markdown(b, "")
	}
	for _, p := range d.Inputs {
		if p.Type != nil {
			fmt.Fprintf(b, "\nInput `%s` takes `%s` with these columns:\n\n", p.Name, p.Type.Name)
			p.Type.markdown(b)
		}
	}
	if d.Output != nil {
		fmt.Fprintf(b, "\nIt gives `%s`:\n\n", d.Output.Name)
		d.Output.markdown(b)
	}
}

// takes names what a register takes, in short.
func (d registerDocument) takes() string {
	var names []string
	for _, p := range d.Inputs {
		if p.Any {
			names = append(names, "any")
		} else {
			names = append(names, p.Type.Name)
		}
	}
	return first(strings.Join(names, ", "), "-")
}

func (s settingsDocument) markdown(b *bytes.Buffer, prefix string) {
	for _, a := range s.Attributes {
		otherwise := "-"
		switch {
		case a.Required:
			otherwise = "required"
		case len(a.Default) > 0:
			otherwise = "`" + string(a.Default) + "`"
		}
		row(b, "`"+prefix+a.Name+"`", a.Type, otherwise, a.Doc)
	}
	for _, block := range s.Blocks {
		row(b, "`"+prefix+block.Name+" { }`", "block", "-", block.Doc)
		block.Settings.markdown(b, prefix+block.Name+".")
	}
}

func (t *typeDocument) markdown(b *bytes.Buffer) {
	row(b, "column", "type", "")
	row(b, "---", "---", "---")
	for _, c := range t.Columns {
		nullable := ""
		if c.Nullable {
			nullable = "may be null"
		}
		row(b, "`"+c.Name+"`", "`"+c.Type+"`", nullable)
	}
}

// row writes a line of a table.
func row(b *bytes.Buffer, cells ...string) {
	for _, cell := range cells {
		b.WriteString("| " + strings.ReplaceAll(strings.ReplaceAll(cell, "|", "\\|"), "\n", " ") + " ")
	}
	b.WriteString("|\n")
}

func sentenceOf(text string) string {
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

// anchor is how a heading is linked to.
func anchor(name string) string {
	return strings.NewReplacer(".", "", " ", "-").Replace(strings.ToLower(name))
}
