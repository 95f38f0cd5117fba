package graph

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// Text draws the graph as trees that begin at the readers. A process that reads
// several is drawn below the first and mentioned below the others.
func (g *Graph) Text(w io.Writer) error {
	var out bytes.Buffer
	drawn := make(map[*Process]bool)
	for i, group := range g.byPipeline() {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintln(&out, headline(group[0].Pipeline))
		for _, p := range group {
			if len(p.Inputs) == 0 {
				t := tree{out: &out, drawn: drawn}
				t.draw(p, "  ", "  ")
			}
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// tree draws one reader and what comes after it.
type tree struct {
	out   *bytes.Buffer
	drawn map[*Process]bool
}

func (t *tree) draw(p *Process, first, rest string) {
	if t.drawn[p] {
		fmt.Fprintf(t.out, "%s%s (above)\n", first, p.Step.Name)
		return
	}
	t.drawn[p] = true
	fmt.Fprintf(t.out, "%s%s: %s\n", first, p.Step.Name, describe(p))
	consumers := consumers(p)
	for i, consumer := range consumers {
		if i == len(consumers)-1 {
			t.draw(consumer, rest+"└─ ", rest+"   ")
		} else {
			t.draw(consumer, rest+"├─ ", rest+"│  ")
		}
	}
}

// consumers are the processes that read p, each once.
func consumers(p *Process) []*Process {
	var list []*Process
	seen := make(map[*Process]bool, len(p.Outputs))
	for _, edge := range p.Outputs {
		if !seen[edge.To] {
			seen[edge.To] = true
			list = append(list, edge.To)
		}
	}
	return list
}

// describe says what a process is, in a few words.
func describe(p *Process) string {
	text := p.Register.Type.String() + " " + p.Register.Name
	if p.Register.Output.Name != "" {
		text += " -> " + p.Register.Output.Name
	}
	var notes []string
	if policy := p.Step.Policy; policy != nil {
		note := "joined by " + policy.Kind
		if policy.On != "" {
			note += " on " + policy.On
		}
		notes = append(notes, note)
	}
	if p.Step.After != "" {
		notes = append(notes, p.Step.After+" data only")
	}
	if p.Step.Implied {
		notes = append(notes, "added as a dependency")
	}
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, ", ") + ")"
	}
	return text
}

// headline says what a pipeline works on.
func headline(p *config.Pipeline) string {
	from := fmt.Sprintf("from block %d", p.From)
	if p.FromLatest {
		from = "from the latest block"
	}
	if p.Begin != "" && p.From == 0 {
		from = "from " + string(p.Begin)
	}
	switch {
	case p.PathType == registry.Backtest && p.To == nil:
		return fmt.Sprintf("pipeline %s: %s, %s to %s", p.Name, p.Network.Name, from, p.End)
	case p.PathType == registry.Backtest && p.To != nil:
		return fmt.Sprintf("pipeline %s: %s, %s to %d", p.Name, p.Network.Name, from, *p.To)
	default:
		return fmt.Sprintf("pipeline %s: %s, %s on", p.Name, p.Network.Name, from)
	}
}

// byPipeline groups processes, in their order.
func (g *Graph) byPipeline() [][]*Process {
	var groups [][]*Process
	at := make(map[*config.Pipeline]int)
	for _, p := range g.Processes {
		i, seen := at[p.Pipeline]
		if !seen {
			i = len(groups)
			at[p.Pipeline] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], p)
	}
	return groups
}
