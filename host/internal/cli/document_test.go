package cli

import (
	"bytes"
	"strings"
	"testing"
)

// One wide type does not push the notes of all others out of sight.
func TestDescribedColumnsStayNarrow(t *testing.T) {
	d := registerDocument{Name: "eth.blocks", Output: &typeDocument{Name: "eth.block", Columns: []columnDocument{
		{Name: "size", Type: "uint64", Nullable: true},
		{Name: "uncles", Type: "list<struct<" + strings.Repeat("more and ", 50) + "more>>", Nullable: true},
	}}}
	var out bytes.Buffer
	if err := d.write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n    size    uint64  may be null\n", "more>>  may be null\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
