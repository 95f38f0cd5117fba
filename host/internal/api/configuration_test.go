package api_test

import (
	"context"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/plan"
)

// configurations answers what the test says, and remembers what it was asked.
type configurations struct {
	preview plan.Preview
	outcome plan.Outcome
	err     error
	asked   []plan.Request
}

func (c *configurations) Configuration() uint64 { return 7 }

func (c *configurations) Plan(_ context.Context, r plan.Request) (plan.Preview, error) {
	c.asked = append(c.asked, r)
	return c.preview, c.err
}

func (c *configurations) Apply(_ context.Context, r plan.Request) (plan.Outcome, error) {
	c.asked = append(c.asked, r)
	return c.outcome, c.err
}

func (c *configurations) serve(t *testing.T) *api.Client {
	t.Helper()
	dir := dataDir(t)
	listener, err := api.Listen(dir, filepath.Join(dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	server := api.New(api.Config{
		Engine: &fake{}, Letters: &letters{}, Configuration: c, Events: api.NewEvents(), DataDir: dir, Version: "v9", Logger: hclog.NewNullLogger(),
	})
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	client, err := api.Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return client
}

// fillAll is fill with what plans have too.
func fillAll(v reflect.Value, n *int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillAll(v.Index(0), n)
		fillAll(v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"name": "value", "other": ""}))
	case reflect.Struct:
		for _, field := range v.Fields() {
			fillAll(field, n)
		}
	default:
		fill(v, n)
	}
}

// Whatever is asked for, planned and done arrives, also what will be one day.
func TestPlansLoseNothing(t *testing.T) {
	var n int
	c := &configurations{}
	fillAll(reflect.ValueOf(&c.preview).Elem(), &n)
	fillAll(reflect.ValueOf(&c.outcome).Elem(), &n)
	client := c.serve(t)
	var request plan.Request
	fillAll(reflect.ValueOf(&request).Elem(), &n)

	asked := request
	asked.Digest = "" // a plan is of what there is now
	preview, err := client.Plan(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.preview, preview); diff != "" {
		t.Errorf("Plan (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(asked, c.asked[0]); diff != "" {
		t.Errorf("what was planned (-want +got):\n%s", diff)
	}
	asked = request
	asked.Previous = false
	outcome, err := client.Apply(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.outcome, outcome); diff != "" {
		t.Errorf("Apply (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(asked, c.asked[1]); diff != "" {
		t.Errorf("what was applied (-want +got):\n%s", diff)
	}
	if _, err := client.Apply(t.Context(), request); err != nil { // of a configuration that needs no file
		t.Fatal(err)
	}
	asked = plan.Request{Previous: true, Digest: request.Digest, Fresh: request.Fresh, AcceptChanges: true}
	if diff := cmp.Diff(asked, c.asked[2]); diff != "" {
		t.Errorf("what was taken back (-want +got):\n%s", diff)
	}
	if host, _, err := client.Status(t.Context(), ""); err != nil || host.Configuration != 7 {
		t.Errorf("the host runs configuration %d, %v, want 7", host.Configuration, err)
	}
}

// Mistakes in files come with their places; what cannot be done says why.
func TestPlansThatCannotBe(t *testing.T) {
	mistakes := []plan.Mistake{
		{Summary: "Unknown attribute", Detail: "There is no such thing.", File: "p.hcl", Start: plan.Position{Line: 3, Column: 5, Byte: 40}, End: plan.Position{Line: 3, Column: 9, Byte: 44}},
		{Warning: true, Summary: "No place"},
	}
	c := &configurations{err: &plan.InvalidError{Source: "p.hcl", Mistakes: mistakes}}
	client := c.serve(t)
	_, err := client.Plan(t.Context(), plan.Request{})
	if diff := cmp.Diff(c.err, err); diff != "" {
		t.Errorf("Plan (-want +got):\n%s", diff)
	}
	for _, previous := range []bool{false, true} {
		_, err = client.Apply(t.Context(), plan.Request{Name: "p.hcl", Previous: previous})
		if diff := cmp.Diff(c.err, err); diff != "" {
			t.Errorf("Apply (-want +got):\n%s", diff)
		}
	}
	for want, err := range map[string]error{
		"has changed since the plan was shown":                 &plan.StaleError{},
		"from is not what it was; --fresh p has it begin anew": &plan.UnmetError{Pipelines: []plan.Pipeline{{Name: "p", Unfit: []string{"from is not what it was"}, Needs: plan.NeedsAccept}}},
		"not done yet, and goes on all the same":               context.DeadlineExceeded,
	} {
		c.err = err
		if _, err := client.Apply(t.Context(), plan.Request{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Apply: got %v, want %q", err, want)
		}
	}
}
