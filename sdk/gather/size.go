package gather

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Size is a number of bytes as settings have it: "128MiB".
type Size int64

var sizes = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) *([KMGT]i?)?B$`)

// UnmarshalText reads a number and a unit.
func (s *Size) UnmarshalText(text []byte) error {
	parts := sizes.FindSubmatch(text)
	if parts == nil {
		return errors.New(`write a number and B, KiB, MiB, GiB, KB, MB or GB, such as "128MiB"`)
	}
	n, err := strconv.ParseFloat(string(parts[1]), 64)
	if err != nil {
		return err
	}
	if unit := string(parts[2]); unit != "" {
		base := 1000.0
		if strings.HasSuffix(unit, "i") {
			base = 1024
		}
		n *= math.Pow(base, float64(strings.Index("KMGT", unit[:1])+1))
	}
	if n < 1 || n >= math.MaxInt64 {
		return errors.New(`that is no size: write one such as "128MiB"`)
	}
	*s = Size(n)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String is the size in the largest unit that it is a whole number of.
func (s Size) String() string {
	for shift, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if one := Size(1) << (40 - 10*shift); s >= one && s%one == 0 {
			return strconv.FormatInt(int64(s/one), 10) + unit
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
