package change

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

const (
	// debounce is how long a file must be left alone before it is looked at.
	debounce = 200 * time.Millisecond
	// lookEvery is how often files are looked at where the system tells of changes,
	// in case that it misses one; lookOften, where it does not.
	lookEvery = 2 * time.Second
	lookOften = 500 * time.Millisecond
	// watchedProbation is how long a binary is watched that somebody has just built.
	watchedProbation = 2 * time.Second
)

// watcher finds out that binaries of plugins have changed.
type watcher struct {
	changes *Changes
	notices *fsnotify.Watcher // nil: files are only looked at
	dirs    map[string]bool   // that the system tells about
	files   map[string]*watched
	workers sync.WaitGroup
}

// watched is the binary of one plugin.
type watched struct {
	seen    os.FileInfo // as it was last
	since   time.Time   // when it became so; zero: that is dealt with
	changed chan struct{}
}

// watch swaps plugins whose binaries change until ctx ends. What goes wrong is
// told and stops nothing.
func (c *Changes) watch(ctx context.Context) {
	w := &watcher{changes: c, dirs: make(map[string]bool), files: make(map[string]*watched)}
	defer w.workers.Wait()
	var events chan fsnotify.Event
	var problems chan error
	notices, err := fsnotify.NewWatcher()
	if err != nil {
		w.blind(err, lookOften)
	} else {
		w.notices, events, problems = notices, notices.Events, notices.Errors
		defer notices.Close()
	}
	look := time.NewTimer(0)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
		case err := <-problems:
			c.cfg.Logger.Debug("some changes of binaries may have been missed", "error", err)
		case <-look.C:
		}
		look.Reset(w.look(ctx))
	}
}

// blind tells that the system does not tell of changes.
func (w *watcher) blind(err error, every time.Duration) {
	w.changes.cfg.Logger.Warn("the system does not tell when binaries change, so they are looked at from time to time", "every", every, "error", err)
}

// look looks at all binaries and returns when to look again.
func (w *watcher) look(ctx context.Context) time.Duration {
	next := lookEvery
	if w.notices == nil {
		next = lookOften
	}
	for _, plugin := range w.changes.watchedPlugins() {
		path, ok := w.changes.running().catalog.Path(plugin)
		if !ok {
			continue
		}
		w.follow(path)
		file := w.files[plugin]
		if file == nil {
			file = &watched{changed: make(chan struct{}, 1)}
			file.seen, _ = os.Stat(path) // what is not there is new when it is
			w.files[plugin] = file
			w.workers.Go(func() { w.changes.swapWhen(ctx, plugin, file.changed) })
			continue
		}
		next = min(next, file.look(path, time.Now()))
	}
	return next
}

// look tells the worker of a file when it was changed and then left alone. It
// returns when to look again.
func (f *watched) look(path string, now time.Time) time.Duration {
	info, err := os.Stat(path)
	if err != nil {
		return lookEvery // it is being replaced, or gone: what runs goes on
	}
	if f.seen == nil || !os.SameFile(info, f.seen) || info.Size() != f.seen.Size() || !info.ModTime().Equal(f.seen.ModTime()) {
		f.seen, f.since = info, now
	}
	if f.since.IsZero() {
		return lookEvery
	}
	if left := debounce - now.Sub(f.since); left > 0 {
		return left
	}
	f.since = time.Time{}
	select {
	case f.changed <- struct{}{}:
	default: // the worker will look at the newest anyway
	}
	return lookEvery
}

// follow has the system tell of changes in the directory of a file, and where it
// is a link, in that of what it leads to. Directories are watched and not files,
// because builds replace files.
func (w *watcher) follow(path string) {
	if w.notices == nil {
		return
	}
	listed := w.notices.WatchList() // without those that were removed
	for range longestChain {
		dir := filepath.Dir(path)
		if !slices.Contains(listed, dir) {
			if err := w.notices.Add(dir); err != nil && !w.dirs[dir] {
				w.blind(err, lookEvery)
			}
			w.dirs[dir] = true
		}
		target, err := os.Readlink(path)
		if err != nil {
			return
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		path = target
	}
}

// longestChain is how many links are followed.
const longestChain = 8

// watchedPlugins are those that run and whose binaries are watched.
func (c *Changes) watchedPlugins() []string {
	now := c.running()
	var names []string
	for _, p := range now.graph.Processes {
		block := now.project.File.Plugins[p.Register.Plugin]
		if c.cfg.Watch || block != nil && block.Dev {
			names = append(names, p.Register.Plugin)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// swapWhen swaps a plugin whenever its binary has changed. One that changes while
// it is being swapped waits until that is done.
func (c *Changes) swapWhen(ctx context.Context, plugin string, changed <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		path, ok := c.running().catalog.Path(plugin)
		if !ok {
			continue
		}
		log := c.cfg.Logger.With("plugin", plugin, "path", path)
		log.Debug("the binary of a plugin has changed")
		record, err := c.swap(ctx, ctx, SwapRequest{Plugin: plugin, Path: path, Probation: watchedProbation})
		switch {
		case ctx.Err() != nil && errors.Is(err, context.Canceled), errors.Is(err, errEnding):
			return
		case err != nil && !errors.As(err, new(*engine.SwapError)): // which was told
			log.Error("the changed binary of a plugin was not swapped in", "error", err)
		case record.Outcome == store.SwapUnchanged:
			log.Debug("the bytes are those that run already")
		}
	}
}
