package change

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/sdk/remote"
)

// stopTimeout is how long a plugin that was only asked something may take to end.
const stopTimeout = 2 * time.Second

// checkSettings has a binary check the settings of the steps that it is to run.
func (a *attempt) checkSettings(ctx context.Context, to catalog.Artifact, steps []*graph.Process) error {
	log := a.changes.cfg.Logger
	plugin, err := a.now.catalog.StartArtifact(ctx, to, catalog.Start{Plugin: to.Plugin, Logger: log})
	if err != nil {
		return err
	}
	wrong, err := configure(ctx, plugin, steps)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if stopErr := plugin.Stop(stopping); stopErr != nil {
		log.Debug("the plugin did not end cleanly", "plugin", to.Plugin, "error", stopErr)
	}
	if err != nil {
		return err
	}
	return mistakes(a.now.project.File, wrong)
}

func configure(ctx context.Context, plugin *remote.Plugin, steps []*graph.Process) (config.Diagnostics, error) {
	var wrong config.Diagnostics
	for _, p := range steps {
		found, err := plugin.Configure(ctx, p.Register.Name, p.Step.Settings)
		if err != nil {
			return nil, fmt.Errorf("have it check the settings of step %s: %w", p.Name(), err)
		}
		for _, m := range found {
			wrong = append(wrong, refused(p.Step, m))
		}
	}
	return wrong, nil
}

// refused is a setting that a plugin refuses, at its place in the file.
func refused(s *config.Step, m remote.Mistake) *config.Diagnostic {
	at, what := s.Range, s.Register
	if m.Attribute != "" {
		what += ", " + m.Attribute
		top := m.Attribute
		if i := strings.IndexAny(top, ".["); i >= 0 {
			top = top[:i]
		}
		if r, ok := s.Places[top]; ok {
			at = r
		}
	}
	return &config.Diagnostic{
		Severity: config.Error, Subject: &at, Summary: "The new plugin refuses this setting",
		Detail: fmt.Sprintf("%s: %s.", what, m.Message),
	}
}
