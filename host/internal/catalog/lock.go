package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/penstock-io/penstock/host/internal/config"
)

// LockChange is what became of a plugin in the lock file.
type LockChange struct {
	Plugin, Version string
	Change          Change
	Digests         []string // that are locked now
	Before          []string // that were
	Err             error    // why it was not locked
}

// Change is what became of something.
type Change string

// What becomes of a plugin that is to be locked.
const (
	Added   Change = "added"
	Changed Change = "changed"
	Same    Change = "same"
	Failed  Change = "failed"
)

// LockPlugins puts what runs of some plugins into the lock file, and makes the
// file if it is not there. Version is what each plugin has said of itself. A
// plugin that does not answer is left out, and its change says why.
func (c *Catalog) LockPlugins(descriptions []Description) ([]LockChange, error) {
	lock, err := c.readLock()
	if err != nil {
		return nil, err
	}
	changes := make([]LockChange, 0, len(descriptions))
	touched := false
	for _, d := range descriptions {
		change := c.lockPlugin(lock, d)
		touched = touched || change.Change == Added || change.Change == Changed
		changes = append(changes, change)
	}
	if !touched {
		return changes, nil
	}
	if err := lock.Write(); err != nil {
		return changes, err
	}
	c.judgements.wasLocked(true)
	return changes, nil
}

// readLock reads the lock file, or begins a new one.
func (c *Catalog) readLock() (*config.Lock, error) {
	lock, diags := config.ReadLock(c.cfg.Lock)
	if diags.HasErrors() {
		return nil, diags
	}
	if lock == nil {
		lock = config.NewLock(c.cfg.Lock)
	}
	return lock, nil
}

func (c *Catalog) lockPlugin(lock *config.Lock, d Description) LockChange {
	change := LockChange{Plugin: d.Name, Version: d.Version, Change: Failed, Err: d.Err}
	if change.Err != nil {
		return change
	}
	change.Digests = c.digests(d.Name)
	version := ""
	if p := lock.Plugins[d.Name]; p != nil {
		change.Before, version = p.Digests[Platform()], p.Version
	}
	switch {
	case len(change.Before) == 0:
		change.Change = Added
	case !slices.Equal(change.Before, change.Digests) || version != d.Version:
		change.Change = Changed
	default:
		change.Change = Same
		return change
	}
	if change.Err = lock.Set(d.Name, d.Version, Platform(), change.Digests...); change.Err != nil {
		change.Change = Failed
	}
	return change
}

// digests are those of what runs of a plugin that was found: what most steps run
// first, then those of the others.
func (c *Catalog) digests(plugin string) []string {
	l := c.choices.lanes[plugin]
	l.mu.Lock()
	defer l.mu.Unlock()
	var digests []string
	for _, a := range l.all() {
		if !slices.Contains(digests, a.Digest) {
			digests = append(digests, a.Digest)
		}
	}
	return digests
}

// all is everything that a lane that has found its file runs, in a fixed order.
func (l *lane) all() []Artifact {
	all := []Artifact{l.runs("")}
	if l.choice == nil {
		return all
	}
	for _, step := range slices.Sorted(maps.Keys(l.choice.Steps)) {
		all = append(all, l.choice.Steps[step])
	}
	return all
}

// LockFirst makes the lock file of what is there now, if nobody has made one. It
// tells whether it did; what it has put there then runs, and nothing else.
func (c *Catalog) LockFirst(descriptions []Description) ([]LockChange, error) {
	if c.cfg.Dev || c.cfg.Lock == "" {
		return nil, nil
	}
	if _, err := os.Stat(c.cfg.Lock); !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	answered := slices.DeleteFunc(slices.Clone(descriptions), func(d Description) bool { return d.Err != nil })
	if len(answered) == 0 {
		return nil, nil
	}
	return c.LockPlugins(answered)
}

// Lock puts the bytes that run of a plugin into the lock file, in place of those
// that it had there for this platform: those that Use has named, if it was called.
// Where there is no lock file there is nothing to do.
func (c *Catalog) Lock(plugin string) error {
	if c.unlocked(plugin) {
		return nil
	}
	a, err := c.resolve(context.Background(), plugin, "")
	if err != nil {
		return err
	}
	lock, diags := config.ReadLock(c.cfg.Lock)
	if diags.HasErrors() {
		return diags
	}
	if lock == nil && !c.judgements.wasLocked(false) {
		return nil
	}
	if lock == nil {
		lock = config.NewLock(c.cfg.Lock)
	}
	version := a.Version
	if p := lock.Plugins[plugin]; p != nil {
		version = cmp.Or(version, p.Version)
	}
	if err := lock.Set(plugin, version, Platform(), c.digests(plugin)...); err != nil {
		return err
	}
	return lock.Write()
}

