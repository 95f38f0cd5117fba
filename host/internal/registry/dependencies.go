package registry

import (
	"fmt"
	"slices"
	"strings"
)

// Dependencies returns every register that the named one reads, directly or
// through others, each once and before those that need it; the named one is
// not among them. The error names a register that is missing and who asked for
// it, or the whole cycle.
func (r *Registry) Dependencies(name string) ([]Register, error) {
	if _, ok := r.Lookup(name); !ok {
		return nil, fmt.Errorf("find dependencies: unknown register %q%s", name, r.hint(name))
	}
	w := &walk{registry: r, done: make(map[string]bool)}
	if err := w.visit(name); err != nil {
		return nil, fmt.Errorf("find dependencies of %q: %w", name, err)
	}
	return w.found[:len(w.found)-1], nil // the last one found is the named one
}

// walk goes through dependencies depth first. An entry of done is false while
// the register is on the trail.
type walk struct {
	registry *Registry
	done     map[string]bool
	trail    []string
	found    []Register
}

func (w *walk) visit(name string) error {
	finished, seen := w.done[name]
	if finished {
		return nil
	}
	if seen {
		cycle := append(slices.Clone(w.trail[slices.Index(w.trail, name):]), name)
		return fmt.Errorf("they form a cycle: %s", strings.Join(cycle, " -> "))
	}
	reg, ok := w.registry.Lookup(name)
	if !ok {
		return fmt.Errorf("%q depends on %q, which no plugin has%s", w.trail[len(w.trail)-1], name, w.registry.hint(name))
	}
	w.done[name] = false
	w.trail = append(w.trail, name)
	for _, dependency := range reg.Dependencies {
		if err := w.visit(dependency); err != nil {
			return err
		}
	}
	w.trail = w.trail[:len(w.trail)-1]
	w.done[name] = true
	w.found = append(w.found, reg)
	return nil
}

func (r *Registry) hint(name string) string {
	if closest := r.Closest(name); closest != "" {
		return fmt.Sprintf("; did you mean %q?", closest)
	}
	return ""
}
