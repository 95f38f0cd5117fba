package api

import "testing"

// A swap goes on when whoever asked for it has left: what it says then is heard by
// nobody, and harms nobody.
func TestTellingAfterTheEnd(t *testing.T) {
	phases := newTelling[string](2)
	for _, phase := range []string{"warm", "cut", "probation"} {
		phases.tell(phase)
	}
	phases.end()
	phases.tell("committed")
	phases.end()
	var heard []string
	for phase := range phases.heard {
		heard = append(heard, phase)
	}
	if len(heard) != 2 || heard[0] != "warm" || heard[1] != "cut" {
		t.Errorf("heard %q, want what there was room for", heard)
	}
}
