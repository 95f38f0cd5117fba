package config

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"
)

// leastSecret is how long a secret is at least: to hide every "1" or "on" would
// make everything else unreadable and hide nothing.
const leastSecret = 4

// secrets are the values that nobody may see: those of sensitive variables and
// all that is made of them, of attributes that a plugin calls sensitive, and
// what gives access in the URL of an endpoint. Lists are shared between
// evaluators.
type secrets struct {
	mu     sync.Mutex
	values []string
}

func (s *secrets) add(value string) {
	if value = strings.TrimSpace(value); len(value) >= leastSecret {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.values = append(s.values, value)
	}
}

// marked adds the strings of a value that are marked as sensitive.
func (s *secrets) marked(value cty.Value) {
	s.strings(value, false)
}

// strings adds the strings in a value, those that are not marked only if all.
func (s *secrets) strings(value cty.Value, all bool) {
	value, marks := value.Unmark()
	if _, secret := marks[sensitive]; secret {
		all = true
	}
	switch {
	case !value.IsKnown() || value.IsNull():
	case value.Type() == cty.String && all:
		s.add(value.AsString())
	case value.Type() == cty.Number && all:
		s.add(value.AsBigFloat().Text('f', -1))
	case value.CanIterateElements():
		for it := value.ElementIterator(); it.Next(); {
			_, element := it.Element()
			s.strings(element, all)
		}
	}
}

// endpoint adds what gives access in a URL: a password, the values of its query,
// and parts of its path that look like keys. Whoever reads a log still sees which
// node it was.
func (s *secrets) endpoint(text string) {
	u, err := url.Parse(text)
	if err != nil || !strings.Contains(text, "://") {
		return
	}
	if password, set := u.User.Password(); set {
		s.add(password)
		s.add(u.User.String())
	}
	for _, values := range u.Query() {
		for _, value := range values {
			s.add(value)
			s.add(url.QueryEscape(value))
		}
	}
	for part := range strings.SplitSeq(u.EscapedPath(), "/") {
		if looksLikeKey(part) {
			s.add(part)
		}
	}
}

// looksLikeKey tells keys from the words that a path has otherwise.
func looksLikeKey(part string) bool {
	return len(part) >= 16 && strings.ContainsAny(part, "0123456789")
}

// object adds the strings in JSON.
func (s *secrets) object(text json.RawMessage) {
	var value any
	if json.Unmarshal(text, &value) == nil {
		s.anything(value)
	}
}

func (s *secrets) anything(value any) {
	switch value := value.(type) {
	case string:
		s.add(value)
	case []any:
		for _, element := range value {
			s.anything(element)
		}
	case map[string]any:
		for _, element := range value {
			s.anything(element)
		}
	}
}

// list returns each secret once, the longest first.
func (s *secrets) list() []string {
	s.mu.Lock()
	out := slices.Clone(s.values)
	s.mu.Unlock()
	slices.SortFunc(out, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(out)
}

// Secrets are the values known so far that nobody may see: see Model.Secrets for
// all.
func (f *File) Secrets() []string { return f.eval.hidden.list() }

// discreet is text without secrets.
func (f *File) discreet(text string) string {
	for _, secret := range f.Secrets() {
		text = strings.ReplaceAll(text, secret, "("+string(sensitive)+")")
	}
	return text
}

// withoutSecrets are diagnostics that show none.
func (f *File) withoutSecrets(diags Diagnostics) Diagnostics {
	out := slices.Clone(diags)
	for i, diag := range out {
		if detail := f.discreet(diag.Detail); detail != diag.Detail {
			copied := *diag
			copied.Detail = detail
			out[i] = &copied
		}
	}
	return out
}
