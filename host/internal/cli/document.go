package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/transit"
)

// pluginDocument is a plugin as machines read it.
type pluginDocument struct {
	Name       string             `json:"name"`
	Path       string             `json:"path"`
	Version    string             `json:"version,omitempty"`
	SDKVersion string             `json:"sdk_version,omitempty"`
	Protocol   uint32             `json:"protocol,omitempty"`
	Features   []string           `json:"features,omitempty"`
	Registers  []registerDocument `json:"registers"`
	Isolation  *isolationDocument `json:"isolation,omitempty"`
	Error      string             `json:"error,omitempty"` // why it does not answer
}

func newPluginDocument(d catalog.Description) pluginDocument {
	doc := pluginDocument{
		Name: d.Name, Path: d.Path, Version: d.Version, SDKVersion: d.SDKVersion, Protocol: d.Protocol,
		Features: d.Features, Registers: []registerDocument{},
	}
	if d.Err != nil {
		doc.Error = d.Err.Error()
		return doc
	}
	for _, r := range catalog.Registers(d) {
		doc.Registers = append(doc.Registers, newRegisterDocument(r))
	}
	return doc
}

func (d pluginDocument) write(w io.Writer) error {
	err := aligned(w, func(w *bytes.Buffer) {
		fmt.Fprintf(w, "plugin %s\n", d.Name)
		fmt.Fprintf(w, "  path\t%s\n", d.Path)
		fmt.Fprintf(w, "  version\t%s\n", first(d.Version, "-"))
		fmt.Fprintf(w, "  sdk\t%s, protocol %d\n", first(d.SDKVersion, "-"), d.Protocol)
		if len(d.Features) > 0 {
			fmt.Fprintf(w, "  features\t%s\n", strings.Join(d.Features, ", "))
		}
	})
	if err != nil {
		return err
	}
	if d.Isolation != nil {
		if err := d.Isolation.write(w, d.Name); err != nil {
			return err
		}
	}
	for _, r := range d.Registers {
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
		if err := r.write(w); err != nil {
			return err
		}
	}
	return nil
}

// registerDocument is a register as machines read it.
type registerDocument struct {
	Name         string           `json:"name"`
	Kind         string           `json:"kind"`
	Doc          string           `json:"doc,omitempty"`
	Plugin       string           `json:"plugin"`
	Inputs       []portDocument   `json:"inputs"`
	ManyInputs   bool             `json:"many_inputs,omitempty"`
	Output       *typeDocument    `json:"output,omitempty"`
	Dependencies []string         `json:"dependencies,omitempty"`
	Addressable  bool             `json:"addressable,omitempty"`
	Settings     settingsDocument `json:"settings"`
}

type portDocument struct {
	Name string        `json:"name,omitempty"`
	Any  bool          `json:"any,omitempty"` // takes every type
	Type *typeDocument `json:"type,omitempty"`
}

type typeDocument struct {
	Name    string           `json:"name"`
	Columns []columnDocument `json:"columns"`
}

type columnDocument struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable,omitempty"`
}

type settingsDocument struct {
	Attributes []attributeDocument `json:"attributes"`
	Blocks     []blockDocument     `json:"blocks,omitempty"`
}

type attributeDocument struct {
	Name      string          `json:"name"`
	Type      string          `json:"type"`
	Doc       string          `json:"doc,omitempty"`
	Required  bool            `json:"required,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"`
	Access    string          `json:"access,omitempty"` // reads or writes the file that it names
	Default   json.RawMessage `json:"default,omitempty"`
}

type blockDocument struct {
	Name     string           `json:"name"`
	Doc      string           `json:"doc,omitempty"`
	Many     bool             `json:"many,omitempty"`
	Required bool             `json:"required,omitempty"`
	Settings settingsDocument `json:"settings"`
}

func newRegisterDocument(r registry.Register) registerDocument {
	doc := registerDocument{
		Name: r.Name, Kind: r.Type.String(), Doc: r.Doc, Plugin: r.Plugin, Inputs: []portDocument{}, ManyInputs: r.ManyInputs,
		Dependencies: r.Dependencies, Addressable: r.Addressable, Settings: newSettingsDocument(r.Settings),
	}
	for _, p := range r.Inputs {
		port := portDocument{Name: p.Name, Any: p.Any}
		if !p.Any {
			port.Type = newTypeDocument(p.Type)
		}
		doc.Inputs = append(doc.Inputs, port)
	}
	if r.Output.Name != "" {
		doc.Output = newTypeDocument(r.Output)
	}
	return doc
}

