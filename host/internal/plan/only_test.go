package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/plan"
)

// Whoever names pipelines changes those, and is told of the others.
func TestConfine(t *testing.T) {
	all := func() plan.Plan {
		return plan.Plan{Pipelines: []plan.Pipeline{{Name: "a"}, {Name: "b"}, {Name: "c"}}}
	}
	for name, test := range map[string]struct {
		only  []string
		names []string
		left  []string
		wrong string
	}{
		"nobody":    {nil, []string{"a", "b", "c"}, nil, ""},
		"one":       {[]string{"b"}, []string{"b"}, []string{"a", "c"}, ""},
		"two":       {[]string{"c", "a"}, []string{"a", "c"}, []string{"b"}, ""},
		"a slip":    {[]string{"a", "d"}, []string{"a", "b", "c"}, nil, "--only d: nothing about that pipeline would change: those that differ are a, b, c"},
		"all alike": {[]string{"a", "b", "c"}, []string{"a", "b", "c"}, nil, ""},
	} {
		p := all()
		err := p.Confine(test.only)
		if test.wrong == "" && err != nil || test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)) {
			t.Errorf("%s: got %v, want %q", name, err, test.wrong)
		}
		var names []string
		for _, one := range p.Pipelines {
			names = append(names, one.Name)
		}
		if diff := cmp.Diff(test.names, names) + cmp.Diff(test.left, p.Left); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
