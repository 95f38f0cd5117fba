package change

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/plan"
	"github.com/penstock-io/penstock/host/internal/project"
)

// wish is a configuration that somebody wants to run, and what is known of it.
type wish struct {
	request plan.Request
	now     running
	config  configuration // Number is 0 unless it is one that was kept
	project *project.Project
	side    plan.Side
	preview plan.Preview
}

// Plan tells what would become of what runs if a configuration were applied. It
// touches nothing. Mistakes in the files are a *plan.InvalidError.
func (c *Changes) Plan(ctx context.Context, r plan.Request) (plan.Preview, error) {
	w, err := c.wish(ctx, r)
	if err != nil {
		return plan.Preview{}, err
	}
	return w.preview, nil
}

// Apply carries a plan out, each pipeline all or nothing. What could not be done
// stands in the outcome. Where it is not the plan of the request's digest any
// more nothing is done, and the error is a *plan.StaleError; a *plan.UnmetError
// tells that a pipeline has to be told how to go on.
func (c *Changes) Apply(ctx context.Context, r plan.Request) (plan.Outcome, error) {
	what := "the apply of " + r.Name
	switch {
	case r.Previous:
		what = "the return to the configuration before"
	case r.Path == "":
		what = "the apply of the files that run"
	}
	done, err := c.begin(ctx, what)
	if err != nil {
		return plan.Outcome{}, err
	}
	defer done()
	w, err := c.wish(ctx, r)
	if err != nil {
		return plan.Outcome{}, err
	}
	out := plan.Outcome{Preview: w.preview, Configuration: w.now.configuration.Number}
	if r.Digest != "" && r.Digest != w.preview.Digest {
		return out, &plan.StaleError{}
	}
	if unmet := w.preview.Unmet(); len(unmet) > 0 {
		return out, &plan.UnmetError{Pipelines: unmet}
	}
	if w.preview.Empty() && w.config.Digest == w.now.configuration.Digest {
		return out, nil
	}
	if err := c.free(w.now.graph.Processes); err != nil {
		return out, err
	}
	return c.carryOut(ctx, w, out)
}

// wish finds everything out that can be known of a configuration before it runs.
func (c *Changes) wish(ctx context.Context, r plan.Request) (*wish, error) {
	w := &wish{request: r, now: c.running()}
	options, err := c.sources(w)
	if err != nil {
		return nil, err
	}
	if w.project, err = project.Load(ctx, options); err != nil {
		return nil, err
	}
	if w.project.Diags.HasErrors() {
		return nil, &plan.InvalidError{Source: w.request.Name, Mistakes: plan.Mistakes(w.project.Diags)}
	}
	g, diags := graph.Build(w.project.Model, w.project.Registry, numbers{w.now.graph})
	if diags.HasErrors() {
		return nil, &plan.InvalidError{Source: w.request.Name, Mistakes: plan.Mistakes(diags)}
	}
	w.side = plan.Of(w.project.Model, g)
	side := w.now.side()
	w.preview = plan.Preview{
		Plan: plan.Diff(side, w.side), Configuration: w.now.configuration.Number, To: w.config.Number,
		Source: w.request.Name, Warnings: plan.Mistakes(w.project.Diags),
	}
	if err := w.preview.Confine(w.request.Only); err != nil {
		return nil, err
	}
	if err := w.fits(c.cfg.Engine, g); err != nil {
		return nil, err
	}
	swaps, err := c.cfg.Store.NextSwap()
	if err != nil {
		return nil, err
	}
	w.preview.Digest = w.digest(side, swaps)
	return w, nil
}

// sources finds the files of a wish, and how they are loaded.
func (c *Changes) sources(w *wish) (project.Options, error) {
	o, r := c.cfg.Options, &w.request
	o.Running, o.DataDir = w.now.catalog, c.cfg.Store.Dir()
	was := w.now.configuration
	if r.Previous {
		before, err := c.archive().read(was.Previous)
		if was.Previous == 0 {
			err = fmt.Errorf("nothing is known of a configuration before the one that runs (%d)", was.Number)
		}
		if err != nil {
			return o, err
		}
		w.config = before
		o.Path, o.BaseDir, o.Vars, o.Sources = before.Path, before.BaseDir, before.Vars, before.sources()
		r.Name = fmt.Sprintf("configuration %d", before.Number)
		return o, nil
	}
	path := r.Path
	if path == "" || same(path, was.Path) {
		path, o.BaseDir = was.Path, was.BaseDir
	} else {
		o.BaseDir = asSeenFromHere(project.BaseDir(path), was.BaseDir)
	}
	if r.Name == "" {
		r.Name = path
	}
	read, diags := config.Read(path)
	if diags.HasErrors() {
		return o, &plan.InvalidError{Source: r.Name, Mistakes: plan.Mistakes(diags)}
	}
	for i := range read { // mistakes name files as they were typed
		if rest, within := strings.CutPrefix(read[i].Name, filepath.ToSlash(filepath.Clean(path))); within {
			read[i].Name = filepath.ToSlash(filepath.Clean(r.Name)) + rest
		}
	}
	o.Path, o.Sources = path, read
	o.Vars = variables(read, was.Vars, r.Vars)
	w.config = newConfiguration(path, o.BaseDir, o.Vars, read)
	return o, nil
}

