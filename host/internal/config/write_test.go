package config_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/config"
)

func TestReports(t *testing.T) {
	src := "network \"m\" { chain_id = 1 }\npipeline \"p\" {\n  from = \"x\"\n  reader \"eth.logs\" \"logs\" {}\n}\n"
	f, diags := config.Parse([]config.Source{{Name: "p.hcl", Bytes: []byte(src)}}, config.Options{Vars: map[string]string{"x": "1"}})
	text, err := json.Marshal(config.Reports(f.Join(diags, diags)))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"severity":"error","summary":"Unknown variable","detail":"There is no variable \"x\" to set. None is declared."},` +
		`{"severity":"warning","summary":"No endpoint","detail":"Network \"m\" has no endpoint block, so no reader can reach it.","file":"p.hcl","line":1,"column":1,"end_line":1,"end_column":12},` +
		`{"severity":"error","summary":"Wrong value","detail":"from is written as a block such as 19000000 or 15.5M, \"latest\", blocks before the head such as \"-1000\", or a date such as \"2024-01-31\".","file":"p.hcl","line":3,"column":10,"end_line":3,"end_column":13}]`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text, _ := json.Marshal(config.Reports(nil)); string(text) != "[]" {
		t.Errorf("Reports(nil): got %s, want []", text)
	}
}

func TestWriteInColour(t *testing.T) {
	f, diags := config.Parse([]config.Source{{Name: "p.hcl", Bytes: []byte("netwrk \"m\" {}\n")}}, config.Options{})
	var text bytes.Buffer
	if err := f.Write(&text, diags[:1], true, 40); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[31mError\x1b[0m: \x1b[1mUnknown block\x1b[0m\n  at \x1b[1mp.hcl:1:1\x1b[0m, in netwrk \"m\"\n" +
		"    1 | netwrk \"m\" {}\n      | \x1b[31m^^^^^^\x1b[0m\nA file has no block \"netwrk\". Did you\nmean \"network\"?\n\n"
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFormat(t *testing.T) {
	got, diags := config.Format(config.Source{Name: "p.hcl", Bytes: []byte("network \"m\" {\nchain_id=1\n  finality   = \"safe\"\n}\n")})
	if want := "network \"m\" {\n  chain_id = 1\n  finality = \"safe\"\n}\n"; string(got) != want || len(diags) > 0 {
		t.Errorf("Format: got %q, %v, want %q", got, diags, want)
	}
	got, diags = config.Format(config.Source{Name: "p.hcl", Bytes: []byte("network \"m\" {")})
	if got != nil || len(diags) == 0 || diags[0].Subject.Filename != "p.hcl" {
		t.Errorf("Format of what cannot be parsed: got %q, %v", got, diags)
	}
	file := config.Explain(config.Source{Name: "p.hcl", Bytes: []byte("network \"m\" {")})
	var text bytes.Buffer
	if err := file.Write(&text, file.Join(diags, diags), false, 0); err != nil {
		t.Fatal(err)
	}
	if got, want := text.String(), "Error: Unclosed configuration block\n  at p.hcl:1:13\n    1 | network \"m\" {\n      |             ^\n"; !strings.HasPrefix(got, want) || strings.Count(got, "Error") != 1 {
		t.Errorf("Explain: got %s, want %s", got, want)
	}
}
