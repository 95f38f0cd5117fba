package main_test

import (
	"os"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/config"
)

// What the README shows is what the tree holds.
func TestReadmeIsTrue(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	whale, err := os.ReadFile("../examples/whale/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(readme, "```go\n"+string(whale)+"```") {
		t.Error("the first plugin in the README is not examples/whale/main.go: copy it")
	}
	for _, block := range strings.Split(readme, "```hcl\n")[1:] {
		source, _, _ := strings.Cut(block, "```")
		if !strings.Contains(source, "pipeline ") {
			source = "network \"n\" {\n  endpoint \"e\" { url = \"http://localhost\" }\n}\npipeline \"p\" {\n  reader \"eth.logs\" \"swaps\" {}\n" + source + "}\n"
		}
		known := config.Options{Env: func(string) (string, bool) { return "http://localhost", true }}
		if _, diags := config.Parse([]config.Source{{Name: "README.md", Bytes: []byte(source)}}, known); diags.HasErrors() {
			t.Errorf("a pipeline in the README has mistakes: %v\n%s", diags, source)
		}
	}
}
