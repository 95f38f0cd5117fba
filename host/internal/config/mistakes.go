package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// Diagnostics is a list of mistakes and warnings, each with its place.
type Diagnostics = hcl.Diagnostics

// Diagnostic is one of them.
type Diagnostic = hcl.Diagnostic

// Severity is what a Diagnostic weighs.
type Severity = hcl.DiagnosticSeverity

// Range is a place in a file.
type Range = hcl.Range

// The severities of a Diagnostic.
const (
	Error   = hcl.DiagError
	Warning = hcl.DiagWarning
)

// maxMistakes is how many diagnostics are given before the rest is counted.
const maxMistakes = 100

// mistakes collects diagnostics: each once, and only so many.
type mistakes struct {
	files map[string]int // the order of sources
	found Diagnostics
	seen  map[string]bool
	more  int
	errs  int
}

func newMistakes(sources []Source) *mistakes {
	files := make(map[string]int, len(sources))
	for i, source := range sources {
		files[source.Name] = i
	}
	return &mistakes{files: files, seen: make(map[string]bool)}
}

// clone returns a copy that can be added to on its own.
func (m *mistakes) clone() *mistakes {
	c := *m
	c.found = slices.Clone(m.found)
	c.seen = make(map[string]bool, len(m.seen))
	for key := range m.seen {
		c.seen[key] = true
	}
	return &c
}

func (m *mistakes) failed() bool { return m.errs > 0 }

// full reports whether what is added now is only counted.
func (m *mistakes) full() bool { return len(m.found) >= maxMistakes }

func (m *mistakes) add(diag *hcl.Diagnostic) {
	if diag.Severity == hcl.DiagError {
		m.errs++
	}
	if n, counts := diag.Extra.(uncounted); counts {
		m.more += int(n)
		return
	}
	if m.full() {
		m.more++
		return
	}
	key := diag.Error() + "\x00" + diag.Detail
	if m.seen[key] {
		return
	}
	m.seen[key] = true
	m.found = append(m.found, diag)
}

func (m *mistakes) addAll(diags Diagnostics) {
	for _, diag := range diags {
		m.add(diag)
	}
}

func (m *mistakes) errorf(at *hcl.Range, summary, format string, args ...any) {
	m.add(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at})
}

func (m *mistakes) warnf(at *hcl.Range, summary, format string, args ...any) {
	m.add(&hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at})
}

// duplicate reports a name that stands there twice and remembers it otherwise.
// The name says what it is of: step "logs".
func (m *mistakes) duplicate(seen map[string]hcl.Range, name string, at hcl.Range) bool {
	first, taken := seen[name]
	if !taken {
		seen[name] = at
		return false
	}
	m.errorf(&at, "Duplicate name", "%s is already at %s: choose another name.", capital(name), place(first))
	return true
}

// place is where a range begins, in a sentence.
func place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d:%d", r.Filename, r.Start.Line, r.Start.Column)
}

// meant returns a sentence that suggests the known name that was probably
// meant, with a space before it, or "".
func (m *mistakes) meant(name string, known []string) string {
	if m.full() {
		return ""
	}
	if nearest := registry.Nearest(name, known); nearest != "" {
		return fmt.Sprintf(" Did you mean %q?", nearest)
	}
	return ""
}

// places returns where errors were found so far.
func (m *mistakes) places() []hcl.Range {
	var places []hcl.Range
	for _, diag := range m.found {
		if diag.Severity == hcl.DiagError && diag.Subject != nil {
			places = append(places, *diag.Subject)
		}
	}
	return places
}

// list returns everything in the order of the files.
func (m *mistakes) list() Diagnostics {
	found := slices.Clone(m.found)
	slices.SortStableFunc(found, m.compare)
	if m.more > 0 {
		found = append(found, more(m.more))
	}
	return found
}

func (m *mistakes) compare(a, b *hcl.Diagnostic) int {
	switch {
	case a.Subject == nil && b.Subject == nil:
		return 0
	case a.Subject == nil:
		return -1
	case b.Subject == nil:
		return 1
	case a.Subject.Filename != b.Subject.Filename:
		return m.files[a.Subject.Filename] - m.files[b.Subject.Filename]
	}
	return a.Subject.Start.Byte - b.Subject.Start.Byte
}

// Join puts lists of diagnostics together: each diagnostic once, in the order
// of the file, and only so many.
func (f *File) Join(lists ...Diagnostics) Diagnostics {
	joined := &mistakes{files: f.eval.files, seen: make(map[string]bool)}
	for _, list := range lists {
		joined.addAll(list)
	}
	return f.withoutSecrets(joined.list())
}

// uncounted marks the diagnostic that says how many more there are, so that it
// can be added up.
type uncounted int

func more(n int) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Extra:    uncounted(n),
		Severity: hcl.DiagError,
		Summary:  fmt.Sprintf("And %d more", n),
		Detail:   fmt.Sprintf("Only the first %d are shown: mend these, and look again.", maxMistakes),
	}
}

// Bound returns diags as they are, or the first hundred and how many more
// there are.
func Bound(diags Diagnostics) Diagnostics {
	if len(diags) <= maxMistakes {
		return diags
	}
	return append(slices.Clone(diags[:maxMistakes]), more(len(diags)-maxMistakes))
}
