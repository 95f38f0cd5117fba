package main_test

import (
	"os"
	"strings"
	"testing"
)

// The program that the README shows is one of the tree, which is built and tested.
func TestReadmeIsTrue(t *testing.T) {
	readme := readPage(t, "../README.md")
	whale, err := os.ReadFile("../examples/whale/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(readme.text, "```go\n"+string(whale)+"```") {
		t.Error("the first plugin in the README is not examples/whale/main.go: copy it")
	}
}
