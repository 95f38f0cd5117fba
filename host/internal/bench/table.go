package main

import (
	"fmt"
	"io"
)

// table prints figures as they come.
type table struct {
	out io.Writer
	err error // the first that out returned
}

func (t *table) printf(format string, values ...any) {
	if _, err := fmt.Fprintf(t.out, format, values...); t.err == nil {
		t.err = err
	}
}

// figure is one line. Goal is what the ratio, or the value, has to be; a figure
// without one is there to compare with.
type figure struct {
	what      string
	measured  string
	yardstick string
	ratio     float64 // 0: there is no yardstick
	byCPU     float64 // the same of the work that a processor does in a second; 0: not known
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

const line = "  %-47s %-33s %-33s %6s %6s  %-9s %s\n"

func (t *table) preamble(text string) {
	t.printf("%s\n", text)
	t.printf("CPU is the processor time per row of all processes that take part. Ratios are those of turns that followed each\n")
	t.printf("other: of what was measured, and by CPU of what a second of processor time does, which a busy machine distorts less.\n")
}

func (t *table) section(title string) {
	t.printf("\n%s\n", title)
	t.printf(line, "", "measured", "yardstick", "ratio", "by CPU", "goal", "")
}

func (t *table) add(f figure) {
	ratio, value := "", f.value
	if f.ratio > 0 {
		ratio, value = fmt.Sprintf("%.2f", f.ratio), f.ratio
	}
	if f.value > 0 {
		value = f.value
	}
	byCPU := ""
	if f.byCPU > 0 {
		byCPU = fmt.Sprintf("%.2f", f.byCPU)
	}
	t.printf(line, f.what, f.measured, f.yardstick, ratio, byCPU, f.goal, f.goal.verdict(value))
}

// rows shows a rate and its cost.
func rows(loads []load) string {
	return fmt.Sprintf("%5.2f M rows/s, CPU %5.0f ns",
		median(loads, load.rate)/1e6, median(loads, load.cpuPerRow))
}

// compare is a figure of two streams of rows.
func compare(what string, measured, yardstick []load, g goal) figure {
	return figure{
		what: what, measured: rows(measured), yardstick: rows(yardstick), goal: g,
		ratio: ratio(measured, yardstick, load.rate), byCPU: ratio(yardstick, measured, load.cpuPerRow),
	}
}