// lockedDigests are all that the lock file has for this platform.
func (c *Catalog) lockedDigests() []string {
	if c.cfg.Lock == "" {
		return nil
	}
	lock, diags := config.ReadLock(c.cfg.Lock)
	if lock == nil || diags.HasErrors() {
		return nil // it is told where it matters
	}
	var digests []string
	for _, p := range lock.Plugins {
		digests = append(digests, p.Digests[Platform()]...)
	}
	return digests
}

// State is how a plugin stands to the lock file.
type State string

// The states of a plugin.
const (
	LockOK       State = "ok"
	LockChanged  State = "changed"
	LockNone     State = "not locked"
	LockElse     State = "other platform only"
	LockMissing  State = "missing"
	LockUnusable State = "unusable"
	LockDev      State = "dev" // it need not be locked
)

// Verdict is how one plugin stands to the lock file and to those who are trusted.
type Verdict struct {
	Plugin  string
	Version string // that is locked
	Path    string // of the file that runs
	Digest  string
	Locked  []string // for this platform
	State   State
	Signer  string // the key that has signed it, "" if none has
	Err     error  // what is wrong, nil if nothing is
}

// Verify looks at every plugin that is here or in the lock file, without running
// any. Where there is no lock file the error is fs.ErrNotExist.
func (c *Catalog) Verify(ctx context.Context) ([]Verdict, error) {
	lock, diags := config.ReadLock(c.cfg.Lock)
	if diags.HasErrors() {
		return nil, diags
	}
	if lock == nil {
		return nil, &noLockError{c.cfg.Lock, cmp.Or(c.cfg.LockCommand, "penstock plugin lock")}
	}
	names := c.Names()
	for name := range lock.Plugins {
		if _, here := c.binaries[name]; !here {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var verdicts []Verdict
	for _, name := range names {
		verdicts = append(verdicts, c.verify(ctx, name, lock.Plugins[name])...)
	}
	return verdicts, ctx.Err()
}

// noLockError tells that there is no lock file to compare with.
type noLockError struct{ file, command string }

func (e *noLockError) Error() string {
	return fmt.Sprintf("there is no %s: make it with %s", e.file, e.command)
}

func (e *noLockError) Unwrap() error { return fs.ErrNotExist }

// verify looks at all bytes of one plugin that run.
func (c *Catalog) verify(ctx context.Context, name string, locked *config.Locked) []Verdict {
	v := Verdict{Plugin: name, Path: c.binaries[name]}
	if locked != nil {
		v.Version, v.Locked = locked.Version, locked.Digests[Platform()]
	}
	if v.Path == "" {
		v.State, v.Err = LockMissing, fmt.Errorf("plugin %s is locked, but not in %s: install it, or take its block out of %s", name, c.cfg.Dir, c.cfg.Lock)
		return []Verdict{v}
	}
	if _, err := c.found(ctx, name); err != nil {
		v.State, v.Err = LockUnusable, err
		return []Verdict{v}
	}
	l := c.choices.lanes[name]
	l.mu.Lock()
	all := l.all()
	l.mu.Unlock()
	var verdicts []Verdict
	for _, a := range all {
		if !slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Digest == a.Digest }) {
			verdicts = append(verdicts, c.verdict(v, a))
		}
	}
	return verdicts
}

func (c *Catalog) verdict(v Verdict, a Artifact) Verdict {
	v.Path, v.Digest, v.State = a.Source, a.Digest, LockOK
	var signing, locking error
	v.Signer, signing = c.signed(a)
	locking = c.lockedBytes(a)
	e := (*LockError)(nil)
	switch {
	case c.unlocked(a.Plugin) && !slices.Contains(v.Locked, a.Digest):
		v.State = LockDev
	case locking == nil:
	case errors.As(locking, &e) && e.Changed():
		v.State = LockChanged
	case e != nil && len(e.Platforms) > 0:
		v.State = LockElse
	default:
		v.State = LockNone
	}
	v.Err = errors.Join(locking, signing)
	return v
}
