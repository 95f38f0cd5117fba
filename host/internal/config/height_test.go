package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// heights is what a pipeline with these attributes is to read, or what is wrong
// with them.
func heights(t *testing.T, attributes string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.hcl")
	text := "network \"n\" {\n chain_id = 1\n endpoint \"e\" { url = \"http://127.0.0.1:1\" }\n}\npipeline \"p\" {\n" + attributes + "\n reader \"eth.blocks\" \"blocks\" {}\n}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, model, diags := load(t, path)
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			return d.Summary + ": " + d.Detail
		}
	}
	p := model.Pipelines[0]
	from, to := fmt.Sprint(p.From), "head"
	if p.FromLatest {
		from = "latest"
	}
	if p.Begin != "" {
		from = "mark " + string(p.Begin)
	}
	if p.To != nil {
		to = fmt.Sprint(*p.To)
	}
	if p.End != "" {
		to = "mark " + string(p.End)
	}
	if (p.PathType == registry.Backtest) != (to != "head") {
		t.Errorf("%s: the path is of type %s", attributes, p.PathType)
	}
	return from + " to " + to
}

func TestRangesAsPeopleWriteThem(t *testing.T) {
	cases := map[string]string{
		``:                                      "0 to head",
		`from = 19000000`:                       "19000000 to head",
		`from = "15.5M"`:                        "15500000 to head",
		`from = "15_500_000"`:                   "15500000 to head",
		`from = "latest"`:                       "latest to head",
		`from = -1000`:                          "mark -1000 to head",
		`from = "-1k"`:                          "mark -1k to head",
		`from = "2024-01-31"`:                   "mark 2024-01-31 to head",
		"from = 5\n to = 7":                     "5 to 7",
		"from = \"1M\"\n to = \"+1000\"":        "1000000 to 1000999",
		"from = \"-100\"\n to = \"+10\"":        "mark -100 to mark +10",
		"from = 5\n to = \"2024-01-31T12:30\"":  "5 to mark 2024-01-31T12:30",
		`range = "15.5M:15.6M"`:                 "15500000 to 15600000",
		`range = "15M:+1000"`:                   "15000000 to 15000999",
		`range = "-1000:"`:                      "mark -1000 to head",
		`range = ":100"`:                        "0 to 100",
		`range = "latest:"`:                     "latest to head",
		`range = "2024-01-01:2024-02-01"`:       "mark 2024-01-01 to mark 2024-02-01",
		`range = "2024-01-01T10:00:00Z:+5"`:     "mark 2024-01-01T10:00:00Z to mark +5",
		`range = "2024-01-01T10:00:2024-01-02"`: "mark 2024-01-01T10:00 to mark 2024-01-02",

		`from = "15.55555555M"`:           "Wrong value",
		`from = "soon"`:                   "Wrong value",
		`from = "+5"`:                     "Wrong value",
		`from = "99999999999999999999"`:   "Wrong value",
		`range = "5"`:                     "Wrong value",
		`range = "5:+0"`:                  "Wrong value",
		`range = "2024-02-01:2024-01-01"`: "Wrong range",
		`range = "9:8"`:                   "Wrong range",
		`range = "latest:+5"`:             "Wrong range",
		"range = \"1:2\"\n to = 3":        "Wrong range",
	}
	for attributes, want := range cases {
		if got := heights(t, attributes); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", attributes, got, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	want := map[config.Mark]config.Place{
		"":                          {},
		"-1.5k":                     {Behind: 1500},
		"+20":                       {Blocks: 20},
		"2024-01-31":                {Time: time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC)},
		"2024-01-31T12:00+02:00":    {},
		"2024-01-31T12:00:00+02:00": {Time: time.Date(2024, 1, 31, 10, 0, 0, 0, time.UTC)},
	}
	for mark, place := range want {
		if diff := cmp.Diff(place, mark.Place()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", mark, diff)
		}
	}
}

func TestParseBlocks(t *testing.T) {
	for text, want := range map[string]string{
		"15.5M:15.6M": "15500000 15600000 <nil>", "5:+3": "5 7 <nil>", ":9": "0 9 <nil>", "7:7": "7 7 <nil>",
		"5": "range \"5\"", "9:8": "ends before it begins", "-5:9": "two blocks", "5:": "two blocks", "latest:9": "two blocks", "2024-01-01:9": "two blocks",
	} {
		from, to, err := config.ParseBlocks(text)
		if got := fmt.Sprint(from, to, err); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestTakePlaces(t *testing.T) {
	network := &config.Network{Name: "n"}
	was := &config.Model{Pipelines: []*config.Pipeline{{Name: "a", Network: network, Begin: "-10", End: "+3", From: 90, To: new(uint64(92))}, {Name: "b", Network: network, From: 7}}}
	now := &config.Model{Pipelines: []*config.Pipeline{{Name: "b", Network: network, From: 5}, {Name: "a", Network: network, Begin: "-10", End: "+3"}}}
	now.TakePlaces(was)
	if a, b := now.Pipelines[1], now.Pipelines[0]; a.From != 90 || a.To == nil || *a.To != 92 || b.From != 5 {
		t.Errorf("got %+v and %+v", a, b)
	}
}
