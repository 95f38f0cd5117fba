package extent_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/extent"
	"github.com/penstock-io/penstock/sdk/chain"
)

var began = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// clock is a chain with a block every twelve seconds.
type clock struct {
	head  uint64
	asked int
	err   error
}

func (c *clock) Exchange(_ context.Context, r chain.Request) ([]chain.Result, error) {
	c.asked++
	if c.err != nil {
		return nil, c.err
	}
	number := c.head
	if text := strings.Split(string(r.Calls[0].Params), `"`)[1]; text != "latest" {
		number, _ = strconv.ParseUint(text, 0, 64)
	}
	at := began.Add(time.Duration(number) * 12 * time.Second)
	return []chain.Result{{Raw: fmt.Appendf(nil, `{"number":"0x%x","hash":"0x%064x","parentHash":"0x%064x","timestamp":"0x%x"}`, number, number+1, number, at.Unix())}}, nil
}

func (c *clock) Subscribe(context.Context, chain.Subscription, func([]byte) error) error {
	return errors.ErrUnsupported
}

func (c *clock) Known(context.Context, string) (map[string]uint64, error) {
	return nil, errors.ErrUnsupported
}

func (c *clock) Learn(context.Context, string, string, uint64) error { return errors.ErrUnsupported }

func pipeline(from uint64, begin, end config.Mark) *config.Pipeline {
	return &config.Pipeline{Name: "p", Network: &config.Network{Name: "n"}, From: from, Begin: begin, End: end}
}

func TestFix(t *testing.T) {
	cases := []struct {
		from       uint64
		begin, end config.Mark
		want       string
	}{
		{0, "-1", "", "100000 to head"},
		{0, "-1000", "", "99001 to head"},
		{0, "-100001", "", "0 to head"},
		{0, "-100002", "", "the chain has 100001 blocks only"},
		{0, "2024-01-01", "", "0 to head"},
		{0, "2023-01-01", "", "0 to head"},
		{0, "2024-01-02", "", "7200 to head"},
		{0, "2024-01-02T00:00:01Z", "", "7201 to head"},
		{0, "2024-01-02", "2024-01-03", "7200 to 14399"},
		{0, "2024-01-02", "+10", "7200 to 7209"},
		{5, "", "-1", "5 to 100000"},
		{5, "", "2024-01-01", "no block lies before"},
		{0, "-10", "-20", "its range has no block"},
		{0, "2034-01-01", "", "has not come to 2034-01-01T00:00:00Z yet"},
	}
	for _, c := range cases {
		p := pipeline(c.from, c.begin, c.end)
		node := &clock{head: 100_000}
		err := extent.Fix(t.Context(), []*config.Pipeline{p}, node, "", false)
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprintf("%d to head", p.From)
			if p.To != nil {
				got = fmt.Sprintf("%d to %d", p.From, *p.To)
			}
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%q to %q: got %s, want %s", c.begin, c.end, got, c.want)
		}
		if node.asked > 45 {
			t.Errorf("%q to %q: asked %d times", c.begin, c.end, node.asked)
		}
	}
}

// What was found stays, until somebody wants it anew or writes something else.
func TestFixIsKept(t *testing.T) {
	dir := t.TempDir()
	fix := func(head uint64, begin config.Mark, fresh bool) uint64 {
		t.Helper()
		p := pipeline(0, begin, "")
		if err := extent.Fix(t.Context(), []*config.Pipeline{p}, &clock{head: head}, dir, fresh); err != nil {
			t.Fatal(err)
		}
		return p.From
	}
	steps := []struct {
		head  uint64
		begin config.Mark
		fresh bool
		want  uint64
	}{{100, "-10", false, 91}, {200, "-10", false, 91}, {200, "-20", false, 181}, {250, "-10", false, 91}, {300, "-20", true, 281}, {400, "-20", false, 281}}
	for i, s := range steps {
		if got := fix(s.head, s.begin, s.fresh); got != s.want {
			t.Errorf("step %d: begins with block %d, want %d", i, got, s.want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "extents.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := extent.Fix(t.Context(), []*config.Pipeline{pipeline(0, "-1", "")}, &clock{}, dir, false)
	if err == nil || !strings.Contains(err.Error(), "delete "+dir) {
		t.Errorf("a broken file: got %v", err)
	}
}

// Where nothing is to be found nobody is asked, and who does not answer is named.
func TestFixAsksOnlyWhereItMust(t *testing.T) {
	node := &clock{err: errors.New("no answer")}
	if err := extent.Fix(t.Context(), []*config.Pipeline{pipeline(7, "", "")}, node, "", false); err != nil || node.asked != 0 {
		t.Errorf("asked %d times: %v", node.asked, err)
	}
	err := extent.Fix(t.Context(), []*config.Pipeline{pipeline(0, "-7", "")}, node, "", false)
	if err == nil || !strings.Contains(err.Error(), `pipeline p: ask for the head of network "n": no answer`) {
		t.Errorf("got %v", err)
	}
}
