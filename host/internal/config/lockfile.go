package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// LockName is the name of the lock file, which lies beside the pipeline files.
const LockName = "penstock.lock.hcl"

// lockSuffix is how the names of lock files end, which are no pipeline files.
const lockSuffix = ".lock.hcl"

// isLockFile tells a lock file from a pipeline file.
func isLockFile(path string) bool { return strings.HasSuffix(filepath.Base(path), lockSuffix) }

// Lock is a lock file: the bytes of plugins that may run.
type Lock struct {
	Plugins map[string]*Locked

	source Source
	file   *hcl.File
	begin  []byte // what the file held when it was read; nil: it was not there
}

// Locked says which bytes of one plugin may run.
type Locked struct {
	Name, Version string
	// Digests are "sha256:" and 64 hex digits each, by platform, such as
	// linux_amd64. There are several of one platform where steps differ.
	Digests map[string][]string
	Range   Range

	// Where the file says so, for who changes it.
	version, digests hclsyntax.Expression
	values           map[string]Range
	open, close      Range
}

// ReadLock reads a lock file. Where there is none the lock is nil.
func ReadLock(path string) (*Lock, Diagnostics) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err == nil && info.Size() > MaxSize {
		err = errors.New("it is too large for a lock file")
	}
	var content []byte
	if err == nil {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, Diagnostics{{
			Severity: hcl.DiagError, Summary: "Unreadable lock file",
			Detail: fmt.Sprintf("Read %s: %v.", path, reason(err)),
		}}
	}
	lock, diags := ParseLock(Source{Name: filepath.ToSlash(filepath.Clean(path)), Bytes: content})
	lock.begin = content
	return lock, diags
}

// ParseLock reads the content of a lock file. The lock is never nil; if there are
// mistakes it is not to be relied on.
func ParseLock(source Source) (*Lock, Diagnostics) {
	l := &Lock{Plugins: make(map[string]*Locked), source: source}
	e := &evaluator{mistakes: newMistakes([]Source{source}), context: &hcl.EvalContext{}}
	file, diags := parseSource(source)
	l.file = file
	e.addAll(diags)
	body := file.Body.(*hclsyntax.Body)
	if e.failed() {
		return l, e.list()
	}
	e.shape(body, shape{what: "a lock file", blocks: []string{"plugin"}})
	seen := make(map[string]hcl.Range)
	for _, block := range body.Blocks {
		if block.Type != "plugin" || !e.labels(block, "plugin") || e.duplicate(seen, describe("plugin", block.Labels[0]), block.LabelRanges[0]) {
			continue
		}
		if err := CheckPluginName(block.Labels[0]); err != nil {
			e.errorf(&block.LabelRanges[0], "Wrong name", "%s.", capital(err.Error()))
			continue
		}
		l.Plugins[block.Labels[0]] = e.locked(block)
	}
	return l, e.list()
}

func (e *evaluator) locked(block *hclsyntax.Block) *Locked {
	body := block.Body
	e.shape(body, shape{what: "a plugin of a lock file", at: block.DefRange(), attributes: []string{"version", "sha256"}, required: []string{"sha256"}})
	p := &Locked{
		Name: block.Labels[0], Range: block.DefRange(),
		Digests: make(map[string][]string), values: make(map[string]Range), open: block.OpenBraceRange, close: block.CloseBraceRange,
	}
	if attr := body.Attributes["version"]; attr != nil {
		p.version = attr.Expr
		p.Version, _ = e.plain(attr.Expr, "version")
	}
	attr := body.Attributes["sha256"]
	if attr == nil {
		return p
	}
	p.digests = attr.Expr
	object, ok := attr.Expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		at := attr.Expr.Range()
		e.errorf(&at, "Wrong type", `sha256 is a map of platforms: { linux_amd64 = "9f86d0…" }`)
		return p
	}
	for _, item := range object.Items {
		e.lockedPlatform(p, item)
	}
	return p
}

var (
	platform = regexp.MustCompile(`^[a-z0-9]+_[a-z0-9]+$`)
	sha256   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// lockedPlatform reads the bytes of one platform: one hash, or a list of them.
func (e *evaluator) lockedPlatform(p *Locked, item hclsyntax.ObjectConsItem) {
	name, ok := e.plain(item.KeyExpr, "a platform")
	if !ok {
		return
	}
	at := item.KeyExpr.Range()
	if !platform.MatchString(name) {
		e.errorf(&at, "Wrong value", "%q is no platform: it is written as linux_amd64, the names that Go has for the system and the processor.", name)
		return
	}
	if _, again := p.values[name]; again {
		e.errorf(&at, "Duplicate name", "%s is already at %s: put several hashes into one list.", name, place(p.values[name]))
		return
	}
	p.values[name] = item.ValueExpr.Range()
	hashes := []hclsyntax.Expression{item.ValueExpr}
	if list, ok := item.ValueExpr.(*hclsyntax.TupleConsExpr); ok {
		hashes = list.Exprs
	}
	for _, expr := range hashes {
		if hash, ok := e.plain(expr, "a hash"); ok {
			p.Digests[name] = append(p.Digests[name], e.hash(expr, hash))
		}
	}
}

// plain is a text that stands in the file itself.
func (e *evaluator) plain(expr hclsyntax.Expression, what string) (string, bool) {
	if len(expr.Variables()) > 0 {
		at := expr.Range()
		e.errorf(&at, "Wrong value", "Nothing in a lock file can refer to anything: write %s in quotes, or have penstock plugin lock write it.", what)
		return "", false
	}
	value, ok := e.value(expr, cty.String, what)
	if !ok {
		return "", false
	}
	return value.AsString(), true
}

func (e *evaluator) hash(expr hclsyntax.Expression, hash string) string {
	if at := expr.Range(); !sha256.MatchString(hash) {
		e.errorf(&at, "Wrong value", "A SHA-256 hash has 64 digits from 0 to 9 and a to f; this has %d characters. penstock plugin lock writes it.", len(hash))
	}
	return digestPrefix + hash
}

// digestPrefix says what kind of hash follows.
const digestPrefix = "sha256:"

// Platforms are those that bytes of a plugin are locked for, sorted.
func (p *Locked) Platforms() []string { return slices.Sorted(maps.Keys(p.Digests)) }

// Explain returns a file that has the lock file's source only, to write its
// diagnostics with.
func (l *Lock) Explain() *File {
	f := Explain()
	f.Show(l)
	return f
}

// Show has diagnostics of a lock file written with what stands there.
func (f *File) Show(l *Lock) { f.sources[l.source.Name] = l.file }
