package change

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/plan"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/sdk/remote"
)

// configurationsDir is where they are kept in the data directory.
const configurationsDir = "configurations"

func (c *Changes) archive() archive { return archiveOf(c.cfg.Store.Dir()) }

func archiveOf(dataDir string) archive {
	return archive{dir: filepath.Join(dataDir, configurationsDir)}
}

// Configuration is the number of the configuration that runs.
func (c *Changes) Configuration() uint64 { return c.running().configuration.Number }

// TellOfFiles warns where the files of a project are not what its host was told
// to run last: a host begins with the files, whatever was applied.
func TellOfFiles(p *project.Project, o project.Options, logger hclog.Logger) {
	last, err := archiveOf(p.DataDir).current()
	switch now := configurationOf(p, o); {
	case err != nil:
		logger.Warn("it is not known what ran last", "error", err)
	case last.Number == 0 || last.Digest == now.Digest && len(last.Failed) == 0:
	default:
		logger.Warn("the files are not what ran last: the host begins with the files; penstock plan --previous shows the difference once it runs, penstock rollback goes back",
			"path", p.Path, "ran", configurationText(last.Number), "since", last.Time.Format(time.DateTime))
	}
}

func configurationOf(p *project.Project, o project.Options) configuration {
	return newConfiguration(p.Path, project.BaseDir(p.Path), o.Vars, p.Sources)
}

// began notes which configuration a host begins with.
func (c *Changes) began() configuration {
	log := c.cfg.Logger
	now := configurationOf(c.cfg.Project, c.cfg.Options)
	last, err := c.archive().current()
	if err == nil && last.Number > 0 && last.Digest == now.Digest && len(last.Failed) == 0 {
		return last
	}
	now.Number, now.Previous = c.archive().next(), last.Number
	if err := c.archive().keep(now); err != nil {
		log.Error("the configuration is not kept: penstock rollback will not find it", "error", err)
	}
	return now
}

// carryOut has the engine run what is wanted, and notes what runs then.
func (c *Changes) carryOut(ctx context.Context, w *wish, out plan.Outcome) (plan.Outcome, error) {
	g, diags := graph.Build(w.project.Model, w.project.Registry, c.cfg.Store)
	if diags.HasErrors() {
		return out, &plan.InvalidError{Source: w.request.Name, Mistakes: plan.Mistakes(diags)} // there is no number left
	}
	keepIDs(w.now.graph, g)
	if err := c.ask(w.now, w.project.Model); err != nil {
		return out, err
	}
	host := w.project.Model.Host
	failed, err := c.cfg.Engine.Apply(ctx, engine.Reconfiguration{
		Graph: g, Launch: c.launcher(w.project.Catalog),
		Restart:            engine.Restart{Max: int(min(host.Restart.Max, 1<<30)), Within: host.Restart.Within},
		HardTerminateAfter: host.HardTerminateAfter,
		Changes:            changes(w.preview.Plan, w.request),
		Keep:               w.preview.Left,
	})
	if err != nil {
		return out, errors.Join(err, c.ask(w.now, w.now.project.Model))
	}
	for _, p := range w.preview.Pipelines {
		if err := failed[p.Name]; err != nil {
			out.Failed = append(out.Failed, plan.Failed{Pipeline: p.Name, Cause: err.Error()})
		}
	}
	from := w.now.configuration.Number
	if len(failed) == 0 || len(failed) < len(w.preview.Pipelines) || len(w.preview.Host) > 0 {
		out.Configuration = c.settleOn(w, g, w.asBefore(failed))
	}
	c.tellApplied(w.preview.Plan, failed, from, out.Configuration)
	return out, c.ask(c.running(), c.running().project.Model)
}

// errNotNamed is why pipelines stay what they are that were not named.
var errNotNamed = errors.New("it was left as it is")

// asBefore are all pipelines that run what they ran before.
func (w *wish) asBefore(failed map[string]error) map[string]error {
	out := maps.Clone(failed)
	for _, name := range w.preview.Left {
		out[name] = errNotNamed
	}
	return out
}

// ask has the nodes of a model's networks asked from now on, and for as long as
// pipelines that run work on others, those too.
func (c *Changes) ask(now running, wanted *config.Model) error {
	if c.cfg.Networks == nil {
		return nil
	}
	networks := slices.Clone(wanted.Networks)
	for _, p := range now.project.Model.Pipelines {
		known := func(n *config.Network) bool { return n.Name == p.Network.Name }
		if p.Network != nil && !slices.ContainsFunc(networks, known) {
			networks = append(networks, p.Network)
		}
	}
	return c.cfg.Networks.Update(networks)
}

// changes are those of a plan as the engine knows them.
func changes(p plan.Plan, r plan.Request) []engine.Change {
	var out []engine.Change
	for _, pipeline := range p.Pipelines {
		c := engine.Change{
			Pipeline: pipeline.Name, How: engine.How(pipeline.Effect), AcceptChanges: r.AcceptChanges, Fresh: slices.Contains(r.Fresh, pipeline.Name),
		}
		for _, s := range pipeline.Steps {
			if s.Effect == plan.Swap {
				c.Steps = append(c.Steps, s.Name)
			}
		}
		out = append(out, c)
	}
	return out
}

// keepIDs gives processes and paths that were there before the IDs that they had.
func keepIDs(old, fresh *graph.Graph) {
	before := byName(old)
	for _, p := range fresh.Processes {
		if was := before[p.Name()]; was != nil && was.ID.PID == p.ID.PID {
			p.ID = was.ID
		}
	}
	ids := make(map[string]*graph.Path)
	for _, p := range old.Paths {
		ids[pathText(p)] = p
	}
	for _, p := range fresh.Paths {
		if was := ids[pathText(p)]; was != nil && was.ID.PID == p.ID.PID {
			p.ID = was.ID
		}
	}
}

