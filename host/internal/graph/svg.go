package graph

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"io"
	"slices"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// Sizes in the picture, in pixels.
const (
	boxWidth, boxHeight = 210, 54
	gapX, gapY          = 110, 26
	margin, titleHeight = 24, 34
)

// SVG draws the graph from left to right, one band for each pipeline. Columns
// are how far a process is from the readers.
func (g *Graph) SVG(w io.Writer) error {
	var out bytes.Buffer
	top, width := margin, 0
	for _, group := range g.byPipeline() {
		columns := layout(group)
		fmt.Fprintf(&out, "<text class=\"title\" x=\"%d\" y=\"%d\">%s</text>\n", margin, top+14, html.EscapeString(headline(group[0].Pipeline)))
		top += titleHeight
		bottom := place(columns, top)
		drawEdges(&out, columns)
		drawBoxes(&out, columns)
		top = bottom + margin
		width = max(width, 2*margin+len(columns)*(boxWidth+gapX)-gapX)
	}
	_, err := fmt.Fprintf(w, svgFrame, max(width, 640), top, svgStyle, out.Bytes())
	return err
}

const svgFrame = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d">
<style>%[3]s</style>
<rect width="100%%" height="100%%" fill="#fff"/>
%[4]s</svg>
`

const svgStyle = `text{font:13px Helvetica,Arial,sans-serif;fill:#1f2937}.title{font-weight:bold}.small{font-size:11px;fill:#4b5563}.flow{font-size:10px;fill:#6b7280;paint-order:stroke;stroke:#fff;stroke-width:4px}` +
	`path{fill:none;stroke:#9ca3af;stroke-width:1.5}rect{stroke-width:1.5}.reader{fill:#e0f2fe;stroke:#0284c7}.subscriber{fill:#dcfce7;stroke:#16a34a}` +
	`.aggregator{fill:#fef3c7;stroke:#d97706}.loader{fill:#f3e8ff;stroke:#9333ea}`

// dot is a process in a column, or a point at which an edge passes one.
type dot struct {
	process *Process // nil where an edge passes
	before  []*dot   // in the columns to the left, each one column away
	x, y    int      // the left edge, the middle
}

func (d *dot) height() int {
	if d.process == nil {
		return 0
	}
	return boxHeight
}

// right is where edges leave.
func (d *dot) right() int {
	if d.process == nil {
		return d.x
	}
	return d.x + boxWidth
}

// layout puts processes, which must come after their producers, in columns.
func layout(processes []*Process) [][]*dot {
	var columns [][]*dot
	dots := make(map[*Process]*dot, len(processes))
	column := make(map[*Process]int, len(processes))
	put := func(d *dot, at int) {
		for len(columns) <= at {
			columns = append(columns, nil)
		}
		columns[at] = append(columns[at], d)
	}
	for _, p := range processes {
		d := &dot{process: p}
		dots[p] = d
		for _, e := range p.Inputs {
			column[p] = max(column[p], column[e.From]+1)
		}
		for _, e := range p.Inputs {
			from := dots[e.From]
			for at := column[e.From] + 1; at < column[p]; at++ {
				passing := &dot{before: []*dot{from}}
				put(passing, at)
				from = passing
			}
			d.before = append(d.before, from)
		}
		put(d, column[p])
	}
	return columns
}

// place gives every dot its position, near the middle of those before it, and
// returns how far down the lowest one reaches.
func place(columns [][]*dot, top int) (bottom int) {
	for i, column := range columns {
		for _, d := range column {
			d.x = margin + i*(boxWidth+gapX)
			for _, before := range d.before {
				d.y += before.y
			}
			d.y /= max(len(d.before), 1)
		}
		slices.SortStableFunc(column, func(a, b *dot) int { return cmp.Compare(a.y, b.y) })
		free := top
		for _, d := range column {
			d.y = max(d.y, free+d.height()/2)
			free = d.y + d.height()/2 + gapY
		}
		bottom = max(bottom, free-gapY)
	}
	return bottom
}

func drawEdges(out *bytes.Buffer, columns [][]*dot) {
	for _, column := range columns {
		for _, d := range column {
			for _, from := range d.before {
				x1, x2 := from.right(), d.x
				if from.process == nil {
					fmt.Fprintf(out, "<path d=\"M%d %dH%d\"/>\n", x1, from.y, x1+boxWidth)
					x1 += boxWidth
				}
				bend := (x1 + x2) / 2
				fmt.Fprintf(out, "<path d=\"M%d %dC%d %d %d %d %d %d\"/>\n", x1, from.y, bend, from.y, bend, d.y, x2, d.y)
			}
		}
	}
}

func drawBoxes(out *bytes.Buffer, columns [][]*dot) {
	for _, column := range columns {
		for _, d := range column {
			p := d.process
			if p == nil {
				continue
			}
			kind, y := p.Register.Type.String(), d.y-boxHeight/2
			round := 6
			if p.Register.Type == registry.Reader {
				round = boxHeight / 2
			}
			fmt.Fprintf(out, "<g><title>%s</title><rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\"/>",
				html.EscapeString(p.Step.Name+": "+describe(p)), kind, d.x, y, boxWidth, boxHeight, round)
			fmt.Fprintf(out, "<text x=\"%d\" y=\"%d\">%s</text>", d.x+20, d.y-4, clip(p.Step.Name, 26))
			fmt.Fprintf(out, "<text class=\"small\" x=\"%d\" y=\"%d\">%s</text></g>\n", d.x+20, d.y+14, clip(kind+" "+p.Register.Name, 32))
			if len(p.Outputs) > 0 {
				fmt.Fprintf(out, "<text class=\"flow\" x=\"%d\" y=\"%d\">%s</text>\n", d.x+boxWidth+6, d.y-6, clip(p.Register.Output.Name, 18))
			}
		}
	}
}

// clip shortens a text to what fits and makes it safe.
func clip(text string, length int) string {
	if runes := []rune(text); len(runes) > length {
		text = string(runes[:length-1]) + "…"
	}
	return html.EscapeString(text)
}
