package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk/remote"
)

// Artifact is the bytes of one version of a plugin. They are in the host's store
// if it has a data directory, and in sealed memory while the catalog is open.
type Artifact struct {
	Plugin  string `json:"plugin"`
	Version string `json:"version,omitempty"` // as the plugin describes itself, "" until it was asked
	Digest  string `json:"digest"`            // "sha256:" and 64 hex digits
	Size    int64  `json:"size"`
	Source  string `json:"source"` // the file that the bytes came from
}

func artifactOf(plugin, source string, s *sealed) Artifact {
	return Artifact{Plugin: plugin, Digest: s.digest, Size: s.size, Source: source}
}

const (
	settleFor   = 200 * time.Millisecond // how long a file must stay the same to be taken for finished
	settleAtAll = 10 * time.Second       // how long that may take
)

// Stage takes in the bytes at a path, to run beside or instead of what runs now,
// which it leaves alone. It waits until the file has settled; refused are
// directories, programs for other machines, files that are cut off or keep
// changing, bytes that are not signed where they have to be, and, with a
// *LockError and the artifact all the same, those that are not locked.
func (c *Catalog) Stage(ctx context.Context, plugin, path string) (Artifact, error) {
	if err := config.CheckPluginName(plugin); err != nil {
		return Artifact{}, err
	}
	s, err := c.settled(ctx, plugin, path)
	if err != nil {
		return Artifact{}, err
	}
	defer c.vault.give(s)
	if err := checkProgram(plugin, path, s); err != nil {
		return Artifact{}, err
	}
	a := artifactOf(plugin, path, s)
	if err := c.judge(a); err != nil {
		return a, err
	}
	return a, c.keep(ctx, a, s)
}

// keep puts the bytes of an artifact into the store, with their signature.
func (c *Catalog) keep(ctx context.Context, a Artifact, s *sealed) error {
	err := c.vault.put(ctx, s)
	if err == nil {
		err = c.keepSignature(a)
	}
	if err != nil {
		return fmt.Errorf("keep plugin %s in %s: %w", a.Plugin, c.vault.dir, err)
	}
	return nil
}

func checkProgram(plugin, path string, s *sealed) error {
	return remote.CheckProgram(remote.Config{Name: plugin, Path: path}, s.file, s.size)
}

// settled seals a file once it has been the same for a while: a copy that is
// under way is not taken for the whole.
func (c *Catalog) settled(ctx context.Context, plugin, path string) (*sealed, error) {
	pause := time.NewTimer(settleFor)
	defer pause.Stop()
	var last *sealed
	for begin := time.Now(); ; {
		s, torn, err := c.vault.readOnce(ctx, plugin, path)
		if last != nil {
			c.vault.give(last)
		}
		switch {
		case err != nil:
			return nil, err
		case !torn && last != nil && s.digest == last.digest:
			return s, nil
		case torn && time.Since(begin) > settleAtAll:
			return nil, errUnsettled(path)
		case last != nil && time.Since(begin) > settleAtAll:
			c.vault.give(s)
			return nil, errUnsettled(path)
		}
		last = s
		pause.Reset(settleFor)
		select {
		case <-pause.C:
		case <-ctx.Done():
			if last != nil {
				c.vault.give(last)
			}
			return nil, fmt.Errorf("wait until %s has settled: %w", path, context.Cause(ctx))
		}
	}
}

func errUnsettled(path string) error {
	return fmt.Errorf("%s keeps changing for more than %s: try again when the copy has ended", path, settleAtAll)
}

// Current is what Start would run for a step, or where step is "" for no step in
// particular. It is in the store then.
func (c *Catalog) Current(plugin, step string) (Artifact, error) {
	ctx := context.Background()
	a, err := c.resolve(ctx, plugin, step)
	if err != nil {
		return Artifact{}, err
	}
	s, err := c.open(ctx, a)
	if err != nil {
		return Artifact{}, err
	}
	defer c.vault.give(s)
	return a, c.keep(ctx, a, s)
}

// open finds the bytes of an artifact: in memory, in the store, or where they
// came from. The caller gives them back.
func (c *Catalog) open(ctx context.Context, a Artifact) (*sealed, error) {
	if s := c.vault.take(a.Digest); s != nil {
		return s, nil
	}
	s, damaged := c.vault.load(ctx, a.Plugin, a.Digest)
	if damaged == nil {
		return s, nil
	}
	s, err := c.vault.read(ctx, a.Plugin, a.Source)
	if err == nil && s.digest == a.Digest {
		return s, nil
	}
	if err == nil {
		err = fmt.Errorf("%s now holds %s", a.Source, s.digest)
		c.vault.give(s)
	}
	if !errors.Is(damaged, fs.ErrNotExist) {
		err = damaged
	}
	return nil, fmt.Errorf("start plugin %s: its bytes %s are not there any more: %w", a.Plugin, a.Digest, err)
}

// DescribeArtifact asks bytes that need not be in use what they offer.
func (c *Catalog) DescribeArtifact(ctx context.Context, a Artifact) Description {
	d := Description{Name: a.Plugin, Path: a.Source, Digest: a.Digest}
	start := func() (*remote.Plugin, error) {
		return c.StartArtifact(ctx, a, Start{Plugin: a.Plugin, Logger: c.cfg.Logger})
	}
	d.Err = c.asked(ctx, a.Plugin, start, func(p *remote.Plugin) (err error) {
		d.Description, err = p.Describe(ctx)
		return err
	})
	return d
}

// Collect removes the bytes that nothing names from the store and from memory,
// and what was never finished. What Start would run stays, what the lock file
// has, and what keep names: digests of the history and of swaps that are under
// way.
func (c *Catalog) Collect(keep ...string) error {
	kept := map[string]bool{}
	for _, digest := range slices.Concat(keep, c.lockedDigests()) {
		kept[digest] = true
	}
	running := c.inUse()
	if err := c.vault.sweep(func(digest string) bool { return kept[digest] || running[digest] }); err != nil {
		return fmt.Errorf("remove plugins that nothing names from %s: %w", c.vault.dir, err)
	}
	c.vault.forget(func(digest string) bool { return running[digest] })
	return nil
}

// Close lets go of the bytes in memory. Plugins that run go on; none can be
// started any more.
func (c *Catalog) Close() { c.vault.close() }