func pathText(p *graph.Path) string {
	var text strings.Builder
	for _, process := range p.Processes {
		text.WriteString(process.Name() + "\n")
	}
	return text.String()
}

// launcher starts the plugins of processes.
func (c *Changes) launcher(plugins *catalog.Catalog) func(context.Context, *graph.Process) (*remote.Plugin, error) {
	return func(ctx context.Context, p *graph.Process) (*remote.Plugin, error) {
		log := c.cfg.Logger.With("pipeline", p.Pipeline.Name, "step", p.Step.Name)
		plugin, err := plugins.Start(ctx, catalog.Start{
			Plugin: p.Register.Plugin, Step: p.Name(), Register: p.Register, Settings: p.Step.Settings, Logger: log,
		})
		if err == nil {
			log.Debug("started a plugin", "plugin", plugin.Name(), "pid", plugin.PID())
		}
		return plugin, err
	}
}

// settleOn notes what runs from now on and keeps it. It returns its number.
func (c *Changes) settleOn(w *wish, g *graph.Graph, failed map[string]error) uint64 {
	next := running{project: w.project, graph: g, catalog: w.project.Catalog, configuration: w.config}
	if len(failed) > 0 {
		next = w.now.but(next, failed)
	}
	conf := &next.configuration
	conf.Failed = slices.Sorted(maps.Keys(failed))
	err := error(nil)
	if conf.Number != 0 { // it went back to one that is kept
		err = c.archive().point(conf.Number)
	} else {
		conf.Number, conf.Previous, conf.Time = c.archive().next(), w.now.configuration.Number, time.Now()
		err = c.archive().keep(*conf)
	}
	if err != nil {
		c.cfg.Logger.Error("the configuration runs, but it is not kept: penstock rollback will not find it", "configuration", conf.Number, "error", err)
	}
	c.became(next)
	return conf.Number
}

// but is what is wanted, with those pipelines as they are now whose change has
// failed.
func (r running) but(wanted running, failed map[string]error) running {
	out := wanted
	out.apart = make(map[string]map[string]*config.Plugin)
	model, g := *wanted.project.Model, *wanted.graph
	was := plan.Of(r.project.Model, r.graph)
	stays := func(pipeline *config.Pipeline) bool { return failed[pipeline.Name] == nil }
	model.Pipelines = slices.DeleteFunc(slices.Clone(model.Pipelines), func(p *config.Pipeline) bool { return !stays(p) })
	g.Processes = slices.DeleteFunc(slices.Clone(g.Processes), func(p *graph.Process) bool { return !stays(p.Pipeline) })
	g.Paths = slices.DeleteFunc(slices.Clone(g.Paths), func(p *graph.Path) bool { return !stays(p.Pipeline) })
	g.Domains = slices.DeleteFunc(slices.Clone(g.Domains), func(d *graph.Domain) bool { return !stays(d.Processes[0].Pipeline) })
	for name := range failed {
		source, known := was.Find(name)
		if !known {
			continue // it was to be new
		}
		model.Pipelines = append(model.Pipelines, source.Pipeline)
		out.apart[name] = source.Plugins
		if plugins, already := r.apart[name]; already {
			out.apart[name] = plugins
		}
	}
	for _, p := range r.graph.Processes {
		if !stays(p.Pipeline) {
			g.Processes = append(g.Processes, p)
		}
	}
	for _, p := range r.graph.Paths {
		if !stays(p.Pipeline) {
			g.Paths = append(g.Paths, p)
		}
	}
	for _, d := range r.graph.Domains {
		if !stays(d.Processes[0].Pipeline) {
			g.Domains = append(g.Domains, d)
		}
	}
	p := *wanted.project
	p.Model, p.Graph = &model, &g
	out.project, out.graph = &p, &g
	return out
}

// whole tells whether all pipelines run what the files of the configuration say.
// Those that stayed what they were do not, and cannot be resolved again.
func (r running) whole() error {
	if len(r.apart) == 0 {
		return nil
	}
	return fmt.Errorf("pipeline %s runs what it ran before configuration %d, which it has not taken over: apply a file that it can run, or use penstock rollback, and try again",
		strings.Join(slices.Sorted(maps.Keys(r.apart)), ", "), r.configuration.Number)
}

// tellApplied tells everybody what became of each pipeline, and of the whole.
func (c *Changes) tellApplied(p plan.Plan, failed map[string]error, from, to uint64) {
	for _, pipeline := range p.Pipelines {
		ev := engine.Event{Pipeline: pipeline.Name, From: configurationText(from), To: configurationText(to), Cause: string(pipeline.Effect)}
		if err := failed[pipeline.Name]; err != nil {
			ev.To, ev.Cause = ev.From, "not applied: "+err.Error()
		}
		c.tellConfiguration(ev)
	}
	cause := fmt.Sprintf("%s changed", plural(len(p.Pipelines)-len(failed), "pipeline"))
	if len(failed) > 0 {
		cause += fmt.Sprintf(", %d stayed what they were", len(failed))
	}
	c.tellConfiguration(engine.Event{From: configurationText(from), To: configurationText(to), Cause: cause})
}

func (c *Changes) tellConfiguration(ev engine.Event) {
	ev.Kind, ev.Time = engine.EventConfig, time.Now()
	c.cfg.Logger.Info("configuration", "pipeline", ev.Pipeline, "from", ev.From, "to", ev.To, "cause", ev.Cause)
	if c.cfg.Events != nil {
		c.cfg.Events(ev)
	}
}

func configurationText(number uint64) string { return fmt.Sprintf("configuration %d", number) }
