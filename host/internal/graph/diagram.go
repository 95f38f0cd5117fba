package graph

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// Mermaid writes the graph as a Mermaid flowchart, which many sites and editors
// draw where it stands in Markdown.
func (g *Graph) Mermaid(w io.Writer) error {
	var out bytes.Buffer
	out.WriteString("flowchart LR\n")
	ids := g.ids()
	for i, group := range g.byPipeline() {
		fmt.Fprintf(&out, "  subgraph pipeline%d[\"%s\"]\n", i, mermaidText(group[0].Pipeline.Name))
		for _, p := range group {
			open, end := mermaidShape(p.Register.Type)
			fmt.Fprintf(&out, "    %s%s\"%s<br/><small>%s</small>\"%s\n", ids[p], open,
				mermaidText(p.Step.Name), mermaidText(p.Register.Type.String()+" "+p.Register.Name), end)
		}
		out.WriteString("  end\n")
	}
	g.edges(func(e *Edge) {
		fmt.Fprintf(&out, "  %s -->|\"%s\"| %s\n", ids[e.From], mermaidText(edgeLabel(e)), ids[e.To])
	})
	_, err := w.Write(out.Bytes())
	return err
}

// mermaidShape is a stadium for readers, a hexagon for aggregators, a cylinder
// for loaders and a box for subscribers.
func mermaidShape(t registry.ProcessType) (open, end string) {
	switch t {
	case registry.Reader:
		return "([", "])"
	case registry.Aggregator:
		return "{{", "}}"
	case registry.Loader:
		return "[(", ")]"
	default:
		return "[", "]"
	}
}

func mermaidText(s string) string {
	return strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;", "\n", " ").Replace(s)
}

// DOT writes the graph in the language of Graphviz.
func (g *Graph) DOT(w io.Writer) error {
	var out bytes.Buffer
	out.WriteString("digraph penstock {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"Helvetica\"];\n  edge [fontname=\"Helvetica\", fontsize=10];\n")
	ids := g.ids()
	for i, group := range g.byPipeline() {
		fmt.Fprintf(&out, "  subgraph cluster_%d {\n    label=%s;\n", i, dotText(group[0].Pipeline.Name))
		for _, p := range group {
			fmt.Fprintf(&out, "    %s [label=%s%s];\n", ids[p],
				dotText(p.Step.Name+"\n"+p.Register.Type.String()+" "+p.Register.Name), dotShape(p.Register.Type))
		}
		out.WriteString("  }\n")
	}
	g.edges(func(e *Edge) {
		fmt.Fprintf(&out, "  %s -> %s [label=%s];\n", ids[e.From], ids[e.To], dotText(edgeLabel(e)))
	})
	out.WriteString("}\n")
	_, err := w.Write(out.Bytes())
	return err
}

func dotShape(t registry.ProcessType) string {
	switch t {
	case registry.Reader:
		return ", shape=oval, style=\"\""
	case registry.Aggregator:
		return ", shape=hexagon, style=\"\""
	case registry.Loader:
		return ", shape=cylinder, style=\"\""
	default:
		return ""
	}
}

func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// edgeLabel is what flows, and into which input if there are several.
func edgeLabel(e *Edge) string {
	label := e.From.Register.Output.Name
	if len(e.To.Register.Inputs) > 1 {
		label += " as " + e.Port
	}
	return label
}

// edges goes through all edges in the order of their consumers.
func (g *Graph) edges(each func(*Edge)) {
	for _, p := range g.Processes {
		for _, e := range p.Inputs {
			each(e)
		}
	}
}

// ids gives every process a word that no language of diagrams objects to.
func (g *Graph) ids() map[*Process]string {
	ids := make(map[*Process]string, len(g.Processes))
	for i, p := range g.Processes {
		ids[p] = fmt.Sprintf("p%d", i+1)
	}
	return ids
}
