package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// lockHead begins every lock file that is made here.
const lockHead = "# Made by penstock plugin lock. Only these bytes run.\n"

// NewLock is a lock file that is not there yet.
func NewLock(path string) *Lock {
	l, _ := ParseLock(Source{Name: filepath.ToSlash(filepath.Clean(path)), Bytes: []byte(lockHead)})
	return l
}

// Set lets these bytes of a plugin run on a platform, and no others there. What
// stands in the file besides, other platforms and comments, stays as it is.
func (l *Lock) Set(plugin, version, platform string, digests ...string) error {
	content := l.source.Bytes
	p := l.Plugins[plugin]
	if p == nil {
		content = appendPlugin(content, plugin)
		if err := l.reparse(content); err != nil {
			return err
		}
		p = l.Plugins[plugin]
	}
	content = splice(content, p.edits(content, version, platform, digests))
	return l.reparse(hclwrite.Format(content))
}

// reparse takes new content, which must be right.
func (l *Lock) reparse(content []byte) error {
	next, diags := ParseLock(Source{Name: l.source.Name, Bytes: content})
	if diags.HasErrors() {
		return fmt.Errorf("change %s: %w", l.source.Name, diags)
	}
	l.Plugins, l.source, l.file = next.Plugins, next.source, next.file
	return nil
}

func appendPlugin(content []byte, name string) []byte {
	file := hclwrite.NewEmptyFile()
	file.Body().AppendNewline()
	block := file.Body().AppendNewBlock("plugin", []string{name})
	block.Body().SetAttributeValue("version", cty.StringVal(""))
	block.Body().SetAttributeValue("sha256", cty.EmptyObjectVal)
	if len(content) > 0 && !bytes.HasSuffix(content, []byte("\n")) {
		content = append(bytes.Clone(content), '\n')
	}
	return append(bytes.Clone(content), file.Bytes()...)
}

// edit puts text in the place of a part of a file.
type edit struct {
	begin, end int
	text       string
}

func splice(content []byte, edits []edit) []byte {
	slices.SortFunc(edits, func(a, b edit) int { return b.begin - a.begin }) // from behind, so that places stay right
	for _, e := range edits {
		content = slices.Concat(content[:e.begin], []byte(e.text), content[e.end:])
	}
	return content
}

// edits are what has to change for a plugin's version and its bytes on a
// platform to be these.
func (p *Locked) edits(content []byte, version, platform string, digests []string) []edit {
	var edits []edit
	if p.version == nil {
		edits = append(edits, edit{p.open.End.Byte, p.open.End.Byte, "\n version = " + quoteHCL(version) + "\n"})
	} else {
		edits = append(edits, replaceAt(p.version.Range(), quoteHCL(version)))
	}
	value := lockValue(digests)
	if at, ok := p.values[platform]; ok {
		return append(edits, replaceAt(at, value))
	}
	object, ok := p.digests.(*hclsyntax.ObjectConsExpr)
	if !ok { // unreachable: a lock without the attribute has a mistake
		return edits
	}
	return append(edits, insertItem(content, object, platform+" = "+value))
}

func replaceAt(at hcl.Range, text string) edit { return edit{at.Start.Byte, at.End.Byte, text} }

// insertItem adds an item before the end of a map, which may be empty, in one
// line or in several, with comments behind its items or without.
func insertItem(content []byte, object *hclsyntax.ObjectConsExpr, item string) edit {
	end := object.SrcRange.End.Byte - 1 // of the closing brace
	last := object.OpenRange.End.Byte
	if n := len(object.Items); n > 0 {
		last = object.Items[n-1].ValueExpr.Range().End.Byte
	}
	between := content[last:end]
	switch {
	case bytes.ContainsRune(between, '\n'), len(object.Items) == 0:
		return edit{end, end, newline(between) + item + "\n"}
	case bytes.ContainsRune(between, ','):
		return edit{end, end, " " + item + " "}
	}
	return edit{end, end, ", " + item + " "}
}

// newline is what has to stand before something that needs a line of its own.
func newline(before []byte) string {
	if i := bytes.LastIndexByte(before, '\n'); i >= 0 && len(bytes.TrimSpace(before[i:])) == 0 {
		return ""
	}
	return "\n"
}

// lockValue writes hashes as they stand in a lock file.
func lockValue(digests []string) string {
	quoted := make([]string, len(digests))
	for i, d := range digests {
		quoted[i] = quoteHCL(strings.TrimPrefix(d, digestPrefix))
	}
	if len(quoted) == 1 {
		return quoted[0]
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func quoteHCL(text string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(text)).Bytes())
}

// Bytes is the content of the file.
func (l *Lock) Bytes() []byte { return l.source.Bytes }

// Write writes the file at once or not at all, unless somebody has changed it
// since it was read.
func (l *Lock) Write() (err error) {
	path := filepath.FromSlash(l.source.Name)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", l.source.Name, reason(err))
		}
	}()
	mode := os.FileMode(0o644)
	now, err := os.ReadFile(path)
	switch {
	case err == nil && (l.begin == nil || !bytes.Equal(now, l.begin)):
		return errors.New("it has changed since it was read: try again")
	case err == nil:
		if info, err := os.Stat(path); err == nil {
			mode = info.Mode().Perm()
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".penstock-lock-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	_, err = file.Write(l.source.Bytes)
	if err == nil {
		err = errors.Join(file.Chmod(mode), file.Sync())
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err = os.Rename(file.Name(), path); err == nil {
		l.begin = l.source.Bytes
	}
	return err
}
