package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// What a plugin may say about itself. The limits are far from what is useful,
// and near enough that a host can keep and show it.
const (
	maxRegisters = 256 // their number is a byte
	maxPorts     = 64
	maxSettings  = 1000 // of one register, in all its blocks
	maxDepth     = 8    // blocks in blocks
	maxNames     = 256
	maxName      = 128
	maxText      = 16 << 10
	maxSchema    = 1 << 20
	maxMistakes  = 1000
)

// newSettings reads settings that are at most depth deep, and takes what it
// reads from the budget.
func newSettings(m *pluginv1.Settings, depth int, budget *int) (Settings, error) {
	*budget -= len(m.GetAttributes()) + len(m.GetBlocks())
	if *budget < 0 {
		return Settings{}, fmt.Errorf("there are more than %d of them", maxSettings)
	}
	if depth == 0 {
		return Settings{}, fmt.Errorf("blocks stand in blocks more than %d deep", maxDepth)
	}
	var s Settings
	for _, a := range m.GetAttributes() {
		attribute, err := newAttribute(a)
		if err != nil {
			return Settings{}, err
		}
		s.Attributes = append(s.Attributes, attribute)
	}
	for _, b := range m.GetBlocks() {
		if err := errors.Join(checkName(b.GetName()), checkText("doc", b.GetDoc())); err != nil {
			return Settings{}, fmt.Errorf("block %q: %w", b.GetName(), err)
		}
		inner, err := newSettings(b.Settings, depth-1, budget)
		if err != nil {
			return Settings{}, fmt.Errorf("block %q: %w", b.Name, err)
		}
		s.Blocks = append(s.Blocks, Block{Name: b.Name, Doc: clean(b.Doc), Many: b.Many, Required: b.Required, Settings: inner})
	}
	return s, nil
}

func newAttribute(m *pluginv1.Attribute) (Attribute, error) {
	if err := errors.Join(checkName(m.GetName()), checkText("doc", m.GetDoc()), checkText("type", m.GetType())); err != nil {
		return Attribute{}, fmt.Errorf("attribute %q: %w", m.GetName(), err)
	}
	if m.Type == "" {
		return Attribute{}, fmt.Errorf("attribute %q has no type", m.Name)
	}
	a := Attribute{Name: m.Name, Type: m.Type, Doc: clean(m.Doc), Required: m.Required, Sensitive: m.Sensitive, Access: m.Access}
	if m.DefaultJson == "" {
		return a, nil
	}
	if !json.Valid([]byte(m.DefaultJson)) {
		return Attribute{}, fmt.Errorf("attribute %q: its default is no JSON: %q", m.Name, shorten(m.DefaultJson, 100))
	}
	a.Default = json.RawMessage(m.DefaultJson)
	return a, nil
}

// checkName refuses what could not be written in a file or shown on a line.
// What a name of each sort looks like in full is the registry's to know.
func checkName(name string) error {
	if name == "" {
		return errors.New("it has no name")
	}
	if len(name) > maxName {
		return fmt.Errorf("the name %q has %d bytes: %d are the most", shorten(name, 40), len(name), maxName)
	}
	for _, r := range name {
		if r == utf8.RuneError || !unicode.IsPrint(r) || r == ' ' || r == '"' {
			return fmt.Errorf("%q is no name: write letters, digits, _ and dots", name)
		}
	}
	return nil
}

func checkNames(what string, names []string) error {
	if len(names) > maxNames {
		return fmt.Errorf("there are %d of %s: %d are the most", len(names), what, maxNames)
	}
	for _, name := range names {
		if err := checkName(name); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

func checkText(what, text string) error {
	if len(text) > maxText {
		return fmt.Errorf("%s has %d bytes: %d are the most", what, len(text), maxText)
	}
	return nil
}
