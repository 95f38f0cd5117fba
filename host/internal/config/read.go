package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// MaxSize is how many bytes all files of a project may have together.
const MaxSize = 16 << 20

// Large sources are parsed in parts, so that garbage is noticed early.
const partSize = 64 << 10

// Read returns the file at path, or every *.hcl file of the directory at path
// in the order of their names, but for lock files, which are no pipeline files.
func Read(path string) ([]Source, Diagnostics) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	names := []string{path}
	if info.IsDir() {
		names, err = filepath.Glob(filepath.Join(path, "*.hcl"))
		if err != nil {
			return nil, unreadable(path, err)
		}
		names = slices.DeleteFunc(names, isLockFile)
		if len(names) == 0 {
			return nil, unreadable(path, errors.New("the directory has no file that ends in .hcl"))
		}
	}
	var sources []Source
	var total int64
	for _, name := range names {
		source, err := readFile(name, &total)
		if err != nil {
			return nil, unreadable(name, err)
		}
		sources = append(sources, source)
	}
	return sources, nil
}

func readFile(name string, total *int64) (Source, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Source{}, err
	}
	if !info.Mode().IsRegular() {
		return Source{}, errors.New("it is not a regular file")
	}
	if *total += info.Size(); *total > MaxSize {
		return Source{}, errTooLarge
	}
	content, err := os.ReadFile(name)
	return Source{Name: filepath.ToSlash(filepath.Clean(name)), Bytes: content}, err
}

var errTooLarge = fmt.Errorf("the configuration is larger than %d MiB; keep large data in other files and name them in it", MaxSize>>20)

func unreadable(path string, err error) Diagnostics {
	return Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  "Unreadable configuration",
		Detail:   fmt.Sprintf("Read %s: %v.", path, reason(err)),
	}}
}

// reason is what went wrong, without the path that the message names already.
func reason(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}

// read parses all sources and joins their bodies.
func (f *File) read(sources []Source) *hclsyntax.Body {
	joined := &hclsyntax.Body{Attributes: make(hclsyntax.Attributes)}
	total := 0
	for _, source := range sources {
		f.sources[source.Name] = &hcl.File{Bytes: source.Bytes}
		if total += len(source.Bytes); total > MaxSize {
			f.eval.errorf(atOffset(source, 0), "Configuration too large", "Read %s: %v.", source.Name, errTooLarge)
			return joined
		}
		file, diags := parseSource(source)
		f.eval.addAll(diags)
		f.sources[source.Name] = file
		body := file.Body.(*hclsyntax.Body)
		joined.Blocks = append(joined.Blocks, body.Blocks...)
		maps.Copy(joined.Attributes, body.Attributes)
	}
	return joined
}

// parseSource parses one source. What no parser should be given is refused
// before, and a large source is parsed in parts until there are more mistakes
// than anyone reads.
func parseSource(source Source) (*hcl.File, Diagnostics) {
	empty := &hcl.File{Bytes: source.Bytes, Body: &hclsyntax.Body{}}
	if diag := checkText(source); diag != nil {
		return empty, Diagnostics{diag}
	}
	layout := scan(source.Bytes)
	if layout.tooDeep >= 0 {
		return empty, Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Nested too deeply",
			Detail:   fmt.Sprintf("More than %d brackets are open or operators joined here. Is a closing bracket missing, or is this not a pipeline file?", maxDepth),
			Subject:  atOffset(source, layout.tooDeep),
		}}
	}
	if len(source.Bytes) <= 4*partSize {
		file, diags := hclsyntax.ParseConfig(source.Bytes, source.Name, hcl.InitialPos)
		return file, diags
	}
	return parseParts(source, layout.cuts)
}

func checkText(source Source) *hcl.Diagnostic {
	for at := 0; at < len(source.Bytes); {
		r, size := utf8.DecodeRune(source.Bytes[at:])
		control := r < ' ' && r != '\n' && r != '\r' && r != '\t'
		if control || r == utf8.RuneError && size == 1 {
			return &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Not a text file",
				Detail:   fmt.Sprintf("A pipeline file is UTF-8 text without control characters; the byte %#02x does not belong there.", source.Bytes[at]),
				Subject:  atOffset(source, at),
			}
		}
		at += size
	}
	return nil
}

// parseParts parses a source in parts that begin where no bracket is open.
func parseParts(source Source, cuts []int) (*hcl.File, Diagnostics) {
	body := &hclsyntax.Body{Attributes: make(hclsyntax.Attributes)}
	var diags Diagnostics
	line, begin := 1, 0
	for _, end := range append(cuts, len(source.Bytes)) {
		if end-begin < partSize && end != len(source.Bytes) {
			continue
		}
		part := source.Bytes[begin:end]
		start := hcl.Pos{Line: line, Column: 1, Byte: begin}
		parsed, more := parsePart(part, source.Name, start)
		diags = append(diags, more...)
		body.Blocks = append(body.Blocks, parsed.Blocks...)
		maps.Copy(body.Attributes, parsed.Attributes)
		if len(diags) > maxMistakes {
			break
		}
		line, begin = line+bytes.Count(part, []byte("\n")), end
	}
	return &hcl.File{Body: body, Bytes: source.Bytes}, diags
}

// parsePart parses a part. Of a very large one the first lines are tried
// before: the parser needs seconds and gigabytes for megabytes of garbage.
func parsePart(part []byte, name string, start hcl.Pos) (*hclsyntax.Body, Diagnostics) {
	if len(part) > 4*partSize {
		first := part[:bytes.LastIndexByte(part[:partSize], '\n')+1]
		if _, diags := hclsyntax.ParseConfig(first, name, start); len(diags) > maxMistakes {
			return &hclsyntax.Body{}, diags
		}
	}
	file, diags := hclsyntax.ParseConfig(part, name, start)
	return file.Body.(*hclsyntax.Body), diags
}

// atOffset is the place of one byte.
func atOffset(source Source, offset int) *hcl.Range {
	before := source.Bytes[:offset]
	lineStart := bytes.LastIndexByte(before, '\n') + 1
	at := hcl.Pos{
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: utf8.RuneCount(before[lineStart:]) + 1,
		Byte:   offset,
	}
	return &hcl.Range{Filename: source.Name, Start: at, End: at}
}
