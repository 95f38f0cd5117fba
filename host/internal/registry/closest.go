package registry

import (
	"slices"
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
	limit := min(4, (len(name)+1)/3) // about one slip for each three letters
	best, bestDistance := "", limit+1
	for _, candidate := range known {
		distance := bestDistance
		if abs(len(candidate)-len(name)) < bestDistance {
			distance = slips(strings.ToLower(name), strings.ToLower(candidate))
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

// slips is how many slips of the finger lie between two names. Letters in the
// wrong order are one.
func slips(a, b string) int {
	distance := levenshtein.Distance(a, b, nil)
	if distance == 2 && slices.Equal(slices.Sorted(slices.Values([]byte(a))), slices.Sorted(slices.Values([]byte(b)))) {
		return 1
	}
	return distance
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
