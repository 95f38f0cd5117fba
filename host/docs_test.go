package main_test

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// Every link from one page of the repository to another leads somewhere, as does
// the part behind its #.
func TestLinksOfPages(t *testing.T) {
	pages := pages(t)
	for _, page := range pages {
		for _, link := range page.links() {
			if problem := page.follow(link); problem != "" {
				t.Errorf("%s: the link %q leads nowhere: %s", page.path, link, problem)
			}
		}
	}
	if len(pages) < 20 {
		t.Errorf("%d pages were looked at: the repository has more", len(pages))
	}
}

// Every page of docs can be come to from its index, and the index from the README.
func TestIndexOfPages(t *testing.T) {
	linked := map[string]bool{}
	queue := []string{filepath.Join("..", "docs", "README.md")}
	for len(queue) > 0 {
		page := readPage(t, queue[0])
		queue = queue[1:]
		for _, link := range page.links() {
			file, _, _ := strings.Cut(link, "#")
			path := filepath.Join(filepath.Dir(page.path), file)
			if strings.Contains(link, "://") || linked[path] || filepath.Ext(path) != ".md" {
				continue
			}
			linked[path] = true
			if filepath.Base(path) == "README.md" && strings.HasPrefix(path, filepath.Join("..", "docs")) {
				queue = append(queue, path)
			}
		}
	}
	for _, page := range pages(t) {
		inDocs := strings.HasPrefix(page.path, filepath.Join("..", "docs"))
		if inDocs && !linked[page.path] && page.path != filepath.Join("..", "docs", "README.md") {
			t.Errorf("%s is in no index: link it from docs/README.md, or from the README.md beside it", page.path)
		}
	}
	if !slices.Contains(readPage(t, "../README.md").links(), "docs/README.md") {
		t.Error("the README does not lead to docs/README.md")
	}
}

// page is a file of Markdown.
type page struct{ path, text string }

// pages are all that belong to the repository.
func pages(t *testing.T) []page {
	t.Helper()
	var found []page
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != ".." && (strings.HasPrefix(entry.Name(), ".") || slices.Contains([]string{"bin", "data", "node_modules"}, entry.Name())):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			found = append(found, readPage(t, path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func readPage(t *testing.T, path string) page {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return page{path, string(text)}
}

var (
	fence   = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```")
	inline  = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
)

// links are where a page leads to, but for what stands in code.
func (p page) links() []string {
	prose := fence.ReplaceAllString(p.text, "")
	var found []string
	for _, match := range link.FindAllStringSubmatch(inline.ReplaceAllString(prose, "x"), -1) {
		found = append(found, match[1])
	}
	return found
}

// follow tells what is wrong with a link of the page; "" if it leads somewhere or
// out of the repository.
func (p page) follow(link string) string {
	target, err := url.Parse(link)
	if err != nil {
		return err.Error()
	}
	if target.Scheme != "" {
		return ""
	}
	to := p
	if target.Path != "" {
		to.path = filepath.Join(filepath.Dir(p.path), filepath.FromSlash(target.Path))
		if _, err := os.Stat(to.path); err != nil {
			return "there is no " + to.path
		}
		text, _ := os.ReadFile(to.path) // a directory has no headings
		to.text = string(text)
	}
	if target.Fragment != "" && !slices.Contains(to.anchors(), target.Fragment) {
		return to.path + " has no such heading"
	}
	return ""
}

// anchors are the names under which a page's headings are found: small letters,
// digits and dashes, as GitHub makes them.
func (p page) anchors() []string {
	var names []string
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(p.text, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, match[1])
		names = append(names, name)
	}
	return names
}
