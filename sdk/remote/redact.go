package remote

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Hidden stands where a secret was.
const Hidden = "(sensitive)"

// leastSecret is how long a secret is at least: to hide every "1" would make all
// else unreadable and hide nothing. A line of a longer one must be longer, as it
// is not the secret but a part of it.
const (
	leastSecret = 4
	leastLine   = 8
)

// Redactor takes secrets out of text. A nil one takes out nothing. It may be used
// concurrently.
type Redactor struct{ replacer *strings.Replacer }

// NewRedactor makes one for secrets, of which those shorter than four bytes are
// left where they are. It finds them also as they stand in JSON, in a URL or in
// quotes, and line by line.
func NewRedactor(secrets []string) *Redactor {
	var all []string
	for _, secret := range secrets {
		if secret = strings.TrimSpace(secret); len(secret) < leastSecret {
			continue
		}
		all = append(all, spellings(secret)...)
		for line := range strings.Lines(secret) {
			if line = strings.TrimSpace(line); len(line) >= leastLine {
				all = append(all, spellings(line)...)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) }) // where two begin at the same place, the first of the list is taken
	pairs := make([]string, 0, 2*len(all))
	for _, text := range slices.Compact(all) {
		pairs = append(pairs, text, Hidden)
	}
	return &Redactor{strings.NewReplacer(pairs...)}
}

// spellings are the forms in which text may stand in other text.
func spellings(text string) []string {
	out := []string{text, url.QueryEscape(text), url.PathEscape(text)}
	quoted := strconv.Quote(text)
	out = append(out, quoted[1:len(quoted)-1])
	if encoded, err := json.Marshal(text); err == nil {
		out = append(out, string(encoded[1:len(encoded)-1]))
	}
	return out
}

// Text is text without the secrets.
func (r *Redactor) Text(text string) string {
	if r == nil {
		return text
	}
	return r.replacer.Replace(text)
}

// bytes is Text for a line of output. The result may be the line itself.
func (r *Redactor) bytes(line []byte) []byte {
	if r == nil {
		return line
	}
	return []byte(r.replacer.Replace(string(line)))
}

// record takes the secrets out of a log line whose quotes are gone.
func (r *Redactor) record(line record) record {
	if r != nil {
		line.message = r.Text(line.message)
		for i := range line.fields {
			line.fields[i] = r.value(line.fields[i])
		}
	}
	return line
}

// value is Text for whatever may stand in a log line.
func (r *Redactor) value(v any) any {
	switch v := v.(type) {
	case string:
		return r.Text(v)
	case []any:
		for i := range v {
			v[i] = r.value(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = r.value(v[key])
		}
	}
	return v
}

// failure takes the secrets out of what a plugin reports.
func (r *Redactor) failure(f *Failure) *Failure {
	if r != nil {
		f.Message, f.Stack = r.Text(f.Message), r.Text(f.Stack)
	}
	return f
}

// description takes the secrets out of what a plugin says about itself.
func (r *Redactor) description(d *Description) {
	if r == nil {
		return
	}
	d.Version = r.Text(d.Version)
	for i := range d.Registers {
		d.Registers[i].Doc = r.Text(d.Registers[i].Doc)
		r.settings(&d.Registers[i].Settings)
	}
}

func (r *Redactor) settings(s *Settings) {
	for i := range s.Attributes {
		a := &s.Attributes[i]
		a.Doc = r.Text(a.Doc)
		if len(a.Default) > 0 {
			a.Default = json.RawMessage(r.Text(string(a.Default)))
		}
	}
	for i := range s.Blocks {
		s.Blocks[i].Doc = r.Text(s.Blocks[i].Doc)
		r.settings(&s.Blocks[i].Settings)
	}
}
