package view_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/engine"
)

// A backfill tells what share of its blocks is done, how fast, and how long the
// rest will take: only once it can know, and as a range where its speed changes.
func TestProgressOfABackfill(t *testing.T) {
	at := func(path engine.PathStatus, block uint64) []engine.PathStatus {
		path.State, path.From, path.To, path.Head = engine.PathBackfill, new(uint64(1000)), new(uint64(10_999)), 20_000
		path.Processes[0].Block = &block
		return []engine.PathStatus{path}
	}
	cases := map[string]struct {
		speed func(second uint64) uint64 // how far it has come
		after time.Duration
		want  []string
		not   []string
	}{
		"at once":    {func(s uint64) uint64 { return 1099 + 100*s }, 2 * time.Second, []string{"3.0 %"}, []string{"blocks/s", "left"}},
		"steady":     {func(s uint64) uint64 { return 1099 + 100*s }, 40 * time.Second, []string{"41.0 %", "100 blocks/s", "59s left"}, nil},
		"slower":     {func(s uint64) uint64 { return 1099 + 200*min(s, 30) + 20*(max(s, 30)-30) }, 40 * time.Second, []string{"s to ", " left"}, nil},
		"stands":     {func(s uint64) uint64 { return 1099 + 10*min(s, 5) }, 60 * time.Second, []string{"standing still"}, []string{"left"}},
		"is through": {func(uint64) uint64 { return 10_999 }, 10 * time.Second, nil, []string{"%", "left"}},
		"taken back": {func(s uint64) uint64 { return 5000 - 100*min(s, 30) }, 33 * time.Second, []string{"10.0 %"}, []string{"left"}},
	}
	for name, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			v := view.NewLines(&out, time.Second)
			began := time.Now()
			ctx, stop := context.WithTimeout(t.Context(), c.after)
			defer stop()
			v.Run(ctx, func() []engine.PathStatus {
				return at(picture(1)[0], c.speed(uint64(time.Since(began)/time.Second)))
			})
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			last := lines[len(lines)-1]
			for _, want := range c.want {
				if !strings.Contains(last, want) {
					t.Errorf("%s: %q is not in %s", name, want, last)
				}
			}
			for _, not := range c.not {
				if strings.Contains(last, not) {
					t.Errorf("%s: %q is in %s", name, not, last)
				}
			}
		})
	}
}
