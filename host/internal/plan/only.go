package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Confine leaves the pipelines out that are not named. The error names those
// that could have been.
func (p *Plan) Confine(only []string) error {
	if len(only) == 0 {
		return nil
	}
	var differ []string
	for _, one := range p.Pipelines {
		differ = append(differ, one.Name)
	}
	for _, name := range only {
		if !slices.Contains(differ, name) {
			return fmt.Errorf("--only %s: nothing about that pipeline would change: %s", name, those(differ))
		}
	}
	p.Pipelines = slices.DeleteFunc(slices.Clone(p.Pipelines), func(one Pipeline) bool {
		leave := !slices.Contains(only, one.Name)
		if leave {
			p.Left = append(p.Left, one.Name)
		}
		return leave
	})
	return nil
}

func those(names []string) string {
	if len(names) == 0 {
		return "nothing would change at all"
	}
	return "those that differ are " + strings.Join(names, ", ")
}
