package recording

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// With is the recorded settings with others in the place of some. Names are dotted
// through blocks; blocks of which there are several cannot be reached.
func (h *Header) With(set map[string]json.RawMessage) (json.RawMessage, error) {
	settings := bytes.Clone(h.Settings)
	for _, name := range slices.Sorted(maps.Keys(set)) {
		changed, err := replaced(settings, strings.Split(name, "."), set[name])
		if err != nil {
			return nil, fmt.Errorf("set %s: %w", name, err)
		}
		settings = changed
	}
	return settings, nil
}

func replaced(object []byte, path []string, value json.RawMessage) ([]byte, error) {
	members := make(map[string]json.RawMessage)
	if trimmed := bytes.TrimSpace(object); len(trimmed) > 0 && !bytes.Equal(trimmed, []byte("null")) {
		if err := json.Unmarshal(object, &members); err != nil {
			return nil, fmt.Errorf("%s stands in no block, or in several", path[0])
		}
	}
	if len(path) > 1 {
		inner, err := replaced(members[path[0]], path[1:], value)
		if err != nil {
			return nil, err
		}
		value = inner
	}
	members[path[0]] = value
	return json.Marshal(members)
}

// Missing are the settings that were left out of the recording, because they are
// sensitive, and that are not set.
func (h *Header) Missing(set map[string]json.RawMessage) []string {
	var out []string
	for _, name := range h.LeftOut {
		if _, ok := set[name]; !ok {
			out = append(out, name)
		}
	}
	return out
}
