package protocol

import (
	"os"
	"strings"
	"testing"
)

// deepVariable makes the search larger than anybody wants to wait for on every
// change: minutes, and gigabytes of memory.
const deepVariable = "PENSTOCK_PROTOCOL_DEEP"

// holds checks that no promise can be broken.
func holds(t *testing.T, m *model) {
	t.Helper()
	f, n := check(t, m)
	t.Logf("%s, %d crashes, %d reorganisations, %d checkpoints and the closing ones: %d states", m.name, m.faults, m.reorgs, m.checkpoints, n)
	if f != nil {
		t.Errorf("the protocol is broken: %s", f)
	}
}

// breaks checks that a promise can be broken, and which.
func breaks(t *testing.T, m *model, want string) {
	t.Helper()
	f, n := check(t, m)
	t.Logf("%s: %d states", m.name, n)
	switch {
	case f == nil:
		t.Errorf("%s: nothing is found, want: %s", m.name, want)
	case !strings.Contains(f.what, want):
		t.Errorf("%s: got %s\nwant: %s", m.name, f, want)
	default:
		t.Log(f)
	}
}

// All promises hold in all topologies, whatever crashes at whatever step and
// whenever the chain is reorganised; and from everywhere there is a way to the
// end.
func TestProtocolHolds(t *testing.T) {
	t.Parallel()
	type budget struct{ faults, reorgs, checkpoints uint8 }
	for _, c := range []struct {
		top               *topology
		short, full, deep budget
	}{
		{oneLine, budget{1, 0, 1}, budget{2, 1, 1}, budget{2, 1, 2}},
		{joined, budget{0, 1, 1}, budget{1, 1, 1}, budget{1, 2, 2}},
		{fanned, budget{1, 0, 1}, budget{1, 1, 2}, budget{2, 1, 2}},
		{diamond, budget{1, 0, 1}, budget{1, 1, 1}, budget{2, 1, 1}},
	} {
		t.Run(c.top.name, func(t *testing.T) {
			t.Parallel()
			of := c.full
			switch {
			case testing.Short():
				of = c.short
			case os.Getenv(deepVariable) != "":
				of = c.deep
			}
			holds(t, &model{topology: c.top, faults: of.faults, reorgs: of.reorgs, checkpoints: of.checkpoints})
		})
	}
}