// variables are those that were given, and before that to the host, as far as the
// files have them.
func variables(read []config.Source, before, given map[string]string) map[string]string {
	file, _ := config.Parse(read, config.Options{Vars: given}) // what is wrong with it is told when it is loaded
	declared := file.Variables()
	vars := maps.Clone(before)
	maps.DeleteFunc(vars, func(name, _ string) bool { return !slices.Contains(declared, name) })
	if vars == nil {
		vars = make(map[string]string, len(given))
	}
	maps.Copy(vars, given)
	return vars
}

// same tells whether two paths name one file.
func same(a, b string) bool {
	if a == b {
		return true
	}
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// asSeenFromHere writes a directory as this process would have it, so that a path
// below it is the same text that it was.
func asSeenFromHere(dir, was string) string {
	if same(dir, was) {
		return was
	}
	here, err := os.Getwd()
	if err != nil {
		return dir
	}
	if rel, err := filepath.Rel(here, dir); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return dir
}

// numbers are those of registers that run. Others get theirs when they do.
type numbers struct{ running *graph.Graph }

func (n numbers) Number(register string) (uint8, error) {
	for _, p := range n.running.Processes {
		if p.Register.Name == register {
			return p.Register.Number, nil
		}
	}
	return 0, nil
}

// fits finds the pipelines that cannot simply go on from their checkpoints.
func (w *wish) fits(e *engine.Engine, g *graph.Graph) error {
	fresh := slices.Clone(w.request.Fresh)
	for i := range w.preview.Pipelines {
		p := &w.preview.Pipelines[i]
		if p.Effect != plan.Restart && p.Effect != plan.New {
			continue
		}
		if at := slices.Index(fresh, p.Name); at >= 0 {
			fresh, p.Anew = slices.Delete(fresh, at, at+1), true
		}
		unfit(p, e.Fits(g, p.Name), w.request.AcceptChanges)
	}
	if len(fresh) > 0 {
		return fmt.Errorf("--fresh %s: that pipeline neither begins nor begins again with this plan; to have one begin anew, use penstock stop and penstock resume", fresh[0])
	}
	return nil
}

// unfit notes why a pipeline does not go with its checkpoints, and what it needs
// to go on that it was not told yet.
func unfit(p *plan.Pipeline, why []error, accept bool) {
	needs := ""
	for _, err := range why {
		changed := (*engine.ChangedError)(nil)
		if !errors.As(err, &changed) {
			p.Unfit, needs = append(p.Unfit, err.Error()), plan.NeedsFresh
			continue
		}
		p.Unfit = append(p.Unfit, changed.Changes...)
		if changed.Fresh {
			needs = plan.NeedsFresh
		} else if needs == "" {
			needs = plan.NeedsAccept
		}
	}
	if !p.Anew && (needs == plan.NeedsFresh || !accept) {
		p.Needs = needs
	}
}

// digest is one of all that a plan was made of. It tells nothing of secrets.
func (w *wish) digest(side plan.Side, swaps uint64) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "runs %d %s, swaps %d\n", w.now.configuration.Number, w.now.configuration.Digest, swaps)
	_, _ = fmt.Fprintf(h, "wanted %d %s\n", w.config.Number, w.config.Digest)
	encoder := json.NewEncoder(h)
	for _, s := range []plan.Side{side, w.side} {
		_ = encoder.Encode(s.Host) // a hash takes everything, and the model is plain
		for _, p := range s.Pipelines {
			_ = encoder.Encode(p.Plugins)
			for _, process := range p.Processes {
				_, _ = fmt.Fprintf(h, "%s %s %s\n", process.Name(), process.Fingerprint, process.Step.Settings)
			}
		}
	}
	_ = encoder.Encode(w.preview.Plan)
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// side is what runs.
func (r running) side() plan.Side {
	side := plan.Of(r.project.Model, r.graph)
	for i, p := range side.Pipelines {
		if plugins, apart := r.apart[p.Pipeline.Name]; apart {
			side.Pipelines[i].Plugins = plugins
		}
	}
	return side
}
