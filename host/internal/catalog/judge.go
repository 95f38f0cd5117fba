package catalog

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/penstock-io/penstock/host/internal/config"
)

// judgements are what this host has found out about bytes that may run.
type judgements struct {
	mu       sync.Mutex
	approved map[string]bool // by plugin and digest; what has run once can be started again
	locked   bool            // there was a lock file, so there has to be one
}

func (j *judgements) has(a Artifact) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.approved[a.Plugin+" "+a.Digest]
}

func (j *judgements) approve(a Artifact) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.approved[a.Plugin+" "+a.Digest] = true
}

// wasLocked tells whether there has been a lock file, from now on also if there
// is one now.
func (j *judgements) wasLocked(now bool) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.locked = j.locked || now
	return j.locked
}

// Platform is the system and the processor that this host runs on, as lock files
// have it.
func Platform() string { return runtime.GOOS + "_" + runtime.GOARCH }

// judged refuses bytes that may not run, unless it was found out before that they
// may. What a host has begun with goes on, whatever becomes of the lock file.
func (c *Catalog) judged(a Artifact) error {
	if c.judgements.has(a) {
		return nil
	}
	return c.judge(a)
}

// judge refuses bytes that the lock file does not have, or that nobody who is
// trusted has signed, by what both are now.
func (c *Catalog) judge(a Artifact) error {
	if _, err := c.signed(a); err != nil {
		return err
	}
	if err := c.lockedBytes(a); err != nil {
		return err
	}
	c.judgements.approve(a)
	return nil
}

// unlocked tells whether a plugin may run although it is not locked.
func (c *Catalog) unlocked(plugin string) bool {
	p := c.cfg.Plugins[plugin]
	return c.cfg.Dev || c.cfg.Lock == "" || p != nil && p.Dev
}

func (c *Catalog) lockedBytes(a Artifact) error {
	if c.unlocked(a.Plugin) {
		return nil
	}
	lock, diags := config.ReadLock(c.cfg.Lock)
	if diags.HasErrors() {
		return fmt.Errorf("plugin %s cannot run, as nobody can tell what is locked: %w", a.Plugin, diags)
	}
	if !c.judgements.wasLocked(lock != nil) {
		return nil
	}
	e := &LockError{Artifact: a, File: c.cfg.Lock, Command: c.lockCommand(a.Plugin), Gone: lock == nil}
	if lock == nil {
		return e
	}
	if p := lock.Plugins[a.Plugin]; p != nil {
		e.Locked, e.Platforms = p.Digests[Platform()], p.Platforms()
	}
	if slices.Contains(e.Locked, a.Digest) {
		return nil
	}
	return e
}

// LockFile is the lock file that the catalog goes by, "" if none.
func (c *Catalog) LockFile() string { return c.cfg.Lock }

// lockCommand is what a person types to lock a plugin.
func (c *Catalog) lockCommand(plugin string) string {
	command := c.cfg.LockCommand
	if command == "" {
		command = "penstock plugin lock"
	}
	return command + " " + plugin
}

// LockError tells that bytes are not among those that the lock file lets run.
type LockError struct {
	Artifact  Artifact
	File      string   // the lock file
	Locked    []string // the digests that it has for this platform
	Platforms []string // those that it has digests of the plugin for
	Gone      bool     // the file was there when the host began
	Command   string   // locks the plugin
}

// Changed tells whether other bytes of the plugin are locked.
func (e *LockError) Changed() bool { return len(e.Locked) > 0 }

func (e *LockError) Error() string {
	a := e.Artifact
	switch {
	case e.Gone:
		return fmt.Sprintf("plugin %s may not run: %s, which was there when the host began, is gone: put it back, or make it again with %s",
			a.Plugin, e.File, e.Command)
	case e.Changed():
		return fmt.Sprintf("plugin %s has changed since it was locked: %s is %s, %s has %s: if the change is yours, lock it with %s; --dev runs what is there",
			a.Plugin, a.Source, Short(a.Digest), e.File, shortAll(e.Locked), e.Command)
	case len(e.Platforms) > 0:
		return fmt.Sprintf("plugin %s is locked for %s only, and this machine is %s: %s is %s, add it to %s with %s; --dev runs what is there",
			a.Plugin, strings.Join(e.Platforms, ", "), Platform(), a.Source, Short(a.Digest), e.File, e.Command)
	}
	return fmt.Sprintf("plugin %s is not locked: %s is %s, and %s does not have the plugin: if it is yours, lock it with %s; --dev runs what is there",
		a.Plugin, a.Source, Short(a.Digest), e.File, e.Command)
}

// Short is the beginning of a digest, enough for people to tell it from others.
func Short(digest string) string {
	const digits = 16
	if len(digest) <= len(digestPrefix)+digits {
		return digest
	}
	return digest[:len(digestPrefix)+digits]
}

func shortAll(digests []string) string {
	short := make([]string, len(digests))
	for i, d := range digests {
		short[i] = Short(d)
	}
	return strings.Join(short, " and ")
}

// Permit lets bytes that Stage has refused with a *LockError run all the same, as
// long as the catalog is open, because a person wants them locked. Lock makes it
// last.
func (c *Catalog) Permit(ctx context.Context, a Artifact) error {
	s, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer c.vault.give(s)
	if _, err := c.signed(a); err != nil {
		return err
	}
	if err := c.keep(ctx, a, s); err != nil {
		return err
	}
	c.judgements.approve(a)
	return nil
}
