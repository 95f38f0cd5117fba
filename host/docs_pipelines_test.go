package main_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/host/internal/project"
)

// Every piece of HCL in a page is what `penstock validate` finds no mistake in, and
// laid out as `penstock fmt` does it. Pieces that are not whole files are completed
// by the least that they need.
func TestPipelinesOfPages(t *testing.T) {
	if testing.Short() {
		t.Skip("every plugin is built")
	}
	asked := askPlugins(t)
	seen := 0
	for _, page := range pages(t) {
		for i, source := range page.code("hcl") {
			seen++
			t.Run(fmt.Sprintf("%s/%d", strings.TrimPrefix(filepath.ToSlash(page.path), "../"), i+1), func(t *testing.T) {
				formatted, diags := config.Format(config.Source{Name: page.path, Bytes: []byte(source)})
				if diags.HasErrors() || string(formatted) != source {
					t.Errorf("it is not laid out as penstock fmt does it (%v); that would be:\n%s", diags, formatted)
				}
				if strings.Contains(source, "sha256 = ") {
					return // a lock file, of which the tests of config have more
				}
				if problems := mistakesIn(t, asked, completed(source)); problems != nil {
					t.Errorf("%v\nwhat was checked:\n%s", problems, completed(source))
				}
			})
		}
	}
	if seen < 20 {
		t.Errorf("%d pieces of HCL were found: the pages have more", seen)
	}
}

// askPlugins builds all plugins, and the example of one, and asks what they offer.
func askPlugins(t *testing.T) *project.Project {
	t.Helper()
	whale := filepath.Join(t.TempDir(), "whale")
	run(t, filepath.Join("..", "examples", "whale"), "go", "build", "-race=false", "-o", whale, ".")
	whales := fmt.Sprintf("plugin \"whale\" {\n  path = %q\n}\n", whale)
	asked, err := project.Load(t.Context(), project.Options{
		Sources:   []config.Source{{Name: "none.hcl", Bytes: []byte(completed(whales))}},
		PluginDir: ourPlugins(t), DataDir: t.TempDir(), Dev: true, Logger: hclog.NewNullLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if asked.Diags.HasErrors() {
		t.Fatal(asked.Diags)
	}
	return asked
}

// mistakesIn are those that can be found without running anything.
func mistakesIn(t *testing.T, asked *project.Project, source string) error {
	t.Helper()
	known := config.Options{BaseDir: t.TempDir(), Env: environment}
	file, diags := config.Parse([]config.Source{{Name: "page.hcl", Bytes: []byte(source)}}, known)
	if diags.HasErrors() {
		return diags
	}
	model, diags := file.Resolve(asked.Registry)
	if diags.HasErrors() {
		return diags
	}
	if _, diags := graph.Build(model, asked.Registry, nobody{}); diags.HasErrors() {
		return diags
	}
	if diags := asked.Catalog.Check(t.Context(), model, asked.Registry); diags.HasErrors() {
		return diags
	}
	return nil
}

// environment has the address of a node, and nothing else.
func environment(name string) (string, bool) {
	return "http://localhost:8545", strings.HasPrefix(name, "ETH_")
}

// nobody gives numbers that nobody keeps.
type nobody struct{}

func (nobody) Number(string) (uint8, error) { return 1, nil }

var (
	ofPipeline = regexp.MustCompile(`(?m)^(reader|subscriber|aggregator|loader|epoch|checkpoint|poison) `)
	declared   = regexp.MustCompile(`(?m)^ *(?:reader|subscriber|aggregator|loader) "[^"]*" "([^"]*)"`)
	inputs     = regexp.MustCompile(`(?m)\binputs? *= *(.*)`)
	names      = regexp.MustCompile(`(?:^|[\[ ])([a-z_]+)\b(?:[\],}\[ ]|$)`)
	variables  = regexp.MustCompile(`\bvar\.([a-z_]+)`)
	listens    = regexp.MustCompile(`loader "(postgres|webhook|websocket)"`)
)

// stand are steps that take the place of those which a piece reads and does not
// show. Any other is a reader of logs.
var stand = map[string]string{
	"blocks": `reader "eth.blocks" "blocks" {}`,
	"logs":   `reader "eth.logs" "logs" {}`,
	"swaps":  `subscriber "uniswap.swaps" "swaps" {}`,
}

// completed makes a whole file of what a page shows of one.
func completed(source string) string {
	text := source
	var steps []string
	have := matches(declared, text)
	for _, list := range matches(inputs, text) {
		list, _, _ = strings.Cut(list, "#")
		for _, name := range matches(names, values(list)) {
			if slices.Contains(have, name) {
				continue
			}
			have = append(have, name)
			step, known := stand[name]
			if !known {
				step = fmt.Sprintf("reader \"eth.logs\" %q {}", name)
			}
			steps = append(steps, step)
		}
	}
	standing := strings.Join(steps, "\n")
	switch {
	case strings.Contains(text, "\npipeline ") || strings.HasPrefix(text, "pipeline "):
		text = strings.Replace(text, "  # ...\n", standing+"\n", 1)
		if !declared.MatchString(text) {
			text = strings.Replace(text, "pipeline \"swaps\" {\n", "pipeline \"swaps\" {\nreader \"eth.logs\" \"any\" {}\n", 1)
		}
	case ofPipeline.MatchString(text):
		text = "pipeline \"page\" {\nfrom = 1\n" + standing + "\n" + text + "}\n"
	default:
		text += "pipeline \"page\" {\nreader \"eth.logs\" \"any\" {}\n}\n"
	}
	if !strings.Contains(text, "network \"") {
		text += "network \"page\" {\n  endpoint \"node\" { url = \"http://localhost:8545\" }\n}\n"
	}
	for _, name := range matches(variables, text) {
		if block := fmt.Sprintf("variable %q {", name); !strings.Contains(text, block) {
			text += block + "\n  default = \"postgres://page@localhost:5432/page\"\n}\n"
		}
	}
	for _, plugin := range matches(listens, text) {
		if block := fmt.Sprintf("plugin %q {", plugin); !strings.Contains(text, block) {
			text += block + "\n  network = true\n}\n"
		}
	}
	return text
}

// values takes the names of ports out of the inputs of a step.
func values(inputs string) string {
	return regexp.MustCompile(`[a-z_]+ *=`).ReplaceAllString(inputs, "")
}

// matches are what the first group of an expression stands for, each once.
func matches(expression *regexp.Regexp, text string) []string {
	var found []string
	for _, match := range expression.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(found, match[1]) {
			found = append(found, match[1])
		}
	}
	return found
}

// code are the pieces of a page in a language.
func (p page) code(language string) []string {
	var pieces []string
	for _, match := range fence.FindAllStringSubmatch(p.text, -1) {
		if match[1] == language {
			pieces = append(pieces, match[2])
		}
	}
	return pieces
}