func newTypeDocument(t transit.Type) *typeDocument {
	doc := &typeDocument{Name: t.Name, Columns: []columnDocument{}}
	for _, c := range t.Columns() {
		doc.Columns = append(doc.Columns, columnDocument{Name: c.Name, Type: c.Type, Nullable: c.Nullable})
	}
	return doc
}

func newSettingsDocument(s registry.Settings) settingsDocument {
	doc := settingsDocument{Attributes: []attributeDocument{}}
	for _, a := range s.Attributes {
		doc.Attributes = append(doc.Attributes, attributeDocument{
			Name: a.Name, Type: a.Type, Doc: a.Doc, Required: a.Required, Sensitive: a.Sensitive, Access: a.Access.String(), Default: a.Default,
		})
	}
	for _, b := range s.Blocks {
		doc.Blocks = append(doc.Blocks, blockDocument{
			Name: b.Name, Doc: b.Doc, Many: b.Many, Required: b.Required, Settings: newSettingsDocument(b.Settings),
		})
	}
	return doc
}

// write writes a register as a page for people.
func (d registerDocument) write(w io.Writer) error {
	return aligned(w, func(w *bytes.Buffer) {
		fmt.Fprintf(w, "%s %s, of plugin %s\n", d.Kind, d.Name, d.Plugin)
		if d.Doc != "" {
			fmt.Fprintf(w, "  %s\n", d.Doc)
		}
		for _, p := range d.Inputs {
			d.writePort(w, p)
		}
		if len(d.Dependencies) > 0 {
			fmt.Fprintf(w, "\n  reads %s where the pipeline does not say what\n", strings.Join(d.Dependencies, ", "))
		}
		if d.Output != nil {
			fmt.Fprintf(w, "\n  gives %s\n", d.Output.Name)
			d.Output.write(w)
		}
		if len(d.Settings.Attributes)+len(d.Settings.Blocks) > 0 {
			fmt.Fprintf(w, "\n  settings\n")
			d.Settings.write(w, "    ")
		}
	})
}

// writePort writes what an input takes. One that is alone needs no name.
func (d registerDocument) writePort(w *bytes.Buffer, p portDocument) {
	text := "takes"
	if len(d.Inputs) > 1 {
		text = fmt.Sprintf("input %s takes", p.Name)
	}
	steps := ""
	if d.ManyInputs {
		steps = ", of any number of steps"
	}
	if p.Any {
		fmt.Fprintf(w, "\n  %s rows of every type%s\n", text, steps)
		return
	}
	fmt.Fprintf(w, "\n  %s %s%s\n", text, p.Type.Name, steps)
	p.Type.write(w)
}

// widestType is how wide a type may be to have its notes in a column.
const widestType = 40

func (t *typeDocument) write(w *bytes.Buffer) {
	for _, c := range t.Columns {
		note := ""
		if c.Nullable {
			note = "may be null"
		}
		gap := "\t"
		if len(c.Type) > widestType {
			gap = "  " // or all the others' notes would stand far away
		}
		fmt.Fprintf(w, "    %s\t%s%s%s\n", c.Name, c.Type, gap, note)
	}
}

// write writes settings in the shape in which they stand in a file.
func (s settingsDocument) write(w *bytes.Buffer, indent string) {
	for _, a := range s.Attributes {
		fallback := ""
		switch {
		case a.Required:
			fallback = "required"
		case a.Sensitive && len(a.Default) > 0:
			fallback = "has a default"
		case len(a.Default) > 0:
			fallback = "default " + string(a.Default)
		}
		fmt.Fprintf(w, "%s%s\t%s\t%s\t%s\n", indent, a.Name, a.Type, fallback, a.Doc)
	}
	for _, b := range s.Blocks {
		var notes []string
		if b.Required {
			notes = append(notes, "required")
		}
		if b.Many {
			notes = append(notes, "may be repeated")
		}
		fmt.Fprintf(w, "%s%s { }\tblock\t%s\t%s\n", indent, b.Name, strings.Join(notes, ", "), b.Doc)
		b.Settings.write(w, indent+"  ")
	}
}
