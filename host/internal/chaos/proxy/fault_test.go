package proxy

import (
	"math"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestASeedDrawsTheSameFaults(t *testing.T) {
	first, again, other := make([]Fault, 500), make([]Fault, 500), make([]Fault, 500)
	for i := range first {
		n := uint64(i + 1)
		first[i], again[i], other[i] = draw(7, n, 0.5), draw(7, n, 0.5), draw(8, n, 0.5)
	}
	if diff := cmp.Diff(first, again, cmpopts.EquateComparable(Fault{})); diff != "" {
		t.Errorf("another plan from the same seed:\n%s", diff)
	}
	if cmp.Equal(first, other, cmpopts.EquateComparable(Fault{})) {
		t.Error("the same plan from another seed")
	}
}

func TestTheRateIsTheShareOfFaults(t *testing.T) {
	const many = 20_000
	for _, rate := range []float64{0, 0.05, 0.5, 1} {
		kinds := map[Kind]int{}
		for n := range uint64(many) {
			kinds[draw(3, n, rate).Kind]++
		}
		if got := 1 - float64(kinds[None])/many; math.Abs(got-rate) > 0.015 {
			t.Errorf("rate %g: got %g", rate, got)
		}
		for _, kind := range Kinds() {
			if rate > 0 && kinds[kind] == 0 {
				t.Errorf("rate %g: %q never happens", rate, kind)
			}
		}
	}
	total := 0
	for _, w := range weights {
		total += w.weight
	}
	if total != 100 {
		t.Errorf("the weights add up to %d, want 100", total)
	}
}

func TestLimitsAreSaidWithTheirNumbers(t *testing.T) {
	placeholder := regexp.MustCompile(`\b(N|R|FROM|LAST)\b`)
	number := regexp.MustCompile(`\b(7|41|0x16)\b`)
	for _, words := range wordings {
		l := &limit{blocks: 7, words: words}
		e := l.refuse(16, 56)
		if e == nil || placeholder.MatchString(e.Message) || !number.MatchString(e.Message) || e.Code != words.Code {
			t.Errorf("%q: got %+v for blocks 16 to 56", words.Message, e)
		}
		if e := l.refuse(16, 22); e != nil {
			t.Errorf("%q: seven blocks are refused: %+v", words.Message, e)
		}
	}
}
