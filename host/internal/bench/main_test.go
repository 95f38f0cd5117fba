package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The test binary is also the other end of its connections.
func TestMain(m *testing.M) {
	if isPart, err := servePart(os.Args[1:]); isPart {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Every figure can be measured. How it turns out does not matter here.
func TestEveryFigureIsPrinted(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs, and kills some")
	}
	var out bytes.Buffer
	quick := effort{rounds: 1, warm: 50 * time.Millisecond, span: 100 * time.Millisecond}
	if err := run(t.Context(), &out, quick, ""); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, s := range sections {
		if !strings.Contains(out.String(), s.title) {
			t.Errorf("section %s is missing from\n%s", s.name, &out)
		}
	}
	goals := strings.Count(out.String(), "reached") + strings.Count(out.String(), "missed")
	if want := 29; goals != want {
		t.Errorf("%d figures have a goal, want %d:\n%s", goals, want, &out)
	}
}

func TestUnknownSection(t *testing.T) {
	err := checkSection("hops")
	if err == nil || !strings.Contains(err.Error(), `"hops"`) {
		t.Errorf("got %v, want an error that names the section", err)
	}
}

func TestMedianAndRatio(t *testing.T) {
	same := func(v float64) float64 { return v }
	if got := median([]float64{9, 1, 5}, same); got != 5 {
		t.Errorf("median: got %g, want 5", got)
	}
	// The machine was slow in the second turn, for both alike.
	if got := ratio([]float64{10, 1, 12}, []float64{20, 2, 24}, same); got != 0.5 {
		t.Errorf("ratio: got %g, want 0.5", got)
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		goal goal
		v    float64
		want string
	}{
		{goal{atLeast: 0.6}, 0.59, "missed"},
		{goal{atLeast: 0.6}, 0.6, "reached"},
		{goal{atMost: 80}, 81, "missed"},
		{goal{atMost: 80}, 80, "reached"},
		{goal{}, 1, ""},
	} {
		if got := c.goal.verdict(c.v); got != c.want {
			t.Errorf("%v for %g: got %q, want %q", c.goal, c.v, got, c.want)
		}
	}
}
