package api

import (
	"strings"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/plan"
)

func toWanted(r plan.Request) *hostv1.Wanted {
	return &hostv1.Wanted{Path: r.Path, Name: r.Name, Vars: r.Vars, Fresh: r.Fresh, AcceptChanges: r.AcceptChanges, Only: r.Only}
}

func fromWanted(w *hostv1.Wanted) plan.Request {
	return plan.Request{Path: w.GetPath(), Name: w.GetName(), Vars: w.GetVars(), Fresh: w.GetFresh(), AcceptChanges: w.GetAcceptChanges(), Only: w.GetOnly()}
}

func toOutcome(o plan.Outcome) *hostv1.Outcome {
	out := &hostv1.Outcome{Preview: toPreview(o.Preview), Configuration: o.Configuration}
	for _, f := range o.Failed {
		out.Failed = append(out.Failed, &hostv1.FailedPipeline{Pipeline: f.Pipeline, Cause: bounded(f.Cause)})
	}
	return out
}

func fromOutcome(o *hostv1.Outcome) plan.Outcome {
	out := plan.Outcome{Preview: fromPreview(o.GetPreview()), Configuration: o.GetConfiguration()}
	for _, f := range o.GetFailed() {
		out.Failed = append(out.Failed, plan.Failed{Pipeline: f.Pipeline, Cause: f.Cause})
	}
	return out
}

func toPreview(p plan.Preview) *hostv1.Preview {
	out := &hostv1.Preview{
		Digest: p.Digest, Configuration: p.Configuration, To: p.To, Source: p.Source, Warnings: toMistakes(p.Warnings), Host: toChanges(p.Host), Left: p.Left,
	}
	for _, one := range p.Pipelines {
		to := &hostv1.PipelineChange{
			Name: one.Name, Effect: string(one.Effect), Changes: toChanges(one.Changes), Unfit: one.Unfit, Needs: one.Needs, Anew: one.Anew,
		}
		for _, s := range one.Steps {
			to.Steps = append(to.Steps, &hostv1.StepChange{
				Name: s.Name, Kind: s.Kind, Register: s.Register, Plugin: s.Plugin, Effect: string(s.Effect), Changes: toChanges(s.Changes),
			})
		}
		out.Pipelines = append(out.Pipelines, to)
	}
	return out
}

func fromPreview(p *hostv1.Preview) plan.Preview {
	out := plan.Preview{
		Digest: p.GetDigest(), Configuration: p.GetConfiguration(), To: p.GetTo(), Source: p.GetSource(), Warnings: fromMistakes(p.GetWarnings()),
	}
	out.Host, out.Left = fromChanges(p.GetHost()), p.GetLeft()
	for _, one := range p.GetPipelines() {
		to := plan.Pipeline{
			Name: one.Name, Effect: plan.Effect(one.Effect), Changes: fromChanges(one.Changes), Unfit: one.Unfit, Needs: one.Needs, Anew: one.Anew,
		}
		for _, s := range one.Steps {
			to.Steps = append(to.Steps, plan.Step{
				Name: s.Name, Kind: s.Kind, Register: s.Register, Plugin: s.Plugin, Effect: plan.Effect(s.Effect), Changes: fromChanges(s.Changes),
			})
		}
		out.Pipelines = append(out.Pipelines, to)
	}
	return out
}

func toChanges(changes []plan.Change) []*hostv1.AttributeChange {
	var out []*hostv1.AttributeChange
	for _, c := range changes {
		out = append(out, &hostv1.AttributeChange{Attribute: c.Attribute, Old: strings.ToValidUTF8(c.Old, "\uFFFD"), New: strings.ToValidUTF8(c.New, "\uFFFD"), Effect: string(c.Effect), Note: c.Note})
	}
	return out
}

func fromChanges(changes []*hostv1.AttributeChange) []plan.Change {
	var out []plan.Change
	for _, c := range changes {
		out = append(out, plan.Change{Attribute: c.Attribute, Old: c.Old, New: c.New, Effect: plan.Effect(c.Effect), Note: c.Note})
	}
	return out
}

func toMistakes(mistakes []plan.Mistake) []*hostv1.Mistake {
	var out []*hostv1.Mistake
	for _, m := range mistakes {
		to := &hostv1.Mistake{Warning: m.Warning, Summary: m.Summary, Detail: m.Detail, File: m.File}
		if m.File != "" {
			to.Start, to.End = toPosition(m.Start), toPosition(m.End)
		}
		out = append(out, to)
	}
	return out
}

func fromMistakes(mistakes []*hostv1.Mistake) []plan.Mistake {
	var out []plan.Mistake
	for _, m := range mistakes {
		out = append(out, plan.Mistake{
			Warning: m.Warning, Summary: m.Summary, Detail: m.Detail, File: m.File, Start: fromPosition(m.Start), End: fromPosition(m.End),
		})
	}
	return out
}

func toPosition(p plan.Position) *hostv1.Position {
	return &hostv1.Position{Line: uint64(max(p.Line, 0)), Column: uint64(max(p.Column, 0)), Byte: uint64(max(p.Byte, 0))}
}

func fromPosition(p *hostv1.Position) plan.Position {
	return plan.Position{Line: int(p.GetLine()), Column: int(p.GetColumn()), Byte: int(p.GetByte())}
}
