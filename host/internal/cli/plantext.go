package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/plan"
)

// printPlan prints a plan for people: what is new, what differs, what goes.
func (a *app) printPlan(p plan.Preview) error {
	w := &planWriter{color: colored(a.stdout)}
	w.write(p)
	_, err := a.stdout.Write(w.out.Bytes())
	return err
}

type planWriter struct {
	out   bytes.Buffer
	color bool
}

// effectTexts say in a line what an effect on a pipeline is.
var effectTexts = map[plan.Effect]string{
	plan.Live:    "live: taken over without touching anything that runs",
	plan.Swap:    "swap: processes are replaced in place, at a checkpoint",
	plan.Restart: "restart: it ends at a checkpoint and begins again from there",
	plan.New:     "new: it begins",
	plan.Gone:    "gone: it is drained and taken out; its checkpoints are kept",
}

func (w *planWriter) write(p plan.Preview) {
	if p.Empty() {
		fmt.Fprintf(&w.out, "nothing changes: the host runs what %s says (configuration %d)\n", sourceText(p), p.Configuration)
		return
	}
	fmt.Fprintf(&w.out, "%s differs from what the host runs (configuration %d):\n", sourceText(p), p.Configuration)
	if len(p.Host) > 0 {
		fmt.Fprintf(&w.out, "\n%s host\n", w.mark("~"))
		w.changes("    ", p.Host, plan.None)
	}
	for _, one := range p.Pipelines {
		w.pipeline(one)
	}
	if len(p.Left) > 0 {
		fmt.Fprintf(&w.out, "\nleft as they are, though the file says something else: %s\n", strings.Join(p.Left, ", "))
	}
	fmt.Fprintf(&w.out, "\n%s\n", count(p.Plan))
}

func sourceText(p plan.Preview) string { return first(p.Source, "the configuration") }

func (w *planWriter) pipeline(p plan.Pipeline) {
	fmt.Fprintf(&w.out, "\n%s pipeline %s  %s\n", w.mark(signOf(p.Effect)), w.bold(p.Name), w.dim("# "+pipelineText(p)))
	w.changes("    ", p.Changes, p.Effect)
	for _, s := range p.Steps {
		note := ""
		if s.Effect != p.Effect {
			note = "  " + w.dim("# "+string(s.Effect))
		}
		fmt.Fprintf(&w.out, "  %s %s %s %s%s\n", w.mark(signOf(s.Effect)), s.Kind, s.Register, w.bold(s.Name), note)
		w.changes("      ", s.Changes, s.Effect)
	}
	for _, why := range p.Unfit {
		fmt.Fprintf(&w.out, "  %s %s\n", w.paint("33", "!"), why)
	}
	switch {
	case p.Needs == plan.NeedsAccept:
		fmt.Fprintf(&w.out, "    it does not go with its checkpoints: --accept-changes has it go on from them, --fresh %s has it begin anew\n", p.Name)
	case p.Needs != "":
		fmt.Fprintf(&w.out, "    it cannot go on from its checkpoints: --fresh %s has it begin anew, and loaders replace what they hold\n", p.Name)
	}
}

func pipelineText(p plan.Pipeline) string {
	switch {
	case p.Anew && p.Effect == plan.Restart:
		return "restart: it ends, and BEGINS ANEW; loaders replace what they hold"
	case p.Anew:
		return "new: it begins anew; what was kept under its name is forgotten"
	}
	return effectTexts[p.Effect]
}

func signOf(e plan.Effect) string {
	switch e {
	case plan.New:
		return "+"
	case plan.Gone:
		return "-"
	default:
		return "~"
	}
}

// changes writes attributes with both values side by side. within is the effect
// of what is around, which needs no telling again.
func (w *planWriter) changes(indent string, changes []plan.Change, within plan.Effect) {
	width := 0
	for _, c := range changes {
		width = max(width, utf8.RuneCountInString(c.Attribute))
	}
	for _, c := range changes {
		sign, text := "~", valueText(c.Old)+" -> "+valueText(c.New)
		switch {
		case c.Old == "":
			sign, text = "+", valueText(c.New)
		case c.New == "":
			sign, text = "-", valueText(c.Old)
		case c.Old == c.New:
			text = c.New + ", which is another one"
		}
		var notes []string
		if c.Effect != within {
			notes = append(notes, string(c.Effect))
		}
		if c.Note != "" {
			notes = append(notes, c.Note)
		}
		if len(notes) > 0 {
			text += "  " + w.dim("# "+strings.Join(notes, ": "))
		}
		fmt.Fprintf(&w.out, "%s%s %-*s = %s\n", indent, w.mark(sign), width, c.Attribute, text)
	}
}

// longestValue is as much of a value as is shown.
const longestValue = 80

func valueText(value string) string {
	value = strings.ReplaceAll(view.Plain(value), "\n", " ")
	if runes := []rune(value); len(runes) > longestValue {
		return string(runes[:longestValue-1]) + "…"
	}
	return value
}

// count sums a plan up.
func count(p plan.Plan) string {
	var parts []string
	for _, effect := range []plan.Effect{plan.New, plan.Restart, plan.Swap, plan.Live, plan.Gone} {
		n := 0
		for _, one := range p.Pipelines {
			if one.Effect == effect {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, effect))
		}
	}
	text := "Pipelines: " + strings.Join(parts, ", ") + "."
	if len(parts) == 0 {
		text = "No pipeline changes."
	}
	if slices.ContainsFunc(p.Host, func(c plan.Change) bool { return c.Effect == plan.Host }) {
		text += " Some of the host block holds when the host is started again."
	}
	return text
}

func (w *planWriter) mark(sign string) string {
	return w.paint(map[string]string{"+": "32", "-": "31", "~": "33"}[sign], sign)
}

func (w *planWriter) bold(text string) string { return w.paint("1", text) }
func (w *planWriter) dim(text string) string  { return w.paint("2", text) }

func (w *planWriter) paint(code, text string) string {
	if !w.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
