package catalog

import (
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
)

// Again is a catalog for a host that runs and whose files say something else of
// plugins now. Those that lie where they lay run the bytes that they ran,
// whatever has become of their files: to run others is a swap. It shares what this
// catalog holds open and ends with it.
func (c *Catalog) Again(plugins map[string]*config.Plugin, startTimeout time.Duration) (*Catalog, error) {
	next := *c
	next.binaries = map[string]string{}
	next.cfg.Plugins, next.cfg.StartTimeout = plugins, startTimeout
	if err := next.scan(next.cfg.Dir); err != nil {
		return nil, err
	}
	for name, p := range plugins {
		if p.Path != "" {
			next.binaries[name] = p.Path
		}
	}
	var err error
	if next.choices, err = readChoices(next.cfg.DataDir, next.binaries); err != nil {
		return nil, err
	}
	for name, path := range next.binaries {
		if c.binaries[name] == path {
			next.choices.lanes[name] = c.choices.lanes[name]
		}
	}
	return &next, nil
}
