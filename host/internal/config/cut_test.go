package config_test

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/config"
)

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text       string
		from       uint64
		to         uint64 // 0: none
		begin, end config.Mark
	}{
		{text: "15.5M:15.6M", from: 15_500_000, to: 15_600_000},
		{text: "15M:+1000", from: 15_000_000, to: 15_000_999},
		{text: ":100", to: 100},
		{text: "7:", from: 7},
		{text: "-1000:", begin: "-1000"},
		{text: "-1000:-100", begin: "-1000", end: "-100"},
		{text: "-1000:+10", begin: "-1000", end: "+10"},
		{text: "2024-01-01:2024-02-01", begin: "2024-01-01", end: "2024-02-01"},
	} {
		p := &config.Pipeline{From: 5, FromLatest: true, To: new(uint64(9)), Begin: "-5", End: "-1"}
		if err := p.Cut(c.text); err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		to := uint64(0)
		if p.To != nil {
			to = *p.To
		}
		if p.From != c.from || to != c.to || p.Begin != c.begin || p.End != c.end || p.FromLatest {
			t.Errorf("%s: from %d (%q) to %d (%q), latest %t", c.text, p.From, p.Begin, to, p.End, p.FromLatest)
		}
	}
	for text, want := range map[string]string{"9:5": "ends before it begins", "5": "with a colon between", "latest:": "nothing lies behind the head"} {
		p := &config.Pipeline{}
		if err := p.Cut(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}
