package graph_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestRenderers(t *testing.T) {
	g, _ := build(t, pairs)
	for name, render := range map[string]func(io.Writer) error{
		"pairs.tree": g.Text, "pairs.mmd": g.Mermaid, "pairs.dot": g.DOT, "pairs.svg": g.SVG, "pairs.json": g.JSON,
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := render(&out); err != nil {
				t.Fatal(err)
			}
			golden(t, name, out.Bytes())
			if err := render(brokenWriter{}); err == nil {
				t.Error("an error of the writer was swallowed")
			}
		})
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// Names come from people: nothing that they write may break a picture.
func TestRenderersEscape(t *testing.T) {
	g, text := build(t, network+`pipeline "p" {
  reader "eth.logs" "a" { for_each = ["</text>&\"\\"] }
  loader "console" "x" { input = a }
}`)
	if text != "" {
		t.Fatal(text)
	}
	var svg, dot, mermaid, doc bytes.Buffer
	if err := errors.Join(g.SVG(&svg), g.DOT(&dot), g.Mermaid(&mermaid), g.JSON(&doc)); err != nil {
		t.Fatal(err)
	}
	for decoder := xml.NewDecoder(&svg); ; {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("SVG is not XML: %v", err)
		}
	}
	if want := `a.</text>&\"\\\nreader`; !strings.Contains(dot.String(), want) {
		t.Errorf("DOT has no %q:\n%s", want, dot.String())
	}
	if want := `a.&lt;/text&gt;&amp;&quot;\`; !strings.Contains(mermaid.String(), want) {
		t.Errorf("Mermaid has no %q:\n%s", want, mermaid.String())
	}
	if !json.Valid(doc.Bytes()) {
		t.Errorf("JSON is not valid: %s", doc.String())
	}
}
