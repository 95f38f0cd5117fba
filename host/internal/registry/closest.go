package registry

import (
	"strings"

	"github.com/agext/levenshtein"
)

// Closest returns the name of the register that was probably meant, or "".
func (r *Registry) Closest(name string) string {
	known := make([]string, 0, len(r.registers))
	for _, reg := range r.All() {
		known = append(known, reg.Name)
	}
	return Nearest(name, known)
}

// Nearest returns the known name that was probably meant by one that is not
// known, or "" if none is near. Among equally near names the first wins.
func Nearest(name string, known []string) string {
	limit := max(1, min(4, len(name)/3))
	best, bestDistance := "", limit+1
	for _, candidate := range known {
		distance := bestDistance
		if abs(len(candidate)-len(name)) < bestDistance {
			distance = levenshtein.Distance(strings.ToLower(name), strings.ToLower(candidate), nil)
		}
		if distance < bestDistance {
			best, bestDistance = candidate, distance
		}
	}
	if best != "" {
		return best
	}
	return nearestPart(name, known)
}

// nearestPart finds the one name of which a part was written: eth.logs for
// logs. Two such names are no suggestion.
func nearestPart(name string, known []string) string {
	found := ""
	for _, candidate := range known {
		if !strings.HasSuffix(candidate, "."+name) && !strings.HasPrefix(candidate, name+".") {
			continue
		}
		if found != "" {
			return ""
		}
		found = candidate
	}
	return found
}

func abs(n int) int { return max(n, -n) }
