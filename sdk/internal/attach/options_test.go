package attach_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk/internal/attach"
)

func TestParse(t *testing.T) {
	tests := []struct {
		line string
		want attach.Options
	}{
		{"bin/plugins/whale --attach", attach.Options{Dir: ".penstock", Name: "whale"}},
		{"./whale -attach", attach.Options{Dir: ".penstock", Name: "whale"}},
		{"./whale --attach=../data", attach.Options{Dir: "../data", Name: "whale"}},
		{"whale.exe --attach", attach.Options{Dir: ".penstock", Name: "whale"}},
		{"__debug_bin123 --attach --attach-name whale", attach.Options{Dir: ".penstock", Name: "whale"}},
		{
			"./whale --attach --attach-name=wal --attach-step a/b --attach-step=c",
			attach.Options{Dir: ".penstock", Name: "wal", Steps: []string{"a/b", "c"}},
		},
	}
	for _, test := range tests {
		got, wanted, err := attach.Parse(strings.Fields(test.line))
		if err != nil || !wanted {
			t.Errorf("%s: wanted %t, %v", test.line, wanted, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.line, diff)
		}
	}
}

// What is not about attaching may be the author's own.
func TestParseLeavesOthersAlone(t *testing.T) {
	for _, line := range []string{"", "whale", "whale attach", "whale --verbose", "whale --attachment", "whale -- x"} {
		if o, wanted, err := attach.Parse(strings.Fields(line)); wanted || err != nil {
			t.Errorf("%q: got %+v, %t, %v", line, o, wanted, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for line, want := range map[string]string{
		"whale --attach ../data":                "written as --attach=../data",
		"whale --attach-name wal":               "go with --attach",
		"whale --attach --attach-nam wal":       "-attach-nam",
		"/tmp/__debug_bin3321 --attach":         "__debug_bin3321 is a name that a debugger has made: add --attach-name NAME",
		"whale --attach --attach-step":          "needs an argument",
		"__debug_bin --attach --attach-name=":   "add --attach-name",
		"whale --attach --attach-name w stray ": `"stray" stands there too much`,
	} {
		_, wanted, err := attach.Parse(strings.Fields(line))
		if !wanted || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %t, %v, want %q", line, wanted, err, want)
		}
	}
}
