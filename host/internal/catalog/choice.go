package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/penstock-io/penstock/host/internal/config"
)

// choice is what was chosen to run of a plugin instead of the file that lies at
// its path. It holds as long as that file is the one that it was then.
type choice struct {
	Replaced string              `json:"replaced"` // the digest of that file
	All      *Artifact           `json:"all,omitempty"`
	Steps    map[string]Artifact `json:"steps,omitempty"` // canaries, by the name of the process
}

// lane is what one plugin runs. Its mutex is held while the file is read, so that
// all who start it at once wait for one reading.
type lane struct {
	mu     sync.Mutex
	found  *Artifact // what lay at the plugin's path when it was first read
	choice *choice   // nil: found
}

// choices are the lanes of all plugins and the file that they are remembered in.
type choices struct {
	path  string // "": not remembered
	lanes map[string]*lane
	mu    sync.Mutex // held while the file is written
}

// chosenFile is the content of the file.
type chosenFile struct {
	Plugins map[string]*choice `json:"plugins"`
}

// readChoices looks up what earlier hosts were told to run.
func readChoices(dataDir string, plugins map[string]string) (*choices, error) {
	c := &choices{lanes: make(map[string]*lane, len(plugins))}
	for name := range plugins {
		c.lanes[name] = &lane{}
	}
	if dataDir == "" {
		return c, nil
	}
	c.path = filepath.Join(dataDir, "plugins", "chosen.json")
	content, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return c, nil // that the data directory is none others say better
	}
	if err != nil {
		return nil, fmt.Errorf("read which plugins were swapped: %w: correct its permissions", err)
	}
	var file chosenFile
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("read which plugins were swapped: %s: %w: remove the file to run those of the plugin directory", c.path, err)
	}
	for name, chosen := range file.Plugins {
		if l := c.lanes[name]; l != nil && chosen != nil {
			l.choice = chosen
		}
	}
	return c, nil
}

// resolve is what runs for a step, if it may. The file at the plugin's path is
// read the first time only: what a host has begun with it goes on with.
func (c *Catalog) resolve(ctx context.Context, plugin, step string) (Artifact, error) {
	l, err := c.found(ctx, plugin)
	if err != nil {
		return Artifact{}, err
	}
	l.mu.Lock()
	a := l.runs(step)
	l.mu.Unlock()
	return a, c.judged(a)
}

// found is the lane of a plugin whose file was read.
func (c *Catalog) found(ctx context.Context, plugin string) (*lane, error) {
	l, err := c.lane(plugin)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l, c.find(ctx, plugin, l)
}

// lane finds that of a plugin.
func (c *Catalog) lane(plugin string) (*lane, error) {
	if err := config.CheckPluginName(plugin); err != nil {
		return nil, err
	}
	l := c.choices.lanes[plugin]
	if l == nil {
		return nil, fmt.Errorf("there is no plugin %q: put its binary into %s, or name its path in a plugin block", plugin, c.cfg.Dir)
	}
	return l, nil
}

// find reads what lies at a plugin's path, unless that was done before, and drops
// a choice that was made of something else. The lane's mutex is held.
func (c *Catalog) find(ctx context.Context, plugin string, l *lane) error {
	if l.found != nil {
		return nil
	}
	path := c.binaries[plugin]
	s, err := c.vault.read(ctx, plugin, path)
	if err != nil {
		return err
	}
	defer c.vault.give(s)
	if err := checkProgram(plugin, path, s); err != nil {
		return err
	}
	found := artifactOf(plugin, path, s)
	if l.choice != nil && l.choice.Replaced != found.Digest {
		c.cfg.Logger.Warn("the plugin's file has changed since it was swapped, so the file is what runs", "plugin", plugin, "path", path, "digest", found.Digest)
		l.choice = nil
	}
	l.found = &found
	return nil
}

// runs is what a lane that has found its file runs for a step.
func (l *lane) runs(step string) Artifact {
	if l.choice != nil {
		if a, ok := l.choice.Steps[step]; ok {
			return a
		}
		if l.choice.All != nil {
			return *l.choice.All
		}
	}
	return *l.found
}

// Use has Start run these bytes from now on: for some steps, named as
// graph.Process.Name has it, or for all. It is remembered in the data directory
// until the file at the plugin's path is another than it is now. To use for all
// what one step uses already ends that step's exception.
func (c *Catalog) Use(a Artifact, steps ...string) error {
	l, err := c.lane(a.Plugin)
	if err != nil {
		return err
	}
	ctx := context.Background()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := c.find(ctx, a.Plugin, l); err != nil {
		return err
	}
	replaced := l.found.Digest
	if s, err := c.vault.read(ctx, a.Plugin, c.binaries[a.Plugin]); err == nil {
		replaced = s.digest // it may be a new one by now, and no reason to forget this choice
		c.vault.give(s)
	}
	was := l.choice
	l.choice = was.with(a, steps, l.runs("").Digest)
	l.choice.Replaced = replaced
	if err := c.choices.write(a.Plugin, l.choice); err != nil {
		l.choice = was
		return fmt.Errorf("remember which plugin %s runs: %w", a.Plugin, err)
	}
	return nil
}

// with is a choice with some bytes used by some steps, or by all. others is what
// runs for steps that are no exception.
func (ch *choice) with(a Artifact, steps []string, others string) *choice {
	next := &choice{}
	if ch != nil {
		next.All, next.Steps = ch.All, maps.Clone(ch.Steps)
	}
	if len(steps) == 0 {
		return &choice{All: &a}
	}
	if next.Steps == nil {
		next.Steps = map[string]Artifact{}
	}
	for _, step := range steps {
		if next.Steps[step] = a; a.Digest == others {
			delete(next.Steps, step)
		}
	}
	return next
}

// write remembers what one plugin runs, nil for what lies at its path. What was
// remembered of the others stays.
func (c *choices) write(plugin string, chosen *choice) error {
	if c.path == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	file := chosenFile{Plugins: map[string]*choice{}}
	content, err := os.ReadFile(c.path)
	if err == nil {
		err = json.Unmarshal(content, &file)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if file.Plugins[plugin] = chosen; chosen == nil {
		delete(file.Plugins, plugin)
	}
	if content, err = json.MarshalIndent(file, "", "  "); err != nil {
		return err
	}
	if err := makePrivate(filepath.Join(filepath.Dir(c.path), digestDir)); err != nil {
		return err
	}
	return WriteFile(c.path, append(content, '\n'), 0o600)
}

// inUse are the digests of everything that Start would run.
func (c *Catalog) inUse() map[string]bool {
	used := map[string]bool{}
	for _, l := range c.choices.lanes {
		l.mu.Lock()
		var all []Artifact
		if l.choice != nil {
			all = slices.Collect(maps.Values(l.choice.Steps))
			if l.choice.All != nil {
				all = append(all, *l.choice.All)
			}
		}
		if l.found != nil && (l.choice == nil || l.choice.All == nil) {
			all = append(all, *l.found)
		}
		for _, a := range all {
			used[a.Digest] = true
		}
		l.mu.Unlock()
	}
	return used
}
