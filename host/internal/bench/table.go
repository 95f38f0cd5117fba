package main

import (
	"fmt"
	"io"
)

// table prints figures as they come.
type table struct{ out io.Writer }

// figure is one line. Goal is what the ratio, or the value, has to be; a figure
// without one is there to compare with.
type figure struct {
	what      string
	measured  string
	yardstick string
	ratio     float64 // 0: there is no yardstick
	value     float64 // what the goal is about where there is no ratio
	goal      goal
}

// goal is a bound from below or from above; 0: none.
type goal struct {
	atLeast, atMost float64
	unit            string
}

func (g goal) String() string {
	switch {
	case g.atLeast > 0:
		return fmt.Sprintf("≥ %g%s", g.atLeast, g.unit)
	case g.atMost > 0:
		return fmt.Sprintf("≤ %g%s", g.atMost, g.unit)
	}
	return ""
}

func (g goal) verdict(v float64) string {
	switch {
	case g == goal{}:
		return ""
	case g.atLeast > 0 && v < g.atLeast, g.atMost > 0 && v > g.atMost:
		return "missed"
	}
	return "reached"
}

const line = "  %-47s %-33s %-33s %6s  %-9s %s\n"

func (t *table) preamble(text string) {
	fmt.Fprintln(t.out, text)
	fmt.Fprintln(t.out, "CPU: processor time per row, of all processes that take part. Ratio: measured by yardstick, of the same turn.")
}

func (t *table) section(title string) {
	fmt.Fprintf(t.out, "\n%s\n", title)
	fmt.Fprintf(t.out, line, "", "measured", "yardstick", "ratio", "goal", "")
}

func (t *table) add(f figure) {
	ratio, value := "", f.value
	if f.ratio > 0 {
		ratio, value = fmt.Sprintf("%.2f", f.ratio), f.ratio
	}
	if f.value > 0 {
		value = f.value
	}
	fmt.Fprintf(t.out, line, f.what, f.measured, f.yardstick, ratio, f.goal, f.goal.verdict(value))
}

// rows shows a rate and its cost.
func rows(loads []load) string {
	return fmt.Sprintf("%5.2f M rows/s, CPU %5.0f ns",
		median(loads, load.rate)/1e6, median(loads, load.cpuPerRow))
}
