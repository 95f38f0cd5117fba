package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/sdk/remote"
)

// checkSettings finds settings that no register has.
func checkSettings(settings map[string]string, registers []remote.Register) error {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		var all []string
		for _, r := range registers {
			all = append(all, settingNames(r.Settings)...)
		}
		if !slices.Contains(all, name) {
			slices.Sort(all)
			return fmt.Errorf("no register has a setting %q: there is %s", name, strings.Join(slices.Compact(all), ", "))
		}
	}
	return nil
}

func settingNames(s remote.Settings) (names []string) {
	for _, a := range s.Attributes {
		names = append(names, a.Name)
	}
	for _, b := range s.Blocks {
		names = append(names, b.Name)
	}
	return names
}

// settings are what the register is opened with: what was said, and for what is
// required something that fits, where that can be known.
func (b *bench) settings() ([]byte, error) {
	object, err := b.values()
	if err != nil {
		return nil, err
	}
	return asJSON(object), nil
}

func (b *bench) values() (map[string]json.RawMessage, error) {
	object := map[string]json.RawMessage{}
	for _, a := range b.register.Settings.Attributes {
		if text, ok := b.suite.cfg.Settings[a.Name]; ok {
			object[a.Name] = valueOf(a.Type, text)
			continue
		}
		if !a.Required {
			continue
		}
		value, ok := b.invent(a)
		if !ok {
			return nil, skip("the register needs %s (%s), and nothing fits without knowing what it means: add --set %s=...", a.Name, a.Type, a.Name)
		}
		object[a.Name] = value
	}
	for _, block := range b.register.Settings.Blocks {
		text, ok := b.suite.cfg.Settings[block.Name]
		switch {
		case ok:
			object[block.Name] = json.RawMessage(text)
		case block.Required:
			return nil, skip("the register needs a block %s: add --set '%s={...}', as JSON", block.Name, block.Name)
		}
	}
	return object, nil
}

// valueOf is a setting as JSON. What is a string needs no quotes.
func valueOf(typ, text string) json.RawMessage {
	if typ != "string" && json.Valid([]byte(text)) || typ == "string" && strings.HasPrefix(text, `"`) && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return asJSON(text)
}

// invent makes a value for an attribute that has to be set.
func (b *bench) invent(a remote.Attribute) (json.RawMessage, bool) {
	switch {
	case a.Type == "string" && (a.Access == remote.AccessWrite || slices.Contains([]string{"path", "file", "database"}, a.Name)):
		return asJSON(filepath.Join(b.dir, "out-"+a.Name)), true
	case a.Type == "string" && slices.Contains([]string{"dir", "directory"}, a.Name):
		return asJSON(b.dir), true
	case a.Type == "number":
		return json.RawMessage("1"), true
	case a.Type == "bool":
		return json.RawMessage("false"), true
	case strings.HasPrefix(a.Type, "list("):
		return json.RawMessage("[]"), true
	case strings.HasPrefix(a.Type, "map("):
		return json.RawMessage("{}"), true
	}
	return nil, false
}

// reaches are the files and directories that settings let the plugin read and
// write, as a host would have it.
func (b *bench) reaches() (read, write []string) {
	for _, a := range b.register.Settings.Attributes {
		path, ok := b.suite.cfg.Settings[a.Name]
		if !ok {
			path = filepath.Join(b.dir, "out")
		}
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		switch a.Access {
		case remote.AccessRead:
			read = append(read, path)
		case remote.AccessWrite:
			write = append(write, filepath.Dir(path))
		default:
		}
	}
	return read, write
}
