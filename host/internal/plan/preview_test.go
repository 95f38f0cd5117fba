package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/plan"
)

// Diagnostics that were sent to somebody else are what they were.
func TestMistakesArrive(t *testing.T) {
	at := config.Range{Filename: "p.hcl"}
	at.Start.Line, at.Start.Column, at.Start.Byte = 3, 5, 40
	at.End.Line, at.End.Column, at.End.Byte = 3, 9, 44
	want := config.Diagnostics{
		{Severity: config.Error, Summary: "Unknown attribute", Detail: "There is no such thing.", Subject: &at},
		{Severity: config.Warning, Summary: "No place"},
	}
	if diff := cmp.Diff(want, plan.Diagnostics(plan.Mistakes(want))); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
	err := &plan.InvalidError{Source: "p.hcl", Mistakes: append(plan.Mistakes(want), plan.Mistakes(want[:1])...)}
	if want := "p.hcl has mistakes: p.hcl:3:5: Unknown attribute: There is no such thing. (and 1 more)"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

// What keeps a plan from being carried out is told with the ways that there are.
func TestUnmet(t *testing.T) {
	p := plan.Plan{Pipelines: []plan.Pipeline{
		{Name: "a", Effect: plan.Restart},
		{Name: "b", Effect: plan.Restart, Unfit: []string{"step s: from is not what it was"}, Needs: plan.NeedsAccept},
		{Name: "c", Effect: plan.Restart, Unfit: []string{"step l is new"}, Needs: plan.NeedsFresh},
	}}
	unmet := p.Unmet()
	if len(unmet) != 2 {
		t.Fatalf("%d pipelines have to be told how to go on, want 2", len(unmet))
	}
	text := (&plan.UnmetError{Pipelines: unmet}).Error()
	for _, want := range []string{"pipeline b", "from is not what it was", "--fresh b", "--accept-changes", "pipeline c", "--fresh c has it begin anew, because a loader"} {
		if !strings.Contains(text, want) {
			t.Errorf("the error does not say %q:\n%s", want, text)
		}
	}
	if strings.Count(text, "--accept-changes") != 1 {
		t.Errorf("--accept-changes is of no use for c:\n%s", text)
	}
}
