package remote

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/go-hclog"
)

// record is one line of hclog's JSON.
type record struct {
	level   hclog.Level
	message string
	fields  []any // keys and values, sorted by key
}

// parseRecord reads a line of hclog's JSON. Any other line, also other JSON, is
// not ok. Nothing about the line is taken for granted: it is a plugin's.
func parseRecord(line string) (r record, ok bool) {
	if !strings.HasPrefix(line, "{") {
		return record{}, false
	}
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber()
	var all map[string]any
	if decoder.Decode(&all) != nil {
		return record{}, false
	}
	level, _ := all["@level"].(string)
	message, isText := all["@message"].(string)
	r = record{level: hclog.LevelFromString(level), message: message}
	if r.level == hclog.NoLevel || !isText {
		return record{}, false
	}
	module, _ := all["@module"].(string)
	if module != "" {
		r.fields = append(r.fields, "module", module)
	}
	keys := make([]string, 0, len(all))
	for key := range all {
		if !strings.HasPrefix(key, "@") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		r.fields = append(r.fields, clean(key), cleanValue(all[key]))
	}
	return r, true
}

// log logs a line of standard error at the level it claims or seems to have.
func (e entry) log(to hclog.Logger, hides *Redactor) {
	if e.crashing {
		to.Error(clean(e.text), e.fields()...)
		return
	}
	if e.dropped > 0 && strings.HasPrefix(e.text, "{") {
		to.Log(levelOfCut(e.text), clean(e.text), e.fields()...)
		return
	}
	if r, ok := parseRecord(e.text); ok {
		r = hides.record(r)
		to.Log(r.level, clean(r.message), r.fields...)
		return
	}
	to.Log(guessLevel(e.text), clean(e.text), e.fields()...)
}

// fields adds to fields how much of the line is missing.
func (e entry) fields(fields ...any) []any {
	if e.dropped > 0 {
		fields = append(fields, "dropped_bytes", e.dropped)
	}
	return fields
}

// levelOfCut finds the level of a record whose end was cut off: hclog writes it
// first.
func levelOfCut(text string) hclog.Level {
	_, after, found := strings.Cut(text[:min(len(text), 64)], `"@level":"`)
	name, _, ends := strings.Cut(after, `"`)
	level := hclog.LevelFromString(name)
	if !found || !ends || level == hclog.NoLevel {
		return hclog.Debug
	}
	return level
}

// guessLevel is the level of a line that is no record, as the log package of
// many programs writes it.
func guessLevel(text string) hclog.Level {
	name, _, bracketed := strings.Cut(strings.TrimPrefix(text, "["), "]")
	if level := hclog.LevelFromString(name); bracketed && strings.HasPrefix(text, "[") && level != hclog.NoLevel {
		return level
	}
	return hclog.Debug
}

// clean makes text of a plugin safe to show: no control characters that would
// move a terminal's cursor or colour it, nothing that is no text.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func cleanValue(v any) any {
	if text, ok := v.(string); ok {
		return clean(text)
	}
	return v
}

// shorten cuts text after width bytes and says so.
func shorten(text string, width int) string {
	if len(text) <= width {
		return text
	}
	return strings.ToValidUTF8(text[:width], "") + "..."
}
