package view

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// picture is all that is drawn at one moment.
type picture struct {
	paths  []engine.PathStatus
	rates  *rates
	notice string
	up     time.Duration
	log    []string // newest last
	color  bool
}

// lines draws the picture into a window. Nothing is wider than width, and there
// are never more than height lines: what does not fit is left out, and said so.
func (p picture) lines(width, height int) []string {
	var out []string
	for i, path := range p.paths {
		if i > 0 {
			out = append(out, "")
		}
		out = append(out, p.header(path, width))
		if path.Cause != "" {
			out = append(out, p.paint(red, cut("  "+path.Cause, width)))
		}
		for _, s := range path.Processes {
			if s.Waiting != nil {
				out = append(out, p.paint(yellow, cut("  "+waits(s), width)))
			}
		}
		out = append(out, p.table(path, width)...)
	}
	bottom := p.bottom(width)
	room := max(height-len(bottom), 1)
	if len(out) > room {
		more := len(out) - room + 1
		out = append(out[:room-1], cut(fmt.Sprintf("… %d more lines, in a taller window", more), width))
	}
	out = append(out, bottom...)
	return out[:min(len(out), max(height, 1))]
}

// header says what a path is doing as a whole.
func (p picture) header(path engine.PathStatus, width int) string {
	state := string(path.State)
	if p.notice != "" && (path.State == engine.PathBackfill || path.State == engine.PathLive) {
		state = p.notice
	}
	parts := []string{
		"head " + head(path),
		"committed " + block(path.Committed),
		"up " + elapsed(p.up),
	}
	if p.rates != nil {
		if how := p.rates.progress(path); how != "" {
			parts = append(parts, how)
		}
	}
	plain := path.Pipeline + "  " + state + "  " + strings.Join(parts, "  ")
	if utf8.RuneCountInString(plain) > width {
		return cut(plain, width)
	}
	return p.paint(bold, path.Pipeline) + "  " + p.paint(colorOf(state), state) + "  " + strings.Join(parts, "  ")
}

// bottom is the newest of the log.
func (p picture) bottom(width int) []string {
	if len(p.log) == 0 {
		return nil
	}
	out := []string{""}
	for _, line := range p.log {
		out = append(out, p.paint(yellow, cut(line, width)))
	}
	return out
}

// column is one of a table's.
type column struct {
	title string
	text  func(p picture, path engine.PathStatus, s engine.ProcessStatus) string
	right bool // numbers stand to the right
	keep  int  // the columns with the lowest are left out of a narrow window first
}

const perSecondTitle = "ROWS/S"

var columns = []column{
	{title: "STEP", keep: 10, text: func(_ picture, _ engine.PathStatus, s engine.ProcessStatus) string { return s.Step }},
	{title: "KIND", keep: 2, text: func(_ picture, _ engine.PathStatus, s engine.ProcessStatus) string { return s.Kind }},
	{title: "REGISTER", keep: 1, text: func(_ picture, _ engine.PathStatus, s engine.ProcessStatus) string { return s.Register }},
	{title: "STATE", keep: 8, text: func(_ picture, _ engine.PathStatus, s engine.ProcessStatus) string { return stateOf(s) }},
	{title: perSecondTitle, keep: 9, right: true, text: func(p picture, path engine.PathStatus, s engine.ProcessStatus) string {
		return perSecond(p.rates.of(path.Pipeline, s.Step))
	}},
	{title: "ROWS", keep: 6, right: true, text: func(_ picture, _ engine.PathStatus, s engine.ProcessStatus) string {
		return count(rows(s))
	}},
	{title: "BLOCK", keep: 5, right: true, text: func(_ picture, _ engine.PathStatus, s engine.ProcessStatus) string {
		return block(s.Block)
	}},
	{title: "LAG", keep: 7, right: true, text: func(_ picture, _ engine.PathStatus, s engine.ProcessStatus) string {
		return block(s.Lag)
	}},
	{title: "QUEUE", keep: 4, right: true, text: func(_ picture, _ engine.PathStatus, s engine.ProcessStatus) string {
		if e := fullest(s); e != nil {
			return fmt.Sprintf("%d/%d", e.Depth, e.Threshold)
		}
		return "-"
	}},
	{title: "RESTARTS", keep: 3, right: true, text: func(_ picture, _ engine.PathStatus, s engine.ProcessStatus) string {
		return count(s.Restarts)
	}},
}

// columns are those of which the picture has something to say.
func (p picture) columns() []column {
	if p.rates != nil {
		return columns
	}
	return slices.DeleteFunc(slices.Clone(columns), func(c column) bool { return c.title == perSecondTitle })
}

// table has a line for every process. Columns that do not fit are left out.
func (p picture) table(path engine.PathStatus, width int) []string {
	columns := p.columns()
	cells := make([][]string, len(columns)) // by column; the title first
	widths := make([]int, len(columns))
	for i, c := range columns {
		cells[i] = append(cells[i], c.title)
		for _, s := range path.Processes {
			cells[i] = append(cells[i], c.text(p, path, s))
		}
		for _, text := range cells[i] {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	shown := fit(columns, widths, width)
	out := make([]string, 0, len(path.Processes)+1)
	for row := range len(path.Processes) + 1 {
		var line strings.Builder
		for i, c := range columns {
			if shown[i] {
				line.WriteString(gap + pad(cells[i][row], widths[i], c.right))
			}
		}
		text := cut(strings.TrimRight(line.String(), " "), width)
		if row == 0 {
			out = append(out, p.paint(dim, text))
			continue
		}
		out = append(out, p.paint(colorOf(string(path.Processes[row-1].State)), text))
	}
	return out
}

// gap stands before every column.
const gap = "  "

// fit chooses the columns that fit into a width together; the first one always
// does.
func fit(columns []column, widths []int, width int) []bool {
	shown := make([]bool, len(columns))
	total := 0
	for i := range columns {
		shown[i] = true
		total += len(gap) + widths[i]
	}
	for total > width {
		least := -1
		for i, c := range columns {
			if shown[i] && (least < 0 || c.keep < columns[least].keep) {
				least = i
			}
		}
		if least == 0 {
			break
		}
		shown[least] = false
		total -= len(gap) + widths[least]
	}
	return shown
}

func pad(text string, width int, right bool) string {
	space := strings.Repeat(" ", width-utf8.RuneCountInString(text))
	if right {
		return space + text
	}
	return text + space
}

// cut shortens text to a width, visibly.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(width-1, 0)]) + "…"
}

// The codes of colours.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	yellow = "33"
	cyan   = "36"
)

// colorOf is the colour of a state of a path or process, "" for what needs none.
func colorOf(state string) string {
	switch state {
	case string(engine.PathError), string(engine.ProcessCrashed):
		return red
	case string(engine.PathBackfill):
		return cyan
	case string(engine.PathInactive), string(engine.PathStopped), string(engine.ProcessTerminated):
		return dim
	}
	return ""
}

func (p picture) paint(code, text string) string {
	if !p.color || code == "" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// stateOf is how a step is, and whether a person runs it.
func stateOf(s engine.ProcessStatus) string {
	state := string(s.State)
	if s.Waiting != nil {
		state = "waiting"
	}
	if s.Attached {
		return state + " by hand"
	}
	return state
}

// waits says in one line what a step waits for.
func waits(s engine.ProcessStatus) string {
	return fmt.Sprintf("step %s has been waiting since %s for %s", s.Step, s.Waiting.Since.Local().Format(time.TimeOnly), strings.Join(strings.Fields(Plain(s.Waiting.For)), " "))
}
